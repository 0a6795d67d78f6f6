--- What each public module calls first: an interpreter that is not LuaJIT is told so.  Any Lua can
-- read this file; the others only LuaJIT.

local M = {}

--- Raise if this is not LuaJIT.
function M.check()
  if type(jit) ~= "table" then
    error("tidegate needs LuaJIT, and this is " .. _VERSION .. "; run it with luajit", 0)
  elseif not pcall(require, "ffi") then
    error("tidegate needs LuaJIT with its FFI library, without which this one was built", 0)
  end
end

return M

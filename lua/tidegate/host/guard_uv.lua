--- luv, with callbacks whose errors are reported.  luv itself ends the process at an error in a
--- callback, and a policy that is trusted may have some.
--
-- The functions are replaced in the module and in the metatables of its handles, so that it does
-- not matter how a callback gets there.  The finalizers of the FFI are ways into Lua, too.

local ffi = require "ffi"
local uv = require "luv"

local M = {}

-- Their functions run in other Lua states, where an error ends only the thread.
local in_threads = { new_thread = true, new_work = true }

--- Calls a function, and reports its error.
---@type fun(callback: function, ...)
local call

--- Whether luv calls a value.
local function is_callable(value)
  local meta = type(value) ~= "function" and debug.getmetatable(value)
  return type(value) == "function" or (type(meta) == "table" and meta.__call ~= nil)
end

local function guarded(callback)
  return function(...)
    call(callback, ...)
  end
end

--- The arguments, those that luv calls guarded.
local function guard(left, first, ...)
  if left == 0 then
    return
  elseif left == 1 then
    return is_callable(first) and guarded(first) or first
  end
  return is_callable(first) and guarded(first) or first, guard(left - 1, ...)
end

local function wrap(original)
  return function(...)
    return original(guard(select("#", ...), ...))
  end
end

local function wrap_all(functions)
  for name, original in pairs(functions) do
    if type(original) == "function" and not in_threads[name] then
      functions[name] = wrap(original)
    end
  end
end

--- Replace the functions, once.
---@param through fun(callback: function, ...) calls a function, and reports its error
function M.install(through)
  if call then
    call = through
    return
  end
  call = through
  wrap_all(uv)
  for name, meta in pairs(debug.getregistry()) do
    if type(name) == "string" and name:find "^uv_" and type(meta) == "table"
      and type(meta.__index) == "table" then
      wrap_all(meta.__index)
    end
  end
  local new_work, gc = uv.new_work, ffi.gc
  function uv.new_work(work, after)
    return new_work(work, guarded(after))
  end
  function ffi.gc(object, finalizer)
    return gc(object, type(finalizer) == "function" and guarded(finalizer) or finalizer)
  end
end

return M

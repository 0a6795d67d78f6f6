--- The prompt's share of C: the line editor and the noted signals of repl/repl.h.

local ffi = require "ffi"
local library = require "tidegate.ffi"

-- A reloaded module finds the declarations of the first load.
if not pcall(function() return ffi.C.TG_LINE_PENDING end) then
  local found, declarations = pcall(require, "tidegate.repl.cdef")
  if not found then
    error("tidegate: this installation has no prompt, which LuaRocks leaves out: install it with make install", 0)
  end
  ffi.cdef(declarations)
end

local path = library.locate "libtidegate-repl.so.0"
local ok, C = pcall(ffi.load, path)
if not ok then
  error(("tidegate: %s; the prompt needs libedit: apt-get install libedit2"):format(C), 0)
end
return C

--- The C library of the prompt: the line editor of repl/repl.h.

local ffi = require "ffi"
local library = require "tidegate.ffi"

-- If the module is loaded again, the declarations of the first load are still there.
if not pcall(function() return ffi.C.TG_LINE_PENDING end) then
  local found, declarations = pcall(require, "tidegate.repl.cdef")
  if not found then
    error("tidegate: this installation has no prompt, because LuaRocks leaves it out; "
      .. "install it with: make install", 0)
  end
  ffi.cdef(declarations)
end

local path = library.locate "libtidegate-repl.so.0"
local ok, C = pcall(ffi.load, path)
if not ok then
  error(("tidegate: %s; the prompt needs libedit; install it with: apt-get install libedit2")
    :format(C), 0)
end
return C

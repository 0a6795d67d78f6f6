--- A number that a process shares with the processes that are forked from it.

local ffi = require "ffi"

local M = {}

if not pcall(ffi.typeof, "struct tg_lua_shared") then
  ffi.cdef [[
    struct tg_lua_shared { double number; };
    void *tg_lua_mmap(void *at, size_t bytes, int protection, int flags, int fd,
                      long offset) __asm__("mmap");
    int tg_lua_munmap(void *at, size_t bytes) __asm__("munmap");
  ]]
end

local READ_WRITE, SHARED_ANONYMOUS = 3, 0x21
local BYTES = ffi.sizeof "struct tg_lua_shared"

--- A new shared number, 0.  Its memory goes away with the last process that uses it.
---@return { number: number }|nil
---@return string|nil message
---@return integer|nil errno
function M.new()
  local at = ffi.C.tg_lua_mmap(nil, BYTES, READ_WRITE, SHARED_ANONYMOUS, -1, 0)
  if ffi.cast("intptr_t", at) == -1 then
    return nil, "no memory to share with other processes", ffi.errno()
  end
  local shared = ffi.cast("struct tg_lua_shared *", at)
  return ffi.gc(shared, function(own) ffi.C.tg_lua_munmap(own, BYTES) end)
end

return M

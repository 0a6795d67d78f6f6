--- One change at a time, of all workers: what a change depends on (If-Match, the list that a PATCH
--- changes) must not change under it.
--
-- A record lock on a file without a name, which the master makes before it first forks.  The kernel
-- lets go of it when its holder dies.  While it is held, nothing may wait: all requests of a worker
-- have the same lock.

local ffi = require "ffi"

local C = ffi.C

ffi.cdef [[
  struct tidegate_flock { short type, whence; long start, length; int pid; };
  int tidegate_memfd_create(const char *, unsigned) __asm__("memfd_create");
  long tidegate_readlink(const char *, char *, size_t) __asm__("readlink");
  int tidegate_lock(int, int, struct tidegate_flock *) __asm__("fcntl");
]]

local M = {}

local MFD_CLOEXEC, F_SETLKW = 1, 7
local F_WRLCK, F_UNLCK = 1, 2
local EINTR = 4

local NAME = "tidegate-admin"
local MOST_FILES = 1024

local file = -1

--- The file that the Lua state before a reload has made: workers of both need the same one.
local function made_before()
  local text = ffi.new "char[64]"
  for descriptor = 0, MOST_FILES do
    local length = C.tidegate_readlink("/proc/self/fd/" .. descriptor, text, 64)
    if length > 0 and ffi.string(text, length) == ("/memfd:%s (deleted)"):format(NAME) then
      return descriptor
    end
  end
end

--- Make the lock, before the workers are forked.
function M.make()
  file = made_before() or C.tidegate_memfd_create(NAME, MFD_CLOEXEC)
end

local function set(kind)
  local lock = ffi.new("struct tidegate_flock", kind)
  while C.tidegate_lock(file, F_SETLKW, lock) ~= 0 do
    if ffi.errno() ~= EINTR then
      error("cannot lock: errno " .. ffi.errno(), 0)
    end
  end
end

--- Call a function while no other change is made.
---@generic T
---@param work fun(): T
---@return T
function M.hold(work)
  set(F_WRLCK)
  local ok, result = pcall(work)
  set(F_UNLCK)
  if not ok then
    error(result, 0)
  end
  return result
end

return M

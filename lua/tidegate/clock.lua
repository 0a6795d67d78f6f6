--- Clocks: monotonic ones, with and without suspend, and the time of day.

local ffi = require "ffi"

local M = {}

-- A struct and a name of our own, because another module may have declared clock_gettime().
if not pcall(ffi.typeof, "struct tg_lua_timespec") then
  ffi.cdef [[
    struct tg_lua_timespec { long seconds, nanoseconds; };
    int tg_lua_clock_gettime(int clock, struct tg_lua_timespec *now) __asm__("clock_gettime");
  ]]
end

local CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME = 0, 1, 7
local timespec = ffi.new "struct tg_lua_timespec"

local function read(which)
  ffi.C.tg_lua_clock_gettime(which, timespec)
  return tonumber(timespec.seconds) + tonumber(timespec.nanoseconds) / 1e9
end

--- Seconds of the kernel's monotonic clock, the clock of events and timers.
---@return number
function M.monotonic()
  return read(CLOCK_MONOTONIC)
end

--- Seconds from 1970 to the zero of the monotonic clock.
---@return number
function M.epoch()
  return read(CLOCK_REALTIME) - read(CLOCK_MONOTONIC)
end

--- Seconds from 1970 to the zero of the boot-time clock, which goes on while the machine is
--- suspended: the clock of counters.
---@return number
function M.boot_epoch()
  return read(CLOCK_REALTIME) - read(CLOCK_BOOTTIME)
end

return M

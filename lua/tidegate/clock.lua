--- Clocks: the one of timers, and the time of day of the one of events.

local ffi = require "ffi"
local library = require "tidegate.ffi"

local M = {}

-- A struct and a name of our own, because another module may have declared clock_gettime().
if not pcall(ffi.typeof, "struct tg_lua_timespec") then
  ffi.cdef [[
    struct tg_lua_timespec { long seconds, nanoseconds; };
    int tg_lua_clock_gettime(int clock, struct tg_lua_timespec *now) __asm__("clock_gettime");
  ]]
end

local CLOCK_MONOTONIC = 1
local timespec = ffi.new "struct tg_lua_timespec"

--- Seconds of the kernel's monotonic clock, the clock of timers.
---@return number
function M.monotonic()
  ffi.C.tg_lua_clock_gettime(CLOCK_MONOTONIC, timespec)
  return tonumber(timespec.seconds) + tonumber(timespec.nanoseconds) / 1e9
end

--- Seconds from 1970 to the zero of the clock of events and counters, which goes on while the
--- machine is suspended.
---@return number
function M.epoch()
  return tonumber(library.C.tg_unix_ns(0)) / 1e9
end

return M

--- The signals that would end this process, and that a loop of libuv can catch instead.
--
-- Nobody can catch SIGKILL and SIGSTOP. Of the others, these are left alone: those that stop and
-- continue a process; those that the processor raises for a fault, because after that nothing can
-- go on (SIGSEGV, SIGBUS, SIGILL, SIGFPE); 32 and 33, which libc keeps for itself.

local uv = require "luv"

local M = {}

local names = {
  "HUP", "INT", "QUIT", "TRAP", "ABRT", "USR1", "USR2", "ALRM", "TERM", "STKFLT", "XCPU", "VTALRM",
  "PROF", "IO", "PWR", "SYS",
}
local FIRST_REAL_TIME, LAST = 34, 64

--- Their numbers.
---@type integer[]
M.ending = {}
for index, name in ipairs(names) do
  M.ending[index] = uv.constants["SIG" .. name]
end
for number = FIRST_REAL_TIME, LAST do
  M.ending[#M.ending + 1] = number
end

--- From now on, a write that fails only fails: SIGPIPE, and SIGXFSZ for a file that reaches the
--- limit of `ulimit -f`, do not end this process.
function M.survive_failed_writes()
  for _, name in ipairs { "sigpipe", "sigxfsz" } do
    uv.new_signal():start(name, function() end)
  end
end

return M

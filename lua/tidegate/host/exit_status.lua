--- The exit statuses of the command, and the kinds of failure that they stand for.
--
-- A program that `run` or sh() runs has statuses of its own, such as 1 or 2. So under `run` every
-- failure of Tidegate itself is 125, as with env, timeout and docker.

local M = {
  OK = 0,
  NO = 1,
  USAGE = 2,
  KERNEL = 3,
  OWN_FAILURE = 125,
  NOT_EXECUTABLE = 126,
  NOT_FOUND = 127,
  SIGNAL = 128, -- plus the number of the signal that ended the program
}

--- What can fail. With --json a failure names its kind; "command" is one, too, for 126 and 127.
M.kinds = {
  policy = M.NO,
  unexpected = M.NO,
  usage = M.USAGE,
  kernel = M.KERNEL,
  gone = M.KERNEL,
}

--- The statuses, for the manual: of `run`, and of the other commands.
M.of_run = {
  { "that of CMD", "CMD ran to its end" },
  { "125", "Tidegate itself failed: the policy, the usage, the kernel, missing privileges" },
  { "126", "CMD cannot be executed" },
  { "127", "there is no such CMD" },
  { "128 + N", "signal N ended CMD" },
}
M.of_others = {
  { "0", "it worked; the answer is yes" },
  { "1", "the answer is no, or the policy has errors" },
  { "2", "wrong usage" },
  { "3", "the kernel refused, privileges are missing, or the cgroups of `serve` are gone" },
  { "125", "Tidegate is not installed completely, or has an error of its own" },
}

--- The exit status of a failure.
---@param kind "policy"|"unexpected"|"usage"|"kernel"|"gone"
---@param command string|nil the name of the command that failed
---@return integer
function M.of(kind, command)
  return command == "run" and M.OWN_FAILURE or M.kinds[kind]
end

return M

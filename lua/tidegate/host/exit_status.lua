--- Exit statuses of the command. `run` and `sh` also pass on the status of the program they ran.
return {
  OK = 0,
  POLICY_ERROR = 1,
  USAGE_ERROR = 2,
  KERNEL_REFUSED = 3,
  NOT_EXECUTABLE = 126,
  NOT_FOUND = 127,
  SIGNAL = 128, -- plus the number of the signal that ended the program
}

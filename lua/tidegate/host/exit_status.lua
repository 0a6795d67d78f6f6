--- Exit statuses.  Beside them: a command's own, and 128 + the number of a signal.
return {
  OK = 0,
  POLICY_ERROR = 1,
  USAGE_ERROR = 2,
  KERNEL_REFUSED = 3,
  NOT_EXECUTABLE = 126,
  NOT_FOUND = 127,
  SIGNAL = 128,
}

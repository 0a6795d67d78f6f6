--- "permission denied" of luv's "EACCES: permission denied: /sys/fs/cgroup/x":
--- who passes it on names the thing in its own words.
---@param message string|nil
---@return string|nil
return function(message)
  return message and (message:match "^[%u%d]+: ([^:]+)" or message)
end

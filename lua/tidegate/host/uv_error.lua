--- Shorten a message of luv: "EACCES: permission denied: /sys/fs/cgroup/x" becomes
--- "permission denied". The caller names the file in its own words.
---@param message string|nil
---@return string|nil
return function(message)
  return message and (message:match "^[%u%d]+: ([^:]+)" or message)
end

--- The controlling terminal: whether its signals reach our children, and whether a hangup ends us.

local ffi = require "ffi"
local uv = require "luv"

ffi.cdef [[
int getpgrp(void);
int tcgetpgrp(int fd);
]]

local M = {}

--- Whether the keys of the terminal (Ctrl-C, Ctrl-\) signal this process's group, and with it
--- the commands that this process started in the group.
---@return boolean
function M.signals_us()
  local fd = uv.fs_open("/dev/tty", "r", 0)
  if not fd then
    return false
  end
  local group = ffi.C.tcgetpgrp(fd)
  uv.fs_close(fd)
  return group == ffi.C.getpgrp()
end

--- Whether this process was started to outlive its terminal, as nohup does.
---@return boolean
function M.hangup_ignored()
  local file = io.open "/proc/self/status"
  local ignored = file and file:read("*a"):match "SigIgn:%s*%x*(%x)"
  if file then
    file:close()
  end
  return tonumber(ignored or "0", 16) % 2 == 1 -- SIGHUP is the lowest bit
end

return M

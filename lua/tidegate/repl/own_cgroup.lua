--- The prompt's own cgroup, in which sh() runs its commands, and the cgroups that attach() names.
--
-- After attach(), the own cgroup is below the cgroup that was attached last, so that the rules
-- hold for a command of sh() as for anything else there. Before that, it is below the cgroup of
-- this process, and the gate is attached to it directly.

local cgroup = require "tidegate.host.cgroup"
local spawn = require "tidegate.host.spawn"
local exit_status = require "tidegate.host.exit_status"
local gate = require "tidegate.gate"
local terminal = require "tidegate.host.terminal"
local uv = require "luv"

local M = {}

local SIGINT = uv.constants.SIGINT

---@class tidegate.OwnCgroup
---@field path string|nil
---@field reason string|nil why there is no own cgroup
---@field attached string[] the cgroups that attach() named
local OwnCgroup = {}
OwnCgroup.__index = OwnCgroup

---@param of tidegate.Gate
---@return tidegate.OwnCgroup
function M.new(of)
  return setmetatable({ gate = of, attached = {}, made = 0 }, OwnCgroup)
end

--- Make a new own cgroup below `parent`, and move the processes of the old one there.
local function settle(self, parent)
  local path, message = cgroup.make(parent, self.made > 0 and self.made or nil)
  if not path then
    return nil, ("no cgroup can be made below %s: %s"):format(parent, message)
  end
  self.made = self.made + 1
  if self.path then
    cgroup.move(self.path, path)
    cgroup.remove(self.path)
  end
  self.path, self.reason = path, nil
  return path
end

--- Make the own cgroup below the one of this process, and put the rules in force there.
---@return true|nil
---@return string|nil message
function OwnCgroup:open()
  local home, message = cgroup.find "self"
  local path = home
  if home then
    path, message = settle(self, home)
  end
  local ok = path
  if path then
    ok, message = self.gate:attach(path)
  end
  if not ok then
    self.reason = message
    return nil, message
  end
  return true
end

--- Attach the gate to a cgroup, and move the own cgroup below it.
---@param target string|table as for gate:attach()
---@return string|nil path
---@return string|nil message also beside a path, if the own cgroup could not be moved
function OwnCgroup:attach(target)
  local ok, message = self.gate:attach(target)
  if not ok then
    return nil, message
  end
  local path = assert(cgroup.find(gate.cgroup_name(target)))
  self.attached[#self.attached + 1] = path
  -- settle() removes the old own cgroup, and with it what was attached to it.
  ok, message = settle(self, path)
  return path, not ok and message or nil
end

--- Detach from every cgroup that attach() named. The rules stay in force for what sh() runs.
---@return true|nil
---@return string|nil message
function OwnCgroup:detach()
  local old, home = self.path, cgroup.find "self"
  local path, message = settle(self, home)
  if not path then
    return nil, message
  end
  local ok
  ok, message = self.gate:detach()
  if ok then
    ok, message = self.gate:attach(path)
  end
  if not ok then
    return nil, message
  end
  assert(old ~= path)
  self.attached = {}
  return true
end

--- Run a shell command in the own cgroup, on our terminal, until it ends.
---@param command string
---@param turn fun() turns the event loop once
---@param take fun(): integer|nil takes a signal that has come
---@return integer|nil status 128 + N if signal N ended the command
---@return string|nil message
---@return integer|nil signal one that came meanwhile and ends the session
function OwnCgroup:run(command, turn, take)
  if not self.path then
    return nil, self.reason
  end
  local process = spawn.new()
  local home = assert(cgroup.find "self")
  local ok, message = process:start({ "/bin/sh", "-c", command }, self.path, home)
  if not ok then
    return nil, message
  end
  local ended_by
  local started = false -- a signal noted until now may have come before the command existed
  while not process.exited do
    if started then
      turn()
    end
    local number = take()
    if number and not (number == SIGINT and started and terminal.signals_us()) then
      cgroup.signal(self.path, number) -- to all processes: the shell waits for its children
    end
    started = true
    ended_by = number ~= SIGINT and number or ended_by
  end
  process.handle:close()
  local status = process.signal ~= 0 and exit_status.SIGNAL + process.signal or process.code
  return status, nil, ended_by
end

--- End what sh() left running, and remove the own cgroup.
---@param on_left fun(processes: { pid: integer, name: string }[]) called if anything was left
function OwnCgroup:close(on_left)
  if not self.path then
    return
  end
  local process = spawn.new()
  process.path = self.path
  process:finish(on_left)
  cgroup.remove(self.path)
  self.path = nil
end

return M

--- Where the rules are in force: a cgroup of the prompt's own, in which sh()
--- runs its commands, and the cgroups that attach() names.
--
-- The own cgroup lies below the one that was attached to last, so that a
-- command is governed as what runs there is; below this process's, and attached
-- to by itself, where there is none.

local cgroup = require "tidegate.host.cgroup"
local child = require "tidegate.host.child"
local gate = require "tidegate.gate"
local terminal = require "tidegate.host.terminal"

local M = {}

---@class tidegate.Place
---@field path string|nil the own cgroup
---@field reason string|nil why there is none
---@field attached string[] the cgroups that attach() named
local Place = {}
Place.__index = Place

---@param of tidegate.Gate
---@return tidegate.Place
function M.new(of)
  return setmetatable({ gate = of, attached = {}, made = 0 }, Place)
end

--- Make another own cgroup below `parent`, and move there what runs in the old one.
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

--- Make the own cgroup below this process's, and put the rules in force there.
---@return true|nil
---@return string|nil message
function Place:open()
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

--- Attach the gate to a cgroup, and have sh() run its commands below that.
---@param target string|table as gate:attach() takes it
---@return string|nil path
---@return string|nil message also where only the own cgroup could not follow
function Place:attach(target)
  local ok, message = self.gate:attach(target)
  if not ok then
    return nil, message
  end
  local path = assert(cgroup.find(gate.cgroup_name(target)))
  self.attached[#self.attached + 1] = path
  -- The cgroup that is left behind goes, and with it what was attached to it.
  ok, message = settle(self, path)
  return path, not ok and message or nil
end

--- Detach from every cgroup; what sh() runs stays under the rules.
---@return true|nil
---@return string|nil message
function Place:detach()
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

--- Run a shell command in the own cgroup, on our terminal, to its end.
---@param command string
---@param turn fun() turns the event loop once
---@param take fun(): integer|nil a signal that has come
---@return integer|nil status 128 + N for a signal
---@return string|nil message
function Place:run(command, turn, take)
  if not self.path then
    return nil, self.reason
  end
  local process = child.new()
  local ok, message = process:start({ "/bin/sh", "-c", command }, self.path, assert(cgroup.find "self"))
  if not ok then
    return nil, message
  end
  local ended_by
  local started = false -- what was noted by then may have come before the command was there to hear of it
  while not process.exited do
    if started then
      turn()
    end
    local number = take()
    if number and not (number == 2 and started and terminal.signals_us()) then
      cgroup.signal(self.path, number) -- a shell waits for what it has started
    end
    started = true
    ended_by = number ~= 2 and number or ended_by
  end
  process.handle:close()
  return process.signal ~= 0 and 128 + process.signal or process.code, nil, ended_by
end

--- End what sh() left running, and remove the own cgroup.
---@param on_left fun(processes: { pid: integer, name: string }[])
function Place:close(on_left)
  if not self.path then
    return
  end
  local process = child.new()
  process.path = self.path
  process:finish(on_left)
  cgroup.remove(self.path)
  self.path = nil
end

return M

--- The prompt's own cgroup, in which sh() runs its commands, and the cgroups that attach() names.
--
-- The own cgroup is below the cgroup of this process and stays there, because a cgroup that has one
-- below it cannot be removed, which would get in the way of the owner of an attached cgroup. The
-- gate is attached to the own cgroup, too, unless attach() named a cgroup above it: there the gate
-- would decide each call twice.

local cgroup = require "tidegate.host.cgroup"
local guarded_cgroup = require "tidegate.host.guarded_cgroup"
local spawn = require "tidegate.host.spawn"
local exit_status = require "tidegate.host.exit_status"
local terminal = require "tidegate.host.terminal"
local uv = require "luv"

local M = {}

local SIGINT = uv.constants.SIGINT

---@class tidegate.OwnCgroup
---@field guarded tidegate.GuardedCgroup|nil
---@field path string|nil
---@field reason string|nil why there is no own cgroup
---@field attached string[] the cgroups that attach() named
---@field direct boolean|nil whether the gate is attached to the own cgroup itself
local OwnCgroup = {}
OwnCgroup.__index = OwnCgroup

---@param of tidegate.Gate
---@return tidegate.OwnCgroup
function M.new(of)
  return setmetatable({ gate = of, attached = {} }, OwnCgroup)
end

--- Attach the gate to the own cgroup, so that nothing that sh runs there is ever free.
local function attach_directly(self)
  return self.gate:attach(self.path, { until_removed = true })
end

--- Make the own cgroup below the one of this process, and put the rules in force there.
---@return true|nil
---@return string|nil message
function OwnCgroup:open()
  local home, message = cgroup.find "self"
  if home then
    self.guarded, message = guarded_cgroup.make(home)
  end
  local ok = self.guarded
  if ok then
    self.path = self.guarded.path
    ok, message = attach_directly(self)
  end
  if not ok then
    if self.path then
      message = self.guarded:lost() or message
      self.guarded:close()
    end
    self.path, self.reason = nil, message
    return nil, message
  end
  self.direct = true
  return true
end

--- Whether a cgroup is another one, or below it.
local function is_within(path, other)
  path, other = uv.fs_realpath(path), uv.fs_realpath(other)
  return path ~= nil and other ~= nil and (path .. "/"):sub(1, #other + 1) == other .. "/"
end

--- Attach the gate to a cgroup, too.
---@param target string as for gate:attach()
---@return tidegate.Attachment|nil
---@return string|nil message
function OwnCgroup:attach(target)
  local path, message = cgroup.find_target(target)
  if not path then
    return nil, message
  elseif self.path and is_within(path, self.path) then
    return nil, path .. ": the rules are in force there already, as for all that sh runs"
  end
  local attached
  attached, message = self.gate:attach(target)
  if not attached then
    return nil, message
  end
  self.attached[#self.attached + 1] = attached.path
  if self.direct and is_within(self.path, attached.path) then
    self.direct = not self.gate:detach(self.path)
  end
  return attached
end

--- Detach from every cgroup that attach() named. The rules stay in force for what sh() runs.
---@return string[]|nil paths of these cgroups
---@return string|nil message
function OwnCgroup:detach()
  if self.path and not self.direct then
    local ok, message = attach_directly(self)
    if not ok then
      return nil, message
    end
    self.direct = true
  end
  local detached = {}
  for index, path in ipairs(self.attached) do
    local ok, message = self.gate:detach(path)
    if not ok then
      self.attached = { unpack(self.attached, index) }
      return nil, message
    end
    detached[index] = path
  end
  self.attached = {}
  return detached
end

--- Forget a cgroup that was removed.
---@param path string
function OwnCgroup:forget(path)
  self.gate:detach(path)
  for index = #self.attached, 1, -1 do
    if self.attached[index] == path then
      table.remove(self.attached, index)
    end
  end
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
  local ok, message = process:start({ "/bin/sh", "-c", command }, { cgroup = self.path })
  if not ok then
    return nil, self.guarded:lost() or message
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
  local status = process.signal ~= 0 and exit_status.SIGNAL + process.signal or process.code
  return status, nil, ended_by
end

--- End what sh() left running, and remove the own cgroup.
---@param on_left fun(processes: { pid: integer, name: string }[]) called if anything was left
---@return boolean|nil removed what could not be ended stays under the policy
function OwnCgroup:close(on_left)
  if not self.path then
    return true
  end
  local process = spawn.new()
  process.path = self.path
  process:finish(on_left)
  self.path = nil
  return self.guarded:close()
end

return M

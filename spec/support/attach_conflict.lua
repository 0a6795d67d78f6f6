--- Another owner's BPF programs: spec/c/attach_conflict.c.

local command = require "spec.support.command"

local M = {}

---@class spec.Owner
---@field process spec.Process
local Owner = {}
Owner.__index = Owner

local made = {}

--- The path of a program of the Makefile, which is made once.
local function built(name)
  if not made[name] then
    made[name] = command.build .. "/" .. name
    local make = command.run { "make", "-s", "B=" .. command.build, made[name] }
    assert(make.status == 0, make.out .. make.err)
  end
  return made[name]
end

local function start(...)
  -- Detaching a program that watches waits for every task of a kernel, which may be emulated.
  local process = command.start({ built "attach_conflict", ... }, { slow = true })
  process:wait_for "\n"
  local answer = process.out:match "^[^\n]*"
  if answer ~= "ready" then
    process:wait()
    return nil, answer
  end
  process.out = ""
  return setmetatable({ process = process }, Owner)
end

--- Attach a program of spec/c/other.bpf.c to connect4.
---@param program string
---@param cgroup string
---@param flags "none"|"override"|"multi"
---@return spec.Owner|nil
---@return string|nil errno
function M.attach(program, cgroup, flags)
  return start("attach", built "other.bpf.o", program, cgroup, flags)
end

--- Count what the programs of spec/c/watch.bpf.c see of a process.
---@param pid integer
---@return spec.Owner|nil
---@return string|nil errno
function M.watch(pid)
  return start("watch", built "watch.bpf.o", tostring(pid))
end

--- What has been counted.
---@return integer
function Owner:count()
  self.process.out = ""
  self.process:write "\n"
  self.process:wait_for "count"
  return tonumber(self.process.out:match "count (%d+)")
end

--- Detach the program; a second call does nothing.
function Owner:close()
  if not self.process.status then
    self.process.input:close()
    self.process:wait()
  end
end

return M

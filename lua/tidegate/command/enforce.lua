--- What run and serve have in common: load a policy, attach it, print its events, run its handlers
--- and timers, detach.

local dispatch = require "tidegate.dispatch"
local doctor_checks = require "tidegate.doctor_checks"
local event_loop = require "tidegate.uv"
local gates = require "tidegate.gate"
local guard_uv = require "tidegate.host.guard_uv"
local interrupt = require "tidegate.host.interrupt"
local options = require "tidegate.command.options"
local policy = require "tidegate.command.load"
local protect = require "tidegate.protect"
local report = require "tidegate.host.report"
local uv = require "luv"

local M = {}

---@class tidegate.Enforcement
---@field gate tidegate.Gate
---@field path string the policy's file
---@field report tidegate.Report
local Enforcement = {}
Enforcement.__index = Enforcement

--- Declare the options.
---@param command table of argparse
function M.options(command)
  options.dry_run(command)
  options.json(command, "Print events")
  options.log(command)
  options.quiet(command, "events and remarks")
end

--- Load the policy, and open the log; or what a command returns if that fails.
---@param args table
---@return tidegate.Enforcement|nil
---@return string|nil kind
---@return string|nil message
function M.new(args)
  if args.quiet then
    report.be_quiet()
  end
  local state
  interrupt.keep()
  guard_uv.install(function(callback, ...)
    if state then
      return dispatch.call(state, callback, ...)
    end
    local ok, problem = protect.call(nil, callback, ...)
    if not ok then
      report.problem(problem)
    end
  end)
  local gate, kind, message = policy.gate(args.policy, args.trust)
  if not gate then
    return nil, kind, message
  end
  state = gates.state(gate)
  local out
  out, message = report.open(args.log)
  if not out then
    return nil, "usage", message
  end
  return setmetatable({ gate = gate, path = args.policy, report = out }, Enforcement)
end

--- What a command returns if the kernel, or this user, cannot enforce the policy: why, and what to
--- do about it.
---@param message string
---@return nil, string kind, string message, nil, string remedy
function Enforcement:refused(message)
  local remedy = ("to see every check, run: tidegate doctor; to see what the policy does, "
    .. "without privileges, run: tidegate explain %s connect 1.2.3.4:80"):format(self.path)
  local check = doctor_checks.first_failure()
  if check and check.remedy ~= message then
    remedy = ("%s: %s; %s\n%s"):format(check.name, check.found, check.remedy, remedy)
  end
  return nil, "kernel", message, nil, remedy
end

--- Say, once, that a policy does less than it says.
local function warn(self)
  self.warned = true
  for _, skipped in ipairs(self.gate:skipped()) do
    report.say("%s", skipped.text)
  end
  if self.gate:status().shadow then
    report.remark("%s is a shadow: it counts and reports, and every call proceeds as it is",
      self.path)
  end
end

--- Attach to a cgroup, and warn if the policy does less than it says.
---@param target string
---@param how table|nil as for gate:attach()
---@return tidegate.Attachment|nil
---@return string|nil message
function Enforcement:attach(target, how)
  local attached, message = self.gate:attach(target, how)
  if not attached then
    return nil, message
  end
  if not self.warned then
    warn(self)
  end
  return attached
end

--- From now on, print events, and pass them to the policy's own handlers, as they come.  A signal
--- ends a handler that runs, so that it is heard.  The handlers of signals are there already.
---@param cgroup string|nil the cgroup of what must not go on without this process
---@return true|nil
---@return string|nil message
function Enforcement:watch(cgroup)
  local kill = cgroup and uv.fs_open(cgroup .. "/cgroup.kill", "w", 0)
  local signals, message = interrupt.start(true, kill)
  if not signals then
    return nil, message
  end
  uv.new_poll(signals):start("r", interrupt.take)
  if self.report.out then
    self.gate:on("*", function(event) self.report:event(event) end)
  end
  self.gate:on("error", report.problem)
  self.running = assert(event_loop.start(self.gate, uv))
  return true
end

--- How long handlers may take for the last events.
local PATIENCE_NS = 2e9

--- Handle the last events.  A turn ends early if a handler has to be ended.
---@return integer left how many events were not handled in time
local function drain(self)
  local last = uv.hrtime() + PATIENCE_NS
  repeat
    local count = self.gate:dispatch()
  until not count or count == 0 or uv.hrtime() > last
  return dispatch.discard(gates.state(self.gate))
end

--- What the policy did that no event tells.
local function sums_of(stats)
  local sums = { refused = 0, suppressed = 0, lost = stats.lost }
  for _, hook in pairs(stats.hooks) do
    sums.refused = sums.refused + hook.denied
  end
  for _, counters in ipairs { stats.rules, stats.defaults } do
    for _, counted in pairs(counters) do
      sums.suppressed = sums.suppressed + counted.suppressed
    end
  end
  return sums
end

--- Report the last events. The gate stays attached to a cgroup that was to be removed before this.
function Enforcement:finish()
  if self.running then
    self.running:stop()
    local left = drain(self)
    local sums = sums_of(assert(self.gate:stats()))
    sums.lost = sums.lost + left
    self.report:close(sums)
  end
  self.gate:close()
end

return M

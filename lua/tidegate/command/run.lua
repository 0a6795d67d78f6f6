--- tidegate run: enforce a policy, and print what happens.

local cgroup = require "tidegate.host.cgroup"
local spawn = require "tidegate.host.spawn"
local doctor_checks = require "tidegate.doctor_checks"
local policy = require "tidegate.command.load"
local report = require "tidegate.host.report"
local status = require "tidegate.host.exit_status"
local terminal = require "tidegate.host.terminal"
local uv = require "luv"

local M = {}

function M.define(command)
  command:summary "Enforce a policy on a cgroup, or on one command."
    :description("Enforce a policy, print its events to standard error, and detach at the end.\n\n"
      .. "With -- CMD the policy holds for CMD and everything that it starts. They run in a cgroup "
      .. "of their own, which is removed at the end. What CMD leaves running is ended then, with "
      .. "SIGTERM, and after two seconds with SIGKILL. Signals are passed on to CMD; a second "
      .. "Ctrl-C ends everything at once.\n\n"
      .. "With --cgroup, --pid or --unit the policy holds for everything in that cgroup, until a "
      .. "signal comes or the cgroup is removed.")
    :usage("Usage: tidegate run POLICY [--json] [--log FILE] -- CMD [ARG ...]\n"
      .. "       tidegate run POLICY (--cgroup PATH | --pid PID | --unit UNIT) [--json] "
      .. "[--log FILE]")
  policy.argument(command)
  command:argument("more"):args("*"):hidden(true)
  command:mutex(
    command:option("--cgroup", "A folder of cgroup2, or \"self\"."):argname "PATH",
    command:option("--pid", "The cgroup of this process, with all that is in it."):argname "PID",
    command:option("--unit", "The cgroup of this systemd unit."):argname "UNIT")
  command:flag("--json", "Print events as JSON, one object a line.")
  command:option("--log", "Append events to FILE instead of printing them."):argname "FILE"
end

--- The cgroup that the options name, written as for tg_cgroup_find().
local function target_of(args)
  return args.cgroup or args.pid and "pid:" .. args.pid or args.unit and "unit:" .. args.unit
end

local function misuse(args)
  local target = target_of(args)
  if #args.more > 0 then
    return ("put -- before the command: tidegate run %s -- %s")
      :format(args.policy, table.concat(args.more, " "))
  elseif args.tail and target then
    return "a command after -- runs in its own cgroup: "
      .. "give either a command, or --cgroup, --pid or --unit"
  elseif args.tail and #args.tail == 0 then
    return "there is no command after --"
  elseif not args.tail and not target then
    return "nothing to enforce it on; "
      .. "give a command (-- CMD ARG ...), --cgroup PATH, --pid PID or --unit UNIT"
  end
end

--- Say why the kernel, or this user, cannot enforce the policy, and what to do about it.
local function refused(args, message)
  report.say("%s", message)
  local check = doctor_checks.first_failure()
  if check and check.remedy ~= message then
    report.say("%s: %s; %s", check.name, check.found, check.remedy)
  end
  report.say("to see every check, run: tidegate doctor; "
    .. "to see what the policy does, without privileges, run: "
    .. "tidegate explain %s connect 1.2.3.4:80", args.policy)
  return status.KERNEL_REFUSED
end

--- Attach the gate, and warn about rules that had to be left out.
local function attach(session, path)
  local ok, message = session.gate:attach(path)
  for _, warning in ipairs(ok and session.gate:warnings() or {}) do
    report.say("%s", warning)
  end
  return ok, message
end

--- Events that one turn of the loop takes, so that a flood of events does not delay signals.
local EVENTS_A_TURN = 1000

--- Called at the end of each turn of the loop: run the timers that are due, publish what the
--- policy's own callbacks of luv have changed, and wake the loop again for the next timer.
local function settle(session)
  local gate = session.gate
  gate:dispatch(0)
  if gate:revision() ~= gate.attempted then
    local ok, message = gate:commit()
    if not ok then
      gate.onerror(message)
    end
  end
  local left = gate:timeout()
  if left then
    session.timer:start(math.ceil(left * 1000), 0, function() end)
  else
    session.timer:stop()
  end
end

--- Print events, and pass them to the policy's own handlers, as they come.
local function watch(session)
  session.gate:on("*", function(event) session.report:event(event) end)
  session.gate.onerror = function(message) report.say("%s", message) end
  session.poll = uv.new_poll(assert(session.gate:event_fd()))
  session.poll:start("r", function() session.gate:dispatch(EVENTS_A_TURN) end)
  session.timer, session.prepare = uv.new_timer(), uv.new_prepare()
  session.prepare:start(function() settle(session) end)
end

--- Detach, and report the last events.
local function finish(session)
  session.gate:detach()
  if session.poll then
    session.poll:close()
    session.prepare:close()
    session.timer:close()
    session.gate:dispatch()
    session.report:close(session.gate:status().lost)
  end
  session.gate:close()
end

-- An existing cgroup ----------------------------------------------------------------

local ending = {
  sigint = uv.constants.SIGINT, sigterm = uv.constants.SIGTERM,
  sighup = uv.constants.SIGHUP, sigquit = uv.constants.SIGQUIT,
}

local CGROUP_CHECK_MS = 500

--- Call `gone` when the cgroup is removed. If it is made again, it has another inode: the new one
--- counts as another cgroup.
local function watch_cgroup(path, inode, gone)
  uv.new_timer():start(CGROUP_CHECK_MS, CGROUP_CHECK_MS, function()
    local now = uv.fs_stat(path)
    if not now or now.ino ~= inode then
      gone()
    end
  end)
end

local function run_on_cgroup(session, args)
  local path, message = cgroup.find(target_of(args))
  if not path and cgroup.root() then
    return status.USAGE_ERROR, message
  elseif not path then
    return refused(args, message)
  end
  local inode = (uv.fs_stat(path) or {}).ino
  local ok
  ok, message = attach(session, path)
  if not ok then
    return refused(args, message)
  end
  watch(session)
  report.say("%s is enforced on %s; Ctrl-C ends it", args.policy, path)
  local ended_by
  for name, number in pairs(ending) do
    if not (name == "sighup" and terminal.hangup_ignored()) then
      uv.new_signal():start(name, function() ended_by = number end)
    end
  end
  local gone = false
  watch_cgroup(path, inode, function() gone = true end)
  while not ended_by and not gone do
    uv.run "once"
  end
  finish(session)
  if gone then
    report.say("%s was removed, and nothing is enforced on it any more", path)
  end
  return gone and status.KERNEL_REFUSED or status.SIGNAL + ended_by
end

-- One command ---------------------------------------------------------------------

--- Run the command until it ends. Returns its exit status, or one that says why it did not start.
local function run_child(session, process, args, path, home)
  local started, message, failure = process:start(args.tail, path, home)
  if not started then
    report.say("%s", message)
    return failure
  end
  watch(session)
  local code, signal = process:wait()
  process:finish(function(left) report.say_left_running(args.tail[1], left) end)
  if process.interrupted then
    return status.SIGNAL + ending.sigint
  end
  return signal ~= 0 and status.SIGNAL + signal or code
end

local function run_command(session, args)
  local process = spawn.new()
  process:catch_signals()
  local home, message = cgroup.find "self"
  if not home then
    return refused(args, message)
  end
  local path
  path, message = cgroup.make(home)
  if not path then
    return refused(args, ("no cgroup can be made below %s: %s"):format(home, message))
  end
  local ok
  ok, message = attach(session, path)
  if not ok then
    cgroup.remove(path)
    return refused(args, message)
  end
  local done, result = xpcall(run_child, debug.traceback, session, process, args, path, home)
  finish(session)
  local removed, why = cgroup.remove(path)
  if not removed then
    report.say("%s is still there: %s", path, why)
  end
  return done and result or error(result, 0)
end

function M.run(args)
  local wrong = misuse(args)
  if wrong then
    return status.USAGE_ERROR, wrong
  end
  local gate = policy.gate(args.policy)
  if not gate then
    return status.POLICY_ERROR
  end
  local out, message = report.open(args.log, args.json)
  if not out then
    report.say("%s", message)
    return status.USAGE_ERROR
  end
  local session = { gate = gate, report = out }
  return (args.tail and run_command or run_on_cgroup)(session, args)
end

return M

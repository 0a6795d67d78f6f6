--- tidegate run: run a command under a policy.

local cgroup = require "tidegate.host.cgroup"
local dry_run = require "tidegate.command.dry_run"
local enforce = require "tidegate.command.enforce"
local guarded_cgroup = require "tidegate.host.guarded_cgroup"
local policy = require "tidegate.command.load"
local report = require "tidegate.host.report"
local spawn = require "tidegate.host.spawn"
local status = require "tidegate.host.exit_status"
local target = require "tidegate.command.target"
local user = require "tidegate.host.user"
local uv = require "luv"
local words = require "tidegate.command.words"

local M = {}

function M.define(command)
  command:summary "Run a command under a policy."
    :description("Run CMD under a policy, which holds for CMD and everything that it starts. "
      .. "Events are printed to standard error.\n\n"
      .. "CMD runs in a cgroup of its own, which is removed at the end. What CMD leaves running "
      .. "is ended then, with SIGTERM, and after two seconds with SIGKILL. Signals are passed on "
      .. "to CMD; a second Ctrl-C ends everything at once.\n\n"
      .. "CMD inherits no capabilities. All the same, root can leave the policy: use --user NAME "
      .. "or, if it must be root, --confine.\n\n"
      .. "The exit status is that of CMD; 125 if Tidegate itself fails; 126 if CMD cannot be "
      .. "executed, and 127 if it is not found.")
    :usage("Usage: tidegate run [-n] [-q] [--json] [--log FILE] [-u NAME] [--confine] "
      .. "POLICY -- CMD [ARG ...]")
    :epilog("Examples:\n"
      .. "   tidegate run web.lua -- curl -sS http://1.2.3.4/\n"
      .. "   tidegate run -u nobody --log events.txt web.lua -- sh\n"
      .. "   tidegate run -n web.lua -- make test")
  policy.argument(command):args "?"
  command:argument("more"):args("*"):hidden(true)
  enforce.options(command)
  command:option("-u --user", "Run CMD as this user, a name or a number."):argname "NAME"
  command:flag("--confine", "Keep CMD from getting more rights, by setuid programs for example; "
    .. "and if it is root, from leaving the policy: without the capabilities for that, and with "
    .. "cgroups, /proc/sys and /sys read-only.")
end

local NO_POLICY = "give a policy and -- before the command: tidegate run POLICY -- %s"

--- Whether a word stands for a command where the policy should be: `tidegate run curl`.
local function is_command(word)
  return not word:find "[./]" and not words.is_file(word)
end

--- What to write instead of `tidegate run POLICY WORD ...`.
local function instead(args)
  if is_command(args.policy) then
    return NO_POLICY:format(table.concat({ args.policy, unpack(args.more) }, " "))
  end
  if target.is(args.more[1]) then
    return ("run only runs a command; did you mean: tidegate serve %s %s")
      :format(args.policy, table.concat(args.more, " "))
  end
  return ("put -- before the command: tidegate run %s -- %s")
    :format(args.policy, table.concat(args.more, " "))
end

--- What to say if the arguments cannot be parsed, because the options of CMD are among them.
function M.misplaced(own, tail, parser)
  for count = 3, tail and 0 or #own do
    local parsed, args = parser:pparse { unpack(own, 1, count) }
    if parsed and args.more and args.more[1] then
      args.more = { unpack(own, count) }
      return instead(args)
    end
  end
end

--- What is wrong with the arguments.
function M.misuse(args)
  if args.policy and args.more[1] then
    return instead(args)
  elseif not args.policy then
    return "give a policy before the command: tidegate run POLICY -- CMD"
  elseif not args.tail and is_command(args.policy) then
    return NO_POLICY:format(args.policy)
  elseif not args.tail then
    return ("give a command: tidegate run %s -- CMD; to enforce the policy on a cgroup that "
      .. "exists: tidegate serve %s TARGET"):format(args.policy, args.policy)
  elseif not args.tail[1] then
    return "there is no command after --"
  end
end

--- Say, before the command starts, if it may leave the policy.
local function warn(args, home, as)
  local uid, name = as and as.uid or user.own(), args.tail[1]
  local procs = uv.fs_stat(home .. "/cgroup.procs")
  if uid == 0 and not args.confine then
    report.remark("as root, %s can leave the policy: use --user NAME, or --confine", name)
  elseif uid ~= 0 and procs and procs.uid == uid then
    report.remark("as the owner of %s, %s can leave the policy: use another user", home, name)
  end
end

--- Run the command until it ends.
local function run_child(session, process, args, own, place)
  local ready, problem = session:watch(own.path)
  if not ready then
    return nil, "kernel", problem
  end
  local started, message, failure = process:start(args.tail, place)
  if not started then
    return nil, failure == status.OWN_FAILURE and "kernel" or "command", own:lost() or message,
      failure
  end
  own:watch_guard(function()
    report.say("the guard of %s was killed; ending %s", own.path, args.tail[1])
    cgroup.kill(own.path)
  end)
  local code, signal = process:wait()
  process:finish(function(left) report.say_left_running(args.tail[1], left) end)
  if process.interrupted then
    return status.SIGNAL + uv.constants.SIGINT
  end
  return signal ~= 0 and status.SIGNAL + signal or code
end

--- Remove the cgroup of the command.
local function remove(own)
  local removed, why = own:close()
  if not removed then
    report.say("%s", why)
  end
end

--- Run the command in a cgroup that was made for it. Only when that is gone, what is attached to it
--- is: whatever happens here, no process in it is free.
local function run_command(session, args, own, home, as)
  local process = spawn.new()
  process:catch_signals()
  local ok, message = session:attach(own.path, { until_removed = true })
  if not ok then
    local lost = own:lost()
    remove(own)
    if lost then
      return nil, "kernel", lost
    end
    return session:refused(message)
  end
  warn(args, home, as)
  local place = { cgroup = own.path, user = as, confine = args.confine }
  local function ended(done, ...)
    remove(own)
    session:finish()
    if not done then
      error(..., 0)
    end
    return ...
  end
  return ended(xpcall(run_child, debug.traceback, session, process, args, own, place))
end

--- Make the cgroup of the command. Its guard is a fork of this process, so this happens before
--- the policy takes memory.
local function make_cgroup(args)
  local home, message = cgroup.find "self"
  if not home or args.dry_run then
    return home, nil, message
  end
  local own
  own, message = guarded_cgroup.make(home)
  return home, own, message
end

function M.run(args)
  local as, message
  if args.user then
    as, message = user.find(args.user)
    if not as then
      return nil, "usage", message
    end
  end
  local home, own
  home, own, message = make_cgroup(args)
  local session, kind, why = enforce.new(args)
  if not session then
    if own then
      remove(own)
    end
    return nil, kind, why
  elseif home and args.dry_run then
    return dry_run.of_command(session.gate, args, home, as)
  elseif not own then
    return session:refused(message)
  end
  return run_command(session, args, own, home, as)
end

return M

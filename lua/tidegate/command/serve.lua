--- tidegate serve: enforce a policy on cgroups that exist, and stay.

local cgroup = require "tidegate.host.cgroup"
local dry_run = require "tidegate.command.dry_run"
local enforce = require "tidegate.command.enforce"
local health = require "tidegate.host.attachments"
local literal = require "tidegate.literal"
local policy = require "tidegate.command.load"
local report = require "tidegate.host.report"
local signals = require "tidegate.host.signals"
local status = require "tidegate.host.exit_status"
local target = require "tidegate.command.target"
local terminal = require "tidegate.host.terminal"
local uv = require "luv"

local M = {}

function M.define(command)
  command:summary "Enforce a policy on cgroups that exist."
    :description("Enforce a policy on cgroups that exist, and everything in them, until a signal "
      .. "comes, or nothing is left to enforce it on. Print its events to standard error, and run "
      .. "its handlers and timers.\n\n"
      .. "Enforcement ends with this command, however it ends. (Later, serve will pin the policy, "
      .. "so that it outlives the command, unless --no-pin is given.)\n\n"
      .. "SIGUSR1 opens the file of --log again, so that it can be rotated.\n\n"
      .. "A TARGET is the path of a cgroup, self, pid:42 for the cgroup of a process, or "
      .. "unit:nginx.service for that of a systemd unit.")
    :usage("Usage: tidegate serve [-n] [-q] [--json] [--log FILE] [--reattach] [--no-pin] POLICY "
      .. "TARGET ...")
    :epilog("Examples:\n"
      .. "   tidegate serve web.lua unit:nginx.service\n"
      .. "   tidegate serve --json --log /var/log/tidegate.json web.lua /sys/fs/cgroup/app pid:42")
  policy.argument(command)
  target.arguments(command)
  enforce.options(command)
  command:flag("--reattach", "If a TARGET is removed, as that of a unit is when it restarts, wait "
    .. "for it to come back, and attach again; also if somebody else has detached the policy.")
  command:flag("--no-pin", "Let enforcement end with this command, as it does today in any case.")
end

--- What is wrong with the arguments.
function M.misuse(args)
  if target.is(args.policy) then
    return ("the policy comes first: tidegate serve POLICY %s"):format(args.policy)
  end
  for _, word in ipairs(args.reattach and args.targets or {}) do
    if word == "self" or word:find "^pid:" then
      return ("--reattach: %s cannot come back; give the path of the cgroup, or unit:NAME")
        :format(word)
    end
  end
end

local function text_of(attachments)
  local texts = {}
  for index, attached in ipairs(attachments) do
    texts[index] = health.text(attached)
  end
  return table.concat(texts, ", ")
end

local function paths_of(places)
  local paths = {}
  for index, place in ipairs(places) do
    paths[index] = literal.line(place.path)
  end
  return table.concat(paths, ", ")
end

--- Attach to the cgroups that have come back.
local function attach_again(session, places, watch)
  for _, place in ipairs(places) do
    local attached, message = nil, nil
    if place.gone and cgroup.find(place.target) then
      attached, message = session.gate:attach(place.target)
    end
    if attached then
      place.gone, place.path, place.refused = false, attached.path, nil
      watch:expect()
      report.remark("%s is back: %s is enforced on it again", health.text(attached), session.path)
    elseif message and message ~= place.refused then
      place.refused = message
      report.say("%s is back, but cannot be attached to: %s", place.path, message)
    end
  end
end

--- Tell what others have done to an attachment. With --reattach, mend it.
---@param place { target: string, path: string, gone: boolean|nil }
---@param attached tidegate.Attachment
---@param final boolean whether the failure of this command is going to say it
local function tell(session, reattach, place, attached, final)
  if attached.state == "gone" then
    session.gate:detach(attached.path)
    place.gone = true
    if not final then
      report.remark(reattach and "%s was removed; waiting for it to come back"
        or "%s was removed, and %s is not enforced on it any more", attached.path, session.path)
    end
  elseif attached.state == "severed" then
    report.say("%s: somebody has detached %s; %s is not enforced there any more", attached.path,
      table.concat(health.missing(attached), " "),
      #attached.effective > 0 and "this part of " .. session.path or session.path)
    if reattach then
      local ok, message = session.gate:attach(attached.path)
      report.say("%s: %s", attached.path, ok and "attached again" or message)
    end
  end
end

local function find_place(places, path)
  for _, place in ipairs(places) do
    if place.path == path then
      return place
    end
  end
end

--- Watch what becomes of the attachments, and call `over` when nothing is enforced any more.
local function watch_attachments(session, places, reattach, over)
  local changes = {}
  local watch = health.watch(session.gate)
  function watch.changed(attached)
    changes[#changes + 1] = attached
  end
  function watch.looked()
    local now = changes
    changes = {}
    local ended = not reattach and #now > 0 and not watch:any_in_force()
    for index, attached in ipairs(now) do
      local place = assert(find_place(places, attached.path))
      tell(session, reattach, place, attached, ended and index == #now)
    end
    if ended then
      over()
    elseif reattach then
      attach_again(session, places, watch)
    end
  end
end

--- Call `stop` when a signal asks for the end, or would bring it about. With a log file, SIGUSR1
--- opens that again.
local function watch_signals(log, stop)
  for _, number in ipairs(signals.ending) do
    if number == uv.constants.SIGUSR1 and log.place then
      uv.new_signal():start(number, function() log:reopen() end)
    elseif not (number == uv.constants.SIGHUP and terminal.hangup_ignored()) then
      uv.new_signal():start(number, stop)
    end
  end
end

--- Watch and report, until `signal.came` or nothing is enforced any more, which is returned.
local function serve(session, args, places, attachments, signal)
  local over = false
  local ready, message = session:watch()
  if not ready then
    return nil, message
  end
  watch_attachments(session, places, args.reattach, function() over = true end)
  report.remark("%s is enforced on %s until this command ends; Ctrl-C ends it", session.path,
    text_of(attachments))
  while not signal.came and not over do
    uv.run "once"
  end
  return over
end

--- Why nothing is enforced any more.
local function why_over(places)
  for _, place in ipairs(places) do
    if not place.gone then
      return "nothing is enforced any more, on " .. paths_of(places)
    end
  end
  return #places == 1 and paths_of(places) .. " was removed, and nothing is enforced on it any more"
    or "all cgroups were removed, and nothing is enforced any more: " .. paths_of(places)
end

function M.run(args)
  local session, kind, message = enforce.new(args)
  if not session then
    return nil, kind, message
  end
  local places
  places, message = target.find(args.targets)
  if not places and cgroup.root() then
    return nil, "usage", message
  elseif not places then
    return session:refused(message)
  elseif args.dry_run then
    return dry_run.on_cgroups(session.gate, args, places)
  end
  -- Before the policy is in force: whoever sees it in force may end this command.
  local signal, attachments = { came = false }, {}
  watch_signals(session.report, function() signal.came = true end)
  for index, place in ipairs(places) do
    attachments[index], message = session:attach(place.target)
    if not attachments[index] then
      session.gate:detach()
      session:finish()
      return session:refused(message)
    end
  end
  local over
  over, message = serve(session, args, places, attachments, signal)
  session.gate:detach()
  session:finish()
  if message then
    return nil, "kernel", message
  elseif over then
    return nil, "gone", why_over(places)
  end
  return status.OK
end

return M

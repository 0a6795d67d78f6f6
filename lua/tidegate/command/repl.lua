--- tidegate repl: the policy language at a prompt, live on the kernel.

local policy = require "tidegate.command.load"
local report = require "tidegate.host.report"
local status = require "tidegate.host.exit_status"
local uv = require "luv"

local M = {}

function M.define(command)
  command:summary "The policy language at a prompt, live on the kernel."
    :description("The policy language at a prompt. A rule is in force as soon as you type it: for "
      .. "the commands that you run with sh, and for the cgroups that you attach. help() shows the "
      .. "rest. Without privileges the rules are only simulated. A script on standard input runs "
      .. "without prompts: the exit status is the argument of exit(), 1 if the script fails, 3 if "
      .. "the kernel refuses.")
  policy.argument(command, "to start from"):args "?"
end

local function is_terminal(fd)
  return uv.guess_handle(fd) == "tty"
end

function M.run(args)
  -- Required only here, because the other commands must work without the prompt's library.
  local interrupt, session = require "tidegate.repl.interrupt", require "tidegate.repl.session"
  local interactive = is_terminal(0) and is_terminal(1)
  local here, message = session.new(args.policy, interactive and "prompt" or "stdin")
  if not here then
    io.stderr:write(message, "\n")
    return status.POLICY_ERROR
  end
  local signals = uv.new_poll(interrupt.start())
  signals:start("r", function() end) -- it only wakes the loop
  here:open()
  local how = require(interactive and "tidegate.repl.prompt" or "tidegate.repl.script")
  local done, result, failure = xpcall(how.run, debug.traceback, here)
  here:close(function(left) report.say_left_running("sh", left) end)
  if not done then
    error(result, 0)
  elseif not result then
    report.say("%s", failure)
    return status.USAGE_ERROR
  end
  return result
end

return M

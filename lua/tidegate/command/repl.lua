--- tidegate repl: the policy language at a prompt, live on the kernel.

local cgroup = require "tidegate.host.cgroup"
local report = require "tidegate.host.report"
local status = require "tidegate.host.exit_status"
local uv = require "luv"

local M = {}

function M.define(command)
  command:summary "The policy language at a prompt, live on the kernel."
    :description("The policy language at a prompt: a rule that is typed is in force at once, for the commands that sh "
      .. "runs and for the cgroups that attach names, and help() tells the rest. Without privileges the rules are on "
      .. "the simulator. A script on standard input runs without prompts; the exit status is that of its exit(), "
      .. "1 where it fails, 3 where the kernel refuses.")
  command:argument("policy", "A policy file, or an image, to start from."):argname("POLICY"):args "?"
end

local function is_terminal(fd)
  return uv.guess_handle(fd) == "tty"
end

function M.run(args)
  -- Not before they are needed: the other commands do without the prompt's library.
  local interrupt, session = require "tidegate.repl.interrupt", require "tidegate.repl.session"
  local interactive = is_terminal(0) and is_terminal(1)
  local here, message = session.new(args.policy, interactive and "prompt" or "stdin")
  if not here then
    io.stderr:write(message, "\n")
    return status.POLICY_ERROR
  end
  local signals = uv.new_poll(interrupt.start())
  signals:start("r", function() end) -- it only has the loop turn
  here:open()
  local how = require(interactive and "tidegate.repl.prompt" or "tidegate.repl.script")
  local done, result, failure = xpcall(how.run, debug.traceback, here)
  here:close(function(left)
    report.say("sh left running: %s; ending %s", cgroup.names(left), #left == 1 and "it" or "them")
  end)
  if not done then
    error(result, 0)
  elseif not result then
    report.say("%s", failure)
    return status.USAGE_ERROR
  end
  return result
end

return M

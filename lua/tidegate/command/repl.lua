--- tidegate repl: the policy language at a prompt, live on the kernel.

local literal = require "tidegate.literal"
local policy = require "tidegate.command.load"
local report = require "tidegate.host.report"
local uv = require "luv"

local M = {}

function M.define(command)
  command:summary "The policy language at a prompt, live on the kernel."
    :description("The policy language at a prompt. A rule is in force as soon as you type it: for "
      .. "the commands that you run with sh, and for the cgroups that you attach. help() shows the "
      .. "rest. Without privileges the rules are only simulated.\n\n"
      .. "A script, in a file, on standard input or in -e, runs without prompts, as one change. "
      .. "It prints bare values, explain { … }, diff() and help(WORD). The exit status is the "
      .. "argument of exit(), 1 if the script fails, 3 if the kernel refuses.")
    :epilog("Examples:\n"
      .. "   tidegate repl web.lua\n"
      .. "   tidegate repl web.lua -e 'rules'\n"
      .. "   tidegate repl web.lua script.lua\n"
      .. "   echo rules | tidegate repl web.lua")
  policy.argument(command, "to start from; - is none"):args "?"
  command:argument("script", "A script to run; - is standard input."):argname "SCRIPT":args "?"
  command:option("-e", "Evaluate CODE as if it were typed at the prompt; may be repeated.")
    :argname "CODE":count "*":target "inputs"
  command:flag("-i", "Show the prompt after -e. From a pipe, take line by line as the prompt does, "
    .. "and go on after errors."):target "interactive"
end

local function is_terminal(fd)
  return uv.guess_handle(fd) == "tty"
end

--- What is wrong with the arguments.
function M.misuse(args)
  if args.script and (args.inputs[1] or args.interactive) then
    return ("%s is a script; -e and -i go without one"):format(args.script)
  elseif args.script and args.script ~= "-" and not uv.fs_stat(args.script) then
    return ("there is no script %s; a line of input follows -e: tidegate repl %s -e %s")
      :format(literal.quote(args.script), args.policy, args.script)
  end
end

--- The text of a script.
local function read_script(path)
  local file, message = io.stdin, nil
  if path ~= "-" then
    file, message = io.open(path, "rb")
  end
  local text
  if file then
    text, message = file:read "*a"
  end
  return text, message and (message:find(path, 1, true) and message or path .. ": " .. message)
end

--- How the inputs are taken, their name in messages, and what is given.
---@return string|nil how
---@return string source or message
---@return { inputs: string[]|nil, text: string|nil } given
local function mode_of(args)
  local given = { inputs = args.inputs[1] and args.inputs }
  local terminal = is_terminal(0) and is_terminal(1)
  if args.script then
    local message
    given.text, message = read_script(args.script)
    return given.text and "script", message or args.script ~= "-" and args.script or "stdin", given
  elseif args.interactive then
    return terminal and "prompt" or "piped", terminal and "prompt" or "stdin", given
  elseif given.inputs then
    return "script", "-e", given
  elseif terminal then
    return "prompt", "prompt", given
  end
  given.text = io.stdin:read "*a" or ""
  return "script", "stdin", given
end

function M.run(args)
  -- Required only here, because the other commands must work without the prompt's library.
  local interrupt, session = require "tidegate.host.interrupt", require "tidegate.repl.session"
  interrupt.keep()
  local how, source, given = mode_of(args)
  if not how then
    return nil, "usage", source
  end
  local path = args.policy ~= "-" and args.policy or nil
  local here, message = session.new(path, source, args.trust)
  if not here then
    return nil, "policy", message
  end
  jit.off() -- for what is typed
  local signals, problem = interrupt.start(false)
  if not signals then
    return nil, "kernel", problem
  end
  uv.new_poll(signals):start("r", function() end) -- it only wakes the loop
  here:open()
  local runner = require("tidegate.repl." .. how)
  local done, result, failure = xpcall(runner.run, debug.traceback, here, given)
  here:close(function(left) report.say_left_running("sh", left) end)
  if not done then
    error(result, 0)
  elseif not result then
    return nil, "usage", failure
  end
  return result
end

return M

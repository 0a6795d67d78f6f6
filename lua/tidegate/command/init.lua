--- The command line: what there is to say, who does it, and how it ends.

local argparse = require "argparse"
local status = require "tidegate.host.exit_status"

local M = {}

local names = { "run", "check", "explain", "compile", "repl", "doctor" }

local function new_parser(commands)
  local parser = argparse("tidegate", "Which socket calls of which processes are allowed, denied or rewritten: "
    .. "policies, written in Lua, enforced by the kernel.")
    :epilog("Exit status: that of the command that was run; 1 a policy error; 2 wrong usage; "
      .. "3 the kernel refused; 128+N ended by signal N.")
    :usage_max_width(90):help_max_width(90)
    :command_target "command"
    :require_command(false)
  parser:flag("--version", "Print the version.")
  for _, name in ipairs(names) do
    commands[name].define(parser:command(name))
  end
  return parser
end

local function usage_error(message, name)
  local what = name and "tidegate " .. name or "tidegate"
  io.stderr:write(("%s: %s\nSee: %s --help\n"):format(what, message, what))
  return status.USAGE_ERROR
end

--- Everything after the first "--" is the command to run, and nothing of it ours.
local function split(arguments)
  local own, command = {}, nil
  for _, argument in ipairs(arguments) do
    if command then
      command[#command + 1] = argument
    elseif argument == "--" then
      command = {}
    else
      own[#own + 1] = argument
    end
  end
  return own, command
end

--- Do what the arguments say.
---@param arguments string[]
---@return integer the exit status
function M.main(arguments)
  local commands = {}
  for _, name in ipairs(names) do
    commands[name] = require("tidegate.command." .. name)
  end
  local own, tail = split(arguments)
  local parser = new_parser(commands)
  local ok, args = pcall(function()
    local parsed, result = parser:pparse(own)
    return parsed and result or { usage_error = result }
  end)
  if not ok then
    error(args, 0)
  end
  local name = args.command or (commands[own[1]] and own[1])
  if args.usage_error then
    return usage_error(args.usage_error, name)
  end
  if args.version then
    print("tidegate " .. require("tidegate").version)
    return 0
  end
  if not args.command then
    io.stderr:write(parser:get_help(), "\n")
    return status.USAGE_ERROR
  end
  if tail and name ~= "run" then
    return usage_error("only run takes a command after --", name)
  end
  args.tail = tail
  local result, message = commands[name].run(args)
  return message and usage_error(message, name) or result
end

return M

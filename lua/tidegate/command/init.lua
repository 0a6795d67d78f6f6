--- The command line: parse it, run the command that it names, return the exit status.

local argparse = require "argparse"
local status = require "tidegate.host.exit_status"

local M = {}

local names = { "run", "check", "explain", "compile", "repl", "doctor" }

local function new_parser(commands)
  local parser = argparse("tidegate", "Allow, deny and rewrite the socket calls of processes: "
    .. "policies are written in Lua and enforced by the kernel.")
    :epilog("Exit status of run: that of its command. Otherwise: 1 for an error in a policy, "
      .. "2 for wrong usage, 3 if the kernel refused, 128+N if signal N ended it.")
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

--- Split the arguments at the first "--": what follows it is the command to run.
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

--- Run the command that the arguments name.
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

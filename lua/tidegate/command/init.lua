--- The command line: parse it, run the command that it names, return the exit status.

local argparse = require "argparse"
local report = require "tidegate.host.report"
local standard = require "tidegate.standard"
local status = require "tidegate.host.exit_status"
local words = require "tidegate.command.words"

local M = {}

local names = { "run", "serve", "check", "explain", "compile", "dump", "repl", "doctor" }

local function new_parser(commands)
  local parser = argparse("tidegate", "Allow, deny and rewrite the socket calls of processes: "
    .. "policies are written in Lua and enforced by the kernel.")
    :epilog("Exit status of run: that of its command, or 125 if Tidegate itself fails. Of the "
      .. "others: 0 for yes; 1 for no, or an error in the policy; 2 for wrong usage; 3 if the "
      .. "kernel refuses or privileges are missing.\n\n"
      .. "tidegate COMMAND --help explains a command.")
    :usage_max_width(90):help_max_width(90)
    :command_target "command"
    :require_command(false)
  parser:flag("-V --version", "Print the version."):action(function()
    print("tidegate " .. require("tidegate")._VERSION)
    os.exit(status.OK)
  end)
  for _, name in ipairs(names) do
    commands[name].define(parser:command(name))
  end
  return parser
end

local function all_commands()
  local commands = {}
  for _, name in ipairs(names) do
    commands[name] = require("tidegate.command." .. name)
  end
  return commands
end

--- The parser of all commands, for what is generated from it.
---@return table of argparse
function M.parser()
  return new_parser(all_commands())
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

--- `tidegate help run` is `tidegate run --help`.
local function rewrite_help(own)
  if own[1] == "help" then
    return { own[2] or "--help", own[2] and "--help" }
  end
  return own
end

--- What follows an option: `--unit=nginx`, `--unit nginx`.
local function value_of(own, option)
  for index, word in ipairs(own) do
    if word == option then
      local following = own[index + 1]
      return following and not following:find "^%-." and following or nil
    elseif word:sub(1, #option + 1) == option .. "=" then
      return word:sub(#option + 2)
    end
  end
end

--- The message of argparse in our words.
local function explain(message, own, name)
  message = message:gsub("%s+", " ")
  local unknown, rest = message:match "^unknown (.*)$"
  if unknown then
    unknown, rest = unknown:match "^%l+ '(.-)'(.*)$"
  end
  if unknown and unknown:find "^%-" then
    return words.option(unknown, value_of(own, unknown), name, rest:match "'(%-%-.-)'")
  elseif unknown then
    return words.command(unknown, names)
  end
  if message == "too many arguments" and words.too_many[name] then
    return message .. "; " .. words.too_many[name]
  end
  return (message:gsub("'", '"'):gsub("can not", "cannot"))
end

--- Parse the arguments.
---@return table|nil
---@return string|nil message
---@return string|nil name of the command that the message is about
local function parse(parser, commands, own, tail)
  local parsed, args = parser:pparse(own)
  local name = commands[own[1]] and own[1]
  if tail and name and name ~= "run" then
    return nil, "only run takes a command: tidegate run POLICY -- CMD", name
  end
  if not parsed then
    local misplaced = name and commands[name].misplaced
    return nil, misplaced and misplaced(own, tail, parser) or explain(args, own, name), name
  end
  args.tail = tail
  local misuse = name and commands[name].misuse
  local wrong = misuse and misuse(args)
  return not wrong and args or nil, wrong, name
end

--- Report arguments that cannot be understood, and return the exit status.
local function fail_to_parse(message, name)
  local what, code = name and "tidegate " .. name or "tidegate", status.of("usage", name)
  report.fail({ kind = "usage", status = code, message = message },
    ("%s: %s\nSee: %s --help"):format(what, message, what))
  return code
end

--- Report a failure of a command, and return the exit status.
local function fail(name, kind, message, code, remedy)
  code = code or status.of(kind, name)
  local text = kind ~= "policy" and "tidegate: " .. message or message
  report.fail({ kind = kind, status = code, message = message, remedy = remedy },
    remedy and text .. "\n" .. remedy:gsub("[^\n]+", "tidegate: %0") or text)
  return code
end

--- Run the command that the arguments name.
--
-- A command's run() returns an exit status; or nil, the kind of its failure, and a message; then,
-- if the kind does not say it, the exit status; and what can be done about it.
---@param arguments string[]
---@return integer the exit status
function M.main(arguments)
  local commands = all_commands()
  local own, tail = split(arguments)
  own = rewrite_help(own)
  for _, word in ipairs(own) do
    if word == "--json" then
      report.use_json()
    end
  end
  standard.print = report.print
  local parser = new_parser(commands)
  local args, wrong, about = parse(parser, commands, own, tail)
  if not args then
    return fail_to_parse(wrong, about)
  elseif not args.command then
    io.stderr:write(parser:get_help(), "\n")
    return status.USAGE
  end
  local code, kind, message, special, remedy = commands[args.command].run(args)
  return code or fail(args.command, kind, message, special, remedy)
end

return M

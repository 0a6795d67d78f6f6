--- A script in a file, on standard input, or in arguments: the language of the prompt, without a
--- prompt.

local commands = require "tidegate.repl.commands"
local environment = require "tidegate.repl.environment"
local evaluate = require "tidegate.repl.evaluate"
local interrupt = require "tidegate.host.interrupt"
local meant = require "tidegate.repl.meant"
local report = require "tidegate.host.report"
local schema = require "tidegate.schema"
local statements = require "tidegate.repl.statements"
local status = require "tidegate.host.exit_status"
local syntax = require "tidegate.syntax"
local uv = require "luv"

local M = {}

--- Have the session write events and complaints to standard error.
---@param session tidegate.Session
function M.listen(session)
  local out = report.open()
  if session.refused then
    report.say("the rules are only simulated: %s", session.refused)
  end
  session.on_command = function() end
  session.say = function() end -- a script prints what it wants to
  session:watch(function(event) out:event(event) end,
    function(message) report.say("%s", message) end)
end

-- Values -------------------------------------------------------------------------------

--- Whether a value is there to be read, such as a page of help or an explanation.
local function is_text(value)
  local meta = type(value) == "table" and debug.getmetatable(value)
  return meta and meta.__tostring ~= nil
end

--- What prints the values of a statement of a script: all if the statement is a bare value. A call
--- has often another purpose than its values, so of these only texts are printed.
local function echo_of(here)
  return function(bare, ...)
    for index = 1, select("#", ...) do
      local value = select(index, ...)
      local text = (bare or is_text(value)) and here.show(value)
      if text and text ~= "" then
        print(text)
      end
    end
  end
end

--- The name of that function in a script.
local ECHO = "__echo"

--- The words that begin a statement without a value.
local plain = { ["local"] = true, ["for"] = true, ["if"] = true, ["while"] = true,
  ["function"] = true, ["repeat"] = true, ["do"] = true, ["return"] = true }
for _, verb in ipairs(schema.verb_names) do
  plain[verb] = true
end

--- A statement that hands its values to ECHO; nil: it has none.
local function with_echo(statement, piece)
  if plain[statement.tokens[1].text] then
    return nil
  end
  piece = commands.lua(piece, function() return true end) or piece
  if not load("return " .. piece) then
    return nil
  end
  local is_call = load(" " .. piece) -- without the blank, a # would begin a line to skip
  return ("do %s(%s, %s) end"):format(ECHO, is_call and "false" or "true", piece)
end

--- A script whose statements print their values.
local function echoing(text)
  local parts, at = {}, 1
  for _, statement in ipairs(statements.split(text)) do
    local instead = with_echo(statement, text:sub(statement.first, statement.last))
    if instead then
      parts[#parts + 1] = text:sub(at, statement.first - 1)
      parts[#parts + 1] = instead
      at = statement.last + 1
    end
  end
  return table.concat(parts) .. text:sub(at)
end

--- Print what an input returned. Values of a change, such as a new rule, and the 0 of sh() say
--- nothing new.
local function print_values(session, here, ok, count, ...)
  if not ok then
    return false, count
  end
  local values = { ... }
  -- A value may have a __tostring that fails, or that does not end.
  return interrupt.guard(function()
    for index = 1, (session.change or session.quiet) and 0 or count do
      print(here.show(values[index]))
    end
  end)
end

-- Running ------------------------------------------------------------------------------

--- Run a text, as one change.
local function run_text(session, here, text)
  text = text:gsub("^#![^\n]*", "")
  rawset(here.table, ECHO, echo_of(here))
  local name = "@" .. session.source
  local chunk, message = load(echoing(text), name, "t", here.table)
  chunk = chunk or load(text, name, "t", here.table)
  if not chunk then
    return false, message .. syntax.hint(message, text, 1, meant.line)
  end
  return print_values(session, here, session:run(chunk))
end

--- An input of several lines is compiled at once, and has to be whole.
local function compile_argument(session, here, text, index)
  local globals = here.globals
  local instead, wrong = commands.lua(text, function(word) return globals[word] ~= nil end)
  if wrong then
    return nil, ("%s:%d: %s"):format(session.source, index, wrong)
  end
  local chunk, message = evaluate.compile(instead or text, session.source, index, here.table)
  if not chunk then
    return nil, message or ("%s:%d: this is only the beginning of a statement")
      :format(session.source, index)
  end
  return chunk
end

--- What follows the nil that an input returns.
local function without_nil(ok, count, ...)
  if not ok then
    return false, count
  end
  return true, count - 1, select(2, ...)
end

--- Run the arguments, each as if it were typed at the prompt.
local function run_arguments(session, here, inputs)
  for index, text in ipairs(inputs) do
    local chunk, message = compile_argument(session, here, text, index)
    if not chunk then
      return false, message
    end
    session.quiet = false
    local ok
    ok, message = print_values(session, here, without_nil(session:run(chunk)))
    if not ok or session.status then
      return ok, message
    end
  end
  return true
end

--- The exit status of what has run.
local function status_of(session, ok, message)
  local number = session.signal or interrupt.take()
    or message == interrupt.INTERRUPTED and uv.constants.SIGINT
  if number then
    return status.SIGNAL + number
  elseif not ok then
    report.warn(tostring(message))
    local refused = message ~= nil and message == session.kernel_failure
    return refused and status.KERNEL or status.NO
  end
  return session.status or status.OK
end

--- Run the script until it ends.
---@param session tidegate.Session
---@param given { inputs: string[]|nil, text: string|nil } the arguments, or the script
---@return integer status
function M.run(session, given)
  M.listen(session)
  local here = environment.new(session)
  local ok, message
  if given.inputs then
    ok, message = run_arguments(session, here, given.inputs)
  else
    ok, message = run_text(session, here, given.text)
  end
  io.stdout:flush()
  return status_of(session, ok, message)
end

return M

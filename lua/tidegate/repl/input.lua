--- What is typed, line by line: an input ends with the line that completes it, is run, and what it
--- did is told.

local literal = require "tidegate.literal"
local colour = require "tidegate.repl.colour"
local commands = require "tidegate.repl.commands"
local evaluate = require "tidegate.repl.evaluate"
local interrupt = require "tidegate.host.interrupt"
local plural = require "tidegate.host.plural"
local rule_handle = require "tidegate.rule_handle"
local uv = require "luv"

local M = {}

local SIGINT = uv.constants.SIGINT

---@class tidegate.Input
---@field session tidegate.Session
---@field environment tidegate.Environment
---@field text string the lines of an input that is not complete yet; "": none is begun
---@field count integer the number of lines so far
---@field first integer the number of the first line of the input
---@field failed boolean whether an input had an error
---@field say fun(text: string) prints a line
---@field show fun(text: string) prints a value, which may be long
---@field complain fun(text: string) prints an error
---@field unseen boolean|nil whether nobody sees the inputs: messages then name their lines, and
--- SIGINT ends the session
---@field remember fun(text: string)|nil takes an input before it runs
local Input = {}
Input.__index = Input

---@param session tidegate.Session
---@param environment tidegate.Environment
---@param out { say: fun(text: string), show: fun(text: string), complain: fun(text: string) }
---@return tidegate.Input
function M.new(session, environment, out)
  return setmetatable({
    session = session, environment = environment, text = "", count = 0, first = 1, failed = false,
    say = out.say, show = out.show, complain = out.complain,
  }, Input)
end

-- What an input did -----------------------------------------------------------------------

--- The rules that a change added, the position of the last one, how many it removed, and whether it
--- moved any.
local function compare(session, before)
  local known, added, removed, moved, last = {}, {}, 0, false, nil
  for position, member in ipairs(before.policy.rules) do
    known[member] = true
    removed = removed + (member.removed and 1 or 0)
    moved = moved or member ~= session.policy.rules[position]
  end
  for position, member in ipairs(session.policy.rules) do
    if not known[member] then
      added[#added + 1], last = member, position
    end
  end
  return added, last, removed, moved
end

--- Print what has changed, such as `in force: deny "no-lan", rule 3 of 3`. Returns the new rules.
local function report_change(self, before)
  local session = self.session
  local added, last, removed, moved = compare(session, before)
  local total = #session.policy.rules
  local lead = session.refused and "simulated: " or "in force: "
  if #added == 1 and removed == 0 then
    self.say(colour.verbs(('%s%s "%s", rule %d of %d')
      :format(lead, added[1].verb, added[1].name, last, total)))
  elseif #added > 0 then
    self.say(("%s%s added, %s%d in all"):format(lead, plural(#added, "rule"),
      removed > 0 and removed .. " removed, " or "", total))
  elseif removed > 0 then
    self.say(("%s%s removed, %d left"):format(lead, plural(removed, "rule"), total))
  elseif moved then
    self.say(lead .. "the new order of the rules")
  elseif session.policy.options ~= before.policy.options then
    self.say(lead .. "the options of the policy")
  end
  return added
end

--- Warn about the rules that were added.
local function warn(self, added)
  local fresh = {}
  for _, member in ipairs(added) do
    fresh[member.name] = true
  end
  for _, finding in ipairs(self.session.gate:check() or {}) do
    if finding.rule and fresh[finding.rule] then
      self.say("warning: " .. self:message(finding.text))
    end
  end
  for _, skipped in ipairs(self.session.gate:skipped()) do
    self.say("warning: " .. self:message(skipped.text))
  end
end

--- Print the values of an input, which follow a nil; the first one becomes `_`. A single value is
--- not printed if it is the new rule, which has been reported, or the status 0 of sh().
local function echo(self, count, values, added)
  local first = values[2]
  local known = count == 2 and (self.session.quiet
    or #added > 0 and rule_handle.member(first) == added[#added])
  if count > 1 and first ~= nil then
    self.environment.globals._ = first
  end
  if not known then
    for index = 2, count do
      local value = values[index]
      self.show(colour.value(value, self.environment.show(value)))
    end
  end
end

--- A message without the place of a single line that the user sees.
function Input:message(message)
  if self.unseen then
    local text = tostring(message)
    local placed = text:find(self.session.source, 1, true) == 1
    return placed and text or ("%s:%d: %s"):format(self.session.source, self.first, text)
  end
  return evaluate.complaint(message, self.session.source, self.first, self.count)
end

local function fail(self, message)
  self.failed = true
  local text = colour.error(literal.lines(self:message(message)))
  -- For Ctrl-C the terminal has already written ^C on this line.
  self.complain(message == interrupt.INTERRUPTED and "\n" .. text or text)
end

--- Take a signal that came while an input ran. At the prompt SIGINT was for the input; others end
--- the session.
local function settle_signal(self)
  local number = interrupt.take()
  if number and (number ~= SIGINT or self.unseen) then
    self.session.signal = number
  end
end

local function finish(self, ok, count, ...)
  if not ok then
    fail(self, count)
    return
  end
  local before, added = self.session.change, {}
  if before then
    added = report_change(self, before)
  end
  -- A value may have a __tostring that the user wrote, and that does not end.
  local shown, message = interrupt.guard(echo, self, count, { ... }, added)
  if not shown then
    fail(self, message)
  end
  if #added > 0 then
    warn(self, added)
  end
  if self.session.gate.closed then
    self.say "the gate is closed, and nothing is in force any more: the prompt ends"
  end
end

-- Lines -----------------------------------------------------------------------------------

--- The function that an input stands for.
---@return function|nil
---@return string|nil message nil without a function: the input is not complete
local function compile(self)
  local text, globals = self.text, self.environment.globals
  local instead, message = commands.lua(text, function(word) return globals[word] ~= nil end)
  if message then
    return nil, message
  end
  return evaluate.compile(instead or text, self.session.source, self.first, self.environment.table)
end

local function keep(self, text)
  if self.remember then
    self.remember(text)
  end
end

--- Take a line, or several: run the input if that completes it.
---@param text string
function Input:take(text)
  local lines = 1 + select(2, text:gsub("\n", ""))
  self.first = self.text == "" and self.count + 1 or self.first
  self.count = self.count + lines
  self.text = self.text .. text .. "\n"
  local whole = self.text:sub(1, -2)
  if not whole:find "%S" then
    self.text = ""
    return
  end
  local chunk, message = compile(self)
  if not chunk and not message then
    return
  end
  self.text = ""
  keep(self, whole)
  if chunk then
    self.session.quiet = false
    finish(self, self.session:run(chunk))
    settle_signal(self)
  else
    fail(self, message)
  end
end

--- Give up an input that is begun; it can be recalled.
function Input:drop()
  if self.text ~= "" then
    keep(self, self.text:sub(1, -2))
  end
  self.text = ""
end

return M

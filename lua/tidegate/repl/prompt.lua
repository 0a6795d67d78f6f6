--- The prompt at a terminal: keys, events and signals in one event loop.
--
-- The callbacks of the loop only note what has come. It is handled between the turns of the loop,
-- so that a script can turn the loop itself, as sh() does.

local complete = require "tidegate.repl.complete"
local environment = require "tidegate.repl.environment"
local evaluate = require "tidegate.repl.evaluate"
local exit_status = require "tidegate.host.exit_status"
local history = require "tidegate.repl.history"
local interrupt = require "tidegate.repl.interrupt"
local lines = require "tidegate.repl.line"
local plural = require "tidegate.host.plural"
local rule = require "tidegate.rule"
local show = require "tidegate.repl.show"
local throttle = require "tidegate.repl.throttle"
local uv = require "luv"

local M = {}

local FIRST, MORE = "tidegate> ", "       >> "
local SIGINT = uv.constants.SIGINT
--- How many choices of a completion are listed.
local LISTED = 100

---@class tidegate.Prompt
---@field session tidegate.Session
local Prompt = {}
Prompt.__index = Prompt

local function say(...)
  io.stdout:write(...)
  io.stdout:write "\n"
end

-- What an input did -----------------------------------------------------------------------

--- The rules that a change added, and how many it removed.
local function compare(session, before)
  local known, added, removed = {}, {}, 0
  for _, member in ipairs(before.policy.rules) do
    known[member] = true
    removed = removed + (member.removed and 1 or 0)
  end
  for _, member in ipairs(session.policy.rules) do
    added[#added + 1] = not known[member] and member or nil
  end
  return added, removed
end

--- Print what has changed, such as `in force: deny "no-lan", rule 3 of 3`. Returns the new rules.
local function report_change(self, before)
  local session = self.session
  local added, removed = compare(session, before)
  local total = #session.policy.rules
  local lead = session.refused and "simulated: " or "in force: "
  if #added == 1 and removed == 0 then
    say(lead, added[1].verb, ' "', added[1].name, '", rule ', total, " of ", total)
  elseif #added > 0 then
    say(lead, plural(#added, "rule"), " added, ", removed > 0 and removed .. " removed, " or "",
      total, " in all")
  elseif removed > 0 then
    say(lead, plural(removed, "rule"), " removed, ", total, " left")
  elseif session.policy.revision ~= before.policy.revision then
    say(lead, "the options of the policy")
  end
  return added
end

--- Warn about the rules that were added.
local function warn(self, added)
  local fresh = {}
  for _, member in ipairs(added) do
    fresh[member.name] = true
  end
  for _, finding in ipairs(self.session.gate:findings() or {}) do
    if finding.rule and fresh[finding.rule] then
      say("warning: ", self:complaint(finding.text))
    end
  end
  for _, warning in ipairs(self.session.gate:warnings()) do
    say("warning: ", self:complaint(warning))
  end
end

--- Print the values of an expression, which follow a nil; the first one becomes `_`. A single
--- value is not printed if it is the new rule, which has been reported, or the status 0 of sh().
local function echo(self, count, values, added)
  local first = values[2]
  local known = count == 2 and (self.session.quiet
    or #added > 0 and rule.is(first) and first == added[#added])
  if count > 1 and first ~= nil then
    self.environment.globals._ = first
  end
  if not known then
    for index = 2, count do
      say(show.value(values[index]))
    end
  end
end

function Prompt:complaint(message)
  return evaluate.complaint(message, self.session.source, self.first, self.count)
end

--- Take a signal that came while a script ran. SIGINT was for the script; others end the session.
local function settle_signal(self)
  local number = interrupt.take()
  if number and number ~= SIGINT then
    self.session.signal = number
  end
end

local function complain(self, message)
  -- For Ctrl-C the terminal has already written ^C on this line.
  say(message == interrupt.INTERRUPTED and "\n" or "", self:complaint(message))
end

local function finish(self, ok, count, ...)
  if not ok then
    complain(self, count)
    return
  end
  local before, added = self.session.change, {}
  if before then
    added = report_change(self, before)
  end
  -- A value may have a __tostring that the user wrote, and that does not end.
  local shown, message = interrupt.guard(echo, self, count, { ... }, added)
  if not shown then
    complain(self, message)
  end
  if #added > 0 then
    warn(self, added)
  end
end

--- Take a line: run the input if this line completes it, else wait for the next line.
local function take_line(self, text)
  if self.history:add(text) then
    self.line:remember(text)
  end
  self.count = self.count + 1
  self.first = self.input == "" and self.count or self.first
  self.input = self.input .. text .. "\n"
  if not self.input:find "%S" then
    self.input = ""
    return
  end
  local chunk, message =
    evaluate.compile(self.input, self.session.source, self.first, self.environment.table)
  if chunk or message then
    self.input = ""
  end
  if chunk then
    self.session.quiet = false
    finish(self, self.session:run(chunk))
    settle_signal(self)
  elseif message then
    say(self:complaint(message))
  end
end

-- Keys ----------------------------------------------------------------------------------

--- Print names in columns, like ls.
local function list(names, columns)
  local widest = 0
  for _, name in ipairs(names) do
    widest = math.max(widest, #name)
  end
  local per_row = math.max(1, math.floor(columns / (widest + 2)))
  local shown = math.min(#names, LISTED)
  local rows = math.ceil(shown / per_row)
  for row = 1, rows do
    local cells = {}
    for index = row, shown, rows do
      cells[#cells + 1] = names[index] .. (" "):rep(widest + 2 - #names[index])
    end
    say((table.concat(cells):gsub("%s+$", "")))
  end
  if #names > shown then
    say("… and ", #names - shown, " more")
  end
end

local function take_tab(self, text, cursor)
  local before = text:sub(1, cursor)
  if not before:find "%S" then
    self.line:insert "  "
    return
  end
  local insert, choices = complete.complete(self.session, self.environment, self.input .. before)
  if insert ~= "" then
    self.line:insert(insert)
  elseif #choices > 0 then
    self.line:above(function() list(choices, self.line:columns()) end)
  end
end

--- Ctrl-D: give up an input that is begun; if there is none, leave.
local function take_eof(self)
  if self.input ~= "" then
    self.input = ""
    say()
    return
  end
  say()
  self.session.status = 0
end

local function take_keys(self)
  while not self.session.status and not self.session.signal do
    local event, text, cursor = self.line:read(self.input == "" and FIRST or MORE)
    if event == "pending" then
      return
    elseif event == "done" then
      take_line(self, text)
    elseif event == "complete" then
      take_tab(self, text, cursor)
    elseif event == "interrupt" then
      self.input = ""
    else
      take_eof(self)
    end
  end
end

-- The loop ------------------------------------------------------------------------------

--- Take a signal that came while no script was running.
local function take_signal(self)
  local number = interrupt.take()
  if number == SIGINT and self.line.shown then
    self.line:cancel()
    self.keys = true
  elseif number and number ~= SIGINT then
    self.session.signal = number
  end
end

local function turn(self)
  take_signal(self)
  if self.resized then
    self.resized = false
    self.line:resize()
  end
  if self.session:has_events() or self.throttle:due() then
    self.line:above(function()
      self.session:dispatch()
      self.throttle:report()
    end)
  end
  if self.keys then
    self.keys = false
    take_keys(self)
  end
  self.session:await_timers()
end

local function watch_terminal(self)
  local function note() self.keys = true end
  self.terminal = uv.new_poll(self.line:fd())
  self.terminal:start("r", note)
  self.session.on_command = function(running)
    if running then
      self.terminal:stop()
    else
      self.line:restore() -- the command may have changed the terminal's modes
      self.terminal:start("r", note)
    end
  end
  uv.new_signal():start("sigwinch", function() self.resized = true end)
end

local function greet(session)
  local lead = session.path
    and ("%s: %s, "):format(session.path, plural(#session.policy.rules, "rule"))
    or "No rules yet; they will be "
  if session.refused then
    say(lead, "only simulated: ", session.refused)
  elseif session.own_cgroup.reason then
    say(lead, "attached to nothing, and sh cannot be used: ", session.own_cgroup.reason)
  else
    say(lead, 'in force for what sh runs; attach "CGROUP" puts them in force there')
  end
  for _, warning in ipairs(session.gate:warnings()) do
    say("warning: ", warning)
  end
  say "help() shows what there is; Ctrl-D leaves"
end

--- Print the changes that are lost by leaving.
local function show_unsaved(session)
  if #session.past == 0 then
    return
  end
  local difference = session:diff()
  if difference and #difference > 0 then
    say(session.path and "not saved to " .. session.path or "not saved", ":")
    say(tostring(difference))
  end
end

--- Run the prompt until its user leaves or a signal ends it.
---@param session tidegate.Session
---@return integer|nil status
---@return string|nil message
function M.run(session)
  local line, message = lines.open()
  if not line then
    return nil, message
  end
  local self = setmetatable({
    session = session, line = line, history = history.open(),
    environment = environment.new(session), input = "", count = 0, first = 1, keys = true,
  }, Prompt)
  session.say = say
  session.above = function(write) line:above(write) end
  session.columns = function() return line:columns() end
  self.throttle = throttle.new(say)
  for _, text in ipairs(self.history.lines) do
    line:remember(text)
  end
  session:watch(function(event) self.throttle:say(tostring(event)) end, say)
  greet(session)
  watch_terminal(self)
  local done, failure = xpcall(function()
    while not session.status and not session.signal do
      turn(self)
      if not session.status and not session.signal then
        uv.run "once"
      end
    end
    if line.shown then
      say()
    end
    show_unsaved(session)
  end, debug.traceback)
  line:close()
  if not done then
    error(failure, 0)
  end
  return session.signal and exit_status.SIGNAL + session.signal or session.status
end

return M

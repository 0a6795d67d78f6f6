--- The prompt at a terminal: keys, events and signals in one event loop.
--
-- The callbacks of the loop only note what has come. It is handled between the turns of the loop,
-- so that a script can turn the loop itself, as sh() does.

local colour = require "tidegate.repl.colour"
local complete = require "tidegate.repl.complete"
local environment = require "tidegate.repl.environment"
local exit_status = require "tidegate.host.exit_status"
local history = require "tidegate.repl.history"
local inputs = require "tidegate.repl.input"
local interrupt = require "tidegate.host.interrupt"
local lines = require "tidegate.repl.line"
local literal = require "tidegate.literal"
local pager = require "tidegate.repl.pager"
local plural = require "tidegate.host.plural"
local signals = require "tidegate.host.signals"
local throttle = require "tidegate.repl.throttle"
local uv = require "luv"

local M = {}

local FIRST, MORE = "tidegate> ", "       >> "
local SIGINT = uv.constants.SIGINT
--- How many choices of a completion are listed.
local LISTED = 100

---@class tidegate.Prompt
---@field session tidegate.Session
---@field line tidegate.Line
---@field input tidegate.Input
---@field history tidegate.History
local Prompt = {}
Prompt.__index = Prompt

--- What is to be printed when the pager has ended; nil: there is none.
---@type (fun())[]|nil
local held

local function say(...)
  local text = table.concat { ... } .. "\n"
  if held then
    held[#held + 1] = function() io.stdout:write(text) end
  else
    io.stdout:write(text)
  end
end

-- Long texts ------------------------------------------------------------------------------

--- Show a text in the pager. Meanwhile events are handled, and what they print waits.
local function page(self, command, text)
  local session = self.session
  io.stdout:flush()
  session.on_command(true)
  held = {}
  local shown, signal = pager.show(command, text, function()
    if session:has_events() then
      session:dispatch()
    end
    session:await_timers()
  end)
  local writes = held
  held = nil
  session.on_command(false)
  session.signal = session.signal or signal
  if not shown then
    say(text)
  end
  for _, write in ipairs(writes) do
    write()
  end
end

--- Print a text, which goes through the pager if it does not fit on the screen.
local function show(self, text)
  local line = self.line
  local command = pager.rows(text, line:columns()) >= line:rows() and pager.command()
  if command then
    page(self, command, text)
  else
    say(text)
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
  local insert, choices =
    complete.complete(self.session, self.environment, self.input.text .. before)
  if insert ~= "" then
    self.line:insert(insert)
  elseif #choices > 0 then
    self.line:above(function() list(choices, self.line:columns()) end)
  end
end

--- Ctrl-D: give up an input that is begun; if there is none, leave.
local function take_eof(self)
  if self.input.text ~= "" then
    self.input:drop()
    say()
    return
  end
  say()
  self.session.status = 0
end

local function take_keys(self)
  while not self.session.status and not self.session.signal do
    local event, text, cursor = self.line:read(self.input.text == "" and FIRST or MORE)
    if event == "pending" then
      return
    elseif event == "done" then
      self.input:take(text)
    elseif event == "complete" then
      take_tab(self, text, cursor)
    elseif event == "interrupt" then
      self.input:drop()
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
    and ("%s: %s, "):format(literal.line(session.path), plural(#session.policy.rules, "rule"))
    or "No rules yet; they will be "
  if session.refused then
    say(lead, "only simulated: ", session.refused)
  elseif session.own_cgroup.reason then
    say(lead, "attached to nothing, and sh cannot be used: ", session.own_cgroup.reason)
  else
    say(lead, 'in force for what sh runs; attach "CGROUP" puts them in force there')
  end
  for _, skipped in ipairs(session.gate:skipped()) do
    say("warning: ", skipped.text)
  end
  if not session.refused and uv.getuid() == 0 then
    say "what sh runs as root can leave the rules: it may write to cgroup.procs"
  end
  say "help shows what there is; Ctrl-D leaves"
end

--- Print the changes that are lost by leaving.
local function show_unsaved(session)
  if #session.past == 0 then
    return
  end
  local difference = session:diff()
  if difference and #difference > 0 then
    say(session.path and "not saved to " .. literal.line(session.path) or "not saved", ":")
    say(colour.value(difference, tostring(difference)))
  end
end

--- The prompt of a session, at the terminal.
local function open(session, line)
  local self = setmetatable({
    session = session, line = line, history = history.open(),
    environment = environment.new(session), keys = true,
  }, Prompt)
  self.input = inputs.new(session, self.environment, {
    say = say, complain = say, show = function(text) show(self, text) end,
  })
  session.say = say
  session.above = function(write)
    if held then
      held[#held + 1] = write
    else
      line:above(write)
    end
  end
  session.columns = function() return line:columns() end
  self.throttle = throttle.new(say)
  for _, text in ipairs(self.history.inputs) do
    line:remember(text)
  end
  session:watch(function(event)
    self.throttle:say(colour.verbs(tostring(event)))
  end, function(message) say(colour.error(message)) end)
  return self
end

--- From now on, what is typed is remembered.
local function start_history(self)
  self.input.remember = function(text)
    if self.history:add(text) then
      self.line:remember(text)
    end
  end
  if self.history.problem then
    say("warning: ", self.history.problem, ": what is typed here is not kept in a file")
  end
end

--- Run the prompt until its user leaves or a signal ends it.
---@param session tidegate.Session
---@param given { inputs: string[]|nil } run first, as if they were typed
---@return integer|nil status
---@return string|nil message
function M.run(session, given)
  local line, message = lines.open()
  if not line then
    return nil, message
  end
  colour.start()
  signals.survive_failed_writes() -- the user may leave a pager before it has read all
  local self = open(session, line)
  greet(session)
  watch_terminal(self)
  local done, failure = xpcall(function()
    for _, text in ipairs(given.inputs or {}) do
      self.input:take(text)
    end
    start_history(self)
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

--- What a prompt, or a script for it, works on: a gate, and the history of its changes.
--
-- An input is one change. After it has run, everything it did to the policy is published in one
-- step; if it fails, none of it remains. undo() takes back one change.

local attachments = require "tidegate.host.attachments"
local diff = require "tidegate.diff"
local doctor_checks = require "tidegate.doctor_checks"
local gates = require "tidegate.gate"
local interrupt = require "tidegate.host.interrupt"
local language = require "tidegate.language"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local own_cgroup = require "tidegate.repl.own_cgroup"
local rebuild = require "tidegate.repl.rebuild"
local repeated = require "tidegate.host.repeated"
local rule_handle = require "tidegate.rule_handle"
local tidegate = require "tidegate"
local timers = require "tidegate.timers"
local trace = require "tidegate.repl.trace"
local uv = require "luv"

local M = {}

---@class tidegate.Session
---@field gate tidegate.Gate
---@field state table behind the gate's handle
---@field policy tidegate.Policy the gate's
---@field path string|nil the policy's file or image
---@field trust boolean whether that policy may use more than its language
---@field text string|nil the text of that file when it was read; nil for an image
---@field refused string|nil why the kernel enforces nothing; nil if it does
---@field own_cgroup tidegate.OwnCgroup
---@field status integer|nil the exit status, after exit() was called
---@field handlers table[] those that on() has staged
---@field notes string[] what dispatch() is going to print
---@field past table[] the marks that undo() goes back to
---@field origin table|nil the mark before the first input
---@field change table|nil the mark before the last input, if that input changed something
---@field traceback string|nil where the last error was raised
---@field kernel_failure string|nil the message of the last refusal by the kernel
---@field source string the name of the input in messages: "prompt"
---@field say fun(remark: string) prints a line that is not a value
---@field above fun(write: fun()) calls a function that prints above the line being typed
---@field on_command fun(running: boolean) called before and after a command of sh()
---@field signal integer|nil the signal that ends the session
---@field complain fun(message: string) prints the message of an error in a handler
local Session = {}
Session.__index = Session

local function read(path)
  local handle, message = io.open(path, "rb")
  if not handle then
    return nil, message
  end
  local text = handle:read "*a"
  handle:close()
  return text
end
M.read = read

--- A gate from a policy or an image, its rules open to changes.
local function load(path, trust)
  local gate, message = tidegate.load(path, { trust = trust })
  if not gate or gates.state(gate).source then
    return gate, message, gate and read(path)
  end
  return rebuild.gate(gates.state(gate).fixed, path, trust)
end

--- Begin a session with a policy, or with no rules.
---@param path string|nil
---@param source string the name of the input in messages
---@param trust boolean|nil whether the policy may use more than its language
---@return tidegate.Session|nil
---@return string|nil message
function M.new(path, source, trust)
  local gate, message, text
  if path then
    gate, message, text = load(path, trust)
  else
    gate = tidegate.new()
  end
  if not gate then
    return nil, message
  end
  local state = gates.state(gate)
  return setmetatable({
    gate = gate, state = state, policy = state.source, path = path, text = text, source = source,
    trust = trust or false,
    handlers = {}, past = {}, notes = {}, say = print, above = function(write) write() end,
    own_cgroup = own_cgroup.new(gate),
  }, Session)
end

--- Publish the policy to the kernel. If the kernel refuses, the session only simulates.
function Session:open()
  local ok, message = self.gate:commit()
  if not ok then
    local check = doctor_checks.first_failure()
    self.refused = check and ("%s: %s; %s"):format(check.name, check.found, check.remedy)
      or message
  else
    self.own_cgroup:open()
  end
end

-- Changes ----------------------------------------------------------------------------

--- The policy, the handlers and the timers as they are now, and how often the elements of each live
--- table were changed.
function Session:mark()
  local handlers, elements = {}, {}
  for kind, list in pairs(self.state.handlers) do
    handlers[kind] = { unpack(list) }
  end
  for _, handle in ipairs(self.policy.tables) do
    elements[handle] = live.changes(handle)
  end
  return {
    policy = self.policy:snapshot(), handlers = handlers, elements = elements,
    timers = self.policy.timers:snapshot(),
  }
end

--- Go back to a mark.
local function restore(self, mark)
  self.policy:restore(mark.policy)
  self.policy.timers:restore(mark.timers)
  self.state.handlers = mark.handlers
end

--- Publish what is staged. If the session only simulates, check that it compiles.
---@return true|nil
---@return string|nil message
function Session:publish()
  local image, message = self.gate:compile()
  if not image or self.refused then
    return image and true, message
  end
  local ok
  ok, message = self.gate:commit()
  self.kernel_failure = not ok and message or nil
  return ok, message
end

--- Register the handlers that on() has staged with the gate.
local function take_handlers(self)
  local staged = self.handlers
  self.handlers = {}
  for _, entry in ipairs(staged) do
    local unknown = language.unknown_kind(self.policy, entry.kind)
    if unknown then
      return nil, entry.where .. ": " .. unknown
    end
  end
  for _, entry in ipairs(staged) do
    self.gate:on(entry.kind, entry.handler)
    self.heard = true
  end
  return true
end

local function settle(self)
  if self.gate.closed then -- by the input
    self.status = self.status or 0
    return true
  end
  local ok, message = take_handlers(self)
  if ok then
    ok, message = self:publish()
  end
  return ok, message
end

local function changed(self, mark)
  return self.policy.revision ~= mark.policy.revision or self.heard
    or #timers.difference(mark.timers, self.policy.timers:snapshot()) > 0
end

--- Run an input.
---@param chunk function
---@return boolean ok
---@return any result the message; or the count of the returned values, followed by them
function Session:run(chunk)
  self.origin = self.origin or self:mark()
  local before, past = self:mark(), { unpack(self.past) }
  self.heard, self.undone, self.handlers = false, false, {}
  local function outcome(ok, ...)
    local message = not ok and (...) or nil
    local left = self.status and not ok -- exit() raised this error to leave the script
    if left then
      ok, message = true, nil
    end
    if ok then
      ok, message = settle(self)
    end
    if not ok then
      if changed(self, before) then
        restore(self, before)
        self.past = past
        self:publish()
      end
      return false, message
    end
    if changed(self, before) and not self.undone then
      self.past[#self.past + 1] = before
      self.change = before
    else
      self.change = nil
    end
    if left then
      return true, 0
    end
    return true, select("#", ...), ...
  end
  return outcome(interrupt.guard(trace.keep(chunk, function(text) self.traceback = text end)))
end

--- What a mark has of handlers that another one has not, one line for each.
local function add_handlers(changes, sign, has, lacks)
  for kind, list in pairs(has) do
    for _ = #(lacks[kind] or {}) + 1, #list do
      changes[#changes + 1] = { sign = sign, text = ("on(%s, …)"):format(literal.quote(kind)) }
    end
  end
end

--- The live tables whose elements have changed since a mark: `set "banned"`.
local function changed_tables(mark, now)
  local names = {}
  for handle, times in pairs(now.elements) do
    if times ~= (mark.elements[handle] or times) then
      names[#names + 1] = live.text(handle)
    end
  end
  table.sort(names)
  return names
end

--- Take back the last change.
---@return tidegate.Diff|nil effect
---@return string|nil message
function Session:undo()
  local last = table.remove(self.past)
  if not last then
    return nil, "undo: nothing was changed at the prompt"
  end
  local now, was = self:mark(), assert(self:dump())
  restore(self, last)
  self.undone = true
  local ok, message = self:publish()
  if not ok then
    return nil, message
  end
  local effect = diff.of_policies(was, assert(self:dump()))
  add_handlers(effect, "-", now.handlers, last.handlers)
  add_handlers(effect, "+", last.handlers, now.handlers)
  for _, change in ipairs(timers.difference(now.timers, last.timers)) do
    effect[#effect + 1] = change
  end
  for _, name in ipairs(changed_tables(last, now)) do
    self.say(("undo: the elements of %s stay as they are"):format(name))
  end
  return effect
end

--- How many handlers and timers were typed.
---@return integer handlers
---@return integer timers
function Session:typed()
  local now, handlers, added = self:mark(), {}, 0
  add_handlers(handlers, "+", now.handlers, self.origin.handlers)
  for _, change in ipairs(timers.difference(self.origin.timers, now.timers)) do
    added = added + (change.sign == "+" and 1 or 0)
  end
  return #handlers, added
end

--- The handles of the rules, in order.
---@return tidegate.Rule[]
function Session:rules()
  return rule_handle.all(self.policy:list())
end

--- The sets, or the services.
---@param kind tidegate.LiveKind
---@return (tidegate.Set|tidegate.Services)[]
function Session:declared(kind)
  return self.policy:declared(kind)
end

--- Lua that gives the policy as it is now, also when the gate is closed.
---@return string|nil
---@return string|nil message
function Session:dump()
  local image, message = self.policy:compile()
  if not image then
    return nil, message
  end
  return image:dump()
end

--- How the policy differs from its file. Without a file, everything counts as added.
---@return tidegate.Diff|nil
---@return string|nil message
function Session:diff()
  local file, message
  if self.path then
    file, message = tidegate.load(self.path, { trust = self.trust })
  else
    file = tidegate.new()
  end
  if not file then
    return nil, message
  end
  local was = assert(file:dump())
  file:close()
  local now
  now, message = self:dump()
  return now and diff.of_policies(was, now), message
end

-- The event loop -----------------------------------------------------------------------

--- Events that one call of dispatch() takes, so that a flood of events does not delay the keys.
local EVENTS_A_TURN = 1000

--- Have dispatch() call `show` for each event, beside the policy's handlers.
---@param show fun(event: tidegate.Event)
---@param complain fun(message: string) called for an error in a handler, without its traceback
function Session:watch(show, complain)
  if self.refused then
    return
  end
  self.gate:on("*", show)
  self.complain = function(message)
    local interrupted = message == tostring(interrupt.INTERRUPTED)
    complain(literal.lines(not interrupted and message:match "^(.-)\nstack traceback:"
      or message))
  end
  local problems = repeated.new(self.complain)
  self.gate:on("error", function(message) problems:add(message) end)
  self.health = attachments.watch(self.gate)
  self.health.changed = function(attached) self:note(attached) end
  self.poll = uv.new_poll(assert(self.gate:event_fd()))
  self.clock = uv.new_timer()
  self:listen()
end

--- Note, for dispatch() to print, that others have changed what is in force on a cgroup.
function Session:note(attached)
  local text
  if attached.state == "gone" then
    self.own_cgroup:forget(attached.path)
    text = "%s was removed: the rules are not in force there any more"
  elseif attached.state == "severed" then
    text = "%s: somebody has detached "
      .. table.concat(attachments.missing(attached), " ") .. " there; attach it again"
  else
    text = "%s: the rules are in force there again"
  end
  self.notes[#self.notes + 1] = text:format(literal.line(attached.path))
  self.ready = true
end

--- Look at once for what others have done to the cgroups that the gate is attached to.
function Session:look()
  if self.health then
    self.health:look(true)
  end
end

function Session:listen()
  self.poll:start("r", function() self.ready = true end)
end

--- Whether there may be events to dispatch, or timers that are due.
function Session:has_events()
  local ready = self.ready
  self.ready = false
  return ready
end

--- Wake the event loop when the next timer is due.
function Session:await_timers()
  local left = self.clock and not self.gate.closed and self.gate:next_timeout()
  if left then
    self.clock:start(math.ceil(left * 1000), 0, function()
      self.ready = true
      uv.stop() -- a timer that is due at once is called before run "once" waits
    end)
  end
end

--- Handle the events that have come, and the timers that are due.
function Session:dispatch()
  if not self.poll or self.gate.closed then
    return
  end
  local notes = self.notes
  self.notes = {}
  for _, note in ipairs(notes) do
    self.complain(note)
  end
  local ok, message = interrupt.guard(self.gate.dispatch, self.gate, EVENTS_A_TURN)
  if not ok then
    self.complain(tostring(message))
  end
end

--- How long an event waits while a command runs. Otherwise its line would be printed in the
--- middle of the line that the command prints about the same call.
local COURTESY_MS = 50

--- Run a command of sh(), and handle events as they come.
---@param text string
---@return integer|nil status
---@return string|nil message
function Session:command(text)
  io.stdout:flush()
  self.on_command(true)
  local timer = uv.new_timer()
  local status, message, signal = self.own_cgroup:run(text, function()
    uv.run "once"
    if self:has_events() then
      self.poll:stop()
      timer:start(COURTESY_MS, 0, function()
        self:listen()
        self.due = true
        uv.stop()
      end)
    elseif self.due then
      self.due = false
      self:dispatch()
    end
  end, interrupt.take)
  timer:close()
  if self.poll then
    self:listen()
  end
  self:dispatch()
  self.on_command(false)
  self.signal = self.signal or signal
  return status, message
end

--- Detach, handle the last events, and clean up.
---@param on_left fun(processes: { pid: integer, name: string }[]) called if sh() left any running
function Session:close(on_left)
  if self.health then
    self.health:close()
  end
  local removed = self.own_cgroup:close(on_left)
  if not self.gate.closed then
    if removed then
      self.gate:detach()
    end
    self:dispatch()
    self.gate:close()
  end
end

return M

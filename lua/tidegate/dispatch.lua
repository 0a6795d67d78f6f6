--- The events of a gate, pulled in a loop or passed to handlers; and its timers.

local attach = require "tidegate.attach"
local language = require "tidegate.language"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local protect = require "tidegate.protect"
local stats = require "tidegate.stats"
local suggest = require "tidegate.suggest"
local timers = require "tidegate.timers"

local C = library.C

local M = {}

--- The methods of a gate for events and timers.
---@class tidegate.Gate
local Gate = {}
M.methods = Gate

--- The reader of a gate that has been published; otherwise raise, and blame the caller's caller.
local function published_reader(self, verb)
  if self.closed then
    error("the gate is closed", 3)
  elseif not self.published then
    error(verb .. ": nothing is published yet; attach or commit first", 3)
  end
  self.view = self.view or self.reader:view()
  return self.reader
end
M.published_reader = published_reader

local function check_timeout(options)
  if options ~= nil and type(options) ~= "table" then
    error(("events: wants a table such as { timeout = 1 }; got %s")
      :format(literal.describe(options)), 3)
  end
  for key, value in pairs(options or {}) do
    if key ~= "timeout" then
      error("events: " .. suggest.option(key, value, { "timeout" }), 3)
    end
  end
  local timeout = options and options.timeout
  if timeout ~= nil and (type(timeout) ~= "number" or timeout < 0) then
    error(("events: timeout wants seconds; got %s"):format(literal.describe(timeout)), 3)
  end
  return timeout
end

--- Events, one a turn: `for event in gate:events() do print(event) end`.
--- The loop ends if no event arrives for `timeout` seconds (default: it waits as long as it takes),
--- if a signal interrupts the wait, or when the gate is closed.  An event is valid in its turn;
--- event:copy() keeps one.  If a loop is left early, the next call continues after the last event.
---@param options { timeout: number }|nil
---@return fun(): tidegate.Event|nil
function Gate:events(options)
  local timeout = check_timeout(options)
  local ring = published_reader(self, "events")
  local view = self.view
  local function pull()
    view.at = false
    if self.closed then
      return nil
    end
    local at, message = ring:next()
    if at == nil and not message then
      local some
      some, message = ring:wait(timeout)
      if some then
        at, message = ring:next()
      end
    end
    if message then
      error(message, 2)
    elseif at ~= nil then
      view.at = at
      return view.event
    end
  end
  return pull
end

local call_handlers

--- How often an attachment is looked at, in seconds: the kernel tells nobody what becomes of it.
local LOOK = 1

--- Tell the handlers for "severed" of the attachments that others have severed or removed.
---@param self table the gate
function M.look_for_severed(self)
  if not self.handlers.severed then
    return
  end
  local list = self.cdata and not self.restricted and attach.list(self.cdata)
  local known = {}
  for _, attached in ipairs(list or {}) do
    local state = attached.state .. " " .. #attached.effective
    known[attached.cgroup] = state
    if attached.state ~= "attached" and self.looked[attached.cgroup] ~= state then
      call_handlers(self, self.handlers.severed, attached)
    end
  end
  self.looked = known
end

--- Add a handler, without checking that its kind exists.
---@param kind string
---@param handler function
---@package
function Gate:handle(kind, handler)
  local list = self.handlers[kind] or {}
  self.handlers[kind] = list
  list[#list + 1] = handler
  if kind == "severed" and not self.looked then
    self.looked = {}
    self.timers:add(LOOK, LOOK, function() M.look_for_severed(self) end)
  end
end

--- The rules of an image by name, which language.unknown_kind() needs of a policy.
local function named(image)
  local by_name = {}
  for _, name in pairs(image:names()) do
    by_name[name] = true
  end
  return { by_name = by_name }
end

--- Let dispatch() call a function for the events of a verb ("deny"), of a rule (its name), or for
--- all ("*"), or for those of calls that failed because the kernel refused what their rule does
--- ("failed"); or, for "lost", with the number of events that were lost since its last call because
--- the ring was full; or, for "error", with the message and the traceback of an error in another
--- handler or in a timer, which is otherwise written to standard error; or, for "severed", with an
--- attachment whose cgroup was removed (its state is "gone"), or from which somebody has detached
--- hooks, within a second (not in a process that has restricted itself, such as a worker of nginx).
---@param kind string
---@param handler fun(event: tidegate.Event|integer|string|tidegate.Attachment)
function Gate:on(kind, handler)
  if type(kind) ~= "string" or type(handler) ~= "function" then
    error(("on: wants a verb, a rule's name or \"*\", and a function; got %s and %s")
      :format(literal.describe(kind), literal.describe(handler)), 2)
  end
  local unknown = language.unknown_kind(self.source or named(self.fixed), kind)
  if unknown then
    error(unknown, 2)
  end
  self:handle(kind, handler)
end

--- Let dispatch() call a function at regular intervals ("5s", or a number of seconds), from the
--- moment when the policy is first in force.
---@param time string|number
---@param call function
---@return tidegate.Timer stop() ends it
function Gate:every(time, call)
  local seconds, message = timers.check("every", time, call)
  return self.timers:add(seconds or error(message, 2), seconds, call)
end

--- Let dispatch() call a function once, after a time, counted from now, or from the moment when
--- the policy is first in force.
---@param time string|number
---@param call function
---@return tidegate.Timer stop() ends it
function Gate:after(time, call)
  local seconds, message = timers.check("after", time, call)
  return self.timers:add(seconds or error(message, 2), nil, call)
end

--- Seconds until dispatch() has to call a timer, which event_fd() does not announce: an event loop
--- may wait that long.
---@return number|nil nil: no timer is running
function Gate:next_timeout()
  return self.timers:left()
end

--- The longest time for a function of the policy, in ms; nil: the default.
local function timeout_of(self)
  return self.source and self.source.options.handler_timeout
end

--- Pass the message of an error to the handlers for errors; without one, or if one of them fails,
--- to standard error.
local function report(self, message)
  local handlers = self.handlers.error
  for _, handler in ipairs(handlers or {}) do
    local ok, why = protect.call(timeout_of(self), handler, message)
    if not ok then
      io.stderr:write(why, "\n")
    end
  end
  if not handlers then
    io.stderr:write(message, "\n")
  end
end

M.report = report

--- Call a function of the policy, and report its error.  If it had to be ended, the turn ends, so
--- that the host can do something else before the next one.
local function call(self, handler, ...)
  local ok, message, ended = protect.call(timeout_of(self), handler, ...)
  if not ok then
    report(self, message)
  end
  self.ended = self.ended or ended
end

function call_handlers(self, handlers, event)
  for _, handler in ipairs(handlers or {}) do
    if self.closed then
      return
    end
    call(self, handler, event)
  end
end

--- Call a function that an event loop calls for the policy, as a handler: errors are reported.
M.call = call

--- Pass the events that are in the ring to their handlers.
local function dispatch_events(self, ring, limit)
  local view, count = self.view, 0
  while not self.closed and not self.ended and count < limit do
    local at, message, errno = ring:next()
    if at == nil then
      view.at = false
      if message then
        return nil, message, errno
      end
      break
    end
    view.at = at
    count = count + 1
    local event = view.event
    -- A handler may close the gate, and then the event is no longer valid.
    local verb, rule, failed = event.verb, event.rule, event.failed
    call_handlers(self, self.handlers["*"], event)
    call_handlers(self, self.handlers[verb], event)
    if failed then
      call_handlers(self, self.handlers.failed, event)
    end
    if rule then
      call_handlers(self, self.handlers[rule], event)
    end
  end
  return count
end

--- Take the events that are in the ring, without their handlers.
---@param self table the gate
---@return integer count
function M.discard(self)
  local count = 0
  while self.reader:next() ~= nil do
    count = count + 1
  end
  return count
end

local function dispatch_lost(self)
  if self.closed or not self.handlers.lost then
    return
  end
  local lost = stats.lost(self.cdata)
  if not lost then
    return
  end
  local since = lost - (self.lost_reported or 0)
  self.lost_reported = lost
  if since > 0 then
    call_handlers(self, self.handlers.lost, since)
  end
end

local function dispatch_timers(self)
  for _, timer in ipairs(self.timers:take()) do
    if not timer.stopped and not self.closed then -- by a function that ran before it
      call(self, timer.call)
    end
  end
end

local function publish(self)
  if self.closed then
    return
  end
  local ok, why = self:commit()
  if not ok then
    report(self, "the changes that handlers made to the rules are not in force: " .. why)
  end
end

--- Publish changes of the rules that no commit() has tried to publish yet.
---@param gate tidegate.Gate
function M.publish_changes(gate)
  if gate:revision() ~= gate.attempted then
    publish(gate)
  end
end

--- One turn of an event loop: call the handlers for the events that are in the ring now, and for
--- lost ones; then the timers that are due; then publish, in one step, all changes that they made
--- to the rules.  It does not wait: see event_fd() and next_timeout().  An error in a handler or of
--- the publish goes to the handlers for "error", and the rest runs all the same.
---@param limit integer|nil after so many events, leave the rest for the next call
---@return integer|nil count number of events
---@return string|nil message
---@return integer|nil errno
function Gate:dispatch(limit)
  local ring = published_reader(self, "dispatch")
  if limit ~= nil and (type(limit) ~= "number" or limit < 0 or limit ~= limit) then
    error(("dispatch: wants a number of events; got %s"):format(literal.describe(limit)), 2)
  end
  self.view.at = false -- is_empty() gives back to the kernel what was read
  -- Most turns find nothing, and a host that polls every few ms pays for each of them.
  if ring:is_empty() and not self.timers:are_due() and not self.handlers.lost then
    return 0
  end
  local revision = self:revision()
  self.ended = nil
  local count, message, errno = dispatch_events(self, ring, limit or math.huge)
  dispatch_lost(self)
  dispatch_timers(self)
  if self:revision() ~= revision then
    publish(self)
  end
  return count, message, errno
end

--- A descriptor for an event loop: it polls readable while there are events.
---@return integer|nil
---@return string|nil message
---@return integer|nil errno
function Gate:event_fd()
  published_reader(self, "event_fd")
  local fd = C.tg_gate_event_fd(self.cdata)
  if fd < 0 then
    return library.failure(fd)
  end
  return fd
end

return M

--- The events of a gate, pulled in a loop or passed to handlers; and its timers.

local language = require "tidegate.language"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local schema = require "tidegate.schema"
local stats = require "tidegate.stats"
local suggest = require "tidegate.suggest"
local timers = require "tidegate.timers"

local C = library.C

local M = {}

--- The methods of a gate for events and timers.
---@class tidegate.Gate
local Gate = {}
M.methods = Gate

local function published_reader(self, verb)
  if self.closed then
    error(verb .. ": the gate is closed", 3)
  elseif not self.published then
    error(verb .. ": nothing is published yet; attach or commit first", 3)
  end
  self.view = self.view or self.reader:view()
  return self.reader
end

local function check_timeout(options)
  if options ~= nil and type(options) ~= "table" then
    error(("events: wants a table such as { timeout = 1 }; got %s")
      :format(literal.describe(options)), 3)
  end
  for key in pairs(options or {}) do
    if key ~= "timeout" then
      error("events: " .. suggest.unknown("option", key, { "timeout" }), 3)
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
    view.at = nil
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
      return view
    end
  end
  return pull
end

--- Add a handler, without checking that its kind exists.
---@param kind string
---@param handler function
function Gate:handle(kind, handler)
  local list = self.handlers[kind] or {}
  self.handlers[kind] = list
  list[#list + 1] = handler
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
--- all ("*"); or, for "lost", with the number of events that were lost since its last call, because
--- the ring was full.
---@param kind string
---@param handler fun(event: tidegate.Event|integer)
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
function Gate:timeout()
  return self.timers:left()
end

local function report(self, message)
  if self.onerror then
    self.onerror(message)
  else
    io.stderr:write(message, "\n")
  end
end

local function call_handlers(self, handlers, event)
  for _, handler in ipairs(handlers or {}) do
    if self.closed then
      return
    end
    local ok, message = language.call(handler, event)
    if not ok then
      report(self, message)
    end
  end
end

--- Whether a kind of handler is not the name of a rule.
local function is_kind(name)
  return name == "*" or name == "lost" or schema.verbs[name]
end

--- Pass the events that are in the ring to their handlers.
local function dispatch_events(self, ring, limit)
  local view, count = self.view, 0
  while not self.closed and count < limit do
    local at, message, errno = ring:next()
    if at == nil then
      view.at = nil
      if message then
        return nil, message, errno
      end
      break
    end
    view.at = at
    count = count + 1
    local verb, rule = view.verb, view.rule
    call_handlers(self, self.handlers["*"], view)
    call_handlers(self, self.handlers[verb], view)
    if rule and not is_kind(rule) then
      call_handlers(self, self.handlers[rule], view)
    end
  end
  return count
end

local function dispatch_lost(self)
  if self.closed or not self.handlers.lost then
    return
  end
  local status = stats.gate_status(self.cdata)
  if not status then
    return
  end
  local lost = tonumber(status.lost)
  local since = lost - (self.lost_reported or 0)
  self.lost_reported = lost
  if since > 0 then
    call_handlers(self, self.handlers.lost, since)
  end
end

local function dispatch_timers(self)
  for _, call in ipairs(self.timers:take()) do
    call_handlers(self, { call })
  end
end

--- One turn of an event loop: call the handlers for the events that are in the ring now, and for
--- lost ones; then the timers that are due; then publish, in one step, all changes that they made
--- to the rules.  It does not wait: see event_fd() and timeout().  An error in a handler or of the
--- publish is reported (gate.onerror), and the rest runs all the same.
---@param limit integer|nil after so many events, leave the rest for the next call
---@return integer|nil count number of events
---@return string|nil message
---@return integer|nil errno
function Gate:dispatch(limit)
  local ring = published_reader(self, "dispatch")
  self.view.at = nil -- is_empty() gives back to the kernel what was read
  -- Most turns find nothing, and a host that polls every few ms pays for each of them.
  if ring:is_empty() and not self.timers:are_due() and not self.handlers.lost then
    return 0
  end
  local revision = self:revision()
  local count, message, errno = dispatch_events(self, ring, limit or math.huge)
  dispatch_lost(self)
  dispatch_timers(self)
  if not self.closed and self:revision() ~= revision then
    local ok, why = self:commit()
    if not ok then
      report(self, "the changes that handlers made to the rules are not in force: " .. why)
    end
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

--- What a prompt, or a script for it, works on: a gate, and the history of its changes.
--
-- An input is one change. After it has run, everything it did to the policy is published in one
-- step; if it fails, none of it remains. undo() takes back one change.

local diff = require "tidegate.diff"
local doctor_checks = require "tidegate.doctor_checks"
local interrupt = require "tidegate.repl.interrupt"
local language = require "tidegate.language"
local own_cgroup = require "tidegate.repl.own_cgroup"
local tidegate = require "tidegate"
local uv = require "luv"

local M = {}

---@class tidegate.Session
---@field gate tidegate.Gate
---@field policy tidegate.Policy the gate's
---@field path string|nil the policy's file or image
---@field text string|nil the text of that file when it was read; nil for an image
---@field refused string|nil why the kernel enforces nothing; nil if it does
---@field own_cgroup tidegate.OwnCgroup
---@field status integer|nil the exit status, after exit() was called
---@field handlers table[] those that on() has staged
---@field past table[] the marks that undo() goes back to
---@field change table|nil the mark before the last input, if that input changed something
---@field kernel_failure string|nil the message of the last refusal by the kernel
---@field source string the name of the input in messages: "prompt"
---@field say fun(remark: string) prints a line that is not a value
---@field above fun(write: fun()) calls a function that prints above the line being typed
---@field on_command fun(running: boolean) called before and after a command of sh()
---@field signal integer|nil the signal that ends the session
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
local function load(path)
  local gate, message = tidegate.load(path)
  if not gate or not gate.fixed then
    return gate, message, gate and read(path)
  end
  local text = gate:dump()
  if text:find "\n%-%- " then
    return nil, path .. ": this image does not hold the text of its rules; "
      .. "start from its policy file"
  end
  return tidegate.compile(text, path)
end

--- Begin a session with a policy, or with no rules.
---@param path string|nil
---@param source string the name of the input in messages
---@return tidegate.Session|nil
---@return string|nil message
function M.new(path, source)
  local gate, message, text
  if path then
    gate, message, text = load(path)
  else
    gate = tidegate.gate()
  end
  if not gate then
    return nil, message
  end
  return setmetatable({
    gate = gate, policy = gate.source, path = path, text = text, source = source,
    handlers = {}, past = {}, say = print, above = function(write) write() end,
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

--- The policy and the handlers as they are now.
function Session:mark()
  local handlers = {}
  for kind, list in pairs(self.gate.handlers) do
    handlers[kind] = { unpack(list) }
  end
  return { policy = self.policy:snapshot(), handlers = handlers }
end

--- Go back to a mark.
local function restore(self, mark)
  self.policy:restore(mark.policy)
  self.gate.handlers = mark.handlers
end

--- Publish what is staged. If the session only simulates, check that it compiles.
---@return true|nil
---@return string|nil message
function Session:publish()
  local image, message = self.gate:image()
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
  local ok, message = take_handlers(self)
  if ok then
    ok, message = self:publish()
  end
  return ok, message
end

local function changed(self, mark)
  return self.policy.revision ~= mark.policy.revision or self.heard
end

--- Run an input.
---@param chunk function
---@return boolean ok
---@return any result the message; or the count of the returned values, followed by them
function Session:run(chunk)
  local before, past = self:mark(), { unpack(self.past) }
  self.heard, self.undone, self.handlers = false, false, {}
  local function outcome(ok, ...)
    local message = not ok and (...) or nil
    if self.status and not ok then
      ok, message = true, nil -- exit() raised this error to leave the script
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
    return true, select("#", ...), ...
  end
  return outcome(interrupt.guard(chunk))
end

--- Take back the last change.
---@return tidegate.Diff|nil effect
---@return string|nil message
function Session:undo()
  local last = table.remove(self.past)
  if not last then
    return nil, "undo: nothing was changed at the prompt"
  end
  local was = assert(self.gate:dump())
  restore(self, last)
  self.undone = true
  local ok, message = self:publish()
  if not ok then
    return nil, message
  end
  return diff.of_policies(was, assert(self.gate:dump()))
end

--- How the policy differs from its file. Without a file, everything counts as added.
---@return tidegate.Diff|nil
---@return string|nil message
function Session:diff()
  local file, message
  if self.path then
    file, message = tidegate.load(self.path)
  else
    file = tidegate.gate()
  end
  if not file then
    return nil, message
  end
  local difference
  difference, message = self.gate:diff(file)
  file:close()
  return difference, message
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
  self.gate.onerror = function(message)
    local interrupted = message == tostring(interrupt.INTERRUPTED)
    complain(not interrupted and message:match "^(.-)\nstack traceback:" or message)
  end
  self.poll = uv.new_poll(assert(self.gate:event_fd()))
  self.clock = uv.new_timer()
  self:listen()
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
  local left = self.clock and not self.gate.closed and self.gate:timeout()
  if left then
    self.clock:start(math.ceil(left * 1000), 0, function() self.ready = true end)
  end
end

--- Handle the events that have come, and the timers that are due.
function Session:dispatch()
  if not self.poll or self.gate.closed then
    return
  end
  local ok, message = interrupt.guard(self.gate.dispatch, self.gate, EVENTS_A_TURN)
  if not ok then
    self.gate.onerror(tostring(message))
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
  self.own_cgroup:close(on_left)
  if not self.gate.closed then
    self.gate:detach()
    self:dispatch()
    self.gate:close()
  end
end

return M

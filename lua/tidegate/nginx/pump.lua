--- Events in nginx: one process reads them, on a timer or when it is woken.
--
-- Every process that calls start() tries to become the reader until it is.  If the reader ends, in
-- whatever way, another process takes over within ELECTION_S.

local ngx = require "ngx"
local clock = require "tidegate.clock"
local handover = require "tidegate.handover"

local M = {}

local ELECTION_S = 0.1
local TURN_S = 0.01

--- After so many events in a row, requests get their turn.
local BATCH = 256

--- The longest time that nginx can wait.
local FOREVER_MS = 2 ^ 31 - 1

---@class tidegate.Pump
---@field gate tidegate.Gate
---@field reading boolean whether this process is the reader
---@field busy boolean a handler runs or waits
---@field leaving boolean the process is about to end
---@field waker ffi.cdata*|nil what wakes it; nil: it polls every TURN_S
---@field events "socket"|"timer"
---@field alarm number|nil the time of its next turn without being woken, on the monotonic clock
local Pump = {}
Pump.__index = Pump

local function log(level, ...)
  ngx.log(level, "tidegate: ", ...)
end

--- Pass waiting events to their handlers, and call the timers that are due.
function Pump:turn()
  if self.busy or not self.reading then -- a handler waits, or another process reads now
    return
  end
  self.busy = true
  repeat
    local count, message = self.gate:dispatch(BATCH)
    if not count then
      log(ngx.ERR, "events: ", message)
    elseif count == BATCH then
      ngx.sleep(0)
    end
  until count ~= BATCH
  self.busy = false
  if self.leaving then
    self.reading = false
    handover.release(self.gate)
  elseif self.waker then
    self:set_alarm()
  end
end

--- The waker does not wake for every() and after(): turn when the first of them is due.
function Pump:set_alarm()
  local left = self.gate:next_timeout()
  local due = left and clock.monotonic() + left
  if not due or (self.alarm and self.alarm <= due) then
    return
  end
  self.alarm = due
  local wait_ms = math.min(math.ceil(left * 1000), FOREVER_MS)
  local ok, message = ngx.timer.at(wait_ms / 1000, function(premature)
    if self.alarm == due then
      self.alarm = nil
    end
    if not premature then
      self:turn()
    end
  end)
  if not ok then
    log(ngx.ERR, "cannot start a timer: ", message,
      "; every() and after() wait for the next event")
  end
end

function Pump:end_waker()
  if self.waker then
    handover.end_waker(self.waker)
    self.waker = nil
  end
end

--- Stop reading: nginx ends this process as soon as its requests are done.  Events that are in the
--- ring are still handled here; a handler that waits delays the next reader.
function Pump:leave()
  self.leaving = true
  self:end_waker()
  self:turn()
end

local function started(ok, message)
  if not ok then
    log(ngx.ERR, "cannot start a timer: ", message, "; events are not handled")
  end
end

--- Run a function where it may wait, which it may not in init_worker_by_lua.
local function spawn(work)
  started(ngx.timer.at(0, function(premature)
    if not premature then
      work()
    end
  end))
end

--- Sleeping costs less than a new timer for each turn.
function Pump:run_on_timer()
  while not self.leaving do
    self:turn()
    ngx.sleep(TURN_S)
  end
end

--- Turn whenever the waker asks for it, until it ends or the connection fails.
---@return string|nil problem nil: this process is about to end
function Pump:listen(path)
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, FOREVER_MS, FOREVER_MS)
  local ok, message = socket:connect("unix:" .. path)
  while ok do
    ok, message = socket:receive(1)
    if ok then
      while self.busy do -- a handler that was called by the alarm waits
        ngx.sleep(TURN_S)
      end
      self:turn()
      ok, message = socket:send "x"
    end
  end
  return self.waker and message
end

function Pump:run_on_socket()
  local waker, path = handover.waker(self.gate)
  self.waker = waker
  if waker then
    self:set_alarm()
  end
  local problem = not waker and path or self:listen(path)
  if problem then
    self:end_waker()
    log(ngx.WARN, "cannot be woken by a socket: ", problem, "; polling for events every ",
      TURN_S * 1000, " ms (a policy that denies unix sockets has to allow connect = \"unix:",
      os.getenv "TMPDIR" or "/tmp", "/tidegate-*\")")
    self:run_on_timer()
  end
end

function Pump:elect()
  if self.reading then
    return
  end
  local claimed, message = handover.claim(self.gate)
  if claimed == nil then
    log(ngx.ERR, message)
  elseif claimed then
    self.reading = true
    log(ngx.INFO, "reads the events")
    spawn(function()
      if self.events == "socket" then
        self:run_on_socket()
      else
        self:run_on_timer()
      end
    end)
  end
end

--- Read the events of a shared gate, in this process or another one.
---@param gate tidegate.Gate
---@param events "socket"|"timer" how it learns of them
function M.start(gate, events)
  local self = setmetatable({
    gate = gate, events = events, reading = false, busy = false, leaving = false,
  }, Pump)
  self:elect()
  started(ngx.timer.every(ELECTION_S, function(premature)
    if premature then
      self:leave()
    else
      self:elect()
    end
  end))
end

return M

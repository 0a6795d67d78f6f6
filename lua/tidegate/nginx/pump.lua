--- Events in nginx: one process reads them, on a timer or when it is woken.
--
-- Every process that starts here tries to become the reader until it is; a
-- reader that ends, however it does, is followed by another within ELECTION_S.

local ngx = require "ngx"
local clock = require "tidegate.clock"
local library = require "tidegate.ffi"

local M = {}

local ELECTION_S = 0.1
local TURN_S = 0.01

--- Events in a row before requests get their turn.
local BATCH = 256

--- As long as nginx can wait.
local FOREVER_MS = 2 ^ 31 - 1

---@class tidegate.Pump
---@field gate tidegate.Gate
---@field reading boolean whether this process is the reader
---@field busy boolean a handler runs, or waits
---@field leaving boolean the process is about to end
---@field waker ffi.cdata*|nil what wakes it; nil: it looks every TURN_S
---@field alarm number|nil when it is to turn without being woken, on the monotonic clock
local Pump = {}
Pump.__index = Pump

local function log(level, ...)
  ngx.log(level, "tidegate: ", ...)
end

--- Hand the events that wait to their handlers, and call the timers that are due.
function Pump:turn()
  if self.busy or not self.reading then -- a handler waits; or another process reads by now
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
    self.gate:resign()
  elseif self.waker then
    self:set_alarm()
  end
end

--- Nobody wakes for every() and after(): turn when the first of them is due.
function Pump:set_alarm()
  local left = self.gate:timeout()
  local due = left and clock.monotonic() + left
  if not due or (self.alarm and self.alarm <= due) then
    return
  end
  self.alarm = due
  local ok, message = ngx.timer.at(math.min(math.ceil(left * 1000), FOREVER_MS) / 1000, function(premature)
    if self.alarm == due then
      self.alarm = nil
    end
    if not premature then
      self:turn()
    end
  end)
  if not ok then
    log(ngx.ERR, "cannot start a timer: ", message, "; every() and after() wait for the next event")
  end
end

function Pump:end_waker()
  if self.waker then
    library.release("waker", self.waker)
    self.waker = nil
  end
end

--- Let go: nginx is about to end this process, as soon as its requests are done.
--- What has come is still told here; a handler that waits holds up the next reader.
function Pump:leave()
  self.leaving = true
  self:end_waker()
  self:turn()
end

local function started(ok, message)
  if not ok then
    log(ngx.ERR, "cannot start a timer: ", message, "; events are not told")
  end
end

--- Run something where it may wait, which init_worker_by_lua may not.
local function spawn(work)
  started(ngx.timer.at(0, function(premature)
    if not premature then
      work()
    end
  end))
end

--- One that sleeps costs less than a timer each time.
function Pump:run_on_timer()
  while not self.leaving do
    self:turn()
    ngx.sleep(TURN_S)
  end
end

--- Until the waker ends, or the connection fails.
---@return string|nil problem nil: this process is about to end
function Pump:listen(path)
  local socket = ngx.socket.tcp()
  socket:settimeouts(1000, FOREVER_MS, FOREVER_MS)
  local ok, message = socket:connect("unix:" .. path)
  while ok do
    ok, message = socket:receive(1)
    if ok then
      while self.busy do -- a handler that the alarm called waits
        ngx.sleep(TURN_S)
      end
      self:turn()
      ok, message = socket:send "x"
    end
  end
  return self.waker and message
end

function Pump:run_on_socket()
  local waker, path = self.gate:waker()
  self.waker = waker
  if waker then
    self:set_alarm()
  end
  local problem = not waker and path or self:listen(path)
  if problem then
    self:end_waker()
    log(ngx.WARN, "cannot be woken by a socket: ", problem, "; events are looked for every ", TURN_S * 1000,
      " ms (a policy that denies unix sockets has to allow connect = \"unix:", os.getenv "TMPDIR" or "/tmp",
      "/tidegate-*\")")
    self:run_on_timer()
  end
end

function Pump:elect()
  if self.reading then
    return
  end
  local claimed, message = self.gate:claim()
  if claimed == nil then
    log(ngx.ERR, message)
  elseif claimed then
    self.reading = true
    log(ngx.INFO, "reads the events")
    spawn(function()
      if self.wake then
        self:run_on_socket()
      else
        self:run_on_timer()
      end
    end)
  end
end

--- Read the events of a gate that is kept, in this process or another one.
---@param gate tidegate.Gate
---@param wake "socket"|nil
function M.start(gate, wake)
  local self = setmetatable({ gate = gate, wake = wake, reading = false, busy = false, leaving = false }, Pump)
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

--- Functions that are called after a time, or at regular intervals.  Nothing here waits: the event
--- loop asks how long it may wait, and calls the functions that are due.

local clock = require "tidegate.clock"
local duration = require "tidegate.duration"
local handle = require "tidegate.handle"
local literal = require "tidegate.literal"
local shared_number = require "tidegate.shared_number"

local M = {}

--- The result of every() and after(): a handle.
---@class tidegate.Timer
---@field stop fun(self: tidegate.Timer) stop it; stopping twice is harmless

--- What is behind the handle.
---@class tidegate.TimerState
---@field due number|nil seconds of the monotonic clock; nil: stopped, or not started yet
---@field period number|nil seconds; nil: it is called once
---@field wait number seconds from the start to its first call
---@field stopped boolean|nil

local function stop(timer)
  timer.stopped = true
  timer.owner.list[timer] = nil
end

--- "every 5s"
local function timer_text(timer)
  return (timer.period and "every " or "after ")
    .. duration.text(math.floor(timer.wait * 1000 + 0.5))
end

--- "every 5s", "after 1m: stopped".
local function describe(timer)
  local ending = timer.stopped and ": stopped" or not timer.owner.list[timer] and ": done" or ""
  return timer_text(timer) .. ending
end

local class = handle.class {
  noun = "timer", fields = {}, methods = { stop = stop }, text = describe,
  change = "a timer has only stop()",
  hints = { cancel = "timer:stop()", close = "timer:stop()", remove = "timer:stop()" },
}

--- The timers of a gate.  They start when its policy is first in force.
---@class tidegate.Timers
---@field list table<tidegate.TimerState, true>
---@field started boolean
---@field taken { number: number } the time of the last take(), by any of the processes
local Timers = {}
Timers.__index = Timers

---@return tidegate.Timers
function M.new()
  return setmetatable({ list = {}, started = false, made = 0, taken = { number = 0 } }, Timers)
end

--- Check the arguments of every() and after().
---@param word string "every"
---@param time any
---@param call any
---@return number|nil seconds
---@return string|nil message
function M.check(word, time, call)
  local ms, message = duration.parse(time)
  if not ms then
    return nil, word .. ": " .. message
  elseif type(call) ~= "function" then
    return nil, ("%s: wants a time and a function; got %s and %s")
      :format(word, literal.describe(time), literal.describe(call))
  end
  return ms / 1000
end

--- Call a function after `seconds`; with `period`, again and again.
---@param seconds number
---@param period number|nil
---@param call function
---@return tidegate.Timer
function Timers:add(seconds, period, call)
  self.made = self.made + 1
  local timer = {
    owner = self, order = self.made, wait = seconds, period = period, call = call,
  }
  self.list[timer] = true
  if self.started then
    timer.due = clock.monotonic() + seconds
  end
  return handle.new(class, timer)
end

--- Let processes that are forked from this one take turns: what one of them has called, or was
--- about to call when it ended, another one does not call again.
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Timers:share()
  local taken, message, errno = shared_number.new()
  if not taken then
    return nil, message, errno
  end
  self.taken = taken
  return true
end

--- Start the timers: the policy is in force.
function Timers:start()
  if self.started then
    return
  end
  self.started = true
  local now = clock.monotonic()
  for timer in pairs(self.list) do
    timer.due = now + timer.wait
  end
end

--- The state that restore() goes back to.
---@return table<tidegate.TimerState, true>
function Timers:snapshot()
  local running = {}
  for timer in pairs(self.list) do
    running[timer] = true
  end
  return running
end

--- Go back to a snapshot: timers that were added since are stopped, and those that were stopped
--- since run again.
---@param running table<tidegate.TimerState, true>
function Timers:restore(running)
  for timer in pairs(self:snapshot()) do
    if not running[timer] then
      stop(timer)
    end
  end
  local now = clock.monotonic()
  for timer in pairs(running) do
    if timer.stopped then
      timer.stopped, self.list[timer] = nil, true
      timer.due = self.started and now + (timer.period or timer.wait) or nil
    end
  end
end

--- What differs between two snapshots: "every 5s".
---@param from table<tidegate.TimerState, true>
---@param to table<tidegate.TimerState, true>
---@return { sign: "+"|"-", text: string }[]
function M.difference(from, to)
  local changes = {}
  for sign, pair in pairs { ["-"] = { from, to }, ["+"] = { to, from } } do
    for timer in pairs(pair[1]) do
      -- One that has run its course is gone, whatever is taken back.
      if not pair[2][timer] and (timer.stopped or timer.owner.list[timer]) then
        changes[#changes + 1] = { sign = sign, text = timer_text(timer), order = timer.order }
      end
    end
  end
  table.sort(changes, function(a, b) return a.order < b.order end)
  return changes
end

--- Seconds until a timer is due, 0 if one is; nil: there is none.
---@return number|nil
function Timers:left()
  local first
  for timer in pairs(self.list) do
    if timer.due and (not first or timer.due < first) then
      first = timer.due
    end
  end
  return first and math.max(0, first - clock.monotonic())
end

---@return boolean
function Timers:are_due()
  return self:left() == 0
end

--- Set the next time of a timer to the first one after `time`, or remove it if it has none.
local function pass(self, timer, time)
  if timer.period then
    timer.due = timer.due + timer.period * math.floor((time - timer.due) / timer.period + 1)
  else
    self.list[timer] = nil
  end
end

--- Take the timers that are due, in the order of their times.
local function take_due(self)
  local taken, now, due = self.taken.number, clock.monotonic(), {}
  self.taken.number = now
  for timer in pairs(self.list) do
    if timer.due and timer.due <= taken then -- another process has called it
      pass(self, timer, taken)
    end
    if timer.due and timer.due <= now and self.list[timer] then
      due[#due + 1] = timer
    end
  end
  table.sort(due, function(a, b)
    if a.due ~= b.due then
      return a.due < b.due
    end
    return a.order < b.order
  end)
  for _, timer in ipairs(due) do
    pass(self, timer, now)
  end
  return due
end

local none = {}

--- The timers whose functions are due, in the order of their times.  A timer that was missed
--- several times is due once.
---@return tidegate.TimerState[]
function Timers:take()
  if not self:are_due() then
    return none
  end
  return take_due(self)
end

return M

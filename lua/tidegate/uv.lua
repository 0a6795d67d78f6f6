--- A gate in an event loop of libuv.
--
--    local uv = require "luv"
--    local gate = assert(require("tidegate").load "web.lua")
--    gate:on("deny", function(event) print(event) end)
--    assert(gate:attach "unit:nginx.service")
--    local running = assert(require("tidegate.uv").start(gate, uv))
--    uv.run()
--
-- The loop then calls the gate's handlers and timers, and publishes what any callback of the loop
-- changes in its rules.

require("tidegate.luajit").check()
local ffi = require "ffi"
local dispatch = require "tidegate.dispatch"
local gates = require "tidegate.gate"
local handle = require "tidegate.handle"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"

---@class tidegate.uv
local M = {}

---@type string
M._VERSION = ffi.string(library.C.tg_version())

--- Events that one turn of the loop takes, so that a flood of events does not delay the loop's
--- other work.
local EVENTS_A_TURN = 1000

local EEXIST = 17

ffi.cdef [[
  int tidegate_uv_dup(int) __asm__("dup");
  int tidegate_uv_close(int) __asm__("close");
]]

--- A gate that runs in a loop: a handle.
---@class tidegate.uv.Running
local Running = {}

--- Take the gate out of the loop, which may then end; stopping twice is harmless.  The policy stays
--- in force.
function Running:stop()
  -- They are not closed: luv 1.44 reads freed memory if a Lua state ends while a handle closes.
  -- What is stopped does not keep the loop alive, and is closed when it is collected.
  for _, watcher in ipairs(self.watchers) do
    watcher:stop()
  end
  self.watchers = {}
  self.stopped = true
  if self.gate.running == self then
    self.gate.running = nil
  end
end

local class = handle.class {
  noun = "running gate", fields = {}, methods = Running,
  change = "it has only stop()",
  hints = { close = "running:stop()", cancel = "running:stop()" },
  text = function(self)
    return "running " .. tostring(self.owner) .. (self.stopped and ": stopped" or "")
  end,
}

local function turn(self, limit)
  local gate = self.gate
  if gate.closed then
    return Running.stop(self)
  end
  local count, message = gate:dispatch(limit)
  if not count then
    dispatch.report(gate, message)
  end
end

--- Called when the loop is about to wait: run the timers that are due, publish what callbacks have
--- changed, and wake the loop for the next timer.
local function settle(self)
  local gate = self.gate
  turn(self, 0)
  if gate.closed then
    return
  end
  dispatch.publish_changes(gate)
  if self.stopped then -- by a timer of the policy
    return
  end
  local left = gate:next_timeout()
  if left then
    self.timer:start(math.ceil(left * 1000), 0, function() end)
  else
    self.timer:stop()
  end
end

--- A descriptor of the events that lives as long as the watcher, also one that is stopped: so its
--- number is never that of something else that the loop watches.
local function own_descriptor(gate)
  local fd, message, errno = gate:event_fd()
  if not fd then
    return nil, message, errno
  end
  local own = ffi.C.tidegate_uv_dup(fd)
  if own < 0 then
    errno = ffi.errno()
    return nil, "start: no descriptor is left: raise ulimit -n, or close what is not needed", errno
  end
  return ffi.gc(ffi.new("int[1]", own), function(place) ffi.C.tidegate_uv_close(place[0]) end)
end

--- Let a loop run a gate, which is in force, and which no loop runs yet.
---@param gate tidegate.Gate
---@param uv table the module luv
---@return tidegate.uv.Running|nil
---@return string|nil message
---@return integer|nil errno
function M.start(gate, uv)
  local state = gates.state(gate)
  if not state or type(uv) ~= "table" or not uv.new_poll then
    error(("start: wants a gate and the module luv; got %s and %s")
      :format(literal.describe(gate), literal.describe(uv)), 2)
  end
  dispatch.published_reader(state, "start")
  if state.running then
    return nil, "start: a loop runs this gate already; call stop() of what start() returned first",
      EEXIST
  end
  local descriptor, message, errno = own_descriptor(gate)
  if not descriptor then
    return nil, message, errno
  end
  local poll
  poll, message = uv.new_poll(descriptor[0])
  if not poll then
    return nil, "start: the loop does not take the gate's descriptor: " .. message, EEXIST
  end
  local timer, prepare = uv.new_timer(), uv.new_prepare()
  local self = { owner = gate, gate = state, timer = timer, watchers = { poll, timer, prepare } }
  state.running = self
  poll:start("r", function()
    local _ = descriptor -- collected after the watcher
    turn(self, EVENTS_A_TURN)
  end)
  prepare:start(function() settle(self) end)
  return handle.new(class, self)
end

return M

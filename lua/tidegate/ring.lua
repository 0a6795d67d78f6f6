--- Reading a gate's ring: the library returns batches in place, Lua reads one event at a time.

local ffi = require "ffi"
local clock = require "tidegate.clock"
local event = require "tidegate.event"
local library = require "tidegate.ffi"

local C = library.C

local M = {}

local EINTR, EBUSY = 4, 16

---@class tidegate.Reader
---@field epoch number seconds from 1970 to the zero of the clock of events
---@field must_claim boolean the events are to be claimed before they are read
local Reader = {}
Reader.__index = Reader

--- Read the ring of a gate.
---@param object ffi.cdata* struct tg_gate
---@return tidegate.Reader
function M.new(object)
  return setmetatable({
    gate = object,
    batch = ffi.new "const struct tg_event_record *[1]", count = library.index(),
    left = 0, given = 0, epoch = 0, must_claim = false,
    -- The words of the rules of that generation that events have asked for.
    names = {}, messages = {}, generation = 0,
  }, Reader)
end

local function select_generation(self, generation)
  if generation ~= self.generation then
    self.names, self.messages, self.generation = {}, {}, generation
  end
end

--- The name of a rule, in the image that decided.
---@param index integer
---@param generation integer
---@return string|nil nil: the default decided
function Reader:rule_name(index, generation)
  if index == C.TG_RULE_DEFAULT then
    return nil
  end
  select_generation(self, generation)
  local name = self.names[index]
  if not name then
    name = library.text(C.tg_gate_rule_name(self.gate, generation, index)) or "#" .. (index + 1)
    self.names[index] = name
  end
  return name
end

--- The message of a rule, in the image that decided.
---@param index integer
---@param generation integer
---@return string|nil nil: the default decided, or the rule has none
function Reader:rule_message(index, generation)
  if index == C.TG_RULE_DEFAULT then
    return nil
  end
  select_generation(self, generation)
  local message = self.messages[index]
  if message == nil then
    message = library.text(C.tg_gate_rule_message(self.gate, generation, index)) or false
    self.messages[index] = message
  end
  return message or nil
end

--- Become the process that reads, which a process that has restricted itself must.
local function claim(self)
  local result = C.tg_gate_claim_events(self.gate)
  if result < 0 then
    return library.failure(result)
  elseif result == 0 then
    return nil, "another process reads the events of this gate", EBUSY
  end
  self.must_claim = false
  return true
end

--- Give back what was read, and take what has arrived since.
local function refill(self)
  if self.must_claim then
    local ok, message, errno = claim(self)
    if not ok then
      return nil, message, errno
    end
  end
  if self.given > 0 then
    C.tg_ring_consume(self.gate, self.given)
    self.given = 0
  end
  local result = C.tg_ring_peek(self.gate, self.batch, self.count)
  if result ~= 0 then
    return library.failure(result)
  end
  self.left = self.count[0]
  if self.left > 0 then
    self.epoch = clock.epoch()
  end
  return true
end

--- Whether there is nothing to read now; false also if finding out fails.
---@return boolean
function Reader:is_empty()
  return self.left == 0 and refill(self) == true and self.left == 0
end

--- The next record; nil: there is none now.
---@return ffi.cdata*|nil struct tg_event_record
---@return string|nil message of a failure
---@return integer|nil errno
function Reader:next()
  if self.left == 0 then
    local ok, message, errno = refill(self)
    if not ok then
      return nil, message, errno
    elseif self.left == 0 then
      return nil
    end
  end
  local at = self.batch[0] + self.given
  self.given, self.left = self.given + 1, self.left - 1
  return at
end

--- Wait for events.
---@param seconds number|nil nil: as long as it takes
---@return boolean|nil whether there are any; false also if a signal arrived first
---@return string|nil message
---@return integer|nil errno
function Reader:wait(seconds)
  local result = C.tg_gate_wait(self.gate, seconds and math.ceil(seconds * 1000) or -1)
  if result == -EINTR then
    return false
  elseif result < 0 then
    return library.failure(result)
  end
  return result == 1
end

--- A view that can be pointed at one record after the other.
---@return tidegate.EventView
function Reader:view()
  return event.view(false, self)
end

return M

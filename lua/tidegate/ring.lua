--- Reading a gate's ring: the library returns batches in place, Lua reads one event at a time.

local ffi = require "ffi"
local clock = require "tidegate.clock"
local event = require "tidegate.event"
local library = require "tidegate.ffi"

local C = library.C

local M = {}

--- The number of images whose rule names are kept, for events of earlier images.
local REMEMBERED = 8

local EINTR = 4

---@class tidegate.Reader
---@field epoch number seconds from 1970 to the zero of the monotonic clock
local Reader = {}
Reader.__index = Reader

--- Read the ring of a gate.
---@param object ffi.cdata* struct tg_gate
---@return tidegate.Reader
function M.new(object)
  return setmetatable({
    gate = object,
    batch = ffi.new "const struct tg_event *[1]", count = library.index(),
    left = 0, given = 0, epoch = 0,
    names = {},
  }, Reader)
end

--- Remember the rule names of a generation.
---@param generation integer
---@param names table<integer, string> by index
function Reader:remember(generation, names)
  self.names[generation] = names
  self.names[generation - REMEMBERED] = nil
end

--- The name of a rule, in the image that decided.
---@param index integer
---@param generation integer
---@return string|nil nil: the default decided
function Reader:rule_name(index, generation)
  if index == C.TG_RULE_DEFAULT then
    return nil
  end
  local names = self.names[generation]
  return names and names[index] or "#" .. (index + 1)
end

--- A copy of what a kept event needs of the reader.
---@return tidegate.Reader
function Reader:frozen()
  local names = {}
  for generation, of_rules in pairs(self.names) do
    names[generation] = of_rules
  end
  return setmetatable({ epoch = self.epoch, names = names }, Reader)
end

--- Give back what was read, and take what has arrived since.
local function refill(self)
  if self.given > 0 then
    C.tg_gate_consume(self.gate, self.given)
    self.given = 0
  end
  local result = C.tg_gate_events(self.gate, self.batch, self.count)
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
---@return ffi.cdata*|nil struct tg_event
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
---@return tidegate.Event
function Reader:view()
  return event.view(nil, self)
end

return M

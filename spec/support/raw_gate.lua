--- A gate of the C library, without the Lua module around it.

local ffi = require "ffi"
local images = require "tidegate.image"
local library = require "tidegate.ffi"
local tidegate = require "tidegate"

local C = library.C

local M = {}

---@class spec.RawGate
---@field object ffi.cdata* struct tg_gate
local RawGate = {}
RawGate.__index = RawGate

local function outcome(result)
  if result ~= 0 then
    return library.failure(result)
  end
  return true
end

--- The image of a policy's text.
---@param policy string
---@return tidegate.Image
function M.image(policy)
  return assert(assert(tidegate.load_text(policy)):compile())
end

---@param ring_bytes integer|nil
---@return spec.RawGate
function M.open(ring_bytes)
  local options, slot = library.sized "struct tg_gate_options", library.slot "gate"
  options.ring_bytes = ring_bytes or 0
  assert(outcome(C.tg_gate_new(options, slot)))
  return setmetatable({ object = library.own("gate", slot) }, RawGate)
end

---@param image tidegate.Image
function RawGate:publish(image)
  return outcome(C.tg_gate_publish(self.object, images.state(image).cdata, nil))
end

function RawGate:attach(path)
  return outcome(C.tg_gate_attach(self.object, path, nil, nil))
end

--- The status struct.
---@return ffi.cdata*
function RawGate:status()
  local status = library.sized "struct tg_gate_status"
  assert(outcome(C.tg_gate_status(self.object, status)))
  return status
end

--- The stats struct.
---@return ffi.cdata*
function RawGate:stats()
  local stats = library.sized "struct tg_gate_stats"
  assert(outcome(C.tg_gate_stats(self.object, nil, 0, stats)))
  return stats
end

--- Hits and suppressed events of a rule, by its number from 0.
---@return integer hits
---@return integer suppressed
function RawGate:counters(index)
  local counters = ffi.new "struct tg_counters"
  assert(outcome(C.tg_gate_rule_counters(self.object, index, counters)))
  return tonumber(counters.hits), tonumber(counters.suppressed)
end

--- Call a function for each event of one batch, and return the batch to the ring.
---@param each fun(event: ffi.cdata*)
---@return integer count
function RawGate:read(each)
  local events, count = ffi.new "const struct tg_event_record *[1]", library.index()
  assert(outcome(C.tg_ring_peek(self.object, events, count)))
  for index = 0, count[0] - 1 do
    each(events[0] + index)
  end
  C.tg_ring_consume(self.object, count[0])
  return count[0]
end

function RawGate:close()
  library.release("gate", self.object)
end

return M

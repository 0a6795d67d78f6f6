--- What a gate does for a host that outlives its Lua state, and has more than
--- one process.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local reader = require "tidegate.ring"
local stats = require "tidegate.stats"

local C = library.C

local M = {}

--- The methods of a gate that are for such hosts.
---@class tidegate.Gate
local Gate = {}
M.methods = Gate

--- The rule names of the image in force, for events of it that wait in the ring.
local function names_in_force(object)
  local names, index = {}, 0
  repeat
    names[index] = library.text(C.tg_gate_rule_name(object, index))
    index = index + 1
  until not names[index - 1]
  return names
end

--- Have the process know the gate by a name.  Where another Lua state of it has
--- done so before, this one takes its place: what it publishes replaces what is
--- in force there, without a moment in which nothing is.  The gate goes when
--- the last state that kept it does.  Processes that are forked from this one
--- take turns at its timers: what one has called, another does not call again.
--- Only before anything is published.
---@param name string
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:keep(name)
  if type(name) ~= "string" then
    error("keep: wants a name; got " .. literal.describe(name), 2)
  elseif self.closed then
    error("keep: the gate is closed", 2)
  elseif self.cdata then
    error("keep: comes before attach and commit", 2)
  end
  local shared, problem, number = self.timers:share()
  if not shared then
    return nil, problem, number
  end
  local slot = library.slot "gate"
  local result = C.tg_gate_named(name, slot)
  if result ~= 0 then
    return library.failure(result)
  end
  self.cdata = library.own("gate", slot)
  self.reader = reader.new(self.cdata)
  local status, message, errno = stats.gate_status(self.cdata)
  if not status then
    return nil, message, errno
  end
  if status.generation > 0 then
    self.reader:remember(tonumber(status.generation), names_in_force(self.cdata))
  end
  return true
end

--- Become the one process that reads the events of a gate that is kept.
---@return boolean|nil whether this process is it
---@return string|nil message
---@return integer|nil errno
function Gate:claim()
  local result = C.tg_gate_claim(self.cdata)
  if result < 0 then
    return library.failure(result)
  end
  return result == 1
end

--- Let another process be the reader.
function Gate:resign()
  C.tg_gate_resign(self.cdata)
end

--- Start a thread that tells of events through a unix socket, to which the
--- caller connects: a byte from there says that there are events, one back
--- that they were dispatched.
---@return ffi.cdata*|nil waker to be kept; library.release("waker", …) ends it
---@return string path, or the message
---@return integer|nil errno
function Gate:waker()
  local slot, path = library.slot "waker", ffi.new "char[108]"
  local result = C.tg_waker_start(self.cdata, path, 108, slot)
  if result ~= 0 then
    return library.failure(result)
  end
  return library.own("waker", slot), ffi.string(path)
end

return M

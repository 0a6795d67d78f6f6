--- What a gate does for a host that outlives its Lua state and has several processes: keep the
--- gate, and choose the process that reads its events.  A worker of nginx lets go of the links
--- in nginx.lua.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local ring = require "tidegate.ring"
local stats = require "tidegate.stats"

local C = library.C

local M = {}

--- The methods of a gate for such hosts.
---@class tidegate.Gate
local Gate = {}
M.methods = Gate

--- The rule names of the image in force, for its events that are still in the ring.
local function names_in_force(object)
  local names, index = {}, 0
  repeat
    names[index] = library.text(C.tg_gate_rule_name(object, index))
    index = index + 1
  until not names[index - 1]
  return names
end

--- Give the gate a name in this process.  If another Lua state of the process has kept a gate by
--- this name, this gate takes its place: what it publishes replaces what is in force there,
--- without a moment in which nothing is enforced.  The gate goes away with the last state that kept
--- it.  Processes that are forked from this one take turns at its timers: what one has called,
--- another does not call again.  keep() has to come before anything is published.
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
    error("keep: call it before attach and commit", 2)
  end
  local shared, problem, number = self.timers:share()
  if not shared then
    return nil, problem, number
  end
  local object, status, message, errno
  object, message, errno =
    library.make("gate", function(slot) return C.tg_gate_named(name, slot) end)
  if not object then
    return nil, message, errno
  end
  self.cdata, self.reader = object, ring.new(object)
  status, message, errno = stats.gate_status(object)
  if not status then
    return nil, message, errno
  end
  if status.generation > 0 then
    self.reader:remember(tonumber(status.generation), names_in_force(self.cdata))
  end
  return true
end

--- Become the one process that reads the events of a gate with a name.
---@return boolean|nil whether this process is the reader
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

--- Start a thread that announces events through a unix socket.  The caller connects to it, gets a
--- byte when there are events, and sends one back when it has dispatched them.
---@return ffi.cdata*|nil waker for the caller to keep; library.release("waker", …) ends it
---@return string path, or the message
---@return integer|nil errno
function Gate:waker()
  local path = ffi.new "char[108]"
  local waker, message, errno = library.make("waker", function(slot)
    return C.tg_waker_start(self.cdata, path, 108, slot)
  end)
  if not waker then
    return nil, message, errno
  end
  return waker, ffi.string(path)
end

return M

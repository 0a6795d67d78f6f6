--- What a gate does for a host that outlives its Lua state and has several processes: continue with
--- the gate of the state before, and choose the process that reads its events.  A worker of nginx
--- lets go of the links in nginx.lua.

local ffi = require "ffi"
local gates = require "tidegate.gate"
local library = require "tidegate.ffi"

local C = library.C

local M = {}

--- Become the one process that reads the events of a shared gate.
---@param gate tidegate.Gate
---@return boolean|nil whether this process is the reader
---@return string|nil message
---@return integer|nil errno
function M.claim(gate)
  local result = C.tg_gate_claim_events(gates.state(gate).cdata)
  if result < 0 then
    return library.failure(result)
  end
  return result == 1
end

--- Let another process be the reader.
---@param gate tidegate.Gate
function M.release(gate)
  C.tg_gate_release_events(gates.state(gate).cdata)
end

--- Let each process that is forked from this one while a number of the host is not 0 give up
--- control of a shared gate, before the host's own code runs there.
---@param gate tidegate.Gate
---@param flag ffi.cdata* const int *, valid as long as this process
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function M.restrict_children(gate, flag)
  return library.outcome(C.tg_gate_restrict_children(gates.state(gate).cdata, flag))
end

--- Start a thread that announces events through a unix socket.  The caller connects to it, gets a
--- byte when there are events, and sends one back when it has dispatched them.
---@param gate tidegate.Gate
---@return ffi.cdata*|nil waker for the caller to keep; end_waker() ends it
---@return string path, or the message
---@return integer|nil errno
function M.waker(gate)
  local path = ffi.new "char[108]"
  local waker, message, errno = library.make("waker", function(slot)
    return C.tg_waker_start(gates.state(gate).cdata, path, 108, slot)
  end)
  if not waker then
    return nil, message, errno
  end
  return waker, ffi.string(path)
end

---@param waker ffi.cdata*
function M.end_waker(waker)
  library.release("waker", waker)
end

return M

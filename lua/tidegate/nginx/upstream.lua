--- Why the upstream of a request could not be reached.
--
-- nginx gets an errno from the kernel, and passes only the address on to the request.  The image
-- that the kernel decides by is in the worker's memory too, so it is asked again about that
-- address.  That costs microseconds, only if a request failed, and needs no waiting and no matching
-- of events to requests.

local ffi = require "ffi"
local ngx = require "ngx"
local gates = require "tidegate.gate"
local library = require "tidegate.ffi"

local M = {}

ffi.cdef [[
  unsigned tg_lua_getuid(void) __asm__("getuid");
  unsigned tg_lua_getgid(void) __asm__("getgid");
]]

local function first_line(path)
  local handle = assert(io.open(path))
  local line = handle:read "*l"
  handle:close()
  return line
end

--- A question about a call of this process, without the call.
---@return tidegate.Question
local function caller()
  local path = ffi.new "char[4096]"
  local found = library.C.tg_cgroup_find("self", path, 4096) == 0
  return {
    uid = ffi.C.tg_lua_getuid(), gid = ffi.C.tg_lua_getgid(),
    pid = ngx.worker.pid(), comm = first_line "/proc/self/comm", exe = "/proc/self/exe",
    netns = "self", cgroup = found and ffi.string(path) or nil,
  }
end

--- Whether a word is an address, and not the ":" between the groups of an internal redirect or the
--- name of an upstream without a peer left.
---@param word any
---@return boolean
function M.is_address(word)
  return type(word) == "string"
    and (word:find "^[%d.]+:%d+$" or word:find "^%[.*%]:%d+$" or word:find "^unix:") ~= nil
end

--- Whether a word is the address of a socket, with or without a port: a name would be looked up,
--- which takes seconds in which the worker answers nobody.
---@param word any
---@return boolean
function M.is_source(word)
  return type(word) == "string"
    and (word:find "^[%d.]+:?%d*$" or word:find "^%[[%x:.]*%]:?%d*$"
      or word:find "^[%x.]*:[%x.]*:[%x:.]*$") ~= nil
end

--- The decision on the first address in nginx's `$upstream_addr` that the policy denies, or for
--- which no backend is up.
---@param gate tidegate.Gate
---@param tried string|nil "10.0.0.1:80, unix:/run/x.sock : [::1]:80"
---@param source string|nil the address that the sockets were bound to
---@return tidegate.Decision|nil
---@return string|nil message if the question is wrong
function M.refusal(gate, tried, source)
  local question, state = caller(), gates.state(gate)
  for addr in (tried or ""):gmatch "[^%s,]+" do
    if M.is_address(addr) then
      question.connect, question.source = addr, not addr:find "^unix:" and source or nil
      local decision, message = state.published:decide_with(state.cdata, question)
      if not decision then
        return nil, message
      elseif decision.errno then
        return decision
      end
    end
  end
  return nil
end

return M

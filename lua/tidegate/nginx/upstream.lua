--- Why the upstream of a request could not be reached.
--
-- The kernel tells nginx an errno, and nginx tells the request an address.  The
-- image that the kernel decides by is in the worker's memory too: it is asked
-- once more, for that address.  That costs microseconds, only where a request
-- failed, and nothing has to be waited for or matched.

local ffi = require "ffi"
local ngx = require "ngx"
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

--- This process as a policy may ask about it.
---@return tidegate.Question
local function caller()
  local path = ffi.new "char[4096]"
  local found = library.C.tg_cgroup_find("self", path, 4096) == 0
  return {
    op = "connect", uid = ffi.C.tg_lua_getuid(), gid = ffi.C.tg_lua_getgid(), pid = ngx.worker.pid(),
    comm = first_line "/proc/self/comm", exe = "/proc/self/exe", netns = "self",
    cgroup = found and ffi.string(path) or nil,
  }
end

--- Whether it is an address, and neither the ":" between the groups of an
--- internal redirect, nor the name of an upstream that had no peer left.
local function is_address(word)
  return word:find "^[%d.]+:%d+$" or word:find "^%[.*%]:%d+$" or word:find "^unix:"
end

--- The first of nginx's `$upstream_addr` that the policy denies, or for which no
--- backend is up.
---@param gate tidegate.Gate
---@param tried string|nil "10.0.0.1:80, unix:/run/x.sock : [::1]:80"
---@return tidegate.Decision|nil
function M.refusal(gate, tried)
  local question = caller()
  for addr in (tried or ""):gmatch "[^%s,]+" do
    if is_address(addr) then
      question.addr = addr
      local decision = gate.published:decide(question, gate.cdata)
      if decision and decision.errno then
        return decision
      end
    end
  end
  return nil
end

return M

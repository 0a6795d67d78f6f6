--- One decision of the kernel, read from the ring.
--
-- A view points at a record and computes each field only when it is read, so a loop that reads two
-- fields pays for two.

local bit = require "bit"
local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local names = require "tidegate.names"

local C = library.C

local M = {}

--- One decision.  It is valid only during its turn of the loop; to keep it longer, use copy().
---@class tidegate.Event
---@field verb "allow"|"deny"|"rewrite"|"balance"|"observe"
---@field rule string|nil the rule's name; nil: the default decided
---@field op string "connect"
---@field hook string "connect4", "connect_unix"
---@field errno string|nil of a denial, or of a balance rule without a backend: "ECONNREFUSED"
---@field asked string what the program asked for: "1.2.3.4:60000", "unix:/run/x.sock"
---@field final string where the call went: "127.0.0.1:60123"
---@field asked_addr string for a unix socket, the same as `asked`
---@field asked_port integer|nil a unix socket has none
---@field final_addr string
---@field final_port integer|nil
---@field family "inet"|"inet6"|"unix" the family of the hook
---@field proto string|nil "tcp", "udp" …, or its number; a unix socket has none
---@field comm string the name of the calling thread
---@field pid integer the ID of the process
---@field tid integer
---@field uid integer
---@field gid integer
---@field time number seconds since 1970
---@field cgroup integer the ID of the calling task's cgroup
---@field netns integer the cookie of the network namespace
---@field socket integer the cookie of the socket
---@field generation integer the generation of the image that decided
---@field shadow true|nil the rule has shadow = true: it did not affect the call
local Event = {}

local AF_UNIX = names.AF_UNIX
local verbs, hooks, ops = names.verbs, names.hooks, names.ops
local families, protocols = names.families, names.protocols

local function host_order(port_be)
  if ffi.abi "le" then
    return bit.bor(bit.rshift(port_be, 8), bit.lshift(bit.band(port_be, 0xff), 8))
  end
  return port_be
end

local fields = {}

function fields.verb(self) return verbs[self.at.verb] end
function fields.rule(self)
  return self.reader:rule_name(self.at.rule, tonumber(self.at.generation))
end
function fields.op(self) return ops[self.at.hook] end
function fields.hook(self) return hooks[self.at.hook] end
function fields.errno(self) return names.errno(self.at.error) end

for _, side in ipairs { "asked", "final" } do
  local path, path_bytes = side .. "_path", side .. "_path_bytes"
  local addr, port_be = side .. "_addr", side .. "_port_be"

  local function path_of(at)
    return at.family == AF_UNIX and library.path(at[path], at[path_bytes])
  end

  fields[side .. "_addr"] = function(self)
    return path_of(self.at) or library.address(self.at[addr])
  end
  fields[side .. "_port"] = function(self)
    return self.at.family ~= AF_UNIX and host_order(self.at[port_be]) or nil
  end
  fields[side] = function(self)
    return path_of(self.at) or library.endpoint(self.at[addr], host_order(self.at[port_be]))
  end
end

function fields.family(self) return families[self.at.family] end
function fields.proto(self)
  local at = self.at
  return at.family ~= AF_UNIX and (protocols[at.protocol] or tostring(at.protocol)) or nil
end
function fields.comm(self)
  local comm = ffi.string(self.at.comm, 16)
  return comm:match "^[^%z]*"
end
function fields.pid(self) return tonumber(self.at.pid) end
function fields.tid(self) return tonumber(self.at.tid) end
function fields.uid(self) return tonumber(self.at.uid) end
function fields.gid(self) return tonumber(self.at.gid) end
function fields.time(self) return tonumber(self.at.time_ns) / 1e9 + self.reader.epoch end
function fields.cgroup(self) return tonumber(self.at.cgroup_id) end
function fields.netns(self) return tonumber(self.at.netns_cookie) end
function fields.socket(self) return tonumber(self.at.socket_cookie) end
function fields.shadow(self) return self.at.shadow ~= 0 or nil end
function fields.generation(self) return tonumber(self.at.generation) end

--- The names of an event's fields, in the order in which listings show them.
M.fields = {
  "time", "verb", "rule", "op", "hook", "errno", "asked", "final", "family", "proto", "comm",
  "pid", "tid", "uid", "gid", "cgroup", "netns", "socket", "generation", "shadow",
}

function Event:__index(name)
  local field = fields[name]
  if not field and name ~= "at" then
    return Event[name]
  elseif rawget(self, "at") == nil then
    error("this event is no longer valid; use event:copy() to keep an event", field and 2 or 3)
  end
  return field(self)
end

--- `deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED  curl[1234] uid 0`
function Event:__tostring()
  local parts = {
    ("%-7s %s"):format(self.verb or "?", self.rule or "(default)"),
    self.op .. " " .. literal.printable(self.asked),
  }
  local at = self.at
  if at.shadow ~= 0 then
    parts[1] = parts[1] .. " (shadow)"
  end
  if at.error ~= 0 then
    parts[#parts + 1] = self.errno
  elseif at.verb == C.TG_VERB_REWRITE or at.verb == C.TG_VERB_BALANCE then
    parts[2] = parts[2] .. " -> " .. literal.printable(self.final)
  end
  parts[#parts + 1] = ("%s[%d] uid %d"):format(literal.printable(self.comm), self.pid, self.uid)
  return table.concat(parts, "  ")
end

--- A copy of the event, for the caller to keep.
---@return tidegate.Event
function Event:copy()
  local at = ffi.new "struct tg_event"
  ffi.copy(at, self.at, ffi.sizeof "struct tg_event")
  return M.view(at, self.reader:frozen())
end

--- All fields of the event, in a plain table.
---@return table<string, string|number>
function Event:totable()
  local plain = {}
  for _, name in ipairs(M.fields) do
    plain[name] = self[name]
  end
  return plain
end

--- A view of a record.
---@param at ffi.cdata* struct tg_event
---@param reader tidegate.Reader
---@return tidegate.Event
function M.view(at, reader)
  return setmetatable({ at = at, reader = reader }, Event)
end

return M

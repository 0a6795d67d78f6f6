--- One decision of the kernel, read from the ring.
--
-- A view points at a record and computes each field only when it is read, so a loop that reads two
-- fields pays for two.

local bit = require "bit"
local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local names = require "tidegate.names"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

--- One decision.  It is valid only during its turn of the loop; to keep it longer, use copy().
---@class tidegate.Event
---@field verb "allow"|"deny"|"rewrite"|"balance"|"observe"
---@field rule string|nil the rule's name; nil: the default decided
---@field message string|nil of the rule, if it has one
---@field op string "connect"
---@field hook string "connect4", "connect_unix"
---@field errno string|nil of a denial, of a balance rule without a backend, or of what failed:
--- "ECONNREFUSED"
---@field asked string what the program asked for: "1.2.3.4:60000", "unix:/run/x.sock"; a byte of a
--- path that is not printable UTF-8 is "\xff"
---@field final string where the call went, or was to go if it failed: "127.0.0.1:60123"
---@field asked_addr string of a unix socket: the path as the program wrote it
---@field asked_port integer|nil a unix socket has none
---@field final_addr string
---@field final_port integer|nil
---@field family "inet"|"inet6"|"unix" the family of the hook
---@field proto string|nil "tcp", "udp" …, or its number; a unix socket has none
---@field comm string the name of the calling thread; a byte that is not printable ASCII is "\xff"
---@field comm_raw string the same, as the thread wrote it
---@field pid integer the ID of the process
---@field tid integer
---@field uid integer
---@field gid integer
---@field time number seconds since 1970
---@field cgroup integer the ID of the calling task's cgroup
---@field netns integer the cookie of the network namespace
---@field socket integer the cookie of the socket
---@field generation integer the generation of the image that decided
---@field shadow boolean the rule has shadow = true: it did not affect the call
---@field failed boolean the call failed, because the kernel refused what the rule does, such as its
--- bind_source; `errno` says how
---@field refused_before boolean another program, such as a gate of a cgroup below, had refused the
--- call: unless this rule denies, it did nothing, and counts nothing
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
function fields.message(self)
  return self.reader:rule_message(self.at.rule, tonumber(self.at.generation))
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
    local written = path_of(self.at)
    if written then
      return literal.line(written)
    end
    return library.endpoint(self.at[addr], host_order(self.at[port_be]))
  end
end

function fields.family(self) return families[self.at.family] end
function fields.proto(self)
  local at = self.at
  return at.family ~= AF_UNIX and (protocols[at.protocol] or tostring(at.protocol)) or nil
end
function fields.comm(self)
  local length = C.tg_record_comm(self.at)
  if length < 0 then
    return literal.printable(fields.comm_raw(self))
  end
  return ffi.string(self.at.comm, length)
end
function fields.comm_raw(self)
  local length = C.tg_record_comm(self.at)
  return ffi.string(self.at.comm, length < 0 and -1 - length or length)
end
function fields.pid(self) return tonumber(self.at.pid) end
function fields.tid(self) return tonumber(self.at.tid) end
function fields.uid(self) return tonumber(self.at.uid) end
function fields.gid(self) return tonumber(self.at.gid) end
function fields.time(self) return tonumber(self.at.time_ns) / 1e9 + self.reader.epoch end
function fields.cgroup(self) return tonumber(self.at.cgroup_id) end
function fields.netns(self) return tonumber(self.at.netns_cookie) end
function fields.socket(self) return tonumber(self.at.socket_cookie) end
function fields.generation(self) return tonumber(self.at.generation) end
function fields.shadow(self) return bit.band(self.at.flags, C.TG_EVENT_SHADOW) ~= 0 end
function fields.failed(self) return bit.band(self.at.flags, C.TG_EVENT_FAILED) ~= 0 end
function fields.refused_before(self)
  return bit.band(self.at.flags, C.TG_EVENT_REFUSED_BEFORE) ~= 0
end

--- The names of the fields that totable() and tojson() give, in the order of tojson().
M.fields = {
  "time", "verb", "rule", "message", "op", "hook", "errno", "asked", "final", "family", "proto",
  "comm", "pid", "tid", "uid", "gid", "cgroup", "netns", "socket", "generation", "shadow",
  "failed", "refused_before",
}

local metatable_of = debug.getmetatable

--- The names of its fields and methods, for hints.
local members = {}

--- What to write instead of another word.
local hints = {
  addr = "event.asked_addr", address = "event.asked_addr", dst = "event.asked",
  host = "event.asked_addr", port = "event.asked_port", daddr = "event.asked_addr",
  dport = "event.asked_port", to = "event.final", name = "event.rule", action = "event.verb",
  verdict = "event.verb", json = "event:tojson()", user = "event.uid", group = "event.gid",
  process = "event.comm", exe = "event.comm", protocol = "event.proto", error = "event.errno",
  timestamp = "event.time",
}

--- The view behind an event.  Raises an error that blames the caller's caller, if there is none, or
--- if the event's turn is over.
local function view_of(event)
  local meta = type(event) == "userdata" and metatable_of(event)
  local self = meta and meta.view
  if not self then
    error("wants an event: call it with a colon, as in event:copy()", 3)
  elseif not self.at then
    error("this event is no longer valid; use event:copy() to keep an event", 3)
  end
  return self
end

--- The fields of an event are read through functions, and its record is out of reach: scripts that
--- are not trusted have events, too.
local function index(event, name)
  local field = fields[name]
  if not field then
    return Event[name] or suggest.member("an event", name, members, hints)
  end
  return field(view_of(event))
end

local function newindex(_, name)
  error(("an event cannot be changed; %s = … has no effect"):format(tostring(name)), 2)
end

local text = ffi.new("char[?]", C.TG_EVENT_TEXT)

local function format(self, how)
  C.tg_record_format(self.at, fields.rule(self), fields.message(self), how, text, C.TG_EVENT_TEXT)
  return ffi.string(text)
end

--- `deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED  curl[1234] uid 0`
local function as_text(event)
  return format(view_of(event), C.TG_FORMAT_TEXT)
end

--- The event as a line for a log: that of tostring(), with its time before it, in the local time
--- zone: `2026-12-01T09:30:00.123+01:00 deny    no-metadata  connect …`.
---@return string
function Event:tolog()
  return format(view_of(self), C.TG_FORMAT_LOG)
end

--- The event as an object in JSON, on one line: the fields of totable(), always all of them and in
--- the same order.
---@return string
function Event:tojson()
  return format(view_of(self), C.TG_FORMAT_JSON)
end

--- What a kept event needs of the reader.
local Kept = {}
Kept.__index = Kept

function Kept:rule_name()
  return self.rule
end

function Kept:rule_message()
  return self.message
end

--- A copy of the event, for the caller to keep.
---@return tidegate.Event
function Event:copy()
  local view = view_of(self)
  local at = ffi.new "struct tg_event_record"
  ffi.copy(at, view.at, ffi.sizeof "struct tg_event_record")
  local kept = {
    epoch = view.reader.epoch, rule = fields.rule(view), message = fields.message(view),
  }
  return M.view(at, setmetatable(kept, Kept)).event
end

--- The fields of the event, in a plain table.
---@return table<string, string|number|boolean>
function Event:totable()
  local view, plain = view_of(self), {}
  for _, name in ipairs(M.fields) do
    plain[name] = fields[name](view)
  end
  return plain
end

for _, part in ipairs { fields, Event } do
  for name in pairs(part) do
    members[#members + 1] = name
  end
end
table.sort(members)

--- What an event shows: a record, or one after the other.
---@class tidegate.EventView
---@field at ffi.cdata*|false struct tg_event_record; false: none now
---@field reader tidegate.Reader
---@field event tidegate.Event for scripts

--- A view of a record.
---@param at ffi.cdata*|false
---@param reader tidegate.Reader
---@return tidegate.EventView
function M.view(at, reader)
  local event = newproxy(true)
  local view, meta = { at = at, reader = reader, event = event }, metatable_of(event)
  meta.view, meta.noun = view, "event"
  meta.__index, meta.__newindex, meta.__tostring = index, newindex, as_text
  meta.__metatable = false
  return view
end

return M

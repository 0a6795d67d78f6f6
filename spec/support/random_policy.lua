--- Random policies, and calls that fall on their boundaries.
--
--   local maker = random_policy.new { pids = { 42 } }
--   local policy = maker:policy(12)   -- as reference.read() and the verbs take it
--   local call = maker:call()         -- on or beside what that policy speaks of
--
-- Uses math.random: whoever seeds it gets the same again.

local address = require "spec.support.reference.address"
local meanings = require "spec.support.reference.names"
local reference = require "spec.support.reference"

local M = {}

---@class spec.Maker
---@field pids integer[] of the callers
---@field protos integer[] of the calls
---@field last_id integer
---@field live boolean
---@field observes boolean
---@field sources boolean|nil
---@field reports string[] operations that only report, of rules
---@field ops string[] of calls
---@field seen table<string, any[]> values at the ends of what the policy speaks of, by field
local Maker = {}
Maker.__index = Maker

--- A maker of policies and calls.  `options`: pids and protos of the calls, the
--- last_id that their uids and gids may be, whether rules have sources, the ops
--- of the calls, and those that only report of which rules may be; whether rules
--- name live sets (live = false: they do not) and observe (observes = false); the programs,
--- cgroups and network namespaces (cookies, and paths that the reference knows)
--- to speak of.
function M.new(options)
  return setmetatable({
    live = options.live ~= false, observes = options.observes ~= false,
    pids = options.pids or { 1, 4242, 4194303 }, sources = options.sources,
    last_id = options.last_id or 2 ^ 32 - 1, protos = options.protos or { 1, 6, 17, 58, 132, 136, 262, 65535 },
    exes = options.exes or { "/bin/sh", "/usr/bin/env", "/bin/ls" }, cgroups = options.cgroups or { "/" },
    netns = options.netns or { 1, 2, 3, 77 },
    reports = options.reports or { "recvmsg", "getpeername", "getsockname" },
    ops = options.ops or { "connect", "connect", "sendmsg", "bind", "recvmsg", "getpeername", "getsockname" },
    seen = {},
  }, Maker)
end

local random = math.random

local function chance(percent)
  return random(100) <= percent
end

local function pick(list)
  return list[random(#list)]
end

--- Lua's range stops at 2^31.
local function random32()
  return random(0, 65535) * 65536 + random(0, 65535)
end

-- Names that this machine knows; the reference finds them in the same files.
local function first_words(path, pattern, most)
  local names = {}
  local handle = io.open(path)
  for line in handle and handle:lines() or function() end do
    names[#names + 1] = #names < most and line:match(pattern) or nil
  end
  if handle then
    handle:close()
  end
  return names
end

local names = {
  host = first_words("/etc/hosts", "^[%x.:]+%s+(localhost)%s*$", 1),
  port = first_words("/etc/services", "^(%l+)%s+%d+/tcp", 40),
  type = { "stream", "dgram", "raw", "seqpacket" },
  device = { "lo", "none" },
  proto = { "tcp", "udp", "icmp", "icmpv6", "sctp", "mptcp", "udplite", "dccp", "raw" },
  uid = first_words("/etc/passwd", "^([%l-]+):", 20),
  gid = first_words("/etc/group", "^([%l-]+):", 20),
}

-- Addresses ------------------------------------------------------------------------

local function bytes_of(text)
  return address.parse(text)
end

-- Where ranges touch the ends of everything, v4-mapped space, or the halves of 128 bits.
local landmarks = {}
for text in ([[0.0.0.0 0.0.0.1 10.0.0.0 10.0.0.1 10.1.2.3 127.0.0.1 127.255.255.255 128.0.0.0 192.168.0.1
  224.0.0.1 255.255.255.255 :: ::1 ::2 ::fffe:ffff:ffff ::1:0:0:0 0:0:0:1:: 2001:db8:: 2001:db8::1
  2001:db8:0:0:ffff:ffff:ffff:ffff 2001:db8:0:1:: 2001:db8:0:1::1 7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 8000:: fd00::1
  ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]]):gmatch "%S+" do
  landmarks[#landmarks + 1] = bytes_of(text)
end

--- The address `step` (1 or -1) beside; the ends stay.
local function beside(addr, step)
  local bytes = { addr:byte(1, 16) }
  local index = 16
  while index > 0 do
    bytes[index] = bytes[index] + step
    if bytes[index] >= 0 and bytes[index] <= 255 then
      return string.char(unpack(bytes))
    end
    bytes[index] = bytes[index] % 256
    index = index - 1
  end
  return addr
end

local function random_bytes(count)
  local bytes = {}
  for index = 1, count do
    bytes[index] = string.char(random(0, 255))
  end
  return table.concat(bytes)
end

function Maker:remember(kind, value)
  local list = self.seen[kind] or {}
  self.seen[kind] = list
  list[#list + 1] = value
  return value
end

local function random_address()
  if chance(60) then
    return pick(landmarks)
  elseif chance(60) then
    return bytes_of "0.0.0.0":sub(1, 12) .. random_bytes(4)
  end
  return "\32\1\13\184" .. random_bytes(12)
end

--- Often one that the policy has already, or its neighbour, so that rules overlap.
function Maker:some_address()
  local seen = self.seen.addr
  if not seen or chance(40) then
    return random_address()
  end
  local addr = pick(seen)
  return chance(50) and addr or beside(addr, pick { 1, -1 })
end

local function format4(addr)
  return ("%d.%d.%d.%d"):format(addr:byte(13, 16))
end

--- One of the ways in which an IPv6 address is written.
local function format6(addr)
  if address.is_v4(addr) and chance(50) then
    return "::ffff:" .. format4(addr)
  end
  local groups = {}
  for index = 1, 15, 2 do
    local high, low = addr:byte(index, index + 1)
    groups[#groups + 1] = ("%x"):format(high * 256 + low)
  end
  local text = table.concat(groups, ":")
  if chance(80) then
    local shorter, count = (":" .. text .. ":"):gsub(":0:[0:]+", "::", 1)
    text = count == 1 and shorter:gsub("^:([^:])", "%1"):gsub("([^:]):$", "%1") or text
  end
  return chance(20) and text:upper() or text
end

--- How to write an address: IPv4 sometimes as v4-mapped.
local function format_of(addr)
  return address.is_v4(addr) and chance(85) and format4 or format6
end

--- The first address of a prefix: all bits behind `length` cleared.
local function masked(addr, length)
  local last = address.last_of_prefix(("\0"):rep(16), length)
  local bytes = {}
  for index = 1, 16 do
    local host = last:byte(index)
    bytes[index] = string.char(addr:byte(index) - addr:byte(index) % (host + 1))
  end
  return table.concat(bytes)
end

--- A pattern of 0.0.0.0 or :: alone is an error; the makers of patterns give nil instead.
local function is_any(addr)
  return addr == bytes_of "0.0.0.0" or addr == bytes_of "::"
end

function Maker:prefix()
  local addr = self:some_address()
  local format = format_of(addr)
  local length = format == format4 and random(96, 128) or pick { random(0, 128), random(56, 72), random(96, 128) }
  addr = masked(addr, length)
  self:remember("addr", addr)
  self:remember("addr", address.last_of_prefix(addr, length))
  if is_any(address.last_of_prefix(addr, length)) then
    return nil
  end
  return format(addr) .. "/" .. (format == format4 and length - 96 or length), format == format6
end

function Maker:range()
  local first, last = self:some_address(), self:some_address()
  if address.is_v4(first) ~= address.is_v4(last) then
    last = first
  elseif first > last then
    first, last = last, first
  end
  local format = format_of(first)
  self:remember("addr", first)
  self:remember("addr", last)
  if is_any(last) then
    return nil
  end
  return format(first) .. "-" .. format(last), format == format6
end

function Maker:single()
  local addr = self:remember("addr", self:some_address())
  local format = format_of(addr)
  if is_any(addr) then
    return nil
  end
  return format(addr), format == format6
end

--- A pattern of addresses, and whether it is written as IPv6.
function Maker:addresses()
  local roll = random(100)
  if roll <= 8 then
    return "*", false
  elseif roll <= 11 and names.host[1] then
    self:remember("addr", bytes_of "127.0.0.1")
    return names.host[1], false
  end
  local text, v6
  repeat
    text, v6 = (roll <= 45 and self.single or roll <= 80 and self.prefix or self.range)(self)
  until text
  return text, v6
end

--- A pattern without IPv4 in it.
function Maker:addresses6()
  for _ = 1, 20 do
    local text = self:prefix()
    local base = text and text:find(":", 1, true) and bytes_of(text:match "^(.*)/")
    if base and not address.is_v4(base) then
      return text, true
    end
  end
  self:remember("addr", bytes_of "2001:db8::1")
  return "2001:db8::1", true
end

-- Numbers and names -------------------------------------------------------------------

local pools = {
  port = { 0, 1, 53, 80, 443, 1023, 1024, 8080, 32767, 32768, 65534, 65535 },
  proto = { 0, 1, 6, 17, 58, 132, 136, 262, 65535 },
  uid = { 0, 1, 33, 1000, 1001, 65533, 65534, 2 ^ 31 - 1, 2 ^ 31, 2 ^ 32 - 2, 2 ^ 32 - 1 },
  pid = { 0, 1, 2, 300, 32768, 4194304, 2 ^ 32 - 1 },
  mark = { 0, 1, 7, 15, 16, 31, 2 ^ 31, 2 ^ 32 - 1 },
  device = { 0, 1, 2 },
}
pools.gid = pools.uid
local last_number = { port = 65535, proto = 65535, uid = 2 ^ 32 - 1, gid = 2 ^ 32 - 1, pid = 2 ^ 32 - 1,
  mark = 2 ^ 32 - 1, device = 2 ^ 32 - 1 }

local function clamp(field, number)
  return math.max(0, math.min(last_number[field], number))
end

function Maker:some_number(field)
  local seen = self.seen[field]
  if seen and chance(50) then
    return clamp(field, pick(seen) + random(-1, 1))
  elseif field == "pid" and chance(70) then
    return clamp(field, pick(self.pids) + random(-1, 1))
  elseif chance(80) then
    return pick(pools[field])
  end
  return random32() % (last_number[field] + 1)
end

--- A number, a range or a name.
function Maker:number(field)
  local first = self:remember(field, self:some_number(field))
  local known = names[field]
  local roll = random(100)
  if roll <= 15 and known and #known > 0 then
    return pick(known)
  elseif roll <= 20 then
    return "*"
  elseif roll <= 60 then
    return chance(50) and first or ("%d"):format(first)
  end
  local last = self:remember(field, self:some_number(field))
  if field == "mark" and chance(50) then
    return ("0x%x-0x%X"):format(math.min(first, last), math.max(first, last))
  end
  return ("%d-%d"):format(math.min(first, last), math.max(first, last))
end

local comms = { "a", "ab", "abc", "curl", "curlew", "exactly-15-long", "sixteen is over", "nginx: worker", "\195\169" }

--- A name of at most 15 bytes, sometimes with a * for the rest.
function Maker:comm()
  local comm = pick(comms)
  if chance(30) then
    comm = comm:sub(1, random(#comm))
  end
  self:remember("comm", comm)
  return chance(40) and comm:sub(1, random(0, #comm)) .. "*" or comm
end

-- Lists --------------------------------------------------------------------------------

local function negated(item)
  return "!" .. (type(item) == "number" and ("%d"):format(item) or item)
end

--- One item, or a list of some, of what `make` gives; sometimes negated, nested or empty.
local function some(make)
  if chance(45) then
    local item = make()
    return chance(20) and type(item) ~= "table" and negated(item) or item
  end
  local list = {}
  for index = 1, pick { 0, 1, 2, 2, 3, 3, 4, 6 } do
    local item = make()
    if chance(25) and type(item) ~= "table" then
      item = negated(item)
    elseif chance(8) then
      item = { item }
    end
    list[index] = item
  end
  return list
end

function Maker:numbers(field)
  return some(function() return self:number(field) end)
end

--- An endpoint; `only6`: without IPv4.
function Maker:endpoint(only6)
  local text, v6 = (only6 and self.addresses6 or self.addresses)(self)
  if chance(40) then
    local port = self:number "port"
    port = type(port) == "number" and ("%d"):format(port) or port
    return (v6 and "[" .. text .. "]:" or text .. ":") .. port
  end
  return v6 and chance(30) and "[" .. text .. "]" or text
end

--- { addr = …, port = … }
function Maker:product()
  return {
    addr = chance(80) and some(function() return self:some_set() or (self:addresses()) end) or nil,
    port = chance(80) and self:numbers "port" or { 80 },
  }
end

function Maker:endpoints(only6)
  if only6 then
    return { self:endpoint(true), self:endpoint(true) }
  end
  return some(function()
    return chance(12) and self:product() or self:some_set() or self:endpoint()
  end)
end

-- Live sets ----------------------------------------------------------------------------

local set_names = { "s1", "s2", "s3" }

--- Sometimes a live set as an item of a list, or all addresses but its own.
function Maker:some_set()
  return self.live and chance(12) and { set = pick(set_names), negative = chance(30) or nil }
end

--- What each live set holds.
function Maker:sets()
  local sets = {}
  for _, name in ipairs(set_names) do
    local items = {}
    for index = 1, pick { 0, 1, 3, 8 } do
      repeat
        items[index] = (chance(50) and self.single or self.prefix)(self)
      until items[index]
    end
    sets[name] = items
  end
  return sets
end

-- What sockets of the calls are bound to.
local own4, own6 = {}, {}
for text in ("127.0.0.1 127.0.0.2 127.1.2.3 10.0.0.1"):gmatch "%S+" do
  own4[#own4 + 1] = bytes_of(text)
end
for text in ("::1 2001:db8::1 fd00::1:2"):gmatch "%S+" do
  own6[#own6 + 1] = bytes_of(text)
end

--- A pattern of own addresses and ports.
function Maker.own()
  local addr = chance(50) and pick(own4) or pick(own6)
  local text, v6
  if chance(20) then
    text = chance(50) and "*" or "0.0.0.0"
  elseif chance(10) then
    text, v6 = "::", true
  else
    local format = format_of(addr)
    text, v6 = format(addr), format == format6
    if chance(40) then
      text = v6 and format(masked(addr, 96)) .. "/96" or format(masked(addr, 104)) .. "/8"
    end
  end
  if chance(40) then
    return (v6 and "[" .. text .. "]:" or text .. ":") .. pick { "0", "1-1023", "1024-65535", "5000", "5000-5001" }
  end
  return text
end

-- Rules -----------------------------------------------------------------------------------

local destinations4 = { "127.0.0.1", "127.1.2.3", "10.0.0.1", "::ffff:10.9.8.7", "192.0.2.1" }
local destinations6 = { "::1", "2001:db8::5", "fd00::1:2" }

local function with_port(addr, port)
  return addr:find(":", 1, true) and ("[%s]:%d"):format(addr, port) or ("%s:%d"):format(addr, port)
end

local goes = { connect = true, sendmsg = true, egress = true }

--- No datagram for IPv6 can be turned to IPv4; where it stays what it is, any can.
local function family_of_turn(op, to6)
  if to6 then
    return pick { "inet6", "!inet", { "inet6" } }
  elseif op == "sendmsg" or op == "egress" then
    return pick { "inet", "!inet6" }
  end
end

function Maker:rewrite(rule)
  local op = chance(20) and pick(self.reports) or pick { "connect", "connect", "bind", "sendmsg", "egress" }
  local roll = random(100)
  local to6 = roll <= 25
  if roll > 85 then
    rule[op] = self:endpoints()
    rule.to = "*:" .. random(65535)
  else
    local only6 = to6 and chance(50)
    rule[op] = self:endpoints(only6)
    rule.family = not only6 and family_of_turn(op, to6) or nil
    rule.to = pick(to6 and destinations6 or destinations4)
    if chance(70) then
      rule.to = with_port(rule.to, random(65535))
    end
    rule.source = self.sources and goes[op] and chance(20) and pick(to6 and destinations6 or destinations4) or nil
  end
  rule.reveal = (goes[op] or op == "bind") and chance(40) or nil
  rule.privileged = op == "bind" and chance(30) or nil
end

function Maker:deny(rule)
  rule[pick { "connect", "sendmsg", "egress", "egress", "bind" }] = self:endpoints()
  if chance(90) then
    local known = {}
    for name in pairs(reference.errnos) do
      known[#known + 1] = name
    end
    table.sort(known)
    local name = pick(known)
    rule.errno = chance(80) and name or reference.errnos[name]
  end
end

function Maker:allow(rule)
  if self.sources and chance(10) then
    local op = pick { "connect", "sendmsg", "egress" }
    rule[op] = pick { "*", "*:80", { "10.0.0.0/8", "2001:db8::/32" } }
    rule.source = op == "connect" and with_port("127.0.0.2", random(65535)) or "127.0.0.2"
    return
  end
  local op = chance(15) and pick(self.reports) or pick { "connect", "sendmsg", "egress", "egress", "bind" }
  rule[op] = self:endpoints()
  rule.privileged = op == "bind" and chance(30) or nil
end

function Maker:observe(rule)
  local op = chance(15) and pick(self.reports) or pick { "connect", "sendmsg", "egress", "egress", "bind" }
  rule[op] = self:endpoints()
end

local who = {
  proto = function(self) return self:numbers "proto" end,
  family = function() return some(function() return pick { "inet", "inet6", "*" } end) end,
  uid = function(self) return self:numbers "uid" end,
  gid = function(self) return self:numbers "gid" end,
  pid = function(self) return self:numbers "pid" end,
  comm = function(self) return some(function() return self:comm() end) end,
  type = function() return some(function() return pick(names.type) end) end,
  from = function()
    return some(function()
      return chance(20) and { addr = pick { "127.0.0.0/8", "::/0", "*" }, port = { 0, "5000-5001" } } or Maker.own()
    end)
  end,
  exe = function(self) return some(function() return chance(8) and "*" or pick(self.exes) end) end,
  cgroup = function(self) return some(function() return chance(8) and "*" or pick(self.cgroups) end) end,
  netns = function(self) return some(function() return chance(8) and "*" or pick(self.netns) end) end,
  mark = function(self) return self:numbers "mark" end,
  device = function(self) return self:numbers "device" end,
}
local who_fields = {
  "proto", "family", "uid", "gid", "pid", "comm", "type", "from", "exe", "cgroup", "netns", "mark", "device",
}

--- A rule: what a verb takes, and the verb.
function Maker:rule()
  local verb = self.observes and chance(6) and "observe"
  local rule = { verb = verb or pick { "allow", "allow", "deny", "deny", "deny", "rewrite", "rewrite" } }
  self[rule.verb](self, rule)
  for _, field in ipairs(who_fields) do
    -- A family that shuts IPv4 out would contradict a source.
    if rule[field] == nil and chance(7) and not (field == "family" and rule.source) then
      rule[field] = who[field](self)
    end
  end
  rule.log = chance(90) and (chance(50) and pick { true, "10/s", "1/3" }) or nil
  return rule
end

local function random_default()
  return pick {
    "allow", "deny", { connect = "deny" }, { sendmsg = "deny" }, { egress = "deny", connect = "allow" },
    { bind = "deny" }, { bind = "allow", egress = "deny" },
  }
end

--- A policy of so many rules.  What the calls of call() are about from now on.
---@param count integer
---@return { default: string|table, rules: table[] }
function Maker:policy(count)
  self.seen = {}
  local policy = { default = random_default(), sets = self:sets(), rules = {} }
  local taken = {}
  for index = 1, count do
    local rule, name = self:rule(), "rule " .. random(30)
    if chance(30) and not taken[name] then
      rule.name, taken[name] = name, true
    end
    policy.rules[index] = rule
  end
  return policy
end

--- How many rules a policy may have: mostly few, sometimes none, or more than a bitset's word.
---@return integer
function M.some_count()
  local roll = random(100)
  if roll <= 4 then
    return 0
  elseif roll <= 80 then
    return random(1, 8)
  elseif roll <= 96 then
    return random(9, 40)
  end
  return random(60, 150)
end

-- Calls -----------------------------------------------------------------------------------

local specials = {}
for text in ("0.0.0.0 :: 127.0.0.1 ::1 ::ffff:7f00:1 0.0.0.1 ::2"):gmatch "%S+" do
  specials[#specials + 1] = bytes_of(text)
end

function Maker:call_address()
  local seen = self.seen.addr
  local roll = random(100)
  if roll <= 15 then
    return pick(specials)
  elseif roll <= 25 or not seen then
    return random_address()
  end
  local addr = pick(seen)
  return roll <= 60 and addr or beside(addr, pick { 1, -1 })
end

function Maker:call_comm()
  local comm = pick(chance(70) and self.seen.comm or comms)
  if chance(20) then
    comm = comm:sub(1, random(#comm))
  elseif chance(20) then
    comm = comm .. pick { "x", " ", "\255" }
  end
  return comm:sub(1, 15)
end

--- Bind a call's socket, sometimes, to what its datagram can come from.
local function bind(call)
  if chance(50) and call.op ~= "bind" then
    -- A socket that is bound to IPv6 sends nothing to IPv4, before a hook could look at it.
    local bound4 = address.is_v4(call.addr) or chance(50)
    call.from_addr = chance(80) and pick(bound4 and own4 or own6) or nil
    call.from_port = chance(50) and 5000 or random(1024, 65535)
  end
end

--- A call on or beside what the policy speaks of.
---@return spec.Call
function Maker:call()
  local addr = self:call_address()
  local netns = pick(self.netns)
  local call = {
    op = pick(self.ops),
    addr = addr, port = self:some_number "port",
    family = address.is_v4(addr) and chance(65) and "inet" or "inet6",
    proto = pick(self.protos),
    uid = math.min(self:some_number "uid", self.last_id), gid = math.min(self:some_number "gid", self.last_id),
    comm = self:call_comm(), pid = chance(80) and pick(self.pids) or self:some_number "pid",
    exe = pick(self.exes), cgroup = pick(self.cgroups), netns = meanings.netns_cookies[netns] or netns,
    mark = self:some_number "mark", device = pick { 0, 0, 1, 2 }, type = chance(20) and pick { 1, 2, 3, 5 } or nil,
  }
  bind(call)
  return call
end

-- As text ----------------------------------------------------------------------------------

--- An address as a call has it.
---@param addr string
---@param family "inet"|"inet6"
---@return string
function M.address_text(addr, family)
  if family == "inet" then
    return format4(addr)
  elseif address.is_v4(addr) then
    return "::ffff:" .. format4(addr)
  end
  local groups = {}
  for index = 1, 15, 2 do
    local high, low = addr:byte(index, index + 1)
    groups[#groups + 1] = ("%x"):format(high * 256 + low)
  end
  return table.concat(groups, ":")
end

return M

--- The slow, obvious matcher that the property specs hold the rest to.
--
-- It takes rules as the policy language writes them and tries one after the
-- other; it shares no code with core/, bpf/ or lua/.  Addresses are strings of
-- 16 bytes, IPv4 v4-mapped, so that comparing them as strings orders them.
--
-- Functions are called through M, so that a spec can break one and see that
-- the break is noticed.

local M = {}

local MAPPED = ("\0"):rep(10) .. "\255\255"
local ANY4, LOOPBACK4 = MAPPED .. "\0\0\0\0", MAPPED .. "\127\0\0\1"
local ANY6, LOOPBACK6 = ("\0"):rep(16), ("\0"):rep(15) .. "\1"

local protos = {
  tcp = 6, udp = 17, icmp = 1, icmpv6 = 58, sctp = 132, mptcp = 262, udplite = 136, dccp = 33, raw = 255,
}
local families = { inet = 2, inet6 = 10 }
local types = { stream = 1, dgram = 2, raw = 3, seqpacket = 5 }
local devices = { none = 0, lo = 1 }

--- The cookies of network namespaces by path, for a spec to fill in.
---@type table<string, integer>
M.netns_cookies = {}

--- What random policies deny with: none of them comes from the kernel's own
--- connect or sendto, so that a denial with one is a rule's.
M.errnos = {
  EPERM = 1, EXDEV = 18, EL2HLT = 51, ENOANO = 55, EBADSLT = 57, EDOTDOT = 73, ENOTUNIQ = 76, ELIBACC = 79,
  ESTRPIPE = 86, EUSERS = 87, EUCLEAN = 117, ENAVAIL = 119, EKEYREVOKED = 128, EOWNERDEAD = 130, ERFKILL = 132,
}

-- Addresses ----------------------------------------------------------------------

--- IPv4, which is the same as v4-mapped.
---@param addr string
---@return boolean
function M.is_v4(addr)
  return addr:sub(1, 12) == MAPPED
end

local function parse4(text)
  local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  return a and MAPPED .. string.char(a, b, c, d)
end

--- "1:2" is four bytes; a dotted quad stands for two groups.
local function parse_groups(text)
  local bytes = {}
  for group in text:gmatch "[^:]+" do
    if group:find(".", 1, true) then
      bytes[#bytes + 1] = parse4(group):sub(13)
    else
      local number = tonumber(group, 16)
      bytes[#bytes + 1] = string.char(math.floor(number / 256), number % 256)
    end
  end
  return table.concat(bytes)
end

local function parse6(text)
  local left, right = text:match "^(.-)::(.*)$"
  if not left then
    return parse_groups(text)
  end
  left, right = parse_groups(left), parse_groups(right)
  return left .. ("\0"):rep(16 - #left - #right) .. right
end

--- The bytes of an address, nil for a name.
---@param text string
---@return string|nil
function M.address(text)
  return text:find(":", 1, true) and parse6(text) or parse4(text)
end

--- All bits behind the first `length` set.
function M.last_of_prefix(addr, length)
  local bytes = { addr:byte(1, 16) }
  for position = length, 127 do
    local index, weight = math.floor(position / 8) + 1, 2 ^ (7 - position % 8)
    if math.floor(bytes[index] / weight) % 2 == 0 then
      bytes[index] = bytes[index] + weight
    end
  end
  return string.char(unpack(bytes))
end

local files = {}

--- The words of each line of a file of the machine, without comments.
local function lines_of(path, separator)
  if files[path] then
    return files[path]
  end
  local found = {}
  files[path] = found
  local handle = io.open(path)
  for line in handle and handle:lines() or function() end do
    local words = {}
    for word in line:gsub("#.*", ""):gmatch(separator) do
      words[#words + 1] = word
    end
    found[#found + 1] = words
  end
  if handle then
    handle:close()
  end
  return found
end

--- The addresses of a host, from /etc/hosts.
local function addresses_of_host(name)
  local ranges = {}
  for _, words in ipairs(lines_of("/etc/hosts", "%S+")) do
    for index = 2, #words do
      if words[index] == name then
        local addr = M.address(words[1])
        ranges[#ranges + 1] = { addr, addr }
      end
    end
  end
  return ranges
end

--- "10.0.0.0/8", "::1-::9", "localhost" as { first, last } each; nil for "*".
local function parse_ranges(text)
  if text == "*" then
    return nil
  end
  local base, length = text:match "^(.*)/(%d+)$"
  if base then
    local first = M.address(base)
    local bits = tonumber(length) + (base:find(":", 1, true) and 0 or 96)
    return { { first, M.last_of_prefix(first, bits) } }
  end
  local first, last = text:match "^([%x.:]+)%-([%x.:]+)$"
  if first then
    return { { M.address(first), M.address(last) } }
  end
  local single = M.address(text)
  return single and { { single, single } } or addresses_of_host(text)
end

--- IPv6 ranges do not speak of v4-mapped addresses, unless they are a range of them.
function M.within(addr, range)
  return M.is_v4(addr) == (M.is_v4(range[1]) and M.is_v4(range[2])) and range[1] <= addr and addr <= range[2]
end

-- Items ----------------------------------------------------------------------------

--- A number of a name that stands in the nth place of a line of /etc/passwd or /etc/group.
local function id_in(path)
  return function(name)
    for _, words in ipairs(lines_of(path, "[^:]+")) do
      if words[1] == name then
        return tonumber(words[3])
      end
    end
  end
end

local function port_of_service(name)
  for _, words in ipairs(lines_of("/etc/services", "%S+")) do
    for index, word in ipairs(words) do
      if index ~= 2 and word == name then
        return tonumber(words[2]:match "^%d+")
      end
    end
  end
end

local number_of_name = {
  port = port_of_service,
  proto = function(name) return protos[name] end,
  family = function(name) return families[name] end,
  uid = id_in "/etc/passwd",
  gid = id_in "/etc/group",
  type = function(name) return types[name] end,
  device = function(name) return devices[name] end,
  netns = function(name) return M.netns_cookies[name] end,
}
number_of_name.from_port = port_of_service

--- "80", "80-90", "https", "*" as a first and a last number.
local function parse_numbers(field, text)
  if text == "*" then
    return 0, 2 ^ 32 - 1
  end
  local first, last = text:match "^(0x%x+)%-(0x%x+)$"
  if not first then
    first, last = text:match "^(%d+)%-(%d+)$"
  end
  if first then
    return tonumber(first), tonumber(last)
  end
  local number = tonumber(text) or number_of_name[field](text)
  return number, number
end

-- From the text of an item to a function that tells whether a call has it.
local read = {}

local function number_reader(field)
  return function(text)
    local first, last = parse_numbers(field, text)
    return function(call)
      return first <= call[field] and call[field] <= last
    end
  end
end

for _, field in ipairs {
  "port", "proto", "family", "uid", "gid", "pid", "type", "mark", "device", "netns", "from_port",
} do
  read[field] = number_reader(field)
end

local read_proto_number = read.proto

--- "tcp" means MPTCP too.
function read.proto(text)
  local matches = read_proto_number(text)
  return function(call)
    return matches(call) or (text == "tcp" and call.proto == protos.mptcp)
  end
end

function read.comm(text)
  local prefix = text:match "^(.*)%*$"
  return function(call)
    if prefix then
      return call.comm:sub(1, #prefix) == prefix
    end
    return call.comm == text
  end
end

function read.exe(text)
  return function(call) return text == "*" or call.exe == text end
end

--- Whether a cgroup is another one, or below it.
function M.below(path, above)
  return (path .. "/"):sub(1, #above + 1) == above .. "/"
end

function read.cgroup(text)
  return function(call)
    return text == "*" or text == "/" or M.below(call.cgroup, text)
  end
end

local function read_endpoint(text, addr_key, read_port)
  local addr, port = text:match "^%[(.-)%]:?(.*)$"
  if not addr and text:find ":.*:" then
    addr, port = text, ""
  elseif not addr then
    addr, port = text:match "^([^:]*):?(.*)$"
  end
  local ranges = parse_ranges(addr)
  local has_port = port ~= "" and read_port(port)
  return function(call)
    if has_port and not has_port(call) then
      return false
    end
    for _, range in ipairs(ranges or {}) do
      if M.within(call[addr_key], range) then
        return true
      end
    end
    return not ranges
  end
end

function read.endpoint(text) return read_endpoint(text, "target", read.port) end
function read.from(text) return read_endpoint(text, "from_addr", read.from_port) end

-- Lists ----------------------------------------------------------------------------

--- A union of items, or of everything if there are only negative ones, less the
--- negative ones; nothing if there are none at all.
function M.holds(list, call)
  local positive, found = false, false
  for _, item in ipairs(list) do
    if not item.negative then
      positive = true
      found = found or item.matches(call)
    elseif item.matches(call) then
      return false
    end
  end
  return found or (#list > 0 and not positive)
end

local read_list

--- What the live sets of the policy hold, as ranges.
local sets = {}

local function read_sets(items_by_name)
  sets = {}
  for name, items in pairs(items_by_name or {}) do
    local ranges = {}
    for _, item in ipairs(items) do
      ranges[#ranges + 1] = parse_ranges(item)[1]
    end
    sets[name] = ranges
  end
end

local function read_set(name)
  local ranges = sets[name]
  return function(call)
    for _, range in ipairs(ranges) do
      if M.within(call.target, range) then
        return true
      end
    end
    return false
  end
end

local function read_product(field, value)
  local addrs = value.addr ~= nil and read_list(field, value.addr)
  local ports = value.port ~= nil and read_list(field == "from" and "from_port" or "port", value.port)
  return function(call)
    return (not addrs or M.holds(addrs, call)) and (not ports or M.holds(ports, call))
  end
end

--- The items of a value: a text, a number, { addr =, port = }, or a list of such.
function read_list(field, value, list)
  list = list or {}
  if type(value) ~= "table" then
    local sign, text = tostring(value):match "^(!?)(.*)$"
    list[#list + 1] = { negative = sign == "!", matches = read[field](text) }
  elseif value.set then
    list[#list + 1] = { negative = value.negative or false, matches = read_set(value.set) }
  elseif value.addr ~= nil or value.port ~= nil then
    list[#list + 1] = { negative = false, matches = read_product(field, value) }
  else
    for _, inner in ipairs(value) do
      read_list(field, inner, list)
    end
  end
  return list
end

-- Rules ------------------------------------------------------------------------------

local ops_of = {
  connect = { connect = true }, sendmsg = { sendmsg = true }, egress = { connect = true, sendmsg = true },
  bind = { bind = true }, recvmsg = { recvmsg = true }, getpeername = { getpeername = true },
  getsockname = { getsockname = true },
}
local who = {
  "proto", "family", "uid", "gid", "comm", "pid", "type", "from", "exe", "cgroup", "netns", "mark", "device",
}

--- "1.2.3.4:80", "*:80" as an address and a port, either of which may be nil.
---@param text string
---@return string|nil addr
---@return integer|nil port
function M.single(text)
  local addr, port = text:match "^%[(.-)%]:?(.*)$"
  if not addr and text:find ":.*:" then
    addr = text
  elseif not addr then
    addr, port = text:match "^([^:]*):?(.*)$"
  end
  return addr ~= "*" and M.address(addr) or nil, tonumber(port)
end

local function read_rule(rule)
  local own = { verb = rule.verb, conditions = {}, reveal = rule.reveal, privileged = rule.privileged }
  for op, ops in pairs(ops_of) do
    if rule[op] ~= nil then
      own.ops = ops
      own.conditions[1] = read_list("endpoint", rule[op])
    end
  end
  for _, field in ipairs(who) do
    if rule[field] ~= nil then
      own.conditions[#own.conditions + 1] = read_list(field, rule[field])
    end
  end
  if rule.verb == "deny" then
    own.errno = tonumber(rule.errno) or M.errnos[rule.errno or "EPERM"]
  end
  if rule.to then
    own.to_addr, own.to_port = M.single(rule.to)
  end
  if rule.source then
    own.source, own.source_port = M.single(rule.source)
  end
  return own
end

--- A policy ready to decide.
---@param policy { default: string|table|nil, rules: table[] } as the verbs take them, with the verb's name in `verb`
---@return table
function M.read(policy)
  local default = policy.default or "allow"
  if type(default) == "string" then
    default = { egress = default, bind = default }
  end
  local rules = {}
  read_sets(policy.sets)
  for index, rule in ipairs(policy.rules) do
    rules[index] = read_rule(rule)
  end
  return {
    rules = rules,
    default = {
      connect = default.connect or default.egress or "allow",
      sendmsg = default.sendmsg or default.egress or "allow",
      bind = default.bind or "allow",
      recvmsg = "allow", getpeername = "allow", getsockname = "allow",
    },
  }
end

-- Deciding ----------------------------------------------------------------------------

--- Where the kernel goes for an address, from a socket that is bound to another or, nil, to none.
function M.target(addr, bound)
  local bound4 = bound and M.is_v4(bound)
  if addr == ANY4 then
    return bound4 and bound ~= ANY4 and bound or LOOPBACK4
  elseif addr == ANY6 then
    return bound4 and LOOPBACK4 or LOOPBACK6
  end
  return addr
end

local function type_of(call)
  return call.type or (call.proto == protos.tcp or call.proto == protos.mptcp) and types.stream or types.dgram
end

--- The family of the hook: a datagram to an IPv4 address is IPv4 from an IPv6 socket too.
function M.family(call)
  return families[call.op == "sendmsg" and M.is_v4(call.target) and "inet" or call.family]
end

function M.rule_matches(rule, call)
  if not rule.ops[call.op] then
    return false
  end
  for _, list in ipairs(rule.conditions) do
    if not M.holds(list, call) then
      return false
    end
  end
  return true
end

--- The number of the rule that decides, nil where none matches.
function M.deciding(rules, call)
  for index, rule in ipairs(rules) do
    if rule.verb ~= "observe" and M.rule_matches(rule, call) then
      return index
    end
  end
end

---@class spec.Call
---@field op "connect"|"sendmsg"|"bind"|"recvmsg"|"getpeername"|"getsockname"
---@field addr string 16 bytes
---@field port integer
---@field family "inet"|"inet6" of the socket address
---@field proto integer
---@field uid integer
---@field gid integer
---@field comm string
---@field pid integer
---@field type integer|nil that of the protocol
---@field from_addr string|nil 16 bytes; not bound
---@field from_port integer|nil
---@field exe string path
---@field cgroup string path
---@field netns integer
---@field mark integer
---@field device integer

---@class spec.Verdict
---@field rule integer|nil its number
---@field verb "allow"|"deny"|"rewrite"
---@field errno integer|nil
---@field addr string where it goes
---@field port integer
---@field source string|nil
---@field source_port integer|nil
---@field reveal boolean|nil
---@field privileged boolean|nil
---@field unseen boolean|nil no hook looks at the call

--- What becomes of a call.
---@param policy table from read()
---@param call spec.Call
---@return spec.Verdict
function M.decide(policy, call)
  if call.op == "sendmsg" and call.port == 0 then
    return { verb = "allow", addr = call.addr, port = 0, unseen = true }
  end
  local goes = call.op == "connect" or call.op == "sendmsg"
  local seen = setmetatable({
    target = goes and M.target(call.addr, call.from_addr) or call.addr, from_port = call.from_port or 0,
    type = type_of(call),
  }, { __index = call })
  seen.family = M.family(seen)
  seen.from_addr = call.from_addr or (seen.family == families.inet and ANY4 or ANY6)
  local index = M.deciding(policy.rules, seen)
  local rule = policy.rules[index] or { verb = policy.default[call.op] }
  local verdict = {
    rule = index, verb = rule.verb, reveal = rule.reveal, privileged = rule.privileged,
    addr = rule.to_addr or call.addr, port = rule.to_port or call.port,
    source = rule.source, source_port = rule.source_port,
  }
  if rule.verb == "deny" then
    verdict.errno = rule.errno or M.errnos.EPERM
  end
  return verdict
end

return M

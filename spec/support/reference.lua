--- The slow, obvious matcher with which the property specs compare everything else.
--
-- It takes rules as the policy language writes them and tries one after
-- another; it and its parts, in spec/support/reference/, share no code with core/,
-- bpf/ or lua/.  Addresses are strings of 16 bytes, IPv4 v4-mapped, so that
-- comparing them as strings orders them.
--
-- Functions are called through M, so that a spec can break one and check that
-- the break is noticed.

local address = require "spec.support.reference.address"
local balance = require "spec.support.reference.balance"
local lists = require "spec.support.reference.lists"
local names = require "spec.support.reference.names"

local M = {}

--- The errnos with which random policies deny: the kernel's own connect or sendto
--- returns none of them, so a denial with one is a rule's.
M.errnos = {
  EPERM = 1, EXDEV = 18, EL2HLT = 51, ENOANO = 55, EBADSLT = 57, EDOTDOT = 73, ENOTUNIQ = 76,
  ELIBACC = 79,
  ESTRPIPE = 86, EUSERS = 87, EUCLEAN = 117, ENAVAIL = 119, EKEYREVOKED = 128, EOWNERDEAD = 130,
  ERFKILL = 132,
}

--- The errno of a balance without a backend, if its rule has none.
M.EHOSTUNREACH = 113

-- Rules ------------------------------------------------------------------------------

local ops_of = {
  connect = { connect = true }, sendmsg = { sendmsg = true },
  egress = { connect = true, sendmsg = true },
  bind = { bind = true }, recvmsg = { recvmsg = true }, getpeername = { getpeername = true },
  getsockname = { getsockname = true },
}
local who = {
  "proto", "family", "uid", "gid", "comm", "pid", "type", "source", "exe", "cgroup", "netns",
  "mark", "device",
}

local function read_rule(rule)
  local own = { verb = rule.verb, conditions = {}, reveal = rule.reveal,
    low_port = rule.low_port }
  for op, ops in pairs(ops_of) do
    if rule[op] ~= nil then
      own.ops = ops
      own.conditions[1] = lists.read("endpoint", rule[op])
    end
  end
  for _, field in ipairs(who) do
    if rule[field] ~= nil then
      own.conditions[#own.conditions + 1] = lists.read(field, rule[field])
    end
  end
  if rule.verb == "deny" then
    own.errno = tonumber(rule.errno) or M.errnos[rule.errno or "EPERM"]
  elseif rule.verb == "balance" then
    own.errno = rule.errno and M.errnos[rule.errno] or M.EHOSTUNREACH
    own.key, own.sticky = rule.by == "hash" and rule.key or nil, rule.sticky and rule.key
    own.backends = rule.to and balance.read(rule.to)
    own.services = own.conditions[1]
  elseif rule.to then
    own.to_addr, own.to_port = address.single(rule.to)
  end
  if rule.bind_source then
    own.bind_source, own.bind_source_port = address.single(rule.bind_source)
  end
  return own
end

--- A policy ready to decide.
---@param policy { default: string|table|nil, shadow: boolean|nil, rules: table[] } rules as verbs
--- take them, plus `verb`
---@return table
function M.read(policy)
  local default = policy.default or "allow"
  if type(default) == "string" then
    default = { egress = default, bind = default }
  end
  local rules = {}
  lists.read_sets(policy.sets)
  local services = balance.read_services(policy.services)
  for index, rule in ipairs(policy.rules) do
    rules[index] = read_rule(rule)
  end
  return {
    rules = rules, services = services, shadow = policy.shadow,
    default = {
      connect = default.connect or default.egress or "allow",
      sendmsg = default.sendmsg or default.egress or "allow",
      bind = default.bind or "allow",
      recvmsg = "allow", getpeername = "allow", getsockname = "allow",
    },
  }
end

-- Deciding ----------------------------------------------------------------------------

local ANY4, LOOPBACK4 = address.parse "0.0.0.0", address.parse "127.0.0.1"
local ANY6, LOOPBACK6 = address.parse "::", address.parse "::1"

--- Where the kernel sends an address from a socket that is bound to another one, or, nil, to none.
function M.target(addr, bound)
  local bound4 = bound and address.is_v4(bound)
  if addr == ANY4 then
    return bound4 and bound ~= ANY4 and bound or LOOPBACK4
  elseif addr == ANY6 then
    return bound4 and LOOPBACK4 or LOOPBACK6
  end
  return addr
end

local function type_of(call)
  local protos, types = names.protos, names.types
  return call.type or (call.proto == protos.tcp or call.proto == protos.mptcp) and types.stream
    or types.dgram
end

--- The family of the hook: a datagram to an IPv4 address is IPv4 even from an IPv6 socket.
function M.family(call)
  return names.families[call.op == "sendmsg" and address.is_v4(call.target) and "inet"
    or call.family]
end

function M.rule_matches(rule, call)
  if not rule.ops[call.op] then
    return false
  end
  for _, condition in ipairs(rule.conditions) do
    if not lists.holds(condition, call) then
      return false
    end
  end
  return true
end

--- The number of the rule that decides, nil if none matches.
function M.deciding(rules, call)
  for index, rule in ipairs(rules) do
    if rule.verb ~= "observe" and M.rule_matches(rule, call) then
      return index
    end
  end
end

--- Where a balance sends a call: the list, and the places in it that are possible.  A client
--- may have been there before, so each place is possible, but only one for all its calls.
local function balanced(rule, call)
  local list, service = rule.backends, nil
  if not list then
    service = lists.service(rule.services, call)
    list = service.list
  end
  return {
    list = list, service = service, places = balance.choices(list, not rule.sticky and rule.key,
      call),
    client = rule.sticky and balance.client(rule.sticky, call),
  }
end

--- The verdict of a balance that has chosen one backend of its list.
---@param verdict spec.Verdict
---@param call spec.Call
---@param place integer
---@return spec.Verdict
function M.settled(verdict, call, place)
  local backend = verdict.balance.list[place]
  return setmetatable({ addr = backend.addr, port = backend.port or call.port, place = place },
    { __index = verdict })
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
---@field type integer|nil default: that of the protocol
---@field source_addr string|nil 16 bytes; nil: not bound
---@field source_port integer|nil
---@field exe string path
---@field cgroup string path
---@field netns integer
---@field mark integer
---@field device integer

---@class spec.Verdict
---@field rule integer|nil its number
---@field verb "allow"|"deny"|"rewrite"|"balance"
---@field errno integer|nil
---@field addr string where it goes
---@field port integer
---@field bind_source string|nil
---@field bind_source_port integer|nil
---@field reveal boolean|nil
---@field low_port boolean|nil
---@field unseen boolean|nil no hook sees the call
---@field balance { list: table, service: table|nil, places: integer[], client: string|nil }|nil
--- where it may go, and which client stays there; addr and port are as asked
---@field place integer|nil the backend's place in the list, once it is settled
---@field unseen boolean|nil no rule and no default is about the call

--- How a call is decided.
---@param policy table from read()
---@param call spec.Call
---@return spec.Verdict
function M.decide(policy, call)
  if call.op == "sendmsg" and call.port == 0 then
    return { verb = "allow", addr = call.addr, port = 0, unseen = true }
  end
  local goes = call.op == "connect" or call.op == "sendmsg"
  local seen = setmetatable({
    target = goes and M.target(call.addr, call.source_addr) or call.addr,
    source_port = call.source_port or 0,
    type = type_of(call),
  }, { __index = call })
  seen.family = M.family(seen)
  seen.source_addr = call.source_addr or (seen.family == names.families.inet and ANY4 or ANY6)
  local index = M.deciding(policy.rules, seen)
  local rule = policy.rules[index] or { verb = policy.default[call.op] }
  if not index and call.op == "bind" and call.port == 0 and rule.verb == "deny" then
    return { verb = "allow", addr = call.addr, port = 0, unseen = true }
  end
  local verdict = {
    rule = index, verb = rule.verb, reveal = rule.reveal, low_port = rule.low_port,
    addr = rule.to_addr or call.addr, port = rule.to_port or call.port,
    bind_source = rule.bind_source, bind_source_port = rule.bind_source_port,
  }
  if rule.verb == "deny" then
    verdict.errno = rule.errno or M.errnos.EPERM
  elseif rule.verb == "balance" then
    verdict.balance = balanced(rule, seen)
    if #verdict.balance.places == 0 then
      verdict.errno = rule.errno
    elseif #verdict.balance.places == 1 then
      return M.settled(verdict, call, verdict.balance.places[1])
    end
  end
  return verdict
end

--- What happens to a call that is decided so: a policy that is a shadow leaves calls as they are.
---@param policy table from read()
---@param verdict spec.Verdict
---@param call spec.Call
---@return spec.Verdict
function M.acted(policy, verdict, call)
  if not policy.shadow then
    return verdict
  end
  return { rule = verdict.rule, verb = "allow", addr = call.addr, port = call.port,
    unseen = verdict.unseen }
end

return M

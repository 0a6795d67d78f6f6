--- Random rules.

local backends = require "spec.support.random.backend"
local draw = require "spec.support.random.draw"
local endpoints = require "spec.support.random.endpoint"
local known = require "spec.support.random.known"
local reference = require "spec.support.reference"
local values = require "spec.support.random.value"

local chance, pick, some, random = draw.chance, draw.pick, draw.some, math.random

local M = {}

local destinations4 = { "127.0.0.1", "127.1.2.3", "10.0.0.1", "::ffff:10.9.8.7", "192.0.2.1" }
local destinations6 = { "::1", "2001:db8::5", "fd00::1:2" }

local function with_port(addr, port)
  return addr:find(":", 1, true) and ("[%s]:%d"):format(addr, port) or ("%s:%d"):format(addr, port)
end

local goes = { connect = true, sendmsg = true, egress = true }

--- A family that makes a rewrite possible: no datagram for IPv6 can be rewritten to IPv4.
local function family_of_rewrite(op, to6)
  if to6 then
    return pick { "inet6", "!inet", { "inet6" } }
  elseif op == "sendmsg" or op == "egress" then
    return pick { "inet", "!inet6" }
  end
end

function M.rewrite(maker, rule)
  local op = chance(20) and pick(maker.reports) or pick { "connect", "connect", "bind", "sendmsg",
    "egress" }
  local roll = random(100)
  local to6 = roll <= 25
  if roll > 85 then
    rule[op] = endpoints.endpoints(maker)
    rule.to = "*:" .. random(65535)
  else
    local only6 = to6 and chance(50)
    rule[op] = endpoints.endpoints(maker, only6)
    rule.family = not only6 and family_of_rewrite(op, to6) or nil
    rule.to = pick(to6 and destinations6 or destinations4)
    if chance(70) then
      rule.to = with_port(rule.to, random(65535))
    end
    rule.bind_source = maker.sources and goes[op] and chance(20)
      and pick(to6 and destinations6 or destinations4) or nil
  end
  rule.reveal = (goes[op] or op == "bind") and chance(40) or nil
  rule.low_port = op == "bind" and chance(30) or nil
end

local errnos = {}
for name in pairs(reference.errnos) do
  errnos[#errnos + 1] = name
end
table.sort(errnos)

function M.deny(maker, rule)
  rule[pick { "connect", "sendmsg", "egress", "egress", "bind" }] = endpoints.endpoints(maker)
  if chance(90) then
    local name = pick(errnos)
    rule.errno = chance(80) and name or reference.errnos[name]
  end
end

local egress_ops = { "connect", "connect", "sendmsg", "egress", "egress" }

--- With its own backends, or with those of services.
function M.balance(maker, rule)
  local op = pick(egress_ops)
  if maker.services and chance(50) then
    rule[op] = endpoints.services()
  else
    local to6 = chance(30)
    local only6 = to6 and chance(50)
    rule[op] = endpoints.endpoints(maker, only6, true)
    rule.family = not only6 and family_of_rewrite(op, to6) or nil
    rule.to = backends.list(to6)
    rule.bind_source = maker.sources and chance(15) and pick(to6 and destinations6 or destinations4)
      or nil
  end
  rule.by = pick { "random", "hash", "hash", "hash", false } or nil
  -- Not with services: a client may still have a backend that an earlier policy gave it, and that
  -- drains now.
  rule.sticky = rule.to and chance(60) and "10m" or nil
  rule.key = (rule.by == "hash" or rule.sticky)
    and pick { "socket", "pid", "uid", "cgroup", "netns", "destination", "destination" } or nil
  rule.errno = chance(30) and pick(errnos) or nil
  rule.reveal = chance(40) or nil
end

function M.allow(maker, rule)
  if maker.sources and chance(10) then
    local op = pick { "connect", "sendmsg", "egress" }
    rule[op] = pick { "*", "*:80", { "10.0.0.0/8", "2001:db8::/32" } }
    rule.bind_source = op == "connect" and with_port("127.0.0.2", random(65535)) or "127.0.0.2"
    return
  end
  local op = chance(15) and pick(maker.reports) or pick { "connect", "sendmsg", "egress", "egress",
    "bind" }
  rule[op] = endpoints.endpoints(maker)
  rule.low_port = op == "bind" and chance(30) or nil
end

function M.observe(maker, rule)
  local op = chance(15) and pick(maker.reports) or pick { "connect", "sendmsg", "egress", "egress",
    "bind" }
  rule[op] = endpoints.endpoints(maker)
end

local who = {
  proto = function(maker) return values.numbers(maker, "proto") end,
  family = function() return some(function() return pick { "inet", "inet6", "*" } end) end,
  uid = function(maker) return values.numbers(maker, "uid") end,
  gid = function(maker) return values.numbers(maker, "gid") end,
  pid = function(maker) return values.numbers(maker, "pid") end,
  comm = function(maker) return some(function() return values.comm(maker) end) end,
  type = function() return some(function() return pick(known.type) end) end,
  source = endpoints.own,
  exe = function(maker) return some(function() return chance(8) and "*"
    or pick(maker.exes) end) end,
  cgroup = function(maker) return some(function() return chance(8) and "*"
    or pick(maker.cgroups) end) end,
  netns = function(maker) return some(function() return chance(8) and "*"
    or pick(maker.netns) end) end,
  mark = function(maker) return values.numbers(maker, "mark") end,
  device = function(maker) return values.numbers(maker, "device") end,
}
local who_fields = {
  "proto", "family", "uid", "gid", "pid", "comm", "type", "source", "exe", "cgroup", "netns",
  "mark", "device",
}

--- A rule: what a verb takes, and the verb.
function M.rule(maker)
  local verb = maker.observes and chance(6) and "observe"
  verb = verb or maker.balances and chance(20) and "balance"
  local rule = { verb = verb or pick { "allow", "allow", "deny", "deny", "deny", "rewrite",
    "rewrite" } }
  M[rule.verb](maker, rule)
  for _, field in ipairs(who_fields) do
    -- A family without IPv4 would contradict a source.
    if rule[field] == nil and chance(7) and not (field == "family" and rule.bind_source) then
      rule[field] = who[field](maker)
    end
  end
  rule.log = chance(90) and (chance(50) and pick { true, "10/s", "1/3" }) or nil
  return rule
end

return M

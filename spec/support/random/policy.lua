--- Random policies, and calls that fall on their boundaries.
--
--   local maker = random_policy.new { pids = { 42 } }
--   local policy = maker:policy(12)   -- as reference.read() and the verbs take it
--   local call = maker:call()         -- on or beside what that policy names
--
-- Uses math.random: the same seed gives the same policies and calls.

local backends = require "spec.support.random.backend"
local calls = require "spec.support.random.call"
local draw = require "spec.support.random.draw"
local endpoints = require "spec.support.random.endpoint"
local rules = require "spec.support.random.rule"

local random = math.random

local M = {}

---@class spec.Maker
---@field pids integer[] of the callers
---@field protos integer[] of the calls
---@field last_id integer
---@field live boolean
---@field observes boolean
---@field balances boolean
---@field services boolean
---@field sources boolean|nil
---@field reports string[] operations that only report, of rules
---@field ops string[] of calls
---@field seen table<string, any[]> values at the ends of what the policy names, by field
local Maker = {}
Maker.__index = Maker

--- A maker of policies and calls.  `options`: pids and protos of the calls; last_id, the largest
--- uid and gid; sources (rules have some); ops of the calls; reports, the operations that only
--- report and that rules may be of; live = false (rules name no live sets and services), observes =
--- false, balances = false (no such rules); exes, cgroups and netns (cookies, and paths that the
--- reference knows) that rules and calls have.
function M.new(options)
  return setmetatable({
    live = options.live ~= false, observes = options.observes ~= false,
    balances = options.balances ~= false, services = options.balances ~= false
    and options.live ~= false,
    pids = options.pids or { 1, 4242, 4194303 }, sources = options.sources,
    last_id = options.last_id or 2 ^ 32 - 1, protos = options.protos
    or { 1, 6, 17, 58, 132, 136, 255, 262 },
    exes = options.exes or { "/bin/sh", "/usr/bin/env", "/bin/ls" },
    cgroups = options.cgroups or { "/" },
    netns = options.netns or { 1, 2, 3, 77 },
    reports = options.reports or { "recvmsg", "getpeername", "getsockname" },
    ops = options.ops or { "connect", "connect", "sendmsg", "bind", "recvmsg", "getpeername",
      "getsockname" },
    seen = {},
  }, Maker)
end

--- Note a value at an end of what the policy names.
function Maker:remember(kind, value)
  local list = self.seen[kind] or {}
  self.seen[kind] = list
  list[#list + 1] = value
  return value
end

local function random_default()
  return draw.pick {
    "allow", "deny", { connect = "deny" }, { sendmsg = "deny" },
    { egress = "deny", connect = "allow" }, { bind = "deny" }, { bind = "allow", egress = "deny" },
  }
end

--- A policy of that many rules.  From now on, call() makes calls about it.
---@param count integer
---@return { default: string|table, shadow: boolean, rules: table[] }
function Maker:policy(count)
  self.seen = {}
  local policy = { default = random_default(), shadow = draw.chance(10),
    sets = endpoints.sets(self), services = backends.services(self), rules = {} }
  local taken = {}
  for index = 1, count do
    local rule, name = rules.rule(self), "rule " .. random(30)
    if draw.chance(30) and not taken[name] then
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

--- A call on or beside what the policy names.
---@return spec.Call
function Maker:call()
  return calls.call(self)
end

return M

--- Random policies and calls of few kinds, of which it is known what the kernel does with them:
--- their programs are small, and one caller makes all calls.

local address = require "spec.support.reference.address"
local random_policy = require "spec.support.random.policy"
local tablex = require "pl.tablex"

local M = {}

local TCP, UDP = 6, 17
local MOST_RULES = 40 -- more than 64 are matched by larger programs
local ANY = { [address.parse "0.0.0.0"] = true, [address.parse "::"] = true }
local LEFT_OUT = { "source", "sticky", "exe", "cgroup", "netns", "mark", "device", "pid", "gid",
  "type" }

function M.maker()
  return random_policy.new {
    ops = { "connect", "connect", "sendmsg", "bind" }, reports = { "recvmsg" },
    protos = { TCP, UDP },
    live = false, observes = false, -- the counters are compared with the rule that decides
    last_id = 2 ^ 32 - 2, -- the last number means "no change" to setresuid
  }
end

--- A policy without rules for what is reported.
---@param maker table
---@param last table[]|nil rules to put behind the others
function M.policy(maker, last)
  local policy = maker:policy(math.min(random_policy.some_count(), MOST_RULES))
  policy.rules = tablex.filter(policy.rules, function(rule) return not rule.recvmsg end)
  tablex.insertvalues(policy.rules, last or {})
  for _, rule in ipairs(policy.rules) do
    for _, field in ipairs(LEFT_OUT) do
      rule[field] = nil
    end
    if rule.verb == "balance" then
      rule.by, rule.key = "hash", "destination"
    end
  end
  return policy
end

--- A call that a caller can make from a socket that is not bound.
---@param pick fun(): table the maker of the call
---@param one table the caller
function M.call(pick, one)
  local call
  repeat
    call = pick():call()
  until not ANY[call.addr]
  call.pid, call.cgroup, call.exe = one.pid, one.cgroup, one.program
  call.source_addr, call.source_port, call.type = nil, nil, nil
  call.proto = call.op == "sendmsg" and UDP or call.proto
  call.device = call.device == 0 and 0 or 1
  call.port = call.op == "bind" and call.port or math.max(call.port, 1)
  return call
end

return M

-- Random policies: the simulator decides every call as the reference does.
-- TIDEGATE_SEED repeats a run, TIDEGATE_POLICIES asks for more.

local address = require "spec.support.reference.address"
local agreement = require "spec.support.agreement"
local balance = require "spec.support.reference.balance"
local cgroup = require "spec.support.cgroup"
local env = require "spec.support.env"
local lists = require "spec.support.reference.lists"
local random_policy = require "spec.support.random.policy"
local reference = require "spec.support.reference"
local tidegate = require "tidegate"

local POLICIES = tonumber(os.getenv "TIDEGATE_POLICIES") or 2000
local CALLS = 40

local cgroups

--- Cgroups in cgroups, if this process may make some; at least the root.
local function nest()
  local made = { "/" }
  for index, parent in ipairs { 1, 2, 3, 3, 2, 1 } do
    local ok, path = pcall(cgroup.make, made[parent] ~= "/" and made[parent] or nil)
    if not ok then
      return made
    end
    made[index + 1] = path
  end
  return made
end

--- The story of the first disagreement about `count` calls, or nil; and the number of calls by
--- verb.
local function disagreement(maker, policy, count, verbs)
  local gate = tidegate.new()
  local handles, readable = agreement.stage(gate, policy), reference.read(policy)
  for _ = 1, count do
    local call = maker:call()
    local verdict = reference.decide(readable, call)
    verbs[verdict.verb] = (verbs[verdict.verb] or 0) + 1
    local story = agreement.simulator(gate, policy, verdict, call, handles)
    if story then
      return story
    end
  end
end

--- A run of `policies` random policies.
local function first_disagreement(policies, verbs)
  local maker = random_policy.new { sources = true, cgroups = cgroups }
  for number = 1, policies do
    local story = disagreement(maker, maker:policy(random_policy.some_count()), CALLS, verbs or {})
    if story then
      return ("policy %d of this seed:\n%s"):format(number, story)
    end
  end
end

describe("the simulator", function()
  setup(function()
    env.seed()
    cgroups = nest()
  end)
  teardown(function()
    for index = #cgroups, 2, -1 do
      cgroup.remove(cgroups[index])
    end
  end)

  it("decides as the reference does", function()
    local verbs = {}
    local story = first_disagreement(POLICIES, verbs)
    assert(not story, story)
    for _, verb in ipairs { "allow", "deny", "rewrite", "balance" } do
      assert(verbs[verb] > POLICIES * CALLS / 50, ("only %d calls got %s")
        :format(verbs[verb] or 0, verb))
    end
  end)

  it("does so with 10,000 rules", function()
    local maker = random_policy.new { sources = true, cgroups = cgroups }
    local story = disagreement(maker, maker:policy(10000), 300, {})
    assert(not story, story and story:sub(-2000))
  end)

  -- Each break of the reference must show within the policies of a short run.
  local breaks = {
    ["ranges lose their last address"] = { address, "within", function(addr, range)
      return address.is_v4(addr) == address.is_v4(range[1]) and range[1] <= addr and addr < range[2]
    end },
    ["IPv6 ranges take in v4-mapped addresses"] = { address, "within", function(addr, range)
      return range[1] <= addr and addr <= range[2]
    end },
    ["negative items are passed over"] = { lists, "holds", function(list, call)
      for _, item in ipairs(list) do
        if not item.negative and item.matches(call) then
          return true
        end
      end
      return false
    end },
    ["the last rule wins"] = { reference, "deciding", agreement.last_deciding },
    ["weights do not count"] = { balance, "better", function(key, one, other)
      return balance.draw(key, one) > balance.draw(key, other)
    end },
    ["a cgroup does not hold those below"] = { lists, "below", function(path, above)
      return path == above
    end },
    ["0.0.0.0 and :: are addresses of their own"] = { reference, "target",
      function(addr) return addr end },
    ["datagrams have their socket's family"] = { reference, "family", function(call)
      return call.family == "inet" and 2 or 10
    end },
  }
  for name, broken in pairs(breaks) do
    it("disagrees with a reference in which " .. name, function()
      local story = agreement.with_broken(broken[1], broken[2], broken[3], function()
        return first_disagreement(1500)
      end)
      assert(story, "no call showed the difference")
    end)
  end
end)

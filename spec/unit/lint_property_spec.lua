-- Random policies: rules that lint calls unreachable are never reached, and rules that
-- were made unreachable are found.

local agreement = require "spec.support.agreement"
local env = require "spec.support.env"
local random_policy = require "spec.support.random.policy"
local tidegate = require "tidegate"

local POLICIES = tonumber(os.getenv "TIDEGATE_POLICIES") or 400
local CALLS = 10000

--- The names of the rules that lint says never match, and whether all of each rule is meant.
local function unreachable(gate)
  local found = {}
  for _, finding in ipairs(assert(gate:check())) do
    if finding.kind == "never" then
      found[finding.rule] = finding.text:find ": can never match: " and "shadowed"
        or finding.text:find ": matches no call: " and "empty"
        or finding.text:match ": can never match (%l+): "
    elseif finding.kind == "unseen" then
      found[finding.rule] = "unseen" -- but the simulator says what the rules say
    end
  end
  return found
end

--- A call that is decided by a rule that is said never to match, as a story.
local function lie(gate, policy, maker, calls)
  local never = unreachable(gate)
  if not next(never) then
    return nil, 0
  end
  for _ = 1, calls do
    local call = maker:call()
    local decision = assert(gate:decide(agreement.question(call)))
    local said = decision.rule and never[decision.rule]
    if said and (said == "shadowed" or said == "empty" or said == call.op) then
      return agreement.story(policy, call, decision.rule .. " is never reached", decision.rule)
    end
  end
  return nil, 1
end

--- A copy of a rule, under another name.
local function copy(rule, name)
  local twin = {}
  for key, value in pairs(rule) do
    twin[key] = value
  end
  twin.name = name
  return twin
end

describe("tidegate check", function()
  setup(env.seed)

  it("calls no rule unreachable that is reached", function()
    local maker, tried = random_policy.new { sources = true }, 0
    while tried < POLICIES / 20 do
      local policy = maker:policy(random_policy.some_count())
      for _, rule in ipairs(policy.rules) do
        rule.shadow = rule.verb ~= "observe" and rule.verb ~= "balance" and math.random(6) == 1
          or nil
      end
      local gate = tidegate.new()
      agreement.stage(gate, policy)
      local story, looked = lie(gate, policy, maker, CALLS)
      assert(not story, story)
      tried = tried + looked
    end
  end)

  --- The checks do not cover the fields that few rules ask about: see core/lint/coverage_box.c.
  local rare = { "type", "mark", "device", "netns", "exe", "cgroup", "source" }

  it("finds every rule that comes after an equal one", function()
    local maker = random_policy.new { sources = true, live = false }
    for number = 1, POLICIES do
      local policy = maker:policy(math.random(1, 30))
      for _, rule in ipairs(policy.rules) do
        for _, name in ipairs(rare) do
          rule[name] = nil
        end
      end
      local gate = tidegate.new()
      local first = math.random(#policy.rules)
      if policy.rules[first].verb == "observe" then
        policy.rules[first].verb = "allow" -- which takes no calls from rules after it
      end
      policy.rules[#policy.rules + 1] = copy(policy.rules[first], "twin")
      agreement.stage(gate, policy)
      local said = unreachable(gate)["twin"]
      assert(said == "shadowed" or said == "empty" or said == "unseen",
        agreement.story(policy, maker:call(), "twin is never reached", tostring(said))
        .. "\npolicy " .. number)
    end
  end)

  -- A rule is cut in two at random, field by field; the halves come before it, in any order, among
  -- others.
  it("finds every rule whose calls several rules before it take together", function()
    for _ = 1, POLICIES do
      local gate = tidegate.new()
      local whole = { connect = "10.0.0.0/8", uid = "1000-1999" }
      local pieces = { { connect = whole.connect, uid = whole.uid } }
      for _ = 1, math.random(1, 6) do
        local piece = table.remove(pieces, math.random(#pieces))
        local one, two = copy(piece), copy(piece)
        if math.random(2) == 1 then
          local base, length = piece.connect:match "^10%.(%d+)%.0%.0/(%d+)$"
          base, length = tonumber(base), tonumber(length)
          if length < 16 then
            one.connect = ("10.%d.0.0/%d"):format(base, length + 1)
            two.connect = ("10.%d.0.0/%d"):format(base + 2 ^ (15 - length), length + 1)
          end
        else
          local first, last = piece.uid:match "^(%d+)%-(%d+)$"
          local cut = math.random(tonumber(first), tonumber(last))
          one.uid, two.uid = ("%d-%d"):format(first, cut),
            ("%d-%d"):format(math.min(cut + 1, last), last)
        end
        pieces[#pieces + 1], pieces[#pieces + 2] = one, two
      end
      for index = #pieces, 2, -1 do
        local other = math.random(index)
        pieces[index], pieces[other] = pieces[other], pieces[index]
      end
      for _, piece in ipairs(pieces) do
        gate:deny(piece)
      end
      whole[1] = "whole"
      gate:allow(whole)
      assert.equal("shadowed", unreachable(gate)["whole"], gate:dump())
    end
  end)

  it("stays quick and correct with 10,000 rules", function()
    local maker = random_policy.new { sources = true }
    local policy = maker:policy(10000)
    policy.rules[#policy.rules + 1] = copy(policy.rules[17], "twin")
    local gate = tidegate.new()
    agreement.stage(gate, policy)
    local story = lie(gate, policy, maker, 300)
    assert(not story, story and story:sub(-2000))
  end)
end)

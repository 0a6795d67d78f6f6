-- Random policies of unix sockets: the simulator decides every call as an
-- obvious matcher does.  TIDEGATE_SEED repeats a run.

local env = require "spec.support.env"
local random_paths = require "spec.support.random.unix_policy"
local tidegate = require "tidegate"

local POLICIES, CALLS = 600, 40

describe("the simulator", function()
  setup(env.seed)

  --- The first disagreement, or nil; and how often each verb was the answer.
  local function disagreement(policies, rules)
    local maker = random_paths.new({ "/", "@" }, { "/to", "@to", "/" .. ("t"):rep(107) })
    local verbs = { allow = 0, deny = 0, rewrite = 0 }
    for _ = 1, policies do
      local policy = maker:policy(rules or math.random(0, 12))
      local text = random_paths.text(policy)
      local gate = assert(tidegate.load_text(text))
      for _ = 1, CALLS do
        local call = maker:call()
        local verb, what, index = random_paths.decide(policy, call)
        local decision = assert(gate:decide { [call.op] = "unix:" .. call.name })
        local expected = ("%s %s %s"):format(verb, what or "", index and "r" .. index or "default")
        local got = ("%s %s %s"):format(decision.verb,
          decision.verb == "rewrite" and decision.final:sub(6) or decision.errno or "",
          decision.rule or "default")
        if expected ~= got then
          return ("%s\n%s %q: %s, not %s"):format(text, call.op, call.name, got, expected), verbs
        end
        verbs[verb] = verbs[verb] + 1
      end
      gate:close()
    end
    return nil, verbs
  end

  it("decides unix sockets as the reference does", function()
    local story, verbs = disagreement(POLICIES)
    assert(not story, story)
    for verb, count in pairs(verbs) do
      assert(count > POLICIES * CALLS / 50, ("only %d calls got %s"):format(count, verb))
    end
  end)

  it("does so with 3,000 rules", function()
    local story = disagreement(2, 3000)
    assert(not story, story and story:sub(-500))
  end)

  it("disagrees with a reference in which prefixes lose the path itself", function()
    local whole = random_paths.item_matches
    random_paths.item_matches = function(item, name)
      return whole(item, name) and (item:sub(-1) ~= "*" or #name > #item:match "^!?unix:(.*)%*$")
    end
    local story = disagreement(100)
    random_paths.item_matches = whole
    assert(story, "no call showed the difference")
  end)
end)

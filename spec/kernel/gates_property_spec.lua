-- Two gates with random policies, one on a cgroup and one on the cgroup above: what becomes of a
-- call is what the reference says if it is asked twice, first about the call, then about what the
-- inner gate has made of it.  TIDEGATE_SEED repeats a run, TIDEGATE_ROUNDS asks for more.

local address = require "spec.support.reference.address"
local agreement = require "spec.support.agreement"
local answers = require "spec.support.answers"
local caller = require "spec.support.caller"
local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local draw = require "spec.support.random.draw"
local env = require "spec.support.env"
local plain = require "spec.support.random.plain"
local reference = require "spec.support.reference"
local tidegate = require "tidegate"

local chance, pick, random = draw.chance, draw.pick, math.random

local ROUNDS = tonumber(os.getenv "TIDEGATE_ROUNDS") or 40
local CALLS = 60
local UDP = 17
local GATES = { "the inner gate", "the outer gate" }

describe("two gates above one another", function()
  local reason = command.no_kernel()
  local program, cgroups, gates, one, makers
  local totals = { calls = 0, refused_twice = 0, rewritten_twice = 0, named = 0, told_refused = 0 }

  setup(function()
    if reason then
      return
    end
    env.seed()
    program = caller.build()
    cgroups = { nil, cgroup.make() }
    cgroups[1] = cgroup.make(cgroups[2])
    one = caller.start(program, cgroups[1])
    gates, makers = {}, {}
    for index, path in ipairs(cgroups) do
      gates[index] = tidegate.new()
      assert(gates[index]:attach(path))
      makers[index] = plain.maker()
    end
  end)

  teardown(function()
    if reason then
      return
    end
    for _, gate in ipairs(gates) do
      gate:close()
    end
    one:stop()
    cgroup.remove(cgroups[1])
    cgroup.remove(cgroups[2])
    os.remove(program)
  end)

  --- Rules that hardly any call meets.  With them at its end, each policy needs the same programs,
  --- and they are loaded once.
  local function last_rules()
    local here, there, from = { "192.0.2.77:9", "[2001:db8::77]:9" }, "192.0.2.78:9", "192.0.2.77:9"
    local rules = {
      { verb = "balance", egress = from, to = { there, { "192.0.2.79:9", weight = 3 } } },
    }
    for _, op in ipairs { "egress", "bind" } do
      rules[#rules + 1] = { verb = "rewrite", [op] = from, to = there }
      rules[#rules + 1] = { verb = "allow", [op] = here, proto = UDP, family = "inet", uid = 7,
        comm = "none" }
    end
    return rules
  end

  --- A random policy of which it is known what the kernel will do, with few kinds of conditions:
  --- the programs are small.
  local function new_policy(maker)
    local policy = plain.policy(maker, last_rules())
    for _, rule in ipairs(policy.rules) do
      rule.log = true
    end
    return policy
  end

  --- Put rules before those of the outer gate that are about what the inner one redirects to.
  local function meet(inner, outer)
    if chance(50) then
      table.insert(outer.rules, 1, { verb = "rewrite", log = true, family = "inet",
        egress = { "127.0.0.0/8", "10.0.0.0/8", "192.0.2.0/24" }, to = "127.0.0.8:8",
        reveal = chance(20) or nil })
    end
    for _, rule in ipairs(inner.rules) do
      local op = rule.verb == "rewrite" and (rule.egress and "egress" or rule.connect and "connect"
        or rule.sendmsg and "sendmsg" or rule.bind and "bind")
      if op and not rule.to:find "^%*" and chance(70) then
        local from6 = not address.is_v4((address.single(rule.to)))
        local verb = pick { "rewrite", "rewrite", "deny", "allow" }
        table.insert(outer.rules, 1, {
          verb = verb, [op] = rule.to, log = true,
          to = verb == "rewrite" and (from6 and "[fd00::9]:%d" or "127.0.0.9:%d")
            :format(random(65535)) or nil,
          reveal = verb == "rewrite" and chance(20) or nil,
          errno = verb == "deny" and chance(50) and "EUSERS" or nil,
        })
      end
    end
  end

  local function new_call()
    return plain.call(function() return makers[chance(70) and 1 or 2] end, one)
  end

  --- What one gate does to a call after another: `state` has where the call goes by now, what the
  --- program is to see, and the errno if the call is refused.
  local function pass(state, policy, readable, call)
    local seen = setmetatable({ addr = state.addr, port = state.port }, { __index = call })
    local verdict = answers.acting(readable, seen)
    local rule = policy.rules[verdict.rule] or {}
    local tale = verdict.rule and { rule = verdict.rule, refused = state.errno ~= nil }
    if verdict.verb == "deny" then
      state.denials = state.denials + 1
      state.errno = (rule.errno or not state.errno) and verdict.errno or state.errno
    elseif not state.errno and verdict.errno then
      state.errno = verdict.errno
    elseif not state.errno then
      state.addr, state.port = verdict.addr, verdict.port
      if answers.is_rewritten[verdict.verb] then
        state.rewrites = state.rewrites + 1
        if verdict.reveal then
          state.shown_addr, state.shown_port = verdict.addr, verdict.port
        end
      end
    end
    if tale then
      tale.hit = verdict.verb == "deny" or not tale.refused
      tale.final_addr, tale.final_port = state.addr, state.port
    end
    return tale or nil
  end

  --- What should be seen of a call, and what was, each as one line.
  local function compare(state, call, answer)
    if state.errno then
      return "errno " .. state.errno, "errno " .. answer.errno
    elseif answers.is_denial[answer.errno] then
      return "no denial", "errno " .. answer.errno
    elseif answer.errno ~= 0 or call.op == "sendmsg" then
      return "", ""
    end
    totals.named = totals.named + (state.rewrites == 2 and 1 or 0)
    local shown = answers.endpoint_text(state.shown_addr,
      state.shown_port ~= 0 and state.shown_port or state.port)
    if call.op == "connect" then
      local at, peer = answers.endpoint_text(answer.addr, answer.port),
        answers.endpoint_text(answer.peer_addr, answer.peer_port)
      return ("at %s, seen as %s"):format(answers.endpoint_text(state.addr, state.port), shown),
        ("at %s, seen as %s"):format(at, peer)
    elseif state.port == 0 then
      return "", ""
    end
    return "seen as " .. shown,
      "seen as " .. answers.endpoint_text(answer.own_addr, answer.own_port)
  end

  --- An event, or what one should say, as one line.
  local function tale_text(tale, handles)
    return ("%s%s to %s"):format(handles[tale.rule].name,
      tale.refused and " (refused before)" or "",
      answers.endpoint_text(tale.final_addr, tale.final_port))
  end

  local function event_text(event)
    return ("%s%s to %s"):format(event.rule, event.refused_before and " (refused before)" or "",
      answers.final_text(event))
  end

  --- The first difference between what a gate tells and counts, and what it should, or nil.
  local function judge_gate(gate, handles, tales, before)
    local hits, texts, told = {}, {}, {}
    for index, tale in ipairs(tales) do
      texts[index] = tale_text(tale, handles)
      hits[tale.rule] = (hits[tale.rule] or 0) + (tale.hit and 1 or 0)
      totals.told_refused = totals.told_refused + (tale.refused and 1 or 0)
    end
    for event in gate:events { timeout = 0 } do
      told[#told + 1] = event.rule and event_text(event) or nil
    end
    for index = 1, math.max(#texts, #told) do
      if texts[index] ~= told[index] then
        return ("event %d: %s, not %s"):format(index, told[index], texts[index])
      end
    end
    for index, handle in ipairs(handles) do
      local expected = (hits[index] or 0) + (before[handle.name] or 0)
      if handle.hits ~= expected then
        return ("%s counts %d hits, not %d"):format(handle, handle.hits, expected)
      end
    end
  end

  local function story(policies, call, expected, found)
    return agreement.story(policies[1], call, "", "") .. "\n\n-- above it:\n"
      .. agreement.story(policies[2], call, expected, found)
  end

  --- Make calls under two policies; the story of the first disagreement, or nil.
  local function play()
    local policies = { new_policy(makers[1]), new_policy(makers[2]) }
    local readable, handles, before, tales, calls = {}, {}, {}, { {}, {} }, {}
    meet(policies[1], policies[2])
    for index, gate in ipairs(gates) do
      before[index] = {}
      for _, handle in ipairs(gate:rules()) do
        before[index][handle.name] = handle.hits
      end
      handles[index] = agreement.stage(gate, policies[index])
      assert(gate:commit())
    end
    for index = 1, CALLS do
      calls[index] = new_call()
    end
    local got, states = one:make(calls), {}
    for index, call in ipairs(calls) do
      states[index] = { addr = call.addr, port = call.port, shown_addr = call.addr,
        shown_port = call.port, rewrites = 0, denials = 0 }
    end
    for level in ipairs(gates) do
      readable[level] = reference.read(policies[level]) -- the reference knows the sets of one
      for index, call in ipairs(calls) do
        local state = states[index]
        tales[level][#tales[level] + 1] = pass(state, policies[level], readable[level], call)
      end
    end
    for index, call in ipairs(calls) do
      local expected, found = compare(states[index], call, got[index])
      if expected ~= found then
        return story(policies, call, expected, found)
      end
      totals.calls = totals.calls + 1
      totals.rewritten_twice = totals.rewritten_twice + (states[index].rewrites == 2 and 1 or 0)
      totals.refused_twice = totals.refused_twice + (states[index].denials == 2 and 1 or 0)
    end
    for level, gate in ipairs(gates) do
      local wrong = judge_gate(gate, handles[level], tales[level], before[level])
      if wrong then
        return story(policies, calls[1], "", GATES[level] .. ": " .. wrong)
      end
    end
  end

  it("do together what the reference says of one after the other", function()
    if reason then
      pending(reason)
      return
    end
    for number = 1, ROUNDS do
      local wrong = play()
      assert(not wrong, ("round %d of this seed:\n%s"):format(number, wrong))
    end
    print(("    %d calls: %d rewritten twice, %d of them named, %d refused twice"):format(
      totals.calls, totals.rewritten_twice, totals.named, totals.refused_twice))
    for _, kind in ipairs { "rewritten_twice", "named", "refused_twice", "told_refused" } do
      assert(totals[kind] > totals.calls / 1000, ("too few: %s %d"):format(kind, totals[kind]))
    end
  end)
end)

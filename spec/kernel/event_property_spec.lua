-- Random policies, some of whose effects fail: what a gate tells and counts of calls is what the
-- callers saw of them.  TIDEGATE_SEED repeats a run, TIDEGATE_ROUNDS asks for more.

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
local tablex = require "pl.tablex"
local tidegate = require "tidegate"

local chance, pick = draw.chance, draw.pick

local ROUNDS = tonumber(os.getenv "TIDEGATE_ROUNDS") or 40
local CALLS = 60
local LEFT_OUT = { "bind_source", "shadow", "reveal" }
local ENODEV, EAFNOSUPPORT = 19, 97
local ERRNO_NAMES = { [ENODEV] = "ENODEV", [EAFNOSUPPORT] = "EAFNOSUPPORT" }
for name, number in pairs(reference.errnos) do
  ERRNO_NAMES[number] = name
end

describe("the events of a gate", function()
  local reason = command.no_kernel()
  local program, path, gate, one, maker
  local totals = { calls = 0, told = 0, failed = 0, held_back = 0, denied = 0 }

  setup(function()
    if reason then
      return
    end
    env.seed()
    program, path, gate = caller.build(), cgroup.make(), tidegate.new()
    one = caller.start(program, path)
    assert(gate:attach(path))
    maker = plain.maker()
  end)

  teardown(function()
    if reason then
      return
    end
    gate:close()
    one:stop()
    cgroup.remove(path)
    os.remove(program)
  end)

  --- Perhaps give a rule an effect that the kernel refuses.
  local function spoil(rule)
    if rule.verb == "deny" or not (rule.connect or rule.egress) or not chance(30) then
      return
    elseif rule.verb == "allow" and chance(40) then
      rule.family, rule.bind_source = nil, "::1"
      rule[rule.connect and "connect" or "egress"] = { "*:1-32767", "[::1]:9" }
    elseif rule.connect then -- datagrams have no options to set
      rule.sockopt = { device = "tgnone9" }
    end
  end

  --- A random policy of which it is known what the kernel will do.
  local function new_policy()
    local policy = plain.policy(maker)
    policy.shadow = nil
    for _, rule in ipairs(policy.rules) do
      for _, field in ipairs(LEFT_OUT) do
        rule[field] = nil
      end
      rule.log = pick { true, true, false, "3/s", 0 }
      rule.log = rule.log ~= 0 and rule.log or nil -- what a rule tells that does not say
      spoil(rule)
    end
    return policy
  end

  --- The errno with which the effects of a rule fail, or nil.
  local function failure_of(rule, call)
    if rule.bind_source and address.is_v4(call.addr) then
      return EAFNOSUPPORT
    end
    return rule.sockopt and call.op == "connect" and ENODEV or nil
  end

  --- What should be told of a call: nothing if no rule decides.
  ---@return table
  local function tale_of(policy, readable, call)
    local verdict = answers.acting(readable, call)
    local rule = policy.rules[verdict.rule]
    local tale = { rule = verdict.rule, errno = verdict.errno, verb = verdict.verb }
    if rule and verdict.verb ~= "deny" and not verdict.errno then
      tale.errno = failure_of(rule, call)
      tale.failed = tale.errno ~= nil
    end
    tale.addr, tale.port = verdict.addr or call.addr, verdict.port or call.port
    if tale.errno and not tale.failed then
      tale.addr, tale.port = call.addr, call.port
    end
    return tale
  end

  local function text_of(tale, handles)
    return ("%s%s: %s to %s"):format(tale.failed and "failed " or "", handles[tale.rule].name,
      tale.errno and ERRNO_NAMES[tale.errno] or "passed",
      answers.endpoint_text(tale.addr, tale.port))
  end

  local function text_of_event(event)
    return ("%s%s: %s to %s"):format(event.failed and "failed " or "", event.rule,
      event.errno or "passed", answers.final_text(event))
  end

  --- Go through the events: each is of the next call that it may be of, and what is passed over was
  --- not to be told, or was held back.
  local function match_events(policy, tales, handles, told)
    local position, count = 0, {}
    for event in gate:events { timeout = 0 } do
      local text = event.rule and text_of_event(event)
      repeat
        position = position + (text and 1 or 0)
        local tale = text and tales[position]
        if text and not tale then
          return "an event of no call: " .. text
        end
        local found = not text or text_of(tale, handles) == text
        if not found and policy.rules[tale.rule].log == true then
          return ("%s: not told; the next event is %s"):format(text_of(tale, handles), text)
        end
      until found
      if text then
        local rule = tales[position].rule
        count[rule] = (count[rule] or 0) + 1
        totals.told = totals.told + 1
      end
    end
    for rest = position + 1, #tales do
      if policy.rules[tales[rest].rule].log == true then
        return text_of(tales[rest], handles) .. ": not told"
      end
    end
    tablex.update(told, count)
  end

  --- The first rule whose counters do not fit its calls and its events, or nil.
  local function judge_counters(policy, tales, handles, told, before)
    local calls, telling = {}, {}
    for _, tale in ipairs(tales) do
      local log = policy.rules[tale.rule].log
      local tells = log or log == nil and (tale.verb == "deny" or tale.failed or tale.errno)
      calls[tale.rule] = (calls[tale.rule] or 0) + 1
      telling[tale.rule] = (telling[tale.rule] or 0) + (tells and 1 or 0)
    end
    for index, handle in ipairs(handles) do
      local was = before[handle.name] or { hits = 0, suppressed = 0 }
      local hits, held_back = handle.hits - was.hits, handle.suppressed - was.suppressed
      if hits ~= (calls[index] or 0) then
        return ("%s counts %d hits of %d calls"):format(handle, hits, calls[index] or 0)
      elseif held_back + (told[index] or 0) ~= (telling[index] or 0) then
        return ("%s tells %d events and has held back %d, of %d"):format(handle, told[index] or 0,
          held_back, telling[index] or 0)
      end
      totals.held_back = totals.held_back + held_back
    end
  end

  --- What the caller should have seen, and what it saw.
  local function compare(tale, answer)
    if tale.errno then
      return ERRNO_NAMES[tale.errno], ERRNO_NAMES[answer.errno] or tostring(answer.errno)
    end
    return "no denial", answers.is_denial[answer.errno] and ERRNO_NAMES[answer.errno] or "no denial"
  end

  --- Make calls under a policy; the story of the first disagreement, or nil.
  local function play()
    local policy, before, calls, tales, told = new_policy(), {}, {}, {}, {}
    for _, handle in ipairs(gate:rules()) do
      before[handle.name] = { hits = handle.hits, suppressed = handle.suppressed }
    end
    local handles = agreement.stage(gate, policy)
    assert(gate:commit())
    local readable = reference.read(policy)
    for index = 1, CALLS do
      calls[index] = plain.call(function() return maker end, one)
    end
    for index, answer in ipairs(one:make(calls)) do
      local tale = tale_of(policy, readable, calls[index])
      local expected, found = compare(tale, answer)
      if expected ~= found then
        return agreement.story(policy, calls[index], expected, found)
      end
      tales[#tales + 1] = tale.rule and tale or nil
      totals.calls = totals.calls + 1
      totals.failed = totals.failed + (tale.failed and 1 or 0)
      totals.denied = totals.denied + (tale.errno and not tale.failed and 1 or 0)
    end
    local wrong = match_events(policy, tales, handles, told)
      or judge_counters(policy, tales, handles, told, before)
    return wrong and agreement.story(policy, calls[1], "", wrong)
  end

  it("are what the callers saw, also where effects fail", function() -- D5
    if reason then
      pending(reason)
      return
    end
    for number = 1, ROUNDS do
      local wrong = play()
      assert(not wrong, ("round %d of this seed:\n%s"):format(number, wrong))
    end
    assert.equal(0, gate:stats().lost)
    print(("    %d calls: %d denied, %d failed, %d events told, %d held back"):format(
      totals.calls, totals.denied, totals.failed, totals.told, totals.held_back))
    for _, kind in ipairs { "told", "failed", "held_back", "denied" } do
      assert(totals[kind] > totals.calls / 1000, ("too few: %s %d"):format(kind, totals[kind]))
    end
  end)
end)

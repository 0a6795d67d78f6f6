-- Random policies, published one after another into a running gate: what the
-- kernel does with a call is what the reference and the simulator say.
-- TIDEGATE_SEED repeats a run, TIDEGATE_ROUNDS asks for more.

local agreement = require "spec.support.agreement"
local caller = require "spec.support.caller"
local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local env = require "spec.support.env"
local names = require "spec.support.reference.names"
local netns = require "spec.support.netns"
local random_policy = require "spec.support.random.policy"
local reference = require "spec.support.reference"
local rounds = require "spec.support.rounds"
local tidegate = require "tidegate"

local ROUNDS = tonumber(os.getenv "TIDEGATE_ROUNDS") or 100
local CALLS = 60
local CALLERS = 3
local TCP, UDP, MPTCP = 6, 17, 262

--- Why the callers' pids are not those that rules name, or nil.
local function no_pids()
  if command.run({ "readlink", "/proc/self/ns/pid" }).out ~= "pid:[4026531836]\n" then
    return "needs the initial pid namespace"
  end
end

describe("the kernel", function()
  local reason = command.no_kernel() or no_pids()
  local program, copy, path, cgroups, gate, callers, maker

  setup(function()
    if reason then
      return
    end
    env.seed()
    program, path = caller.build(), cgroup.make()
    gate, callers = tidegate.new(), {}
    copy = os.tmpname()
    assert(command.run({ "install", "-m", "755", program, copy }).status == 0)
    cgroups = { "/", path, cgroup.make(path), cgroup.make(path) }
    cgroups[5] = cgroup.make(cgroups[3])
    local pids, namespaces = {}, {}
    for index = 1, CALLERS do
      local one = caller.start(index % 2 == 0 and copy or program, cgroups[({ 2, 3, 5 })[index]])
      local namespace = ("/proc/%d/ns/net"):format(one.pid)
      one.netns = netns.cookie(namespace)
      names.netns_cookies[namespace] = one.netns
      callers[index], pids[index] = one, one.pid
      namespaces[2 * index - 1], namespaces[2 * index] = namespace, one.netns
    end
    local has_mptcp = io.open "/proc/sys/net/mptcp/enabled"
    if has_mptcp then
      has_mptcp:close()
    end
    maker = random_policy.new {
      ops = { "connect", "connect", "connect", "sendmsg", "bind" }, reports = { "getpeername" },
      pids = pids, protos = { TCP, TCP, UDP, UDP, has_mptcp and MPTCP }, sources = true,
      cgroups = cgroups, exes = { program, copy, "/bin/sh" }, netns = namespaces,
      observes = false, -- the counters are compared with the rule that decides
      last_id = 2 ^ 32 - 2, -- the last number means "no change" to setresuid
    }
    assert(gate:attach(path))
  end)

  teardown(function()
    if reason then
      return
    end
    gate:close()
    for _, each in ipairs(callers) do
      each:stop()
    end
    for index = #cgroups, 2, -1 do
      cgroup.remove(cgroups[index])
    end
    os.remove(program)
    os.remove(copy)
  end)

  local totals = { calls = 0, arrived = 0, rewritten = 0, balanced = 0, bound = 0, stayed = 0 }

  --- A round to be played, which knows what rules that keep their names, and defaults, have
  --- counted.
  local function round(count)
    local before = {}
    for _, handle in ipairs(gate:rules()) do
      before[handle.name] = handle.hits
    end
    return rounds.new({
      gate = gate, maker = maker, callers = callers, totals = totals,
      before = before, before_default = gate:stats().defaults,
    }, count)
  end

  local function first_disagreement(count, kernel_only)
    for number = 1, count do
      local next_round = round(random_policy.some_count())
      next_round.kernel_only = kernel_only
      local story = next_round:play(CALLS)
      if story then
        return ("round %d of this seed:\n%s"):format(number, story)
      end
    end
  end

  it("does with every call what the reference and the simulator say", function()
    if reason then
      pending(reason)
      return
    end
    local story = first_disagreement(ROUNDS)
    assert(not story, story)
    print(("    %d calls: %d arrived, %d of them rewritten, %d balanced, %d by clients that stay, "
      .. "%d bound first"):format(
      totals.calls, totals.arrived, totals.rewritten, totals.balanced, totals.stayed, totals.bound))
    for _, kind in ipairs { "arrived", "allow", "deny" } do
      assert(totals[kind] > totals.calls / 10, ("too few: %s %d"):format(kind, totals[kind] or 0))
    end
    assert(totals.rewritten > totals.calls / 100, "too few were rewritten")
    assert(totals.balanced > totals.calls / 100, "too few were balanced")
    assert(totals.bound > 0, "too few were bound first")
  end)

  it("does so with 10,000 rules", function()
    if reason then
      pending(reason)
      return
    end
    local story = round(10000):play(300)
    assert(not story, story and story:sub(-2000))
  end)

  it("disagrees with a reference in which the last rule wins", function()
    if reason then
      pending(reason)
      return
    end
    local story = agreement.with_broken(reference, "deciding", agreement.last_deciding, function()
      return first_disagreement(20, true)
    end)
    assert(story, "no call showed the difference")
  end)
end)

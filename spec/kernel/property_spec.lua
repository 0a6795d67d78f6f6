-- Random policies, published one after another into a running gate: what the
-- kernel does with a call is what the reference and the simulator say.
-- TIDEGATE_SEED repeats a run, TIDEGATE_ROUNDS asks for more.

local address = require "spec.support.reference.address"
local agreement = require "spec.support.agreement"
local caller = require "spec.support.caller"
local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local env = require "spec.support.env"
local names = require "spec.support.reference.names"
local netns = require "spec.support.netns"
local picks = require "spec.support.picks"
local addresses = require "spec.support.random.address"
local random_policy = require "spec.support.random.policy"
local reference = require "spec.support.reference"
local tidegate = require "tidegate"

local ROUNDS = tonumber(os.getenv "TIDEGATE_ROUNDS") or 100
local CALLS = 60
local CALLERS = 3
local TCP, UDP, MPTCP = 6, 17, 262
local EAFNOSUPPORT = 97
local CONNECTED = { [TCP] = true, [UDP] = true } -- protocols whose connect succeeds if it is let through

--- Why the callers' pids are not those that rules name, or nil.
local function no_pids()
  if command.run({ "readlink", "/proc/self/ns/pid" }).out ~= "pid:[4026531836]\n" then
    return "needs the initial pid namespace"
  end
end

local is_denial = {}
for _, number in pairs(reference.errnos) do
  is_denial[number] = true
end

local is_rewritten = { rewrite = true, balance = true }

local function is_bound(call)
  return call.from_addr or call.from_port
end

--- The bind of a call's socket, as a call of its own that comes first.
local function binding_of(call)
  local family = call.socket or call.family
  return setmetatable({ op = "bind", addr = call.from_addr or address.parse(family == "inet" and "0.0.0.0" or "::"),
    port = call.from_port or 0, family = family, from_addr = false, from_port = false }, { __index = call })
end

--- The query of getpeername() on a socket that is connected there.
local function naming_of(call, addr, port, answer)
  return setmetatable({ op = "getpeername", addr = addr, port = port, family = call.socket or call.family,
    from_addr = answer.own_addr, from_port = answer.own_port }, { __index = call })
end

--- Change a random call so that a caller can make it under a policy.
local function possible(call, callers, policy)
  call.caller = callers[1]
  for _, candidate in ipairs(callers) do
    call.caller = candidate.pid == call.pid and candidate or call.caller
  end
  call.pid, call.cgroup, call.exe = call.caller.pid, call.caller.cgroup, call.caller.program
  call.netns = call.caller.netns
  call.proto = call.op == "sendmsg" and UDP or call.proto
  call.type = nil
  call.device = call.device == 0 and 0 or 1
  if call.op == "sendmsg" then
    call.from_port = call.from_port or math.random(1024, 65535) -- an unbound socket gets a port that we cannot know
  end
  -- Other ways to say the same to the kernel.
  if call.family == "inet" and call.proto == UDP and call.op ~= "bind" then
    call.socket = math.random(4) == 1 and not call.from_addr and "inet6" or "inet"
    call.sockaddr = call.op == "sendmsg" and call.socket == "inet" and math.random(4) == 1 and "unspec" or "inet"
  end
  if is_bound(call) and reference.decide(policy, binding_of(call)).verb ~= "allow" then
    call.from_addr, call.from_port = nil, nil
    if call.op == "sendmsg" then
      -- Then we cannot know the port that a datagram is sent from.
      call.op, call.socket, call.sockaddr = "connect", nil, nil
    end
  end
  return call
end

local function endpoint_text(addr, port)
  return addr and ("%s port %d"):format(addresses.text(addr, "inet6"), port) or "nowhere"
end

--- Like compare(), for a bind.
local function compare_bind(verdict, call, answer)
  if answer.errno ~= 0 then
    return "", ""
  end
  local hidden = is_rewritten[verdict.verb] and not verdict.reveal
  local port = hidden and call.port ~= 0 and call.port or verdict.port
  local expected = "seen at " .. endpoint_text(hidden and call.addr or verdict.addr, port)
  local found = "seen at " .. endpoint_text(answer.own_addr, port ~= 0 and answer.own_port or 0)
  if call.proto == UDP then -- the kernel's tables do not list a TCP socket that is only bound
    expected = expected .. ", bound to " .. endpoint_text(verdict.addr, verdict.port)
    found = found .. ", bound to " .. endpoint_text(answer.local_addr, verdict.port ~= 0 and answer.local_port or 0)
  end
  return expected, found
end

--- A datagram to :: from a socket that is bound to IPv4 goes to 127.0.0.1.  If a connect
--- failed on its way to a backend, the backend is one of the list, which are all of one family.
local function going_to(verdict, call)
  if verdict.balance and not verdict.place then
    verdict = reference.settled(verdict, call, verdict.balance.places[1])
  end
  return call.op == "sendmsg" and reference.target(verdict.addr, call.from_addr) or verdict.addr
end

--- The verdict with the backend that a connect went to, if chance or the socket decides; the verdict itself if not.
local function settled(verdict, call, answer)
  if verdict.balance and not verdict.place and call.op == "connect" and answer.errno == 0 then
    for _, place in ipairs(verdict.balance.places) do
      local one = reference.settled(verdict, call, place)
      if one.port == answer.port and reference.target(one.addr, call.from_addr) == answer.addr then
        return one
      end
    end
  end
  return verdict
end

--- The expected answer to a call, and the actual one, each as one line; `named`: what getpeername's rules say.
local function compare(verdict, named, call, answer)
  if verdict.errno then
    return "errno " .. verdict.errno, "errno " .. answer.errno
  elseif is_denial[answer.errno] then
    return "no denial", "errno " .. answer.errno
  elseif call.op == "bind" then
    return compare_bind(verdict, call, answer)
  elseif verdict.source and (call.op == "sendmsg" or not is_bound(call))
    and address.is_v4(verdict.source) ~= address.is_v4(going_to(verdict, call)) then
    return "errno " .. EAFNOSUPPORT, "errno " .. answer.errno
  elseif call.op == "sendmsg" or answer.errno ~= 0 or not CONNECTED[call.proto] then
    return "", ""
  end
  local final = reference.target(verdict.addr, call.from_addr)
  local expected = "connected to " .. endpoint_text(final, verdict.port)
  local found = "connected to " .. endpoint_text(answer.addr, answer.port)
  if verdict.port ~= 0 then -- a socket has no peer without a port
    local hidden = is_rewritten[verdict.verb] and not verdict.reveal
    local rewritten = verdict.addr ~= call.addr -- 0.0.0.0 is shown as 127.0.0.1 if only its port was
    expected = expected .. ", seen as "
      .. endpoint_text(hidden and (rewritten and call.addr or final) or named.addr, hidden and call.port or named.port)
    found = found .. ", seen as " .. endpoint_text(answer.peer_addr, answer.peer_port)
  end
  if verdict.source then
    expected = expected .. ", from " .. endpoint_text(verdict.source, verdict.source_port or 0)
    found = found .. ", from " .. endpoint_text(answer.own_addr, verdict.source_port and answer.own_port or 0)
  end
  return expected, found
end

local Round = {}
Round.__index = Round

--- One policy in force, and what calls under it should do.
--- `self`: gate, maker, callers, totals, and the values of the counters before: before, before_default.
function Round.new(self, count)
  self.policy = self.maker:policy(count)
  self.handles = agreement.stage(self.gate, self.policy)
  self.readable = reference.read(self.policy)
  assert(self.gate:commit())
  self.hits, self.stays = {}, {}
  self.picks = picks.new(self.gate, self.readable, self.handles)
  return setmetatable(self, Round)
end

--- Random calls, by the callers that are to make them; some are made twice, because a client stays.
function Round:calls(count)
  local calls, call = {}, nil
  for number = 1, count do
    if number == 1 or math.random(4) > 1 then
      call = possible(self.maker:call(), self.callers, self.readable)
    end
    calls[call.caller] = calls[call.caller] or {}
    table.insert(calls[call.caller], call)
  end
  return calls
end

function Round:judge_simulator(verdict, call)
  if not self.kernel_only then
    return agreement.simulator(self.gate, self.policy, verdict, call, self.handles)
  end
end

function Round:count(verdict, op)
  local key = verdict.rule or op
  self.hits[key] = (self.hits[key] or 0) + 1
end

--- What getpeername() returns on a socket that was connected and is not redirected.
function Round:name(verdict, call, answer)
  local addr = reference.target(verdict.addr, call.from_addr)
  if call.op ~= "connect" or answer.errno ~= 0 or verdict.port == 0 or is_rewritten[verdict.verb] then
    return { addr = addr, port = verdict.port }
  end
  local named = reference.decide(self.readable, naming_of(call, addr, verdict.port, answer))
  self:count(named, "getpeername")
  return named
end

--- What is wrong with where a client went, given where it went before, or nil.
function Round:judge_client(verdict)
  local client = verdict.balance and verdict.place and verdict.balance.client
  if not client or #verdict.balance.places == 1 then
    return
  end
  local key = verdict.rule .. " " .. client
  local before = self.stays[key]
  self.stays[key] = before or verdict.place
  self.totals.stayed = self.totals.stayed + (before and 1 or 0)
  if before and before ~= verdict.place then
    return ("backend %d, with which it is to stay"):format(before), ("backend %d"):format(verdict.place)
  end
end

--- The story of a disagreement about one call, or nil.
function Round:judge(call, answer)
  local decided = reference.decide(self.readable, call)
  local verdict = settled(decided, call, answer)
  if is_bound(call) then
    self:count(reference.decide(self.readable, binding_of(call)), "bind")
  end
  local expected, found = compare(verdict, self:name(verdict, call, answer), call, answer)
  if expected == found then
    expected, found = self:judge_client(verdict)
  end
  if expected ~= found then
    return agreement.story(self.policy, call, expected, found)
  end
  local story = self:judge_simulator(decided, call)
  if story then
    return story
  end
  self.picks:count(verdict)
  if not verdict.unseen then
    self:count(verdict, call.op)
  end
  local total = self.totals
  total.calls = total.calls + 1
  total[verdict.verb] = (total[verdict.verb] or 0) + 1
  total.arrived = total.arrived + (answer.errno == 0 and 1 or 0)
  total.rewritten = total.rewritten + (verdict.verb == "rewrite" and answer.addr and 1 or 0)
  total.balanced = total.balanced + (verdict.verb == "balance" and answer.addr and 1 or 0)
  total.bound = total.bound + (verdict.source and answer.addr and 1 or 0)
end

--- Whether the programs have anything to look up for an operation.
function Round:looks_at(op)
  for _, rule in ipairs(self.readable.rules) do
    if rule.ops[op] then
      return true
    end
  end
  return self.readable.default[op] == "deny"
end

--- The first rule whose counter did not move as the reference says, as text; or nil.
function Round:judge_counters()
  for index, handle in ipairs(self.handles) do
    local expected = (self.hits[index] or 0) + (self.before[handle.name] or 0)
    if handle.hits ~= expected then
      return ("%s counts %d hits, not %d"):format(handle, handle.hits, expected)
    end
  end
  local defaults = self.gate:stats().default
  for op, default in pairs(defaults) do
    local expected = (self:looks_at(op) and self.hits[op] or 0) + self.before_default[op].hits
    if default.hits ~= expected then
      return ("the default of %s counts %d hits, not %d"):format(op, default.hits, expected)
    end
  end
end

--- Have calls made and compare their results; the story of the first disagreement, or nil.
function Round:play(count)
  local all = self:calls(count)
  for _, by in ipairs(self.callers) do
    local calls = all[by] or {}
    local answers = by:make(calls)
    for index, call in ipairs(calls) do
      local story = self:judge(call, answers[index])
      if story then
        return story
      end
    end
  end
  return self:judge_counters() or self.picks:judge()
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
    gate, callers = tidegate.gate(), {}
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

  --- A round to be played, which knows what rules that keep their names, and defaults, have counted.
  local function round(count)
    local before = {}
    for _, handle in ipairs(gate:rules()) do
      before[handle.name] = handle.hits
    end
    return Round.new({
      gate = gate, maker = maker, callers = callers, totals = totals,
      before = before, before_default = gate:stats().default,
    }, count)
  end

  local function first_disagreement(rounds, kernel_only)
    for number = 1, rounds do
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
    print(("    %d calls: %d arrived, %d of them rewritten, %d balanced, %d by clients that stay, %d bound first"):format(
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

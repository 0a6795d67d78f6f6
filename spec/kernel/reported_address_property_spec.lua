-- Random policies of reported addresses, in force: recvfrom(), getpeername() and
-- getsockname() return what the reference says, and the rules count it.
-- TIDEGATE_SEED repeats a run.

local address = require "spec.support.reference.address"
local agreement = require "spec.support.agreement"
local command = require "spec.support.command"
local env = require "spec.support.env"
local ffi = require "ffi"
local libc = require "spec.support.libc"
local netns = require "spec.support.netns"
local addresses = require "spec.support.random.address"
local random_policy = require "spec.support.random.policy"
local reference = require "spec.support.reference"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

if sandbox.reason then
  return pending(sandbox.reason)
end
if command.run({ "readlink", "/proc/self/ns/pid" }).out ~= "pid:[4026531836]\n" then
  return pending "needs the initial pid namespace"
end

local ROUNDS, CALLS = 60, 40
local UDP = 17
local IPPROTO_IP, IP_FREEBIND = 0, 15
local SOL_SOCKET, SO_REUSEADDR, SO_REUSEPORT, SO_MARK = 1, 2, 15, 36
local REPORTS = { "recvmsg", "getpeername", "getsockname" }

local function text_of(addr, port, family)
  return (family == "inet" and "%s:%d" or "[%s]:%d"):format(addresses.text(addr, family), port)
end

--- What a socket says of an address, in the form that the reference uses.
local function endpoint_of(text)
  local host, port = text:match "^%[?([^%]]*)%]?:(%d+)$"
  return address.parse(host), tonumber(port)
end

local function link(path)
  return (command.run({ "readlink", path }).out:gsub("\n$", ""))
end

sandbox.describe("the kernel", function(here)
  setup(env.seed)
  before_each(netns.own_all_addresses)

  local function open(family, mark)
    local one = here:keep(socket.udp(family))
    for _, option in ipairs { { IPPROTO_IP, IP_FREEBIND, 1 }, { SOL_SOCKET, SO_REUSEADDR, 1 },
      { SOL_SOCKET, SO_REUSEPORT, 1 }, { SOL_SOCKET, SO_MARK, mark } } do
      assert(one:set(option[1], option[2], ffi.new("uint32_t[1]", option[3])))
    end
    return one
  end

  --- How to prepare for a call that asks a socket which was bound or connected.
  local function after(act, ask)
    return function(call)
      local one = open(call.family, call.mark)
      if one[act](one, text_of(call.addr, call.port, call.family)) then
        return one, function() return one[ask](one) end, one[ask](one)
      end
    end
  end

  --- A socket in the state that a call is about; how to ask it, and the true answer.  nil: there is
  --- no such state.
  local prepare = {
    getsockname = after("bind", "getsockname"),
    getpeername = after("connect", "getpeername"),
    recvmsg = function(call)
      local from4 = address.is_v4(call.addr)
      local one, from = open(call.family, call.mark), open(from4 and "inet" or "inet6", 0)
      assert(one:bind(call.family == "inet" and "127.0.0.1:0" or "[::]:0"))
      if from:bind(text_of(call.addr, call.port, from.family)) then
        for _ = 1, 3 do -- to see whether they arrive, who they are from, and to ask about
          from:sendto("x", (from4 and "127.0.0.1:" or "[::1]:") .. one:port())
        end
        if not one:is_empty() then
          local function ask() return (select(2, one:receive())) end
          return one, ask, ask()
        end
      end
    end,
  }

  local itself, maker, gate, counts

  before_each(function()
    local pid, cookie = libc.call.getpid(), netns.cookie "/proc/self/ns/net"
    itself = {
      proto = UDP, uid = 0, gid = 0, pid = pid, device = 0, cgroup = here.cgroup, netns = cookie,
      exe = link(("/proc/%d/exe"):format(pid)), comm = io.open("/proc/self/comm"):read "*l",
    }
    maker = random_policy.new {
      ops = REPORTS, reports = REPORTS, pids = { pid }, protos = { UDP }, netns = { 1, 2, cookie },
      exes = { itself.exe, "/bin/sh" }, cgroups = { "/", here.cgroup },
      observes = false, -- the counters are compared with the rule that decides
      balances = false, -- a balance does not apply to reported addresses
    }
    gate = here:enforce ""
    counts = { allow = 0, rewrite = 0, recvmsg = 0, getpeername = 0, getsockname = 0 }
  end)

  --- A policy that has rules of reported addresses, and no others.
  local function new_policy()
    local drawn = maker:policy(10 * random_policy.some_count())
    local policy = { default = "allow", sets = drawn.sets, rules = {} }
    for _, rule in ipairs(drawn.rules) do
      if rule.recvmsg or rule.getpeername or rule.getsockname then
        table.insert(policy.rules, rule)
      end
    end
    return policy
  end

  --- Calls prepared under no policy, to be asked about under the next one.
  local function new_calls()
    agreement.stage(gate, { default = "allow", rules = {} })
    assert(gate:commit())
    local calls = {}
    for _ = 1, CALLS do
      local call = maker:call()
      call.port = math.max(call.port, 1)
      local one, ask, truth = prepare[call.op](call)
      if one then
        local state = { op = call.op, family = call.family, mark = call.mark, ask = ask }
        state.addr, state.port = endpoint_of(truth)
        state.source_addr, state.source_port = endpoint_of(one:getsockname())
        calls[#calls + 1] = setmetatable(state, { __index = itself })
      end
    end
    return calls
  end

  --- Ask every call for its reported address under a policy; the story of the first disagreement,
  --- or nil.
  local function play(policy, calls)
    local readable, handles, hits = reference.read(policy), agreement.stage(gate, policy), {}
    assert(gate:commit())
    for _, call in ipairs(calls) do
      local verdict = reference.acted(readable, reference.decide(readable, call), call)
      local expected = text_of(verdict.addr, verdict.port, call.family)
      local addr, port = endpoint_of(call.ask())
      local found = text_of(addr, port, call.family)
      if expected ~= found then
        return agreement.story(policy, call, expected, found)
      end
      if verdict.rule then
        hits[verdict.rule] = (hits[verdict.rule] or 0) + 1
      end
      counts[verdict.verb], counts[call.op] = counts[verdict.verb] + 1, counts[call.op] + 1
    end
    for index, handle in ipairs(handles) do
      if handle.hits ~= (hits[index] or 0) then
        return ("%s counts %d hits, not %d"):format(handle, handle.hits, hits[index] or 0)
      end
    end
  end

  local function first_disagreement()
    for _ = 1, ROUNDS do
      local policy = new_policy() -- first, because calls are made on what it names
      local story = play(policy, new_calls())
      if story then
        return story
      end
      here:close_sockets()
    end
  end

  it("reports what the reference says", function()
    local story = first_disagreement()
    assert(not story, story)
    for what, count in pairs(counts) do
      assert(count > ROUNDS * CALLS / 50, ("only %d of %s"):format(count, what))
    end
    assert.equal(0, gate:stats().errors)
  end)

  it("disagrees with a reference in which the last rule wins", function()
    assert(agreement.with_broken(reference, "deciding", agreement.last_deciding,
      first_disagreement), "no call showed it")
  end)
end)

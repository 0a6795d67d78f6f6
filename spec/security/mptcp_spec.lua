-- A peer announces an address, and the kernel's worker connects there, as kworker and root.
-- Conditions on the caller judge it as a call of the socket's owner.

local command = require "spec.support.command"
local env = require "spec.support.env"
local libc = require "spec.support.libc"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local uv = require "luv"

local C = libc.call

local USER = 1234
local CLONE_NEWNET = 0x40000000

local SERVER = [[
  ip link add v1 type veth peer name v0 && ip link set v0 netns /proc/%d/fd/%d &&
  ip addr add 10.99.1.1/24 dev v1 && ip addr add 10.99.2.2/24 dev v1 && ip link set v1 up &&
  ip mptcp limits set subflows 8]]
local CLIENT = [[
  ip addr add 10.99.1.9/24 dev v0 && ip addr add 10.99.2.9/24 dev v0 && ip link set v0 up &&
  ip mptcp limits set subflows 8 add_addr_accepted 8]]
local ANNOUNCE = "ip mptcp endpoint add 10.99.2.2 dev v1 signal"

sandbox.describe("an address that an MPTCP peer announces", function(here) -- G4
  local server

  local function shell(line)
    local got = command.run { "sh", "-c", line }
    assert.equal(0, got.status, got.err)
    return got.out
  end

  local there -- the server's network namespace

  local function namespace()
    return assert(libc.outcome(C.open("/proc/self/ns/net", 0x80000)))
  end

  before_each(function()
    local client = netns.enter()
    shell(SERVER:format(C.getpid(), client))
    server = here:keep(socket.serve("mptcp", "0.0.0.0:4430"))
    there = namespace()
    netns.leave(client)
    shell(CLIENT)
  end)

  after_each(function() C.close(there) end)

  local function on_the_server(line)
    local home = namespace()
    assert(libc.outcome(C.setns(there, CLONE_NEWNET)))
    shell(line)
    netns.leave(home)
  end

  --- The server's part in an exchange of data, after which both know that they speak MPTCP.
  local function accept()
    local accepted = here:keep((server:accept()))
    assert.equal("x", (accepted:receive()))
    accepted:send "y"
    return accepted
  end

  local function connect(client)
    assert(client:connect "10.99.1.1:4430")
    client:send "x"
  end

  --- Connect a socket in this process.
  local function connected(client)
    client = client or here:keep(socket.mptcp "inet")
    connect(client)
    accept()
    assert.equal("y", (client:receive()))
  end

  --- Connect a socket as another user, in a process that lives on while `work` runs.
  local function while_user_is_connected(work, client)
    local fork = process.fork(function()
      assert(libc.outcome(C.setresgid(USER, USER, USER)))
      assert(libc.outcome(C.setresuid(USER, USER, USER)))
      client = client or socket.mptcp "inet"
      connect(client)
      assert.equal("y", (client:receive()))
      client:receive() -- until the server closes
    end)
    local accepted = accept()
    local ok, message = pcall(work)
    accepted:close()
    fork:wait()
    assert(ok, message)
  end

  --- Have the server announce its second address, and wait for what comes of it: the name of
  --- the rule that decides, or "refused" if none does, because it is not known whose call it is.
  local function announced(gate)
    local outcome
    local before = gate:stats().errors
    on_the_server(ANNOUNCE)
    command.wait_until(function()
      if gate:stats().errors > before then
        outcome = "refused"
      end
      for _, rule in ipairs(gate:rules()) do
        if rule.hits > 0 and rule.name ~= "first" then
          outcome = rule.name
        end
      end
      return outcome
    end, function() return "a subflow" end)
    local line = "ss -Htn state established dst 10.99.2.2"
    local deadline = uv.hrtime() + 5e9
    local is_there
    repeat
      is_there = shell(line) ~= ""
    until outcome ~= "yes" or is_there or uv.hrtime() > deadline
    assert.equal(outcome == "yes", is_there)
    return outcome
  end

  local denies = [[
    deny { "no", connect = "10.99.2.0/24", %s }
    allow { "yes", connect = "10.99.2.2" }
  ]]
  local allows = [[
    policy { default = "deny" }
    allow { "first", connect = "10.99.1.1" }
    allow { "yes", connect = "10.99.2.2", %s }
    deny { "no", connect = "10.99.2.2" }
  ]]

  local function own(condition)
    return condition
      :gsub("COMM", (env.read "/proc/self/comm":gsub("\n", "")))
      :gsub("EXE", assert(uv.fs_readlink "/proc/self/exe"))
      :gsub("PID", tostring(C.getpid()))
      :gsub("CGROUP", here.cgroup)
  end

  for _, condition in ipairs { [[comm = "COMM"]], [[pid = PID]], [[exe = "EXE"]],
    [[cgroup = "CGROUP"]], [[comm = "!kworker*"]],
    [[comm = "COMM", pid = PID, exe = "EXE", cgroup = "CGROUP", uid = 0, gid = 0]] } do
    for outcome, policy in pairs { no = denies, yes = allows } do
      it(("is decided by %s of the owner: %s"):format(condition, outcome), function()
        local gate = here:enforce(policy:format(own(condition)))
        connected()
        assert.equal(outcome, announced(gate))
      end)
    end
  end

  for policy, outcomes in pairs {
    [denies] = { ["uid = '!root'"] = "no", ["gid = 1234"] = "no", ["uid = '!1234'"] = "yes" },
    [allows] = { ["uid = 1234"] = "yes", ["gid = 1234"] = "yes", ["uid = 'root'"] = "no",
      ["comm = 'kworker*'"] = "no" },
  } do
    for condition, outcome in pairs(outcomes) do
      it(("%s by %s of the owner: %s"):format(policy == denies and "is denied" or "is allowed",
        condition, outcome), function()
        local gate = here:enforce(policy:format(condition))
        while_user_is_connected(function() assert.equal(outcome, announced(gate)) end)
      end)
    end
  end

  it("is judged by who connected the socket last", function()
    local gate = here:enforce(denies:format "uid = '!root'")
    local client = here:keep(socket.mptcp "inet")
    connected(client)
    assert(client:disconnect())
    while_user_is_connected(function() assert.equal("no", announced(gate)) end, client)
  end)

  describe("to a socket that was connected before the gate was there", function()
    for policy, outcomes in pairs {
      [denies] = { ["uid = '!root'"] = "no", ["uid = 'root'"] = "yes", ["cgroup = 'CGROUP'"] = "no",
        ["comm = 'x'"] = "refused", ["gid = 7"] = "refused", ["pid = 1"] = "refused",
        ["exe = 'EXE'"] = "refused", ["comm = 'x', shadow = true"] = "yes" },
      [allows] = { ["uid = 1234"] = "yes", ["uid = 'root'"] = "no", ["cgroup = 'CGROUP'"] = "yes",
        ["comm = '*'"] = "yes", ["comm = '!x'"] = "refused" },
    } do
      for condition, outcome in pairs(outcomes) do
        it(("%s by %s: %s"):format(policy == denies and "is denied" or "is allowed", condition,
          outcome), function()
          while_user_is_connected(function()
            local gate = here:enforce(policy:format(own(condition)))
            assert.equal(outcome, announced(gate))
          end)
        end)
      end
    end
  end)
end)

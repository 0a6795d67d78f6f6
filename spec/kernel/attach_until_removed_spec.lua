-- A gate on a cgroup of its host's own, where it stays in force until the cgroup is removed.

local cgroup = require "spec.support.cgroup"
local foreign = require "spec.support.foreign"
local libc = require "spec.support.libc"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local wider = require "spec.support.wider"

local EEXIST, EINVAL = 17, 22

sandbox.describe("a gate that is attached until the cgroup is removed", function(here)
  before_each(netns.own_all_addresses)

  local POLICY = [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }]]

  local function try(endpoint) return socket.try("udp", endpoint or "192.0.2.1:80") end

  local function try_in(path, endpoint)
    return process.run(function()
      cgroup.enter(path)
      return try(endpoint)
    end)
  end

  local function enforce(path, policy)
    local gate = here:gate(policy or POLICY)
    assert(gate:attach(path, { until_removed = true }))
    return gate
  end

  it("is in force, and says so", function()
    local gate = enforce(here.cgroup)
    assert.equal("EACCES", try())
    local status = gate:status()
    assert.same({ "attached", { "connect4", "connect6" } },
      { status.attachments[1].state, status.attachments[1].effective })
    assert.equal("ok", status.health)
    assert.equal(1, gate:rules()[1].hits)
  end)

  -- B1
  it("stays when it is closed, and when its process is killed", function()
    local path, ready, never = here:another(), process.signal(), process.signal()
    enforce(path):close()
    assert.equal("EACCES", try_in(path))
    cgroup.remove(path)
    path = here:another()
    local holder = process.fork(function()
      enforce(path, [[deny { connect = "192.0.2.2", errno = "EPERM" }]])
      ready.give()
      never.wait()
    end)
    ready.wait()
    holder:kill()
    os.execute "sleep 0.1"
    assert.equal("EPERM", try_in(path, "192.0.2.2:1"))
    assert.equal("ok", try "192.0.2.2:1")
    ready.close()
    never.close()
  end)

  it("is attached to others by links, which end with its process", function()
    local path, other, ready, never = here:another(), here:another(), process.signal(),
      process.signal()
    local holder = process.fork(function()
      assert(enforce(path):attach(other))
      ready.give()
      never.wait()
    end)
    ready.wait()
    assert.equal("EACCES", try_in(other))
    holder:kill()
    for _ = 1, 500 do -- the kernel frees what the process held a moment later
      if try_in(other) == "ok" then
        break
      end
      os.execute "sleep 0.01"
    end
    assert.same({ "ok", "EACCES" }, { try_in(other), try_in(path) })
    ready.close()
    never.close()
  end)

  it("detaches its own programs, and no others", function()
    local path = here:another()
    local gate, second = enforce(path), enforce(path, [[deny { connect = "192.0.2.2" }]])
    local third = foreign.load("spec_other", 1)
    foreign.attach(path, third, foreign.ALLOW_MULTI)
    assert(gate:detach())
    assert.same({ "ok", "EPERM" }, { try_in(path), try_in(path, "192.0.2.2:1") })
    assert.equal("attached", second:status().attachments[1].state)
    assert(second:detach(path))
    assert.equal("ok", try_in(path, "192.0.2.2:1"))
    foreign.detach(path, third) -- an error if it is not there
    assert(gate:attach(path, { until_removed = true }))
    assert.equal("EACCES", try_in(path))
  end)

  it("takes wider programs, more hooks and fewer, without a gap", function()
    local gate = enforce(here.cgroup)
    local calls = 0
    for _, index in ipairs { 1, wider.of_connect + 1, 5 } do
      gate:deny(wider.rule(index))
      assert(gate:commit())
      assert.equal("EACCES", try())
      calls = calls + 1
    end
    assert.equal(calls, gate:rules()[1].hits)
    gate:deny { "sent", sendmsg = "192.0.2.9", errno = "EPERM" }
    assert(gate:commit())
    local hooks = gate:status().attachments[1].effective
    assert.same(gate:status().hooks, hooks)
    assert.is_true(#hooks > 2)
    for _, rule in ipairs(gate:rules()) do
      if rule.name ~= "no" then
        rule:remove()
      end
    end
    assert(gate:commit())
    assert.same({ "connect4", "connect6" }, gate:status().attachments[1].effective)
    assert.equal("EACCES", try())
    assert(gate:detach())
    assert.equal("ok", try())
  end)

  it("says that somebody has detached it, and attaches again", function()
    local gate = enforce(here.cgroup)
    local second = here:another(here.cgroup)
    assert(gate:attach(second))
    foreign.detach_own(here.cgroup, foreign.CONNECT4)
    assert.equal("ok", try())
    local status = gate:status()
    assert.same({ "severed", { "connect6" } },
      { status.attachments[1].state, status.attachments[1].effective })
    gate:deny(wider.rule(1))
    assert(gate:commit())
    assert.equal("severed", gate:status().attachments[1].state)
    assert(gate:attach(here.cgroup, { until_removed = true }))
    assert.equal("EACCES", try())
    assert.equal("ok", gate:status().health)
  end)

  it("is gone with the cgroup", function()
    local path = here:another()
    local gate = enforce(path)
    cgroup.remove(path)
    assert.equal("gone", gate:status().attachments[1].state)
    gate:deny(wider.rule(1))
    assert(gate:commit())
    assert(gate:detach(path))
    assert.equal(0, #gate:status().attachments)
  end)

  it("stays where it is if a forked child detaches, closes or restricts itself", function()
    local gate = enforce(here.cgroup)
    for _, leave in ipairs {
      function() assert(gate:detach()) end, function() assert(gate:detach(here.cgroup)) end,
      function() gate:close() end, function() assert(gate:restrict {}) end,
    } do
      process.run(leave)
      assert.equal("EACCES", try())
      assert.equal("ok", gate:status().health)
    end
    assert(gate:detach())
    assert.equal("ok", try())
  end)

  it("is taken for attached while its cgroup is there by who may not ask the kernel", function()
    local path = here:another()
    local gate = enforce(path)
    local function state()
      return process.run(function()
        assert(libc.outcome(libc.call.setresuid(65534, 65534, 65534)))
        return gate:status().attachments[1].state
      end)
    end
    assert.equal("attached", state())
    cgroup.remove(path)
    assert.equal("gone", state())
  end)

  it("is not for the root of all cgroups, nor for one that is attached otherwise", function()
    local gate = here:gate(POLICY)
    local ok, message, errno = gate:attach(cgroup.root(), { until_removed = true })
    assert.is_nil(ok)
    assert.same({ cgroup.root() .. ": the root of all cgroups is never removed, so nothing can be "
      .. "attached to it until then; attach to a cgroup of your own below it", EINVAL },
      { message, errno })
    assert(gate:attach(here.cgroup))
    ok, message, errno = gate:attach(here.cgroup, { until_removed = true, only = true })
    assert.is_nil(ok)
    assert.same({ here.cgroup .. ": this gate is attached there already, as long as its process "
      .. "lives: detach it first", EEXIST }, { message, errno })
  end)

  it("is found by its other names, and wants true or false", function()
    local gate = here:gate(POLICY)
    for _, word in ipairs { "persist", "persistent", "pin", "stay" } do
      local ok, message = pcall(gate.attach, gate, here.cgroup, { [word] = true })
      assert.is_false(ok)
      assert.truthy(message:find(('attach: unknown option "%s"; did you mean "until_removed"? '
        .. "On a cgroup of your own it outlives the process"):format(word), 1, true), message)
    end
    local ok, message = pcall(gate.attach, gate, here.cgroup, { until_removed = 1 })
    assert.is_false(ok)
    assert.truthy(message:find("attach: until_removed: wants true or false; got 1", 1, true))
  end)

  it("detaches from others with only", function()
    local gate, second = enforce(here.cgroup), here:another()
    assert(gate:attach(second, { only = true, until_removed = true }))
    assert.same({ "ok", "EACCES" }, { try(), try_in(second) })
    assert(gate:attach(here.cgroup, { only = true }))
    assert.same({ "EACCES", "ok" }, { try(), try_in(second) })
  end)
end)

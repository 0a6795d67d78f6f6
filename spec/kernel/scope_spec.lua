-- What is covered: every socket made in the cgroup or below it, even if a process elsewhere uses
-- it; and no other socket.

local cgroup = require "spec.support.cgroup"
local client = require "spec.support.client"
local libc = require "spec.support.libc"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("a gate covers", function(here)
  local gate
  before_each(function()
    gate = here:enforce [[deny { "no", connect = "192.0.2.1", errno = "EACCES", log = true }]]
  end)

  local DENIED = "192.0.2.1:80"
  local OUTSIDE = "ENETUNREACH" -- what the kernel says if no gate does

  local function try() return socket.try("tcp", DENIED) end

  it("the processes of its cgroup and their children", function()
    assert.equal("EACCES", try())
    assert.equal("EACCES", process.run(try))
    assert.equal("EACCES", process.run(function() return process.run(try) end))
  end)

  it("an executed program that shares no library with us", function()
    assert.equal("EACCES\n", client.run("connect", "192.0.2.1", "80"))
    assert.equal("EACCES\n", client.run("connect", "::ffff:192.0.2.1", "80"))
  end)

  it("a thread, which events distinguish from its process", function()
    local tid, answer = client.run("thread", "192.0.2.1", "80"):match "^(%d+) (%u+)\n$"
    assert.equal("EACCES", answer)
    local event = gate:events { timeout = 5 }()
    assert.equal(tonumber(tid), event.tid)
    assert.is_not.equal(event.tid, event.pid)
    assert.equal("client", event.comm)
  end)

  it("another user", function()
    assert.equal("EACCES", process.run(function()
      assert(libc.outcome(libc.call.setresgid(65534, 65534, 65534)))
      assert(libc.outcome(libc.call.setresuid(65534, 65534, 65534)))
      return try()
    end))
    local event = gate:events { timeout = 5 }()
    assert.same({ 65534, 65534 }, { event.uid, event.gid })
  end)

  it("cgroups below its own, made before and after it", function()
    local below = here:another(here.cgroup)
    local further = here:another(below)
    for _, path in ipairs { below, further } do
      assert.equal("EACCES", process.run(function()
        cgroup.enter(path)
        return try()
      end))
    end
  end)

  it("no process outside it", function()
    assert.equal(OUTSIDE, here:outside(try))
    assert.equal(OUTSIDE, process.run(function()
      cgroup.enter(here.home)
      return try()
    end))
    local beside = here:another()
    assert.equal(OUTSIDE, process.run(function()
      cgroup.enter(beside)
      return try()
    end))
    assert.equal(0, gate:rules()[1].hits)
  end)

  it("a socket by where it was made, not by where it is used", function()
    local inside = here:keep(socket.tcp "inet")
    assert.same({ nil, "EACCES" }, { here:outside(function() return inside:connect(DENIED) end) })
    local outside = here:outside(function() return here:keep(socket.tcp "inet") end)
    assert.same({ nil, OUTSIDE }, { outside:connect(DENIED) })
    assert.equal(cgroup.id(here.home), gate:events { timeout = 5 }().cgroup)
  end)

  it("no getpeername of a socket that was made outside", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local name = "127.0.0.1:" .. server:port()
    gate:rewrite { connect = "192.0.2.2", to = name }
    assert(gate:commit())
    local inside = here:keep(socket.udp "inet")
    assert(inside:connect "192.0.2.2:53")
    assert.equal("192.0.2.2:53", here:outside(function() return inside:getpeername() end))
    local outside = here:outside(function() return here:keep(socket.udp "inet") end)
    assert(outside:connect(name))
    assert.equal(name, outside:getpeername())
  end)
end)

-- Where a gate is attached, and what is left after it.

local cgroup = require "spec.support.cgroup"
local foreign = require "spec.support.foreign"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local EEXIST, EINVAL, ENOENT, EOPNOTSUPP = 17, 22, 2, 95

sandbox.describe("a gate", function(here)
  before_each(netns.own_all_addresses)

  local POLICY = [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }]]

  local function try() return socket.try("udp", "192.0.2.1:80") end

  --- try() from another cgroup.
  local function try_in(path)
    return process.run(function()
      cgroup.enter(path)
      return try()
    end)
  end

  it("attaches to several cgroups and detaches from all of them", function()
    local second = here:another()
    local gate = here:enforce(POLICY)
    assert.equal("ok", try_in(second))
    assert(gate:attach(second))
    assert.equal(2, #gate:status().attachments)
    assert.equal("EACCES", try())
    assert.equal("EACCES", try_in(second))
    assert.equal(2, gate:rules()[1].hits)
    assert(gate:detach())
    assert.equal(0, #gate:status().attachments)
    assert.equal("ok", try())
    assert.equal("ok", try_in(second))
    assert(gate:attach(second))
    assert.equal("ok", try())
    assert.equal("EACCES", try_in(second))
  end)

  it("publishes to all its cgroups at once", function()
    local second = here:another()
    local gate = here:enforce(POLICY)
    assert(gate:attach(second))
    gate:rules()[1]:remove()
    gate:deny { "other", egress = { "192.0.2.1", "2001:db8::1" }, errno = "ETIMEDOUT", uid = 0 }
    assert(gate:commit())
    assert.equal("ETIMEDOUT", try())
    assert.equal("ETIMEDOUT", try_in(second))
  end)

  it("attaches only once to a cgroup", function()
    local gate = here:enforce(POLICY)
    local ok, message, errno = gate:attach(here.cgroup .. "/")
    assert.is_nil(ok)
    assert.equal(EEXIST, errno)
    assert.equal(here.cgroup .. "/: this gate is attached there already", message)
    assert.equal("EACCES", try())
    assert.equal(1, #gate:status().attachments)
  end)

  it("attaches to cgroups only", function()
    local gate = here:gate(POLICY)
    for path, expected in pairs {
      ["/tmp"] = { EINVAL, "/tmp is not a cgroup; cgroup2 is mounted at " .. cgroup.root() },
      ["/no/such/folder"] = { ENOENT, "/no/such/folder: there is no such folder; cgroups are below "
        .. cgroup.root() },
      [here.cgroup .. "/cgroup.procs"] = { 20, here.cgroup
        .. "/cgroup.procs is a file of a cgroup; give the folder that it is in" },
    } do
      local ok, message, errno = gate:attach(path)
      assert.is_nil(ok)
      assert.equal(expected[2], message)
      assert.equal(expected[1], errno)
    end
    assert.equal(0, #gate:status().attachments)
    assert(gate:attach(here.cgroup))
    assert.equal("EACCES", try())
  end)

  it("attaches to the cgroup of this process, and of another one", function()
    local gate = here:gate(POLICY)
    assert(gate:attach "self")
    assert.equal("EACCES", try())
    assert(gate:detach())
    local second = here:another()
    local go = process.signal()
    local child = process.fork(function()
      cgroup.enter(second)
      go.wait()
    end)
    while cgroup.own() == second or not io.open(second .. "/cgroup.procs"):read "*n" do
      os.execute "sleep 0.01"
    end
    assert(gate:attach("pid:" .. child.pid))
    assert.equal("EACCES", try_in(second))
    go.give()
    child:wait()
    go.close()
  end)

  it("says what it is attached to, and what is in force there", function()
    local gate, second = here:enforce(POLICY), here:another()
    local attached = assert(gate:attach(second))
    assert.same({ second, cgroup.id(second), "attached", 0 },
      { attached.path, attached.cgroup, attached.state, attached.processes })
    assert.same({ "connect4", "connect6" }, attached.hooks)
    assert.same(attached.hooks, attached.effective)
    local status = gate:status()
    assert.same({ here.cgroup, second },
      { status.attachments[1].path, status.attachments[2].path })
    assert.is_true(status.attachments[1].processes >= 1)
    assert.equal("ok", status.health)
    local below = here:another(second)
    assert.equal("1", process.run(function()
      cgroup.enter(below)
      return gate:status().attachments[2].processes
    end))
  end)

  it("detaches from one cgroup, also if that was removed", function()
    local gate, second, third = here:enforce(POLICY), here:another(), here:another()
    assert(gate:attach(second))
    assert(gate:attach(third))
    assert(gate:detach(second .. "/"))
    assert.equal("EACCES", try())
    assert.equal("ok", try_in(second))
    cgroup.remove(third)
    local status = gate:status()
    assert.same({ "attached", "gone" },
      { status.attachments[1].state, status.attachments[2].state })
    assert.same({ {}, "degraded" }, { status.attachments[2].effective, status.health })
    assert(gate:detach(third))
    assert.equal(1, #gate:status().attachments)
    local ok, message, errno = gate:detach(third)
    assert.is_nil(ok)
    assert.same({ third .. ": this gate is not attached there", ENOENT }, { message, errno })
    assert.equal("EACCES", try())
  end)

  it("sees that somebody has detached it, and attaches again", function()
    local gate = here:enforce(POLICY)
    foreign.detach_link(here.cgroup, foreign.CONNECT4)
    assert.equal("ok", try())
    local status = gate:status()
    assert.same({ "severed", { "connect6" } },
      { status.attachments[1].state, status.attachments[1].effective })
    assert.equal("degraded", status.health)
    assert(gate:attach(here.cgroup))
    assert.equal("EACCES", try())
    assert.equal("ok", gate:status().health)
  end)

  it("does not attach to the root of all cgroups but by its path", function()
    local gate = here:gate(POLICY)
    assert.equal(('1: "self" is the root of all cgroups, where a policy would hold for every '
      .. "process of this machine: to attach there, give its path, %s"):format(cgroup.root()),
      process.run(function()
        cgroup.enter(cgroup.root())
        local _, message, errno = gate:attach "self"
        return errno .. ": " .. message
      end))
    assert.equal(0, #gate:status().attachments)
  end)

  it("refuses what it cannot do yet to existing sockets", function()
    local gate = here:gate(POLICY)
    assert(gate:attach(here.cgroup, { existing = "leave" }))
    local ok, message, errno = gate:attach(here.cgroup, { existing = "kill", only = true })
    assert.is_nil(ok)
    assert.same({ 'attach: existing: only "leave" is supported yet: sockets that are connected '
      .. "already go on", EOPNOTSUPP }, { message, errno })
  end)

  it("detaches when it is closed", function()
    local gate = here:enforce(POLICY)
    assert.equal("EACCES", try())
    gate:close()
    assert.equal("ok", try())
    gate:close()
  end)

  it("leaves nothing attached when its process is killed", function()
    local attached, never = process.signal(), process.signal()
    local holder = process.fork(function()
      here:enforce(POLICY)
      attached.give()
      never.wait()
    end)
    attached.wait()
    assert.equal("EACCES", try())
    holder:kill()
    attached.close()
    never.close()
    for _ = 1, 500 do -- the kernel frees what the process held a moment later
      if try() == "ok" then
        break
      end
      os.execute "sleep 0.01"
    end
    assert.equal("ok", try())
  end)

  it("survives the removal of a cgroup to which it is attached", function()
    local second = here:another()
    local gate = here:enforce(POLICY)
    assert(gate:attach(second))
    cgroup.remove(second)
    gate:deny { "more", connect = "192.0.2.2", errno = "EACCES" }
    assert(gate:commit())
    gate:deny { "wider", egress = "2001:db8::1", uid = 7, log = true }
    assert(gate:commit())
    gate:rewrite { "rewritten", connect = "192.0.2.3", to = "192.0.2.4" }
    assert(gate:commit())
    assert.equal("EACCES", try())
    assert.equal("EACCES", socket.try("udp", "192.0.2.2:80"))
    assert.equal(1, #gate:status().attachments)
    assert(gate:detach())
    assert.equal("ok", try())
  end)

  it("attaches again to a cgroup that was removed and made again", function()
    local second = here:another()
    local gate = here:enforce(POLICY)
    assert(gate:attach(second))
    cgroup.remove(second)
    os.execute("mkdir " .. second)
    assert(gate:attach(second))
    assert.equal("EACCES", try_in(second))
  end)
end)

sandbox.describe("two gates", function(here)
  before_each(netns.own_all_addresses)

  it("on one cgroup must both allow a call; neither cancels the other's denial", function()
    here:enforce [[
      deny { connect = "192.0.2.1", errno = "EACCES" }
      allow { connect = "192.0.2.2" }
    ]]
    here:enforce [[
      allow { connect = "192.0.2.1" }
      deny { connect = "192.0.2.2", errno = "EHOSTUNREACH" }
      allow { connect = "192.0.2.3" }
    ]]
    assert.equal("EACCES", socket.try("udp", "192.0.2.1:80"))
    assert.equal("EHOSTUNREACH", socket.try("udp", "192.0.2.2:80"))
    assert.equal("ok", socket.try("udp", "192.0.2.3:80"))
  end)

  it("on a cgroup and on one below it both count; the upper one has the last word", function()
    local below = here:another(here.cgroup)
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    here:enforce(([[
      deny { connect = "192.0.2.1", errno = "EACCES" }
      rewrite { connect = "192.0.2.3", to = "127.0.0.1:%d" }
    ]]):format(server:port()))
    local child = here:gate [[
      allow { connect = "192.0.2.1" }
      deny { connect = "192.0.2.2", errno = "EHOSTUNREACH" }
      rewrite { connect = "192.0.2.4", to = "192.0.2.3" }
    ]]
    assert(child:attach(below))
    local function try_below(endpoint)
      return process.run(function()
        cgroup.enter(below)
        return socket.try("udp", endpoint)
      end)
    end
    assert.equal("EACCES", try_below "192.0.2.1:80")
    assert.equal("EHOSTUNREACH", try_below "192.0.2.2:80")
    assert.equal("ok", socket.try("udp", "192.0.2.2:80"))
    assert.equal("1", process.run(function()
      cgroup.enter(below)
      local client = socket.udp "inet"
      assert(client:connect "192.0.2.4:53")
      return client:send "x"
    end))
    assert.equal("x", (server:receive()))
  end)
end)

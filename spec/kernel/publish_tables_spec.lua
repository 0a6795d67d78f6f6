-- What a publish does to live tables: those that are new to the gate, those
-- that ask for another size, and those that another process changes.

local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("a publish", function(here)
  local ANEW = "stop what holds the gate and start it again"

  --- Enforce a policy in place of the one before, as at a reload of nginx; returns its gate.
  local function replace(policy)
    local gate = here:gate(policy, { share = "spec" })
    local ok, message = gate:attach(here.cgroup, { only = true })
    return ok and gate or nil, message
  end

  it("adds the tables that the gate before did not have", function()
    local gate = here:enforce [[deny { "plain", connect = "192.0.2.1", errno = "EACCES" }]]
    assert.equal("EACCES", socket.try("udp", "192.0.2.1:9"))

    local banned = gate:set "banned" { "192.0.2.2" }
    gate:deny { "ban", connect = banned, errno = "EPERM" }
    assert(gate:commit())
    assert.equal("EPERM", socket.try("udp", "192.0.2.2:9"))
    assert(banned:add "192.0.2.3")

    local svc = gate:services "svc" { ["10.96.0.10:80/udp"] = "127.0.0.1:7" }
    gate:balance { "svc", connect = svc, reveal = true }
    gate:balance { "list", connect = "10.96.0.11", to = "127.0.0.1:8" }
    assert(gate:commit())
    svc["10.96.0.12:80/udp"] = {}
    assert.equal("ok", socket.try("udp", "10.96.0.10:80"))
    assert.equal("ok", socket.try("udp", "10.96.0.11:80"))
    assert.equal("EHOSTUNREACH", socket.try("udp", "10.96.0.12:80"))

    gate:deny { "own", connect = "127.0.0.0/8", source = gate:set "mine" { "127.0.0.9" },
      errno = "EBUSY" }
    gate:deny { "flood", connect = "127.0.0.5", over = "10/h burst 2", errno = "EUSERS" }
    assert(gate:commit())
    local client = here:keep(socket.udp "inet")
    assert(client:bind "127.0.0.9:0")
    assert.same({ nil, "EBUSY" }, { client:connect "127.0.0.1:9" })
    for _, expected in ipairs { "ok", "ok", "EUSERS" } do
      assert.equal(expected, socket.try("udp", "127.0.0.5:9"))
    end
    -- The tables that existed before are unchanged.
    assert.equal("EACCES", socket.try("udp", "192.0.2.1:9"))
    assert.equal("EPERM", socket.try("udp", "192.0.2.3:9"))
    assert.equal(2, #banned)
  end)

  it("adds a set that no rule had asked about until now", function()
    local gate = here:enforce [[deny { "plain", connect = "192.0.2.1", errno = "EACCES" }]]
    local banned = gate:set "banned" { "192.0.2.2" }
    assert(gate:commit())
    assert(banned:add "192.0.2.3")
    gate:deny { "ban", connect = banned, errno = "EPERM" }
    gate:deny { "more", connect = gate:set "more" { "192.0.2.4" }, errno = "EBUSY" }
    assert(gate:commit())
    for address, expected in pairs {
      ["192.0.2.1:9"] = "EACCES", ["192.0.2.2:9"] = "EPERM", ["192.0.2.3:9"] = "EPERM",
      ["192.0.2.4:9"] = "EBUSY",
    } do
      assert.equal(expected, socket.try("udp", address))
    end
  end)

  it("has its own sets, whatever another process with the gate published before it", function()
    local gate = here:enforce [[deny { connect = set "banned" { "192.0.2.1" }, errno = "EACCES" }]]
    local go, done = process.signal(), process.signal()
    local child = process.fork(function()
      gate:deny { connect = gate:set "other" { "192.0.2.2" }, errno = "EBUSY" }
      assert(gate:commit())
      done.give()
      go.wait()
      gate:deny { connect = "192.0.2.4", errno = "EUSERS" }
      assert(gate:commit())
    end)
    done.wait()
    assert.equal("EBUSY", socket.try("udp", "192.0.2.2:9"))
    gate:deny { connect = gate:set "more" { "192.0.2.3" }, errno = "EPERM" }
    assert(gate:commit())
    assert.equal("EPERM", socket.try("udp", "192.0.2.3:9"))
    go.give()
    child:wait()
    for address, expected in pairs {
      ["192.0.2.1:9"] = "EACCES", ["192.0.2.2:9"] = "EBUSY", ["192.0.2.4:9"] = "EUSERS",
    } do
      assert.equal(expected, socket.try("udp", address))
    end
    go.close()
    done.close()
  end)

  it("refuses a table that asks for more room than it has, and changes nothing", function()
    local first = [[
      set "banned" { "192.0.2.1", size = 10 }
      services "svc" { ["10.96.0.10:80/udp"] = {}, size = 10 }
      deny { connect = set "banned", errno = "EACCES" } balance { connect = services "svc" }]]
    assert(replace(first))
    for old, message in pairs {
      ['"192.0.2.1", size = 10'] = 'set "banned": has room for 10 elements, the policy wants room '
        .. "for 1000, and what is in force does not grow: give it another name, or " .. ANEW,
      ["{}, size = 10"] = 'services "svc": have room for 10, the policy wants room for 1000, and '
        .. "what is in force does not grow: give them another name, or " .. ANEW,
    } do
      local wider = first:gsub(old:gsub("%p", "%%%0"), (old:gsub("10$", "1000")))
      assert.same({ nil, message }, { replace(wider) })
      assert.equal("EACCES", socket.try("udp", "192.0.2.1:9"))
      assert.equal("EHOSTUNREACH", socket.try("udp", "10.96.0.10:80"))
    end
    -- A table of another kind under the same name.
    assert.same({ nil,
      'services "banned": in this gate the name is that of a live table of the other kind: give it '
      .. "another name, or " .. ANEW }, { replace [[balance { connect = services "banned" {} }]] })
    -- A smaller size, or none, keeps the room that there is.
    assert(replace((first:gsub("size = 10", "size = 5"))))
    assert(replace((first:gsub(", size = 10", ""))))
    assert.equal("EACCES", socket.try("udp", "192.0.2.1:9"))
  end)

  it("keeps a set whose list has grown in the policy, if no size is given", function()
    local function policy(count)
      local items = {}
      for index = 1, count do
        items[index] = ('"10.%d.%d.%d"'):format(index / 65536, index / 256 % 256, index % 256)
      end
      return ('deny { connect = set "banned" { %s }, errno = "EACCES" }')
        :format(table.concat(items, ", "))
    end
    local gate = assert(replace(policy(10)))
    assert(gate:set "banned":add "192.0.2.1")
    -- A new set would have room for 80,000; this one has it for 65,536.
    gate = assert(replace(policy(40000)))
    assert.equal("EACCES", socket.try("udp", "192.0.2.1:9"))
    assert.equal(11, #gate:set "banned")
  end)

  it("reports the state of a set to a process that knew the gate before", function()
    local gate = here:enforce [[deny { connect = "192.0.2.1" }]]
    local go, done = process.signal(), process.signal()
    local child = process.fork(function()
      go.wait()
      local _, raised = pcall(function() return #gate:set "late" end)
      local _, message = gate:set "late" {}:add "192.0.2.2"
      done.give()
      return raised:match ": (.*)" .. "\n" .. tostring(message)
    end)
    gate:deny { connect = gate:set "late" {} }
    assert(gate:commit())
    go.give()
    done.wait()
    assert.equal('set "late": is not declared: write set "late" { … } first\n'
      .. 'set "late": the policy in force declares none of this name, or it was published after '
      .. "this process was forked", child:wait())
    go.close()
    done.close()
  end)
end)

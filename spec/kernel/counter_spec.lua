-- Counters are exact, and belong to a rule by its name.

local client = require "spec.support.client"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local uv = require "luv"

sandbox.describe("hits", function(here)
  local function call(count, endpoint)
    for _ = 1, count do
      socket.try("udp", endpoint)
    end
  end

  local function hits(gate)
    local found = {}
    for _, rule in ipairs(gate:rules()) do
      found[rule.name] = rule.hits
    end
    return found
  end

  it("of rules and defaults add up over processes and threads", function()
    local gate = here:enforce [[
      policy { default = { connect = "deny" } }
      deny { "a", connect = "127.0.0.1" }
      allow { "b", connect = "127.0.0.2" }
      deny { "c", connect = "127.0.0.3" }
    ]]
    local children = {}
    for index = 1, 4 do
      children[index] = process.fork(function()
        call(1000, "127.0.0.1:9")
        call(500, "127.0.0.2:9")
        call(250, "127.0.0.4:9")
      end)
    end
    local storm = client.storm("127.0.0.3", "127.0.0.5", 9)
    for _, child in ipairs(children) do
      child:wait()
    end
    local answers = client.finish(storm)
    assert.same({ a = 4000, b = 2000, c = answers["denied: EPERM"] }, hits(gate))
    assert.equal(1000 + answers["rewritten: EPERM"], gate:stats().defaults.connect.hits)
    assert.equal(0, gate:stats().defaults.sendmsg.hits)
  end)

  it("count the rule that decided and no other", function()
    local gate = here:enforce [[
      deny { "first", connect = "127.0.0.1:80" }
      deny { "second", connect = "127.0.0.1" }
      deny { "never", connect = "127.0.0.1:81" }
    ]]
    call(3, "127.0.0.1:80")
    call(5, "127.0.0.1:81")
    call(7, "127.0.0.2:81")
    assert.same({ first = 3, second = 5, never = 0 }, hits(gate))
  end)

  it("of a rule for two operations are one number", function()
    local gate = here:enforce [[deny { "out", egress = "127.0.0.1" }]]
    call(2, "127.0.0.1:80")
    local sender = here:keep(socket.udp "inet")
    for _ = 1, 3 do
      sender:sendto("x", "127.0.0.1:80")
    end
    assert.same({ out = 5 }, hits(gate))
  end)

  it("stay with a rule's name through publishes, and start at 0 with a new one", function()
    local gate = here:enforce [[
      deny { "kept", connect = "127.0.0.1" }
      deny { "gone", connect = "127.0.0.2" }
    ]]
    call(3, "127.0.0.1:80")
    call(4, "127.0.0.2:80")
    gate:rules()[2]:remove()
    gate:deny { "new", connect = "127.0.0.3" }
    assert(gate:commit())
    assert.same({ kept = 3, new = 0 }, hits(gate))
    call(2, "127.0.0.3:80")
    gate:deny { "gone", connect = "127.0.0.2" }
    assert(gate:commit())
    call(1, "127.0.0.1:80")
    assert.same({ kept = 4, new = 2, gone = 0 }, hits(gate))
  end)

  it("stay when rules move, are replaced and are put between others", function() -- E6
    local gate = here:enforce [[
      deny { "a", connect = "127.0.0.1" }
      deny { connect = "127.0.0.2" }
      deny { "c", connect = "127.0.0.0/8" }
    ]]
    call(3, "127.0.0.1:80")
    call(4, "127.0.0.2:80")
    local rules = gate:rules()
    assert(rules[3]:move "first")
    assert(rules[2]:replace { connect = "127.0.0.0/24" })
    assert(gate:add("deny", { "new", connect = "127.0.0.1:80" }, { before = "c" }))
    gate:deny { "late", connect = "127.0.0.2", after = "new" }
    assert(gate:commit())
    call(1, "127.0.0.1:80")
    call(2, "127.0.0.2:80")
    call(5, "127.0.0.3:80")
    assert.same({ new = 1, late = 2, c = 5, a = 3, ["#2"] = 4 }, hits(gate))
    assert(rules[1]:move("before", "new"))
    assert(gate:commit())
    call(1, "127.0.0.1:80")
    assert.same({ a = 4, new = 1, late = 2, c = 5, ["#2"] = 4 }, hits(gate))
  end)

  it("stay when a wider program set takes over", function()
    local gate = here:enforce [[deny { "kept", connect = "127.0.0.1" }]]
    call(3, "127.0.0.1:80")
    gate:deny { "wide", egress = "2001:db8::1", uid = 7, comm = "x", pid = 7, gid = 7,
      proto = "udp", log = true }
    gate:rewrite { "rewritten", connect = "127.0.0.7", to = "127.0.0.8", bind_source = "127.0.0.9" }
    for index = 1, 400 do
      gate:deny { "n" .. index, connect = ("10.0.%d.%d:%d")
        :format(index / 250, index % 250, index) }
    end
    assert(gate:commit())
    call(2, "127.0.0.1:80")
    call(1, "10.0.0.7:7")
    local found = hits(gate)
    assert.same({ 5, 0, 1, 0 }, { found.kept, found.wide, found.n7, found.n8 })
  end)

  it("continue after a gate is detached and attached again", function()
    local gate = here:enforce [[deny { "kept", connect = "127.0.0.1" }]]
    call(3, "127.0.0.1:80")
    assert(gate:detach())
    call(10, "127.0.0.1:80")
    assert(gate:attach(here.cgroup))
    call(2, "127.0.0.1:80")
    assert.same({ kept = 5 }, hits(gate))
  end)
end)

sandbox.describe("the time of a rule's last hit", function(here)
  local function now()
    uv.update_time()
    local seconds, microseconds = uv.gettimeofday()
    return seconds + microseconds / 1e6
  end

  it("is that of its last hit, and stays with its name", function()
    local gate = here:enforce [[
      deny { "hit", connect = "127.0.0.1" }
      deny { "not", connect = "127.0.0.2" }
    ]]
    local before = now()
    socket.try("udp", "127.0.0.1:9")
    local after, hit, missed = now(), unpack(gate:rules())
    assert.is_true(hit.last > before - 0.05 and hit.last < after + 0.05)
    assert.is_nil(missed.last)
    assert.is_nil(gate:stats().rules["not"].last)
    local first = hit.last
    gate:deny { "wide", connect = "2001:db8::1", uid = 7, log = true }
    assert(gate:commit())
    assert.is_true(math.abs(hit.last - first) < 0.01)
    uv.sleep(60)
    socket.try("udp", "127.0.0.1:9")
    assert.is_true(hit.last > first + 0.05)
    hit:remove()
    assert(gate:commit())
    gate:deny { "hit", connect = "127.0.0.1" }
    assert(gate:commit())
    assert.is_nil(gate:stats().rules.hit.last)
  end)

  it("moves with each tick during a storm of hits of several rules", function()
    local gate = here:enforce [[
      deny { "one", connect = "127.0.0.1" }
      deny { "other", connect = "127.0.0.2" }
    ]]
    local start = now()
    local before
    repeat
      for index, rule in ipairs(gate:rules()) do
        before = now()
        socket.try("udp", ("127.0.0.%d:9"):format(index))
        assert.is_true(rule.last > before - 0.05 and rule.last < now() + 0.05)
      end
    until before > start + 0.3
  end)
end)

sandbox.describe("the counters of a hook", function(here)
  it("count the outcomes of its calls, whatever programs are in force", function()
    local gate = here:enforce [[
      deny { connect = "127.0.0.1" }
      rewrite { connect = "127.0.0.2", to = "127.0.0.3" }
      allow { connect = "127.0.0.4", bind_source = "192.0.2.1" }
      allow { connect = "::1" }
    ]]
    local function calls()
      for _, address in ipairs {
        "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.4", "127.0.0.5", "[::1]",
      } do
        socket.try("udp", address .. ":9")
      end
    end
    calls()
    local hooks = gate:stats().hooks
    assert.same({ calls = 5, denied = 2, rewritten = 1, errors = 1, lost = 0, refused_before = 0 },
      hooks.connect4)
    assert.same({ calls = 1, denied = 0, rewritten = 0, errors = 0, lost = 0, refused_before = 0 },
      hooks.connect6)
    assert.equal(1, gate:stats().errors)
    assert.is_nil(hooks.bind4)
    -- A rewritten call shows what it had asked for.
    local rewritten = here:keep(socket.udp "inet")
    assert(rewritten:connect "127.0.0.2:9")
    rewritten:getpeername()
    assert.same({ 1, 1 }, { gate:stats().hooks.getpeername4.calls,
      gate:stats().hooks.getpeername4.rewritten })
    gate:deny { "wide", egress = "2001:db8::1", uid = 7, comm = "x" }
    assert(gate:commit())
    calls()
    assert.same(
      { calls = 11, denied = 4, rewritten = 3, errors = 2, lost = 0, refused_before = 0 },
      gate:stats().hooks.connect4)
    assert.equal(0, gate:stats().hooks.sendmsg6.calls)
  end)

  it("add up over processes", function()
    local gate = here:enforce [[deny { connect = "127.0.0.1", log = false }]]
    local children = {}
    for index = 1, 4 do
      children[index] = process.fork(function() for _ = 1,
        2000 do socket.try("udp", "127.0.0.1:9") end end)
    end
    for _, child in ipairs(children) do
      child:wait()
    end
    local connect4 = gate:stats().hooks.connect4
    assert.same({ 8000, 8000 }, { connect4.calls, connect4.denied })
  end)

  it("are read along with those of 10,000 rules", function()
    local rules = {}
    for index = 1, 10000 do
      rules[index] = ('deny { "r%d", connect = "10.%d.%d.1" }')
        :format(index, index / 250, index % 250)
    end
    local gate = here:enforce(table.concat(rules, "\n"))
    for _ = 1, 3 do
      socket.try("udp", "10.0.77.1:9")
    end
    local stats = gate:stats()
    assert.same({ 3, 0 }, { stats.rules.r77.hits, stats.rules.r10000.hits })
    assert.equal(3, stats.hooks.connect4.denied)
  end)
end)

sandbox.describe("the rate of a rule's events", function(here)
  local function told(gate, calls)
    local count = 0
    for _ = 1, calls do
      socket.try("udp", "127.0.0.1:9")
    end
    for _ in gate:events { timeout = 0 } do
      count = count + 1
    end
    return count
  end

  it("continues when a wider program set takes over", function()
    local gate = here:enforce [[deny { "kept", connect = "127.0.0.1", log = "1/h" }]]
    assert.equal(1, told(gate, 3))
    gate:deny { "wide", connect = "127.0.0.2", uid = 7 }
    assert(gate:commit())
    assert.equal(0, told(gate, 3))
    assert.equal(5, gate:rules()[1].suppressed)
  end)

  it("takes the new value at once, whatever was used up under the one before", function()
    local gate = here:enforce [[deny { "kept", connect = "127.0.0.1", log = "1/h" }]]
    assert.equal(1, told(gate, 3))
    gate:rules()[1]:remove()
    gate:deny { "kept", connect = "127.0.0.1", log = "100/s" }
    assert(gate:commit())
    assert.equal(3, told(gate, 3))
  end)
end)

-- Lua that reacts: timers, lost events, rules that callbacks change.

local env = require "spec.support.env"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local uv = require "luv"

sandbox.describe("a reaction", function(here)
  local gate, errors
  teardown(env.clean)

  local function running(text, options)
    gate, errors = here:gate(text, options), {}
    gate:on("error", function(message) errors[#errors + 1] = message end)
    assert(gate:attach(here.cgroup))
    return gate
  end

  --- Run the loop until a condition holds, as a host does.
  local function turn_until(done)
    local start = uv.hrtime()
    while not done() do
      assert(uv.hrtime() - start < 30e9, "waited in vain")
      uv.sleep(math.ceil(math.min(gate:next_timeout() or 0.01, 0.01) * 1000))
      assert(gate:dispatch())
    end
  end

  it("comes at an interval, or once, in order", function()
    local calls = {}
    running ""
    local often = gate:every("20ms", function() calls[#calls + 1] = "often" end)
    gate:after("50ms", function() calls[#calls + 1] = "once" end)
    assert.is_true(gate:next_timeout() > 0 and gate:next_timeout() <= 0.02)
    assert.equal(0, gate:dispatch())
    assert.same({}, calls)
    uv.sleep(70) -- missed three times, due once
    gate:dispatch()
    assert.same({ "often", "once" }, calls)
    turn_until(function() return #calls == 4 end)
    often:stop()
    often:stop()
    assert.is_nil(gate:next_timeout())
    assert.same({ "often", "once", "often", "often" }, calls)
  end)

  it("is stopped by an earlier one that is due in the same dispatch", function()
    local calls, later = {}, nil
    running ""
    gate:after("1ms", function()
      calls[#calls + 1] = "first"
      later:stop()
    end)
    later = gate:after("2ms", function() calls[#calls + 1] = "second" end)
    uv.sleep(5)
    gate:dispatch()
    assert.same({ "first" }, calls)
  end)

  it("counts its time from when its policy is in force", function()
    gate = here:gate [[
      after("10ms", function() deny { "late", connect = "127.0.0.1:9", errno = "EXDEV" } end)
    ]]
    assert.is_nil(gate:next_timeout())
    assert(gate:attach(here.cgroup))
    assert.is_true(gate:next_timeout() > 0)
    assert.equal("ok", socket.try("udp", "127.0.0.1:9"))
    turn_until(function() return gate:status().generation == 2 end)
    assert.equal("EXDEV", socket.try("udp", "127.0.0.1:9"))
    assert.is_nil(gate:next_timeout())
  end)

  it("changes rules once a dispatch, in one step", function()
    running [[
      local first = deny { "first", connect = "127.0.0.1:9", errno = "EXDEV" }
      on("first", function()
        first:remove()
        deny { "second", connect = "127.0.0.1:9", errno = "ECHILD" }
        on("second", function() deny { "third", connect = "127.0.0.2" } end)
      end)
    ]]
    assert.equal("EXDEV", socket.try("udp", "127.0.0.1:9"))
    assert.equal("EXDEV", socket.try("udp", "127.0.0.1:9"))
    assert.equal(2, gate:dispatch())
    -- The second call found the name in use.
    assert.equal(1, #errors)
    assert.matches('^policy:%d+: deny "second": the name is taken by policy:%d+; choose '
      .. 'another\nstack traceback:\n', errors[1])
    assert.equal(2, gate:status().generation)
    assert.equal("ECHILD", socket.try("udp", "127.0.0.1:9"))
    assert.equal("ok", socket.try("udp", "127.0.0.2:9"))
    gate:dispatch()
    assert.equal("EPERM", socket.try("udp", "127.0.0.2:9"))
    assert.equal(3, gate:status().generation)
    gate:dispatch()
    assert.equal(3, gate:status().generation)
  end)

  it("leaves what a host stages to the host", function()
    running [[on("deny", function() end) deny { "one", connect = "127.0.0.1" }]]
    gate:deny { "two", connect = "127.0.0.2" }
    socket.try("udp", "127.0.0.1:9")
    assert.equal(1, gate:dispatch())
    assert.equal(1, gate:status().generation)
  end)

  it("that fails is reported with its place, and the rest goes on", function()
    running [[
      deny { "x", connect = "127.0.0.1" }
      on("deny", function() deny { "y", conect = "*" } end)
      on("deny", function() return deny { "z", connect = "1.2.3.4.5" } end)
      on("deny", function() on("no such", print) end)
      on("deny", function() every("soon", print) end)
      on("deny", function() set "s" { "nonsense" } end)
      on("deny", function() deny { "good", connect = "127.0.0.3", errno = "EXDEV" } end)
      after("1ms", function() error "late" end)
    ]]
    socket.try("udp", "127.0.0.1:9")
    uv.sleep(5)
    assert.equal(1, gate:dispatch())
    local expected = {
      'policy:2: deny "y": unknown field "conect"; did you mean "connect"?',
      'policy: deny "z": connect: "1.2.3.4.5": ',
      'policy:4: on "no such": no verb and no rule of that name',
      'policy:5: every: wants a time such as ',
      'policy:6: set "s": "nonsense',
      "policy:8: late",
    }
    for index, start in ipairs(expected) do
      assert.equal(start, errors[index]:sub(1, #start))
      -- A traceback names the policy alone (D6), and a tail call leaves no line.
      local trace = errors[index]:match "\nstack traceback:\n(.*)$"
      local line = start:match "^policy:(%d+)"
      assert.equal(line and ("\tpolicy:%s: in function <policy:%s>"):format(line, line), trace)
    end
    assert.equal(#expected, #errors)
    assert.equal("EXDEV", socket.try("udp", "127.0.0.3:9"))
  end)

  it("whose rules cannot be published gets the reason, and the gate goes on", function()
    local list = env.write(env.folder() .. "/list.txt", "192.0.2.1\n")
    running(([[
      deny { "listed", connect = file %q }
      deny { "x", connect = "127.0.0.1" }
      on("x", function(event)
        deny { event.asked, connect = event.asked_addr:gsub("1$", "7"), errno = "EXDEV" }
      end)
    ]]):format(list), { trust = true })
    env.write(list, "192.0.2.1\n192.0.2\n")
    assert.equal("EPERM", socket.try("udp", "127.0.0.1:9"))
    gate:dispatch()
    assert.equal(1, #errors)
    assert.matches("^the changes that handlers made to the rules are not in force: ", errors[1])
    assert.truthy(errors[1]:find('"192.0.2": an IPv4 address has four numbers, this one has 3', 1,
      true), errors[1])
    assert.equal("EPERM", socket.try("udp", "127.0.0.1:10"))
    env.write(list, "192.0.2.1\n\n")
    gate:dispatch()
    assert.equal(1, #errors)
    assert.equal("EXDEV", socket.try("udp", "127.0.0.7:9"))
  end)

  it("that is slow loses events, which are counted, and keeps no call waiting", function()
    local lost, seen = 0, 0
    running [[deny { "x", connect = "127.0.0.1", log = true }]]
    gate:on("lost", function(count) lost = lost + count end)
    gate:on("x", function()
      seen = seen + 1
      if seen == 1 then
        local start = uv.hrtime()
        for _ = 1, 5000 do
          assert(socket.try("udp", "127.0.0.1:9") == "EPERM")
        end
        assert(uv.hrtime() - start < 20e9)
      end
    end)
    socket.try("udp", "127.0.0.1:9")
    gate:dispatch()
    gate:dispatch()
    assert.is_true(lost > 0)
    assert.equal(5001, lost + seen)
    assert.equal(lost, gate:stats().lost)
    assert.same({}, errors)
  end)

  it("bans a destination: examples/07-ban.lua", function()
    local code = 0
    local text = env.read "examples/07-ban.lua"
    for line in text:gmatch "[^\n]+" do
      code = code + (line:match "^%-%-" and 0 or 1)
    end
    assert.is_true(code < 15)
    running(text)
    for _ = 1, 4 do
      assert.equal("EPERM", socket.try("tcp", "127.0.0.8:22"))
    end
    gate:dispatch()
    assert.equal("ECONNREFUSED", socket.try("tcp", "127.0.0.8:443"))
    assert.equal("EPERM", socket.try("tcp", "127.0.0.8:22"))
    assert.equal("EPERM", socket.try("tcp", "127.0.0.9:22"))
    gate:dispatch()
    assert.equal("EHOSTUNREACH", socket.try("tcp", "127.0.0.8:443"))
    assert.equal("EHOSTUNREACH", socket.try("tcp", "127.0.0.8:22"))
    assert.equal("ECONNREFUSED", socket.try("tcp", "127.0.0.9:443"))
    local left = {}
    for item, seconds in gate:set "banned":each() do
      left[#left + 1] = item
      assert.is_true(seconds > 590 and seconds < 601)
    end
    assert.same({ "127.0.0.8" }, left)
    assert.same({}, errors)
  end)
end)

-- over and per: a rule that matches only what exceeds a rate.

local client = require "spec.support.client"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"
local uv = require "luv"

sandbox.describe("a rate", function(here)
  --- How many of `count` connects are let through.
  local function passed(count, address)
    local through = 0
    for _ = 1, count do
      through = through + (socket.try("udp", (address or "127.0.0.1") .. ":9") == "ok" and 1 or 0)
    end
    return through
  end

  it("lets a burst through, then what the rate allows", function()
    local gate = here:enforce [[deny { "flood", connect = "127.0.0.1", over = "10/h burst 7" }]]
    assert.equal(7, passed(20))
    assert.equal(13, gate:rules()[1].hits)
    assert.equal(5, passed(5, "127.0.0.2"))
  end)

  it("fills again as time goes by", function()
    here:enforce [[deny { connect = "127.0.0.1", over = "20/s burst 2" }]]
    assert.equal(2, passed(10))
    uv.sleep(300)
    assert.equal(2, passed(10))
  end)

  -- 64 terms and more are matched in another way than few.
  for _, rules in ipairs { 0, 100, 1000 } do
    it(("takes a token only where the rule would decide, among %d others"):format(rules), function()
      local lines = {
        [[observe { connect = "127.0.0.0/8", log = "1/1000" }]],
        [[allow { "before", connect = "127.0.0.1:9", proto = "tcp" }]],
        [[deny { "two ways", connect = { "127.0.0.0/8:1-20", "127.0.0.1:9" }, errno = "EXDEV",
            over = "10/h burst 5" }]],
        [[deny { "second", connect = "127.0.0.0/8:9", over = "10/h burst 8", errno = "ECHILD" }]],
      }
      for number = 1, rules do
        lines[#lines + 1] = ([[deny { connect = "127.0.0.%d-127.0.0.255:%d" }]])
          :format(number % 250 + 1, 1000 + number)
      end
      local gate = here:enforce(table.concat(lines, "\n"))
      for _ = 1, 10 do
        assert.equal("ECONNREFUSED", socket.try("tcp", "127.0.0.1:9"))
      end
      local answers = {}
      for index = 1, 8 do
        answers[index] = socket.try("udp", "127.0.0.1:9")
      end
      assert.same({ "ok", "ok", "ok", "ok", "ok", "EXDEV", "EXDEV", "EXDEV" }, answers)
      assert.same({ 18, 10, 3, 0 }, { gate:rules()[1].hits, gate:rules()[2].hits,
        gate:rules()[3].hits, gate:rules()[4].hits })
    end)
  end

  it("can be that of a shadow and of an observer", function()
    local gate = here:enforce [[
      deny { "would", connect = "127.0.0.1", over = "10/h burst 4", shadow = true, log = false }
      observe { "tell", connect = "127.0.0.1", over = "10/h burst 6" }
    ]]
    assert.equal(10, passed(10))
    assert.same({ 6, 4 }, { gate:rules()[1].hits, gate:rules()[2].hits })
  end)

  it("counts users, processes, cgroups and namespaces apart", function()
    for per, same in pairs { uid = true, pid = false, cgroup = true, netns = true } do
      local gate = here:enforce(([[deny { connect = "127.0.0.1", over = "10/h burst 3", per = %q ]]
        .. [[}]]):format(per))
      assert.equal(3, passed(5))
      assert.equal(same and "0" or "3", process.run(function() return tostring(passed(5)) end))
      gate:close()
    end
  end)

  -- 64 terms and more are matched in another way than few.
  for _, rules in ipairs { 0, 100 } do
    it(("counts addresses and network namespaces apart, among %d others"):format(rules), function()
      local text = [[
        deny { "each", egress = { "127.0.0.0/8", "::1" }, over = "10/h burst 3", per = "address" }
        deny { "all", egress = { "127.0.0.0/8", "::1" }, over = "10/h burst 10", per = "netns" }
      ]]
      for number = 1, rules do
        text = text .. ([[deny { connect = "10.0.0.1:%d", log = false } ]]):format(number)
      end
      local gate = here:enforce(text)
      for _, address in ipairs { "127.0.0.1", "127.0.0.2", "[::1]" } do
        assert.equal(3, passed(5, address))
      end
      assert.equal(1, passed(5, "127.0.0.3"))
      assert.same({ 8, 2 }, { gate:rules()[1].hits, gate:rules()[2].hits })
      local home = netns.enter()
      assert.equal(3, passed(3, "127.0.0.4"))
      netns.leave(home)
      assert.equal(0, passed(3, "127.0.0.4"))
    end)
  end

  it("continues through a publish, and with a wider program set", function()
    local gate = here:enforce [[deny { "flood", connect = "127.0.0.1", over = "10/h burst 5" }]]
    assert.equal(3, passed(3))
    gate:deny { "wide", egress = "2001:db8::1", uid = 7, log = true }
    assert(gate:commit())
    assert.equal(2, passed(5))
  end)

  --- Connect from two threads as fast as possible: how many are let through and refused, and in
  --- what time.
  local function flood(ms)
    local through, refused, ns = client.run("flood", "127.0.0.1", "9",
      tostring(ms)):match "(%d+) (%d+) (%d+)"
    return tonumber(through), tonumber(refused), ns / 1e9
  end

  --- How much of a flood a rate let through, and how much it should have.
  local function limited(rate, burst, ms)
    local gate = here:enforce(([[deny { connect = "127.0.0.1", over = "%d/s burst %d", log = ]]
      .. [[false }]])
      :format(rate, burst))
    local through, refused, seconds = flood(ms)
    gate:close()
    assert(refused > 0)
    print(("    %d/s: %d passed, %d refused in %.1f s"):format(rate, through, refused, seconds))
    return through, rate * seconds + burst
  end

  for most, ms in pairs { [10] = 3000, [1000] = 1500, [100000] = 1500 } do
    it(("is exact over two processors at %d/s"):format(most), function()
      -- An emulated processor may make no more calls than that, and a busy one makes now more, now
      -- fewer.
      local calls, _, seconds = flood(300)
      local rate = math.min(most, math.floor(calls / seconds / 8))
      local through, exact
      -- Fewer are let through only if fewer are asked for, because this machine was busy: try once
      -- more then.
      for _ = 1, 5 do
        through, exact = limited(rate, math.max(5, math.floor(rate / 2)), ms)
        assert.is_true(through <= exact * 1.05 + 1)
        if through >= exact * 0.95 - 1 then
          return
        end
      end
      error(("%d passed, %d should have"):format(through, exact))
    end)
  end

  it("forgets the nearest bucket if there are too many, and counts it", function()
    local gate = here:enforce [[
      deny { egress = "10.0.0.0/8", over = "1/h", per = "address", log = false }
    ]]
    local sender = here:keep(socket.udp "inet")
    local function send(number)
      local high, low = math.floor(number / 65536), number % 65536
      return sender:sendto("x", ("10.%d.%d.%d:9"):format(high, math.floor(low / 256), low % 256))
    end
    for number = 1, 70000 do
      send(number)
    end
    assert.is_true(gate:stats().rates_evicted > 4000)
    assert.is_true(gate:stats().rates_evicted < 40000)
    -- The users that came last are still known; of those that came first some are not, and may send
    -- again.
    local known, forgotten = 0, 0
    for number = 1, 1000 do
      known = known + (select(2, send(70001 - number)) == "EPERM" and 1 or 0)
    end
    for number = 1, 1000 do
      forgotten = forgotten + (select(2, send(number)) ~= "EPERM" and 1 or 0)
    end
    assert(known > 950, known .. " of 1000 are known")
    assert(forgotten > 10, forgotten .. " of 1000 are forgotten")
  end)

  it("is reported by explain, and ignored by the simulator", function()
    local gate = assert(tidegate.load_text [[
      deny { "flood", connect = "127.0.0.1", over = "100/s burst 200" }
      deny { "rest", connect = "127.0.0.1" }
    ]])
    local explained = gate:explain { connect = "127.0.0.1:9" }
    assert.equal("only over 100/s burst 200", tostring(explained):match '"flood"%s+([^\n]*)')
    assert.equal("rest", explained.decision.rule)
  end)

  for rule, message in pairs {
    ['over = "fast"'] = 'over: "fast": write a rate such as "100/s", "10/m" or "100/s burst 200"',
    ['over = "0/s"'] = 'over: "0/s": every call exceeds that: leave it out',
    ['over = "2000000/s"'] = 'over: "2000000/s": the limit is 1000000/s',
    ['over = "1/s burst 0"'] = 'over: "1/s burst 0": a burst is at least one call',
    ['over = "1/s burst"'] = 'over: "1/s burst": write a rate such as "100/s", "10/m" or "100/s '
      .. 'burst 200"',
    ['per = "uid"'] = "per: says whose calls over counts together: add over",
    ['over = "1/s", per = "user"'] = 'per: wants "uid", "cgroup", "pid", "netns" or "address"; got '
      .. '"user"; write "uid"',
  } do
    it("is refused: " .. rule, function()
      local _, text = tidegate.load_text(('deny { "x", connect = "*", %s }'):format(rule))
      assert.equal('policy:1: deny "x": ' .. message, text)
    end)
  end
end)

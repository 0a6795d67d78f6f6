-- A balanced call arrives at one of its backends, and the program sees only the address it asked
-- for.

local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("balance", function(here)
  -- The address that is asked for, and where the backends are.
  local families = {
    { name = "v4", asked = "10.96.0.10:80", at = "127.0.0.1:0", to = "127.0.0.1:%d",
      shown = "127.0.0.1:%d" },
    { name = "v6", asked = "[2001:db8::10]:80", at = "[::1]:0", to = "[::1]:%d",
      shown = "[::1]:%d" },
    { name = "v6, mapped", asked = "[::ffff:10.96.0.10]:80", at = "127.0.0.1:0",
      to = "127.0.0.1:%d",
      shown = "[::ffff:127.0.0.1]:%d" },
  }

  local function family_of(text)
    return text:sub(1, 1) == "[" and "inet6" or "inet"
  end

  --- Servers, and a list of them as a policy writes it.
  local function backends(kind, family, count)
    local servers, texts = {}, {}
    for index = 1, count do
      servers[index] = here:keep(socket.serve(kind, family.at))
      texts[index] = ("%q"):format(family.to:format(servers[index]:port()))
    end
    return servers, "{ " .. table.concat(texts, ", ") .. " }"
  end

  local function picks(rule)
    local counts, sum = {}, 0
    for index, backend in ipairs(rule.backends) do
      counts[index], sum = backend.picked, sum + backend.picked
    end
    return counts, sum
  end

  for _, kind in ipairs { "tcp", "udp", "mptcp" } do
    for _, family in ipairs(families) do
      it("spreads connects, and shows the asked address: " .. kind .. " " .. family.name, function()
        local servers, list = backends(kind, family, 3)
        local gate = here:enforce(("balance { \"api\", connect = %q, to = %s }"):format(
          family.asked, list))
        for _ = 1, 60 do
          local client = here:keep(socket.kinds[kind](family_of(family.asked)))
          assert.same({ true }, { client:connect(family.asked) })
          assert.equal(family.asked, client:getpeername())
          assert(client:send "hello")
        end
        local counts, sum = picks(gate:rules()[1])
        assert.equal(60, sum)
        for index, server in ipairs(servers) do
          assert.is_true(counts[index] > 3, "a backend is hardly ever chosen")
          for _ = 1, counts[index] do
            local peer = kind == "udp" and server or here:keep((server:accept()))
            assert.equal("hello", (peer:receive()))
          end
        end
      end)
    end
  end

  for _, family in ipairs(families) do
    it("shows where the call went, with reveal: " .. family.name, function()
      local servers, list = backends("tcp", family, 1)
      here:enforce(("balance { connect = %q, to = %s, reveal = true }"):format(family.asked, list))
      local client = here:keep(socket.tcp(family_of(family.asked)))
      assert.same({ true }, { client:connect(family.asked) })
      assert.equal(family.shown:format(servers[1]:port()), client:getpeername())
    end)

    it("keeps an unconnected socket with its backend, and renames it: " .. family.name, function()
      local servers, list = backends("udp", family, 4)
      here:enforce(("balance { \"dns\", egress = %q, to = %s }"):format(family.asked, list))
      local seen = {}
      for _ = 1, 24 do
        local client = here:keep(socket.udp(family_of(family.asked)))
        local home
        for _ = 1, 3 do
          assert(client:sendto("ask", family.asked))
          for index, server in ipairs(servers) do
            if not server:is_empty() then
              assert.is_true(home == nil or home == index, "it went to another backend")
              home = index
              local text, from = server:receive()
              assert.equal("ask", text)
              assert(server:sendto("answer", from))
            end
          end
          local text, from = client:receive()
          assert.equal("answer", text)
          assert.equal(family.asked, from)
        end
        seen[home] = true
      end
      assert.is_true(#servers - 1 <= (seen[1] and 1 or 0) + (seen[2] and 1 or 0) + (seen[3] and 1
        or 0)
        + (seen[4] and 1 or 0))
    end)
  end

  it("keeps the port if a backend has none, and binds the source", function()
    netns.own_all_addresses()
    local server = here:keep(socket.serve("tcp", "127.0.0.5:0"))
    local asked = ("10.96.0.10:%d"):format(server:port())
    here:enforce [[balance { connect = "10.96.0.10", to = "127.0.0.5", bind_source = "127.0.0.9" }]]
    local client = here:keep(socket.tcp "inet")
    assert.same({ true }, { client:connect(asked) })
    local _, peer = server:accept()
    assert.truthy(peer:find("127.0.0.9:", 1, true))
    assert.equal(asked, client:getpeername())
  end)

  it("chooses by a hash of what the rule names", function()
    local _, list = backends("tcp", families[1], 8)
    local gate = here:enforce(([[
      balance { "uid", connect = "10.96.0.10:80", to = %s, by = "hash", key = "uid" }
      balance { "socket", connect = "10.96.0.11:80", to = %s, by = "hash" }
      balance { "destination", connect = "10.97.0.0/16:80", to = %s, by = "hash",
        key = "destination" }
    ]]):format(list, list, list))
    local function used(name, addresses)
      for _, address in ipairs(addresses) do
        assert.equal("ok", socket.try("tcp", address))
      end
      local count = 0
      for _, rule in ipairs(gate:rules()) do
        for _, backend in ipairs(rule.name == name and rule.backends or {}) do
          count = count + (backend.picked > 0 and 1 or 0)
        end
      end
      return count
    end
    local same, others = {}, {}
    for index = 1, 24 do
      same[index], others[index] = "10.96.0.10:80", ("10.97.0.%d:80"):format(index)
    end
    assert.equal(1, used("uid", same))
    for index in ipairs(same) do same[index] = "10.96.0.11:80" end
    assert.is_true(used("socket", same) > 4)
    assert.is_true(used("destination", others) > 4)
  end)

  it("goes where decide() says, if a query has the key", function()
    local _, list = backends("tcp", families[1], 8)
    local gate = here:enforce(([[
      balance { connect = "10.97.0.0/16:80", to = %s, by = "hash", key = "destination",
        reveal = true }
      balance { connect = "10.98.0.1:80", to = %s, by = "hash", key = "uid", reveal = true }
      balance { connect = "10.98.0.2:80", to = %s, by = "hash", key = "pid", reveal = true }
    ]]):format(list, list,
      list:gsub('"(127[^"]*)"', '{ %1, weight = 5 }', 3):gsub("{ (127[^,]*),", '{ "%1",')))
    local pid = tonumber(io.open("/proc/self/stat"):read "*a":match "^%d+")
    local asked = { "10.98.0.1:80", "10.98.0.2:80" }
    for index = 1, 20 do
      asked[#asked + 1] = ("10.97.1.%d:80"):format(index)
    end
    for _, address in ipairs(asked) do
      local client = here:keep(socket.tcp "inet")
      assert.same({ true }, { client:connect(address) })
      local decision = assert(gate:decide { connect = address, proto = "tcp", uid = 0,
        pid = pid })
      assert.equal(decision.final, client:getpeername())
      assert.equal("balance", decision.verb)
    end
  end)

  it("reports a choice in an event", function()
    local servers, list = backends("tcp", families[1], 1)
    local gate = here:enforce(([[balance { "api", connect = "10.96.0.10:80", to = %s, log = true ]]
      .. [[}]]):format(list))
    assert.equal("ok", socket.try("tcp", "10.96.0.10:80"))
    local events = {}
    for event in gate:events { timeout = 0 } do
      events[#events + 1] = tostring(event):match "^(.*)  [^ ]+%["
    end
    assert.same({ ("balance api  connect 10.96.0.10:80 -> 127.0.0.1:%d")
      :format(servers[1]:port()) }, events)
  end)

  it("reports in stats how often each backend was picked, and its share", function()
    local servers, list = backends("tcp", families[1], 2)
    local addresses = {}
    for index, server in ipairs(servers) do
      addresses[index] = ("127.0.0.1:%d"):format(server:port())
    end
    local gate = here:enforce(([[
      deny { "before", connect = "192.0.2.1" }
      balance { "even", connect = "10.96.0.10:80", to = %s }
      balance { "uneven", connect = "10.96.0.11:80",
        to = { { "127.0.0.1:9", weight = 3 }, "127.0.0.2" } }
    ]]):format(list))
    for _ = 1, 20 do
      assert.equal("ok", socket.try("tcp", "10.96.0.10:80"))
    end
    local rules, counts = gate:stats().rules, picks(gate:rules()[2])
    assert.same({
      { address = addresses[1], weight = 1, state = "up", picked = counts[1], share = 0.5 },
      { address = addresses[2], weight = 1, state = "up", picked = counts[2], share = 0.5 },
    }, rules.even.backends)
    assert.equal(20, counts[1] + counts[2])
    assert.equal(20, rules.even.hits)
    assert.same({
      { address = "127.0.0.1:9", weight = 3, state = "up", picked = 0, share = 0.75 },
      { address = "127.0.0.2", weight = 1, state = "up", picked = 0, share = 0.25 },
    }, rules.uneven.backends)
    assert.is_nil(rules.before.backends)
    -- A gate that is not in force yet has its backends, too, and those of the running gate keep
    -- their own counts.
    gate:rules()[1]:remove()
    gate:balance { "staged", connect = "10.96.0.12:80", to = "127.0.0.1:9" }
    assert.same({ { address = "127.0.0.1:9", weight = 1, state = "up", picked = 0, share = 1 } },
      gate:stats().rules.staged.backends)
    assert(gate:commit())
    assert.same(counts, { gate:stats().rules.even.backends[1].picked,
      gate:stats().rules.even.backends[2].picked })
  end)

  it("keeps counting by rule and address when a policy is published again", function()
    local servers, list = backends("tcp", families[1], 2)
    local gate = here:enforce(([[
      local api = balance { "api", connect = "10.96.0.10:80", to = %s } ]]):format(list))
    for _ = 1, 20 do
      assert.equal("ok", socket.try("tcp", "10.96.0.10:80"))
    end
    local before = picks(gate:rules()[1])
    gate:rules()[1]:remove()
    gate:balance { "first", connect = "10.96.0.11:80",
      to = ("127.0.0.1:%d"):format(servers[1]:port()) }
    gate:balance { "api", connect = "10.96.0.10:80", to = {
      ("127.0.0.1:%d"):format(servers[2]:port()), "127.0.0.9:1",
      ("127.0.0.1:%d"):format(servers[1]:port()) } }
    assert(gate:commit())
    assert.same({ 0 }, (picks(gate:rules()[1])))
    assert.same({ before[2], 0, before[1] }, (picks(gate:rules()[2])))
    -- A new rule for the same address has its own list; a rule that does not balance has none.
    for _ = 1, 3 do
      for _, rule in ipairs(gate:rules()) do
        rule:remove()
      end
      assert(gate:commit())
      assert.equal("ENETUNREACH", socket.try("tcp", "10.96.0.10:80"))
    end
    gate:balance { "api", connect = "10.96.0.10:80",
      to = ("127.0.0.1:%d"):format(servers[1]:port()) }
    assert(gate:commit())
    assert.same({ 0 }, (picks(gate:rules()[1])))
    assert.equal("ok", socket.try("tcp", "10.96.0.10:80"))
    assert.same({ 1 }, (picks(gate:rules()[1])))
  end)
end)

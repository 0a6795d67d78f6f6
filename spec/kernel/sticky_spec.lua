-- Sticky: a client stays with the backend that it has, however the list changes.

local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("sticky balance", function(here)
  --- Clients are distinguished by what they ask for: each of these addresses is one client.
  local function client(number)
    return ("10.%d.%d.%d:80"):format(128 + math.floor(number / 65536),
      math.floor(number / 256) % 256, number % 256)
  end

  local CLIENTS = 60

  -- A connect of UDP needs no server.
  local function reached(asked)
    return socket.reached("udp", asked)
  end

  local function all_lead()
    local homes = {}
    for number = 1, CLIENTS do
      homes[number] = reached(client(number))
    end
    return homes
  end

  local function moved(before, after)
    local count, gone = 0, {}
    for number, home in ipairs(before) do
      if after[number] ~= home then
        count, gone[home] = count + 1, true
      end
    end
    return count, gone
  end

  local function count_of(homes, address)
    local count = 0
    for _, home in ipairs(homes) do
      count = count + (home == address and 1 or 0)
    end
    return count
  end

  local backends = { "127.0.0.1:1001", "127.0.0.1:1002", "127.0.0.1:1003", "127.0.0.1:1004" }
  local rule = { "api", connect = "10.128.0.0/9:80", to = backends, sticky = "1h",
    key = "destination", reveal = true }

  local function but(changes)
    local changed = {}
    for key, value in pairs(rule) do
      changed[key] = value
    end
    for key, value in pairs(changes) do
      changed[key] = value
    end
    return changed
  end

  local function enforce(spec)
    local gate = here:enforce ""
    gate:balance(spec)
    assert(gate:commit())
    return gate
  end

  local function replace(gate, spec)
    gate:rules()[1]:remove()
    gate:balance(spec)
    assert(gate:commit())
  end

  for _, by in ipairs { "random", "hash" } do
    it("keeps each client where it is, and spreads them: by " .. by, function()
      enforce(but { by = by })
      local homes = all_lead()
      for _ = 1, 5 do
        assert.same(homes, all_lead())
      end
      for _, address in ipairs(backends) do
        assert.is_true(count_of(homes, address) > 2, address .. " has hardly any clients")
      end
    end)

    it("moves no client when backends come, and only theirs when they go: by " .. by, function()
      local gate = enforce(but { by = by })
      local homes = all_lead()
      replace(gate, but { by = by, to = { "127.0.0.1:1009", backends[4], backends[1], backends[2],
        backends[3] } })
      assert.same(homes, all_lead())
      replace(gate, but { by = by, to = { "127.0.0.1:1009", backends[1], backends[2],
        backends[3] } })
      local after = all_lead()
      local count, gone = moved(homes, after)
      assert.same({ [backends[4]] = true }, gone)
      assert.equal(count_of(homes, backends[4]), count)
      -- The backend is back: clients that have left stay away.
      replace(gate, but { by = by, to = backends })
      local third = all_lead()
      for number, home in ipairs(after) do
        assert.is_true(third[number] == home or home == "127.0.0.1:1009")
      end
    end)
  end

  it("applies weights to new clients, and to no others", function()
    local gate = enforce(but { to = { { backends[1], weight = 50 }, backends[2] } })
    local homes = all_lead()
    assert.is_true(count_of(homes, backends[1]) > count_of(homes, backends[2]))
    replace(gate, but { to = { backends[1], { backends[2], weight = 65535 } } })
    assert.same(homes, all_lead())
    assert.equal(backends[2], reached(client(1000)))
  end)

  it("chooses again when a client's time is over, which every call renews", function()
    enforce(but { sticky = "1500ms" })
    local home = reached(client(1))
    for _ = 1, 6 do
      os.execute "sleep 0.3"
      assert.equal(home, reached(client(1)))
    end
    local homes = all_lead()
    os.execute "sleep 1.6"
    assert.is_true(moved(homes, all_lead()) > 10)
  end)

  it("belongs to a rule: another rule with the same clients chooses by itself", function()
    local gate = enforce(rule)
    local homes = all_lead()
    gate:rules()[1]:remove()
    gate:balance(but { "other" })
    assert(gate:commit())
    assert.is_true(moved(homes, all_lead()) > 10)
  end)

  it("distinguishes clients by its key", function()
    local list = ("{ %q, %q, %q, %q }"):format(unpack(backends))
    here:enforce(([[
      balance { "uid", connect = "10.128.0.0/16:80", to = %s, sticky = "1h", key = "uid",
        reveal = true }
      balance { "socket", egress = "10.129.0.0/16:80", to = %s, sticky = "1h", key = "socket",
        reveal = true }
    ]]):format(list, list))
    local homes, seen, number = all_lead(), {}, 0
    assert.equal(CLIENTS, count_of(homes, homes[1]))
    for index = 1, 24 do
      local udp = here:keep(socket.udp "inet")
      assert(udp:connect(client(65536 + index)))
      local home = udp:getpeername()
      for _ = 1, 3 do
        assert(udp:connect(client(65536 + index)))
        assert.equal(home, udp:getpeername())
      end
      number, seen[home] = number + (seen[home] and 0 or 1), true
    end
    assert.equal(4, number)
  end)

  it("forgets clients if there are too many, and counts that", function()
    local gate = enforce(rule)
    local udp = here:keep(socket.udp "inet")
    for number = 1, 60000 do
      assert(udp:connect(client(number)))
    end
    local few = gate:stats().clients_evicted
    for number = 60001, 120000 do
      assert(udp:connect(client(number)))
    end
    local forgotten = gate:stats().clients_evicted
    assert.is_true(few < 20000)
    assert.is_true(forgotten > 54000 and forgotten < 80000)
    assert.equal(120000, gate:rules()[1].hits)
  end)

  it("continues when a publish needs wider programs", function()
    local gate = enforce(rule)
    local homes = all_lead()
    gate:deny { "others", egress = "10.1.0.0/16", uid = 12345, over = "1/s" }
    assert(gate:commit())
    assert.same(homes, all_lead())
  end)

  it("says beforehand only that there is a choice", function()
    local gate = enforce(but { by = "hash" })
    assert.is_true(gate:decide { connect = "10.128.0.1:80", proto = "udp" }.by_chance)
  end)

  describe("of live services", function()
    local vips = {}
    for number = 1, CLIENTS do
      vips[number] = client(number) .. "/udp"
    end

    local function services()
      local gate = here:enforce [[
        balance { connect = services "svc" {}, sticky = "1h", key = "uid", reveal = true }]]
      return gate:services "svc"
    end

    local function give(svc, list)
      for _, vip in ipairs(vips) do
        svc[vip] = list
      end
    end

    it("stays with a backend that drains, and leaves one that is down", function()
      local svc = services()
      give(svc, { backends[1], backends[2] })
      local homes = all_lead()
      assert.is_true(count_of(homes, backends[1]) > 10 and count_of(homes, backends[2]) > 10)
      give(svc, { { backends[1], state = "draining" }, backends[2], backends[3] })
      assert.same(homes, all_lead())
      -- No new client is sent there.
      svc["10.200.0.1:80/udp"] = { { backends[1], state = "draining" }, backends[2] }
      assert.equal(backends[2], reached "10.200.0.1:80")
      give(svc, { { backends[1], state = "down" }, backends[2], backends[3] })
      local after = all_lead()
      assert.equal(0, count_of(after, backends[1]))
      local _, gone = moved(homes, after)
      assert.same({ [backends[1]] = true }, gone)
      give(svc, { { backends[2], state = "draining" }, { backends[3], state = "draining" } })
      assert.same(after, all_lead())
      svc["10.200.0.2:80/udp"] = { { backends[2], state = "draining" } }
      assert.equal("EHOSTUNREACH", reached "10.200.0.2:80")
      give(svc, {})
      assert.equal("EHOSTUNREACH", reached(client(1)))
    end)

    -- G8
    it("is one of all ports of a service that has no port", function()
      local svc = services()
      local some = { "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4" }
      local function ports_of(number)
        local homes = {}
        for _, port in ipairs { 80, 443, 8080 } do
          local asked = client(number):gsub(":80$", ":" .. port)
          local home, reached_port = reached(asked):match "^(.*):(%d+)$"
          assert.equal(port, tonumber(reached_port))
          homes[home], homes[1] = true, home
        end
        local home = table.remove(homes, 1)
        assert.same({ [home] = true }, homes)
        return home
      end
      for _, suffix in ipairs { "", ":*/udp" } do
        local homes, seen = {}, {}
        for number = 1, CLIENTS do
          svc[client(number):gsub(":80$", suffix)] = some
          homes[number] = ports_of(number)
          seen[homes[number]] = true
        end
        assert.same({ ["127.0.0.1"] = true, ["127.0.0.2"] = true, ["127.0.0.3"] = true,
          ["127.0.0.4"] = true }, seen)
        -- They stay when backends come, and also while theirs drains.
        for number = 1, CLIENTS do
          svc[client(number):gsub(":80$", suffix)] = { "127.0.0.5", "127.0.0.6",
            { "127.0.0.1", state = "draining" }, { "127.0.0.2", state = "draining" },
            { "127.0.0.3", state = "draining" }, { "127.0.0.4", state = "draining" } }
          assert.equal(homes[number], ports_of(number))
        end
        -- A service with a port has its own clients.
        svc[client(1) .. "/udp"] = "127.0.0.7"
        assert.equal("127.0.0.7:80", reached(client(1)))
        svc[client(1) .. "/udp"] = nil
        assert.equal(homes[1] .. ":80", reached(client(1)))
      end
    end)

    it("belongs to a service: those of the same backends choose by themselves", function()
      local svc = services()
      give(svc, backends)
      local homes = all_lead()
      for _, address in ipairs(backends) do
        assert.is_true(count_of(homes, address) > 2)
      end
    end)
  end)
end)

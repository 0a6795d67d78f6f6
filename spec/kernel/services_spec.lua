-- Live services: their backends are where the next call goes.

local ffi = require "ffi"
local live_services = require "spec.support.live_services"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("live services", function(here)
  it("contain what the policy says at first, by protocol", function()
    local _, tcp = here:serve("tcp", "127.0.0.1:0")
    local _, udp = here:serve("udp", "127.0.0.2:0")
    local _, six = here:serve("tcp", "[::1]:0")
    local svc = live_services.enforce(here, ([[{
      ["10.96.0.10:80/tcp"] = %q, ["10.96.0.10:80/udp"] = { %q },
      ["[2001:db8::10]:80/tcp"] = { { %q, weight = 3 } } }]]):format(tcp, udp, six))
    assert.equal(tcp, socket.reached("tcp", "10.96.0.10:80"))
    assert.equal(tcp, socket.reached("mptcp", "10.96.0.10:80"))
    assert.equal(udp, socket.reached("udp", "10.96.0.10:80"))
    assert.equal(six, socket.reached("tcp", "[2001:db8::10]:80"))
    assert.equal("[::ffff:" .. tcp:gsub(":", "]:"), socket.reached("tcp", "[::ffff:10.96.0.10]:80"))
    assert.equal("ENETUNREACH", socket.reached("tcp", "10.96.0.10:81"))
    assert.equal("ENETUNREACH", socket.reached("tcp", "10.96.0.11:80"))
    assert.equal("ENETUNREACH", socket.reached("udp", "[2001:db8::10]:80"))
    assert.equal(3, #svc)
    assert.same({ { address = tcp, weight = 1, state = "up", picked = 3, share = 1 } },
      live_services.plain(svc["10.96.0.10:80/tcp"]))
  end)

  -- G8
  it("stand for any port, of one protocol or of any; the VIP that says most wins", function()
    local svc, gate = live_services.enforce(here)
    local function lead(...)
      assert.same({ ... }, {
        socket.reached("udp", "10.96.0.10:53"), socket.reached("udp", "10.96.0.10:54"),
        socket.reached("udp", "[::ffff:10.96.0.10]:54"), socket.reached("udp", "[fd00::10]:53"),
        socket.reached("udp", "[fd00::10]:54"), socket.reached("udp", "10.96.0.11:53") })
    end
    local none = "ENETUNREACH"
    lead(none, none, none, none, none, none)
    svc["10.96.0.10"], svc["fd00::10"] = "127.0.0.1", { "::1" }
    lead("127.0.0.1:53", "127.0.0.1:54", "[::ffff:127.0.0.1]:54", "[::1]:53", "[::1]:54", none)
    svc["10.96.0.10:*/tcp"], svc["[fd00::10]:*/tcp"] = "127.0.0.9", "::1"
    lead("127.0.0.1:53", "127.0.0.1:54", "[::ffff:127.0.0.1]:54", "[::1]:53", "[::1]:54", none)
    svc["10.96.0.10:*/udp"], svc["[fd00::10]:*/udp"] = "127.0.0.2", "[::1]:5"
    lead("127.0.0.2:53", "127.0.0.2:54", "[::ffff:127.0.0.2]:54", "[::1]:5", "[::1]:5", none)
    svc["10.96.0.10:53/udp"], svc["[fd00::10]:54/udp"] = "127.0.0.3:99", {}
    lead("127.0.0.3:99", "127.0.0.2:54", "[::ffff:127.0.0.2]:54", "[::1]:5", "EHOSTUNREACH", none)
    local seen = {}
    for vip, backends in svc:each() do
      seen[vip] = backends[1] and backends[1].address or "none"
    end
    assert.same({
      ["10.96.0.10"] = "127.0.0.1", ["10.96.0.10:*/tcp"] = "127.0.0.9",
      ["10.96.0.10:*/udp"] = "127.0.0.2", ["10.96.0.10:53/udp"] = "127.0.0.3:99",
      ["fd00::10"] = "::1", ["[fd00::10]:*/tcp"] = "::1", ["[fd00::10]:*/udp"] = "[::1]:5",
      ["[fd00::10]:54/udp"] = "none",
    }, seen)
    assert.equal("127.0.0.9:53",
      assert(gate:decide { connect = "10.96.0.10:53", proto = "tcp" }).final)
    -- They are gone one by one, and what says less stands for them again.
    svc["10.96.0.10:*/udp"], svc["[fd00::10]:*/udp"] = nil, nil
    lead("127.0.0.3:99", "127.0.0.1:54", "[::ffff:127.0.0.1]:54", "[::1]:53", "EHOSTUNREACH", none)
    assert.is_true(svc:put_backend("10.96.0.10", { "127.0.0.4" }))
    assert.is_true(svc:remove_backend("10.96.0.10", "127.0.0.1"))
    svc["10.96.0.10:53/udp"], svc["[fd00::10]:54/udp"] = nil, nil
    lead("127.0.0.4:53", "127.0.0.4:54", "[::ffff:127.0.0.4]:54", "[::1]:53", "[::1]:54", none)
    assert.is_true(svc:remove "10.96.0.10")
    assert.is_false(svc:remove "10.96.0.10")
    svc["fd00::10"] = nil
    lead(none, none, none, none, none, none)
    local _, server = here:serve("tcp", "127.0.0.9:0")
    assert.equal(server, socket.reached("tcp", "10.96.0.10:" .. server:match "%d+$"))
    assert.equal(0, gate:stats().errors)
  end)

  it("change for the next call", function()
    local _, one = here:serve("tcp", "127.0.0.1:0")
    local _, two = here:serve("tcp", "127.0.0.2:0")
    local svc = live_services.enforce(here)
    local vip = "10.96.0.10:80/tcp"
    assert.equal("ENETUNREACH", socket.reached("tcp", "10.96.0.10:80"))
    svc[vip] = { one }
    assert.equal(one, socket.reached("tcp", "10.96.0.10:80"))
    svc[vip] = two
    assert.equal(two, socket.reached("tcp", "10.96.0.10:80"))
    svc[vip] = {}
    assert.equal("EHOSTUNREACH", socket.reached("tcp", "10.96.0.10:80"))
    assert.same({}, svc[vip])
    svc[vip] = { { one, state = "down" }, { two, state = "draining" } }
    assert.equal("EHOSTUNREACH", socket.reached("tcp", "10.96.0.10:80"))
    svc[vip] = { { one, state = "draining" }, { two, weight = 7 } }
    for _ = 1, 20 do
      assert.equal(two, socket.reached("tcp", "10.96.0.10:80"))
    end
    local seen = {}
    for name, backends in svc:each() do
      seen[name] = #backends
    end
    assert.same({ [vip] = 2 }, seen)
    svc[vip] = nil
    assert.is_nil(svc[vip])
    assert.equal("ENETUNREACH", socket.reached("tcp", "10.96.0.10:80"))
    assert.is_false(svc:remove(vip))
    assert.equal(0, #svc)
  end)

  it("change one backend at a time", function()
    local _, one = here:serve("tcp", "127.0.0.1:0")
    local _, two = here:serve("tcp", "127.0.0.2:0")
    local svc, vip = live_services.enforce(here), "10.96.0.10:80/tcp"
    local function list()
      local texts = {}
      for index, backend in ipairs(svc[vip]) do
        texts[index] = ("%s %d %s"):format(backend.address, backend.weight, backend.state)
      end
      return texts
    end
    assert.is_false(svc:remove_backend(vip, one)) -- there is no such VIP
    assert.is_true(svc:put_backend(vip, one))
    assert.has_error(function() svc:put_backend(vip, { address = two, weight = 3 }) end,
      ([[services "svc": %q: %q: the address comes first, without a field; write { %q, … }]])
        :format(vip, two, two))
    assert.equal(one, socket.reached("tcp", "10.96.0.10:80"))
    assert.is_true(svc:put_backend(vip, { two, weight = 3, state = "down" }))
    assert.same({ one .. " 1 up", two .. " 3 down" }, list())
    -- What is not given stays as it is.
    assert.is_true(svc:put_backend(vip, { two, state = "up" }))
    assert.is_true(svc:put_backend(vip, { one, weight = 2 }))
    assert.is_true(svc:put_backend(vip, two))
    assert.is_true(svc:put_backend(vip, { one, state = "draining" }))
    assert.same({ one .. " 2 draining", two .. " 3 up" }, list())
    for _ = 1, 10 do
      assert.equal(two, socket.reached("tcp", "10.96.0.10:80"))
    end
    assert.equal(10, svc[vip][2].picked)
    assert.is_true(svc:remove_backend(vip, one))
    assert.is_false(svc:remove_backend(vip, one))
    assert.equal(10, svc[vip][1].picked)
    assert.is_true(svc:remove_backend(vip, two))
    assert.same({}, svc[vip])
    assert.equal("EHOSTUNREACH", socket.reached("tcp", "10.96.0.10:80"))
    local of_it = 'services "svc": "10.96.0.10:80/tcp": '
    assert.same({ nil, of_it .. "backend 1 is IPv6, but the service is IPv4: they must be of one "
      .. "family", 22 }, { svc:put_backend(vip, "[::1]:80") })
    for index = 1, 256 do
      assert(svc:put_backend(vip, "10.0.0.1:" .. index))
    end
    assert.same({ nil, of_it .. '"10.0.0.1:257": a list has at most 256 backends', 7 },
      { svc:put_backend(vip, "10.0.0.1:257") })
    assert(svc:put_backend(vip, { "10.0.0.1:256", weight = 9 }))
    assert.same({ 256, 9 }, { #svc[vip], svc[vip][256].weight })
  end)

  it("ask no resolver, however long it may take to answer", function()
    local svc, vip = live_services.enforce(here), "10.96.0.10:80/tcp"
    local message = '"localhost:80": names are not looked up here: write the address'
    local of_it = 'services "svc": "10.96.0.10:80/tcp": '
    assert.same({ nil, of_it .. message, 22 }, { svc:put(vip, "localhost:80") })
    assert.same({ nil, of_it .. message, 22 }, { svc:put_backend(vip, "localhost:80") })
    assert.same({ nil, of_it .. message, 22 }, { svc:remove_backend(vip, "localhost:80") })
    assert.same({ nil, of_it .. '"10.0.0.1:http": names are not looked up here: write the port\'s '
      .. "number", 22 }, { svc:put(vip, "10.0.0.1:http") })
    assert.same({ nil, 'services "svc": "localhost:80": names are not looked up here: write the '
      .. "address", 22 }, { svc:put("localhost:80/tcp", {}) })
    assert.equal(0, #svc)
  end)

  it("fail calls with the rule's errno if no backend is up, and report it", function()
    local gate = here:enforce [[
      local svc = services "svc" { ["10.96.0.10:80/tcp"] = {}, ["10.96.0.10:53/udp"] = {} }
      balance { "mine", egress = svc, errno = "ECONNREFUSED", log = true }
    ]]
    assert.equal("ECONNREFUSED", socket.reached("tcp", "10.96.0.10:80"))
    local client = here:keep(socket.udp "inet")
    assert.same({ nil, "ECONNREFUSED" }, { client:sendto("x", "10.96.0.10:53") })
    local events = {}
    for event in gate:events { timeout = 0 } do
      events[#events + 1] = event.verb .. " " .. event.asked .. " " .. event.errno
    end
    assert.same({ "balance 10.96.0.10:80 ECONNREFUSED", "balance 10.96.0.10:53 ECONNREFUSED" },
      events)
    assert.equal(0, gate:stats().errors)
  end)

  it("report each backend's share of the choices to come", function()
    local svc = live_services.enforce(here)
    local function shares()
      local found = {}
      for index, backend in ipairs(svc["10.96.0.10:80/tcp"]) do
        found[index] = backend.share
      end
      return found
    end
    svc["10.96.0.10:80/tcp"] = { "127.0.0.1:1", { "127.0.0.1:2", weight = 3 } }
    assert.same({ 0.25, 0.75 }, shares())
    svc["10.96.0.10:80/tcp"] = { "127.0.0.1:1", { "127.0.0.1:2", weight = 3, state = "draining" } }
    assert.same({ 1, 0 }, shares())
    svc["10.96.0.10:80/tcp"] = { { "127.0.0.1:1", state = "down" } }
    assert.same({ 0 }, shares())
    local many = {}
    for index = 1, 256 do
      many[index] = ("127.0.0.1:%d"):format(index)
    end
    svc["10.96.0.10:80/tcp"] = many
    local found = shares()
    assert.same({ 256, 1 / 256, 1 / 256 }, { #found, found[1], found[256] })
  end)

  it("are counted in stats, each gate's", function()
    local svc, gate = live_services.enforce(here, "{ size = 8 }",
      'local b = services "b" { size = 4 } balance { connect = b }')
    assert.same({ svc = { count = 0, size = 8 }, b = { count = 0, size = 4 } },
      gate:stats().services)
    svc["10.96.0.10:80/tcp"], svc["10.96.0.11:80/tcp"] = "127.0.0.1:1", {}
    assert.same({ svc = { count = 2, size = 8 }, b = { count = 0, size = 4 } },
      gate:stats().services)
    -- Services that are not in force yet have nothing to report.
    gate:balance { "new", connect = gate:services "c" { size = 2 } }
    assert.same({ svc = { count = 2, size = 8 }, b = { count = 0, size = 4 } },
      gate:stats().services)
    assert(gate:commit())
    assert.same({ count = 0, size = 2 }, gate:stats().services.c)
    assert.is_nil(gate:stats().rules.all.backends)
  end)

  it("keep counting by address, and survive a publish", function()
    local _, one = here:serve("tcp", "127.0.0.1:0")
    local _, two = here:serve("tcp", "127.0.0.2:0")
    local svc, gate = live_services.enforce(here,
      ([[{ ["10.96.0.10:80/tcp"] = { %q, { %q, weight = 3 } } }]]):format(one, two))
    local vip = "10.96.0.10:80/tcp"
    for _ = 1, 40 do
      socket.reached("tcp", "10.96.0.10:80")
    end
    local before = svc[vip]
    assert.equal(40, before[1].picked + before[2].picked)
    assert.is_true(before[2].picked > before[1].picked)
    svc[vip] = { two, "127.0.0.3:9", one }
    gate:deny { connect = "192.0.2.1" }
    assert(gate:commit())
    local after = svc[vip]
    assert.equal(before[2].picked, after[1].picked)
    assert.equal(0, after[2].picked)
    assert.equal(before[1].picked, after[3].picked)
  end)

  it("work beside other rules and sets, in more than 64 terms too", function()
    local _, one = here:serve("tcp", "127.0.0.1:0")
    local rest = {}
    for index = 1, 80 do
      rest[index] = ('deny { connect = "192.0.2.%d:%d", errno = "EACCES" }'):format(index, index)
    end
    for _, more in ipairs { "", table.concat(rest, "\n") } do
      local gate = here:enforce(([[
        local banned, svc = set "banned" { "10.96.0.11" },
          services "svc" { ["10.96.0.10:80/tcp"] = %q }
        deny { connect = banned, errno = "EPERM" }
        balance { connect = svc, uid = 0, reveal = true }
        deny { connect = svc, errno = "EBUSY" }
        %s
        deny { connect = "10.96.0.0/16", errno = "EACCES" }]]):format(one, more))
      local svc = gate:services "svc"
      svc["10.96.0.11:80/tcp"] = one
      svc["10.96.0.12:80/tcp"] = one
      assert.equal(one, socket.reached("tcp", "10.96.0.10:80"))
      assert.equal("EPERM", socket.reached("tcp", "10.96.0.11:80"))
      assert.equal(one, socket.reached("tcp", "10.96.0.12:80"))
      assert.equal("EACCES", socket.reached("tcp", "10.96.0.13:80"))
      local decision = assert(gate:decide { connect = "10.96.0.10:80", proto = "tcp",
        uid = 0 })
      assert.equal(one, decision.final)
      decision = assert(gate:decide { connect = "10.96.0.10:80", proto = "tcp",
        uid = 1 })
      assert.equal("EBUSY", decision.errno)
      gate:close()
    end
  end)

  it("keep a socket that sends datagrams where it is, whatever others do", function()
    local servers, texts = {}, {}
    for index = 1, 4 do
      servers[index], texts[index] = here:serve("udp", ("127.0.0.%d:0"):format(index))
    end
    local gate = here:enforce([[
      local svc = services "svc" {}
      balance { egress = svc }]])
    local svc, vip = gate:services "svc", "10.96.0.10:53/udp"

    local function home_of(client)
      local home
      assert(client:sendto("ask", "10.96.0.10:53"))
      for index, server in ipairs(servers) do
        if not server:is_empty() then
          home = index
          local _, from = server:receive()
          assert(server:sendto("answer", from))
        end
      end
      local _, from = client:receive()
      assert.equal("10.96.0.10:53", from)
      return home
    end

    local clients, homes = {}, {}
    svc[vip] = { texts[1], texts[2], texts[3] }
    for index = 1, 40 do
      clients[index] = here:keep(socket.udp "inet")
      homes[index] = home_of(clients[index])
    end
    svc[vip] = { texts[3], { texts[2], state = "draining" }, texts[1] }
    for index, client in ipairs(clients) do
      local now = home_of(client)
      assert.is_true(now == homes[index] or homes[index] == 2)
      assert.is_true(now ~= 2)
    end
    svc[vip] = { texts[4], texts[2], texts[1], texts[3] }
    for index, client in ipairs(clients) do
      local now = home_of(client)
      assert.is_true(now == homes[index] or now == 4)
    end
  end)

  it("say what is wrong", function()
    local svc = live_services.enforce(here, [[{ size = 4 }]])
    local function refuse(vip, backends)
      local _, message = pcall(function() svc[vip] = backends end)
      return (message:gsub("^[^ ]+ ", ""))
    end
    local form = [[: a service is an address, a port and tcp or udp, such as "10.96.0.10:80/tcp" ]]
      .. [[or "[2001:db8::1]:53/udp"; "10.96.0.10:*/tcp" is any port, "10.96.0.10" any port and ]]
      .. "protocol"
    for _, vip in ipairs { "10.96.0.10:80", "10.96.0.10/tcp", "10.96.0.0-10.96.0.9:80/tcp",
      "*:80/tcp", "10.96.0.10:80/sctp", "10.96.0.10:80-81/tcp", "10.96.0.10:*", "10.96.0.0/24",
      "10.96.0.10:0/tcp", "10.96.0.10:*/*", "10.96.0.10:*/sctp", "*:*", "10.96.0.0-10.96.0.9" } do
      local message = refuse(vip, {}):gsub('"[^"]*": a', function(text)
        return ("%q"):format(vip) .. text:match ": a$"
      end)
      assert.equal('services "svc": ' .. ("%q"):format(vip) .. form, message)
    end
    local of_it = [[services "svc": "10.96.0.10:80/tcp": ]]
    assert.equal(of_it .. [[backend 1 is IPv6, but the service is IPv4: ]]
      .. [[they must be of one family]],
      refuse("10.96.0.10:80/tcp", "[::1]:80"))
    assert.equal(of_it .. [["10.0.0.1": is there twice: for a larger share give it a weight]],
      refuse("10.96.0.10:80/tcp", { "10.0.0.1", "10.0.0.1" }))
    for index = 1, 4 do
      svc[("10.96.0.%d:80/tcp"):format(index)] = "127.0.0.1"
    end
    assert.equal([[services "svc": "10.96.0.9:80/tcp": does not fit: they have room for 4 ]]
      .. [[services of ten backends: remove some, or declare them with a larger size]],
      refuse("10.96.0.9:80/tcp", "127.0.0.1"))
    svc["10.96.0.4:80/tcp"] = { "127.0.0.1", "127.0.0.2" }
    assert.equal(2, #svc["10.96.0.4:80/tcp"])
    assert.equal(4, #svc)
  end)

  it("return what the manual says, and raise what it says", function()
    local svc = live_services.enforce(here)
    local vip, one, kill = "10.96.0.10:80/tcp", "127.0.0.1:9", { kill_sockets = true }
    local function told(...)
      return { count = select("#", ...), ... }
    end
    assert.is_nil((svc:get(vip)))
    assert.is_nil(svc[vip])
    for _, result in ipairs {
      { true, svc:put(vip, one) }, { true, svc:put_backend(vip, one) },
      { true, svc:remove_backend(vip, one) }, { false, svc:remove_backend(vip, one) },
      { true, svc:remove(vip) }, { false, svc:remove(vip) },
    } do
      assert.same({ result[1], result[1] }, result)
    end
    for _, result in ipairs {
      { true, svc:put(vip, one, kill) }, { true, svc:put_backend(vip, one, kill) },
      { true, svc:remove_backend(vip, one, kill) }, { false, svc:remove_backend(vip, one, kill) },
      { true, svc:remove(vip, kill) }, { false, svc:remove(vip, kill) },
    } do
      assert.same({ result[1], result[1], 0 }, result)
    end
    assert.same({ count = 0, size = 1024, name = "svc", readonly = false },
      { count = #svc, size = svc:info().size, name = svc:info().name,
        readonly = svc:info().readonly })
    local bad = "10.96.0.10:99999/tcp"
    local message = 'services "svc": "10.96.0.10:99999": port 99999 is over 65535'
    for method, argument in pairs { get = false, remove = false, put = one, put_backend = one,
      remove_backend = one } do
      assert.same({ count = 3, nil, message, 22 }, told(svc[method](svc, bad, argument or nil)))
      assert.has_error(function() svc[method](svc, 7, argument or nil) end,
        'services "svc": wants VIPs such as "10.96.0.10:80/tcp"; got 7')
    end
    assert.has_error(function() return svc[bad] end, message)
    assert.has_error(function() svc[bad] = one end, message)
    assert.has_error(function() svc[bad] = nil end, message)
    assert.has_error(function() svc:put(vip, one, { kill = true }) end,
      'services "svc": unknown option "kill"; the only one is kill_sockets')
  end)

  it("are changed by an unprivileged process that inherited the gate", function()
    local _, one = here:serve("tcp", "127.0.0.1:0")
    local svc = live_services.enforce(here)
    process.run(function()
      ffi.cdef "int setresuid(unsigned, unsigned, unsigned);"
      assert(ffi.C.setresuid(65534, 65534, 65534) == 0)
      svc["10.96.0.10:80/tcp"] = one
    end)
    assert.equal(one, socket.reached("tcp", "10.96.0.10:80"))
  end)

  it("are the same from an image file", function()
    local _, one = here:serve("tcp", "127.0.0.1:0")
    local path = os.tmpname()
    local gate = here:gate(([[
      local svc = services "svc" { ["10.96.0.10:80/tcp"] = { { %q, weight = 2 },
        { "127.0.0.9:9", state = "down" } } }
      balance { connect = svc, reveal = true }]]):format(one))
    assert(assert(gate:compile()):save(path))
    local tidegate = require "tidegate"
    local loaded = assert(tidegate.load(path))
    os.remove(path)
    here.gates[#here.gates + 1] = loaded
    assert.equal(gate:dump(), loaded:dump())
    assert.equal(gate:dump(), assert(tidegate.load_text(gate:dump())):dump())
    assert(loaded:attach(here.cgroup))
    assert.equal(one, socket.reached("tcp", "10.96.0.10:80"))
    local svc = loaded:services()[1]
    assert.equal("svc", svc.name)
    svc["10.96.0.10:80/tcp"] = {}
    assert.equal("EHOSTUNREACH", socket.reached("tcp", "10.96.0.10:80"))
  end)
end)

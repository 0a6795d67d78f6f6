-- Kill: ends the sockets of backends that go, and no others.

local env = require "spec.support.env"
local dns = require "spec.support.dns"
local libc = require "spec.support.libc"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local C = libc.call

sandbox.describe("kill", function(here)
  teardown(env.clean)

  local families = {
    { name = "v4", family = "inet", asked = "10.96.0.10:80", at = "127.0.0.1:0",
      to = "127.0.0.1:%d" },
    { name = "v6", family = "inet6", asked = "[2001:db8::10]:80", at = "[::1]:0", to = "[::1]:%d" },
    { name = "v6, mapped", family = "inet6", asked = "[::ffff:10.96.0.10]:80", at = "127.0.0.1:0",
      to = "127.0.0.1:%d" },
  }
  local v4 = families[1]

  local function backend(kind, family)
    local server = here:keep(socket.serve(kind, family.at))
    return family.to:format(server:port()), server
  end

  local function connected(kind, asked, count)
    local clients = {}
    for index = 1, count do
      clients[index] = here:keep(socket.kinds[kind](asked:sub(1, 1) == "[" and "inet6" or "inet"))
      assert(clients[index]:connect(asked))
    end
    return clients
  end

  --- How many sockets by backend still have a peer; those that have none are "dead".
  local function peers(clients)
    local counts = {}
    for _, client in ipairs(clients) do
      local peer = client:getpeername() or "dead"
      counts[peer] = (counts[peer] or 0) + 1
    end
    return counts
  end

  for _, kind in ipairs { "tcp", "udp" } do
    for _, family in ipairs(families) do
      it("ends the sockets of a backend, and no others: " .. kind .. " " .. family.name, function()
        local one, two = backend(kind, family), backend(kind, family)
        local gate = here:enforce(([[balance { "api", connect = %q, to = { %q, %q }, reveal = ]]
          .. [[true }]])
          :format(family.asked, one, two))
        -- Not redirected by the gate.
        local own = here:keep(socket.kinds[kind](one:sub(1, 1) == "[" and "inet6" or "inet"))
        assert(own:connect(one))
        local clients = connected(kind, family.asked, 24)
        local picked = gate:rules()[1].backends[1].picked
        assert.is_true(picked > 2 and picked < 22)
        assert.equal(picked, gate:kill_sockets(one))
        local counts = peers(clients)
        assert.equal(picked, counts.dead)
        assert.is_nil(counts[one])
        assert.equal(one, own:getpeername())
        -- Those sockets are gone already.
        assert.equal(0, gate:kill_sockets(one))
        assert.equal(24 - picked, gate:kill_sockets(two:match "^(.*):%d+$"))
        assert.same({ dead = 24 }, peers(clients))
      end)
    end
  end

  it("reports ECONNABORTED to the owner, whose next connect goes elsewhere", function()
    local one, two = backend("tcp", v4), backend("tcp", v4)
    local gate = here:enforce(([[
      balance { "api", connect = services "svc" { ["10.96.0.10:80/tcp"] = %q }, reveal = true }
    ]]):format(one))
    local client = connected("tcp", v4.asked, 1)[1]
    local ok, ended = gate:services "svc":put("10.96.0.10:80/tcp", { two }, { kill_sockets = true })
    assert.same({ true, 1 }, { ok, ended })
    assert.equal("ECONNABORTED", select(2, client:send "hello"))
    assert.equal(two, connected("tcp", v4.asked, 1)[1]:getpeername())
  end)

  it("ends those that another gate has redirected to the service", function() -- I2
    local one, two = backend("tcp", v4), backend("tcp", v4)
    here:enforce [[rewrite { connect = "192.0.2.10:80", to = "10.96.0.10:80" }]]
    local gate = here:enforce(([[
      balance { "api", connect = services "svc" { ["10.96.0.10:80/tcp"] = %q } }
    ]]):format(one))
    local client = connected("tcp", "192.0.2.10:80", 1)[1]
    assert.equal("192.0.2.10:80", client:getpeername())
    assert.same({ true, 1 }, { gate:services "svc":put("10.96.0.10:80/tcp", { two },
      { kill_sockets = true }) })
  end)

  -- I9: the kernel disconnects the socket, too, and send() looks at that first.
  it("lets the owner of a UDP socket hear EDESTADDRREQ, if it sends first", function()
    local one = backend("udp", v4)
    local gate = here:enforce(([[balance { "api", connect = %q, to = %q }]]):format(v4.asked, one))
    local clients = connected("udp", v4.asked, 2)
    assert.equal(2, gate:kill_sockets(one))
    assert.equal("EDESTADDRREQ", select(2, clients[1]:send "hello"))
    assert.error_matches(function() clients[2]:receive() end, "ECONNABORTED")
  end)

  it("resets an MPTCP socket's connection", function()
    local one, server = backend("mptcp", v4)
    local gate = here:enforce(([[balance { connect = %q, to = %q }]]):format(v4.asked, one))
    local client = connected("mptcp", v4.asked, 1)[1]
    here:keep((server:accept()))
    -- The kernel waits for another path first; how long is a constant before Linux 6.11.
    local settable = io.open("/proc/sys/net/mptcp/close_timeout", "w")
    if settable then
      settable:close()
      netns.mptcp_close_timeout(1)
    end
    assert.equal(1, gate:kill_sockets(one))
    if settable then
      local ok, message = pcall(client.receive, client)
      assert.is_false(ok)
      assert.is_nil(message:find("EAGAIN", 1, true), message) -- that is our own time limit
    end
  end)

  describe("of a live service", function()
    local vip = "10.96.0.10:80/tcp"
    local svc, backends, servers

    before_each(function()
      backends, servers = {}, {}
      for index = 1, 3 do
        backends[index], servers[index] = backend("tcp", v4)
      end
      local gate = here:enforce [[balance { egress = services "svc" {}, reveal = true }]]
      svc = gate:services "svc"
      svc[vip] = backends
    end)

    it("happens only if asked for: without it sockets stay", function()
      local clients = connected("tcp", v4.asked, 30)
      local before = peers(clients)
      svc[vip] = { backends[1] }
      svc:put(vip, { backends[1] })
      svc:put(vip, {}, { kill_sockets = false })
      svc[vip] = nil
      assert.same(before, peers(clients))
    end)

    -- G8
    it("ends those of all ports, but not of a service that says more", function()
      local port = backends[3]:match "%d+$"
      svc["10.96.0.10"], svc["10.96.0.10:*/tcp"] = { backends[2] }, { "127.0.0.1" }
      local kept = connected("tcp", v4.asked, 8)
      local others = connected("tcp", "10.96.0.10:" .. port, 3)
      local before = peers(kept)
      assert.same({ [backends[3]] = 3 }, peers(others))
      -- These are of the service of any protocol, which TCP does not ask for now.
      assert.same({ true, 0 }, { svc:put("10.96.0.10", {}, { kill_sockets = true }) })
      assert.same({ true, 3 }, { svc:put("10.96.0.10:*/tcp", {}, { kill_sockets = true }) })
      assert.same({ { dead = 3 }, before }, { peers(others), peers(kept) })
      -- Removed, it says no more than the one of any protocol.
      svc["10.96.0.10:*/tcp"] = { "127.0.0.1" }
      others = connected("tcp", "10.96.0.10:" .. port, 2)
      assert.same({ true, 2 }, { svc:remove("10.96.0.10:*/tcp", { kill_sockets = true }) })
      assert.same({ dead = 2 }, peers(others))
      svc["10.96.0.10"] = { "127.0.0.1" }
      others = connected("tcp", "10.96.0.10:" .. port, 2)
      assert.same({ true, 2 }, { svc:put("10.96.0.10", {}, { kill_sockets = true }) })
      assert.same({ { dead = 2 }, before }, { peers(others), peers(kept) })
    end)

    it("ends those of backends that go or are down, and no others", function()
      local clients = connected("tcp", v4.asked, 60)
      local counts = peers(clients)
      local ok, ended = svc:put(vip, { backends[1], { backends[2], state = "draining" } },
        { kill_sockets = true })
      assert.same({ true, counts[backends[3]] }, { ok, ended })
      counts.dead, counts[backends[3]] = ended, nil
      assert.same(counts, peers(clients))
      ok, ended = svc:put_backend(vip, { backends[2], state = "down" }, { kill_sockets = true })
      assert.same({ true, counts[backends[2]] }, { ok, ended })
      ok, ended = svc:remove(vip, { kill_sockets = true })
      assert.same({ true, counts[backends[1]] }, { ok, ended })
      assert.same({ dead = 60 }, peers(clients))
      assert.same({ false, 0 }, { svc:remove(vip, { kill_sockets = true }) })
    end)

    it("leaves the sockets that asked for another service of the same backend", function()
      svc["10.96.0.11:80/tcp"] = backends[1]
      svc["10.96.0.10:80/udp"] = backends[1]
      svc[vip] = backends[1]
      local others = { connected("tcp", "10.96.0.11:80", 1)[1],
        connected("udp", "10.96.0.10:80", 1)[1] }
      local clients = connected("tcp", v4.asked, 3)
      assert.same({ true, 3 }, { svc:put(vip, {}, { kill_sockets = true }) })
      assert.same({ dead = 3 }, peers(clients))
      assert.same({ [backends[1]] = 2 }, peers(others))
    end)

    it("knows a backend by the VIP's port if the backend has no port", function()
      netns.own_all_addresses()
      here:keep(socket.serve("tcp", "127.0.0.5:80"))
      svc[vip] = { "127.0.0.5" }
      local clients = connected("tcp", v4.asked, 2)
      assert.same({ true, 2 }, { svc:put(vip, { backends[1] }, { kill_sockets = true }) })
      assert.same({ dead = 2 }, peers(clients))
    end)

    it("never touches a socket that sends datagrams unconnected", function()
      local there = { here:keep(socket.serve("udp", "127.0.0.1:0")),
        here:keep(socket.serve("udp", "127.0.0.1:0")) }
      local to = { "127.0.0.1:" .. there[1]:port(), "127.0.0.1:" .. there[2]:port() }
      svc["10.96.0.10:80/udp"] = to[1]
      local client = here:keep(socket.udp "inet")
      assert(client:sendto("one", v4.asked))
      local own = client:port()
      assert.same({ true, 0 }, { svc:put("10.96.0.10:80/udp", to[2], { kill_sockets = true }) })
      assert.equal(own, client:port())
      assert(client:sendto("two", v4.asked))
      assert.equal("two", (there[2]:receive()))
      assert.equal(own, client:port())
    end)

    it("forgets what a socket was connected to before", function()
      svc["10.96.0.10:80/udp"] = backends[1]
      local client = connected("udp", v4.asked, 1)[1]
      assert.equal(backends[1], client:getpeername())
      assert(client:connect "127.0.0.9:9")
      assert.same({ true, 0 }, { svc:put("10.96.0.10:80/udp", {}, { kill_sockets = true }) })
      assert.equal("127.0.0.9:9", client:getpeername())
    end)

    it("leaves no socket behind while others connect", function()
      svc[vip] = { backends[1] }
      local accepting = {}
      for index = 1, 2 do -- without accept(), connects would wait for room
        accepting[index] = process.fork(function()
          local held, at = {}, 0
          while true do
            at = at % 200 + 1
            if held[at] then
              held[at]:close()
            end
            held[at] = servers[index]:accept()
          end
        end)
      end
      local go, done = process.signal(), process.signal()
      local child = process.fork(function()
        local held, at = {}, 0
        go.wait()
        local ends = os.time() + 3
        while os.time() < ends do
          local client = socket.tcp("inet"):abrupt()
          if client:connect(v4.asked) then
            at = at % 100 + 1
            if held[at] then
              held[at]:close()
            end
            held[at] = client
          else
            client:close()
          end
        end
        done.wait()
        return table.concat({ peers(held)[backends[1]] or 0, peers(held)[backends[2]] or 0 }, " ")
      end)
      go.give()
      local ended = 0
      for round = 1, 60 do
        local _, count = assert(svc:put(vip, { backends[round % 2 + 1] }, { kill_sockets = true }))
        ended = ended + count
      end
      local last = 60 % 2 + 1
      done.give()
      local counts = { child:wait():match "(%d+) (%d+)" }
      accepting[1]:kill()
      accepting[2]:kill()
      assert.equal("0", counts[3 - last])
      assert.is_true(ended > 50)
      go.close()
      done.close()
    end)

    it("is refused before anything is changed if the caller has no privileges", function()
      local clients = connected("tcp", v4.asked, 3)
      local before = peers(clients)
      assert.equal("-1: kill_sockets: to end sockets takes CAP_BPF, CAP_NET_ADMIN and "
        .. "CAP_PERFMON; this process lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON",
        process.run(function()
          assert(libc.outcome(C.setresuid(65534, 65534, 65534)))
          local ok, message, errno = svc:put(vip, {}, { kill_sockets = true })
          return tostring(ok == nil and -errno) .. ": " .. message
        end))
      assert.equal(3, #svc[vip])
      assert.same(before, peers(clients))
    end)

    it("names the text that it cannot parse", function()
      local function complaint(...)
        local ok, message = pcall(svc.put, svc, vip, ...)
        assert.is_false(ok)
        return message:gsub("^[^ ]+: ", "")
      end
      assert.equal([[services "svc": wants options such as { kill_sockets = true }; got true]],
        (complaint({}, true)))
      assert.equal([[services "svc": unknown option "kill"; the only one is kill_sockets]],
        (complaint({}, { kill = true })))
      assert.equal([[services "svc": kill_sockets: wants true or false; got 1]],
        (complaint({}, { kill_sockets = 1 })))
    end)
  end)

  it("names what is no backend", function()
    local gate = here:enforce "deny { connect = '192.0.2.1' }"
    assert.equal(0, gate:kill_sockets "10.0.0.1:80")
    local ended, message = gate:kill_sockets "10.0.0.0/8"
    assert.is_nil(ended)
    assert.equal('kill_sockets: "10.0.0.0/8": must be one address, not a prefix or a range',
      message)
    assert.equal('kill_sockets: "localhost:80": names are not looked up here: write the address',
      select(2, gate:kill_sockets "localhost:80"))
    assert.has_error(function() gate:kill_sockets(80) end,
      'kill_sockets: wants a backend such as "10.0.1.5:8080"; got 80')
  end)

  describe("in another network namespace", function()
    local one, gate

    before_each(function()
      one = "127.0.0.1:7777"
      gate = here:enforce(([[balance { connect = %q, to = %q }]]):format(v4.asked, one))
    end)

    --- A connected socket of another namespace, made in one that we leave again.
    local function over_there(path)
      local home = netns.enter()
      here:keep(socket.serve("tcp", one))
      local client = connected("tcp", v4.asked, 1)[1]
      if path then
        env.write(path, "")
        os.execute(("mount --bind /proc/self/ns/net %s"):format(path))
      end
      netns.leave(home)
      return client
    end

    it("ends the sockets of processes in it", function()
      local ready, killed = process.signal(), process.signal()
      local child = process.fork(function()
        netns.enter()
        local server = socket.serve("tcp", one)
        local client = socket.tcp "inet"
        assert(client:connect(v4.asked))
        ready.give()
        killed.wait()
        server:close()
        return select(2, client:send "hello")
      end)
      ready.wait()
      assert.equal(1, gate:kill_sockets(one))
      killed.give()
      assert.equal("ECONNABORTED", child:wait())
      ready.close()
      killed.close()
    end)

    it("finds a namespace that is only mounted", function()
      local path = env.folder() .. "/ns"
      local client = over_there(path)
      assert.equal(1, gate:kill_sockets(one))
      os.execute("umount " .. path)
      assert.equal("ECONNABORTED", select(2, client:send "hello"))
    end)

    it("counts the sockets of a namespace that cannot be found, and ends the others", function()
      here:keep(socket.serve("tcp", one))
      local near = connected("tcp", v4.asked, 2)
      local far = over_there()
      local ended, message = gate:kill_sockets(one)
      assert.is_nil(ended)
      assert.equal("1 socket was not ended: no process that can be seen from here is in the "
        .. "network namespace, and it is mounted nowhere", message)
      assert.same({ dead = 2 }, peers(near))
      assert.equal(5, far:send "hello")
    end)
  end)

  it("lets a resolver go on with the next backend", function()
    local folder = env.folder()
    env.write(folder .. "/resolv.conf", "nameserver 10.96.0.53\noptions timeout:30 attempts:2\n")
    local silent = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local server = dns.serve("127.0.0.2:5353", { ["tidegate.example"] = { "192.0.2.7" } })
    local gate = here:enforce(([[
      balance { egress = services "dns" { ["10.96.0.53:53/udp"] = "127.0.0.1:%d" } }
    ]]):format(silent:port()))
    local client = process.fork(function()
      local pipe = io.popen(("unshare -m sh -c 'mount --bind %s/resolv.conf /etc/resolv.conf && "
        .. "exec getent hosts tidegate.example'"):format(folder))
      local text = pipe:read "*a"
      pipe:close()
      return text
    end)
    -- The resolver has asked, and waits for its 30 seconds.
    local query = silent:receive()
    assert.truthy(query:find("tidegate", 1, true))
    local started = os.time()
    assert.same({ true, 1 }, { gate:services "dns":put("10.96.0.53:53/udp", "127.0.0.2:5353",
      { kill_sockets = true }) })
    assert.truthy(client:wait():find("192.0.2.7", 1, true))
    assert.is_true(os.time() - started < 20)
    server:kill()
  end)
end)

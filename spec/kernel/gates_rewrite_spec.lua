-- Several gates, on cgroups above one another, that rewrite one call: the program sees what it
-- asked for (I2).  The gates share nothing: each could be that of another process.

local cgroup = require "spec.support.cgroup"
local env = require "spec.support.env"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local unix_socket = require "spec.support.unix_socket"

sandbox.describe("gates above one another that rewrite one call", function(here)
  local cgroups -- the innermost first

  before_each(function()
    netns.own_all_addresses()
    cgroups = { here.cgroup }
  end)

  --- Attach a gate for each policy, the first to the innermost cgroup.
  local function chain(...)
    local gates = {}
    for _ = #cgroups + 1, select("#", ...) do
      table.insert(cgroups, 1, here:another(cgroups[1]))
    end
    for index, policy in ipairs { ... } do
      gates[index] = here:gate(policy)
      assert(gates[index]:attach(cgroups[index]))
    end
    return gates
  end

  --- Rewrite `from` to `to`; `more`: further fields.
  local function rewrite(op, from, to, more)
    local endpoints = type(from) == "table" and table.concat(from, '", "') or from
    return ('rewrite { %s = { "%s" }, to = %q%s }\n'):format(op, endpoints, to,
      more and ", " .. more or "")
  end

  --- What `work` returns in the innermost cgroup.
  local function inside(work)
    return process.run(function()
      cgroup.enter(cgroups[1])
      return work()
    end)
  end

  local function serve(kind, endpoint)
    return here:outside(function() return (here:serve(kind, endpoint)) end)
  end

  --- Send to an endpoint, have it answered, and return whom the answer seems to be from.
  local function answered(client, server, endpoint)
    assert(client:sendto("ping", endpoint))
    local _, from = server:receive()
    assert(server:sendto("pong", from))
    return (select(2, client:receive()))
  end

  local ways = {
    v4 = { "203.0.113.1:80", "127.0.0.5:81", "127.0.0.6:82", "127.0.0.7:83" },
    v6 = { "[2001:db8::1]:80", "[::1]:81", "[::1]:82", "[::1]:83" },
    ["v6, mapped"] = { "[::ffff:203.0.113.1]:80", "127.0.0.5:81", "127.0.0.6:82", "127.0.0.7:83" },
  }

  for name, way in pairs(ways) do
    it("show a socket what it asked for: " .. name, function()
      chain(rewrite("egress", way[1], way[2]) .. rewrite("bind", way[1], way[2]),
        rewrite("egress", way[2], way[3]) .. rewrite("bind", way[2], way[3]))
      local server = serve("udp", way[3])
      serve("tcp", way[3])
      local family = way[1]:sub(1, 1) == "[" and "inet6" or "inet"
      inside(function()
        for _, kind in ipairs { "tcp", "udp", "mptcp" } do
          local client = socket.kinds[kind](family)
          assert(client:connect(way[1]))
          assert.same({ way[1], way[1] }, { client:getpeername(), client:peername_option() }, kind)
          -- Those who ask for the addresses between see these.
          assert.equal(way[2], socket.reached(kind, way[2]))
          assert.equal(way[3], socket.reached(kind, way[3]))
        end
        local sender = socket.udp(family)
        for _ = 1, 3 do
          assert.equal(way[1], answered(sender, server, way[1]))
        end
      end)
      here:close_sockets()
      inside(function()
        local own = socket.serve("tcp", way[1])
        assert.equal("ok", socket.try("tcp", way[3]))
        assert.same({ way[1], way[1] }, { own:getsockname(), own:accept():getsockname() })
      end)
    end)
  end

  it("show it through three", function()
    local way = ways.v4
    chain(rewrite("egress", way[1], way[2]), rewrite("egress", way[2], way[3]),
      rewrite("egress", way[3], way[4]))
    serve("tcp", way[4])
    local server = serve("udp", way[4])
    assert.equal(("%s %s %s"):format(way[1], way[1], way[2]), inside(function()
      local client = socket.udp "inet"
      return ("%s %s %s"):format(socket.reached("tcp", way[1]), answered(client, server, way[1]),
        answered(client, server, way[2]))
    end))
  end)

  it("show it through one that does not rewrite the call", function()
    local way = ways.v4
    chain(rewrite("egress", way[1], way[2]), [[allow { egress = "*" }]],
      rewrite("egress", way[2], way[3]))
    serve("tcp", way[3])
    assert.equal(way[1], inside(function() return socket.reached("tcp", way[1]) end))
  end)

  -- The kernel judges the datagrams of a v6 socket that is connected to a mapped address.
  it("let a socket send to the peer that it has got", function()
    local way = ways["v6, mapped"]
    local server, asked = serve("udp", way[3]), ways.v4[1]
    for _, inner in ipairs { rewrite("connect", asked, way[2]), ([[allow { connect = %q }]])
      :format(asked), ([[allow { egress = %q }]]):format(asked) } do
      local gates = chain([[policy { default = "deny" } ]] .. inner,
        rewrite("connect", { asked, way[2] }, way[3]))
      inside(function()
        local client = socket.udp "inet6"
        assert(client:connect(way[1]))
        assert.is_truthy(client:send "x")
        assert.equal("x", (server:receive()))
        -- Another socket has no such peer.
        assert.same({ nil, "EPERM" }, { socket.udp "inet6":sendto("x", "[::ffff:127.0.0.6]:82") })
      end)
      gates[1]:close()
      gates[2]:close()
    end
  end)

  it("show each destination of a socket, and the newer of those that become one", function()
    local inner, outer, servers = "", "", {}
    for host = 1, 4 do
      inner = inner .. rewrite("sendmsg", ("203.0.113.%d:80"):format(host), ("127.0.1.%d:80")
        :format(host)) .. rewrite("sendmsg", ("198.51.100.%d:80"):format(host),
        ("127.0.1.%d:80"):format(host))
      outer = outer .. rewrite("sendmsg", ("127.0.1.%d:80"):format(host), ("127.0.2.%d:80")
        :format(host))
      servers[host] = serve("udp", ("127.0.2.%d:80"):format(host))
    end
    chain(inner, outer)
    inside(function()
      local client = socket.udp "inet"
      for _ = 1, 3 do
        for host, server in ipairs(servers) do
          for _, prefix in ipairs { "203.0.113.", "198.51.100.", "127.0.1.", "127.0.2." } do
            local asked = prefix .. host .. ":80"
            assert.equal(asked, answered(client, server, asked))
          end
        end
      end
    end)
  end)

  it("do not take one socket's calls for another's, nor one call for the next", function()
    local way, server = ways.v4, serve("udp", ways.v4[3])
    -- The outer one also rewrites to what the inner one rewrites.
    chain(rewrite("egress", way[1], way[2]),
      rewrite("egress", way[2], way[3]) .. rewrite("egress", "203.0.113.9:80", way[1]))
    local elsewhere = serve("udp", way[1])
    inside(function()
      local client, other = socket.udp "inet", socket.udp "inet"
      for _ = 1, 20 do
        assert.equal("203.0.113.9:80", answered(client, elsewhere, "203.0.113.9:80"))
        assert.equal(way[1], answered(client, server, way[1]))
        assert.equal(way[2], answered(other, server, way[2]))
        assert.equal(way[2], answered(client, server, way[2]))
      end
    end)
  end)

  it("show the port that was asked for, and the one that the kernel chose", function()
    chain(rewrite("bind", "127.0.0.1:700", "*:701") .. rewrite("bind", "127.0.0.1:0", "127.0.0.5"),
      rewrite("bind", { "127.0.0.1:701", "127.0.0.5:0" }, "127.0.0.6"))
    assert.equal("127.0.0.1:700 127.0.0.1 true", inside(function()
      local fixed, free = socket.udp "inet", socket.udp "inet"
      assert(fixed:bind "127.0.0.1:700")
      assert(free:bind "127.0.0.1:0")
      local address, port = free:getsockname():match "^(.*):(%d+)$"
      return ("%s %s %s"):format(fixed:getsockname(), address, tonumber(port) > 0)
    end))
  end)

  describe("of which one reveals where it redirects to", function()
    for name, case in pairs {
      ["the inner one"] = { "reveal = true", nil, 2 },
      ["the outer one"] = { nil, "reveal = true", 3 },
      ["both"] = { "reveal = true", "reveal = true", 3 },
    } do
      it("show that: " .. name, function()
        local way = ways.v4
        local function both(op)
          return rewrite(op, way[1], way[2], case[1]), rewrite(op, way[2], way[3], case[2])
        end
        local inner, outer = both "egress"
        local inner_bind, outer_bind = both "bind"
        local server = serve("udp", way[3])
        chain(inner .. inner_bind, outer .. outer_bind)
        local shown = way[case[3]]
        assert.equal(("%s %s"):format(shown, shown), inside(function()
          return socket.reached("udp", way[1]) .. " " .. answered(socket.udp "inet", server, way[1])
        end))
        here:close_sockets()
        assert.equal(shown, inside(function()
          return socket.serve("udp", way[1]):getsockname()
        end))
      end)
    end
  end)

  describe("of which one is attached or detached meanwhile", function()
    --- What the socket sees of a few answers; `change` is made after the first.
    local function seen(change, endpoints)
      local server = serve("udp", ways.v4[3])
      local ready, changed = process.signal(), process.signal()
      local child = process.fork(function()
        cgroup.enter(cgroups[1])
        local client, texts = socket.udp "inet", {}
        for index, endpoint in ipairs(endpoints) do
          texts[index] = answered(client, server, endpoint)
          if index == 1 then
            ready.give()
            changed.wait()
          end
        end
        return table.concat(texts, " ")
      end)
      ready.wait()
      change()
      changed.give()
      local text = child:wait()
      ready.close()
      changed.close()
      return text
    end

    it("show what is asked for from then on: the inner one goes", function()
      local way = ways.v4
      local gates = chain(rewrite("egress", way[1], way[2]), rewrite("egress", way[2], way[3]))
      assert.equal(way[1] .. " " .. way[2], seen(function()
        assert(gates[1]:detach(cgroups[1]))
      end, { way[1], way[2] }))
    end)

    it("show what is asked for from then on: the inner one comes", function()
      local way = ways.v4
      local gates = chain([[allow { egress = "*" }]], rewrite("egress", way[2], way[3]))
      assert.equal(("%s %s %s"):format(way[2], way[1], way[2]), seen(function()
        gates[1]:add("rewrite", { egress = way[1], to = way[2] })
        gates[1]:rules()[1]:remove()
        assert(gates[1]:commit())
      end, { way[2], way[1], way[2] }))
    end)

    it("show what is asked for from then on: the outer one comes", function()
      local way = ways.v4
      local gates = chain(rewrite("egress", way[1], way[3]), [[allow { egress = "*" }]])
      assert.equal(("%s %s"):format(way[1], way[1]), seen(function()
        gates[1]:rules()[1]:remove()
        gates[1]:add("rewrite", { egress = way[1], to = way[2] })
        assert(gates[1]:commit())
        gates[2]:rules()[1]:remove()
        gates[2]:add("rewrite", { egress = way[2], to = way[3] })
        assert(gates[2]:commit())
      end, { way[1], way[1] }))
    end)
  end)

  if sandbox.no_unix() then
    return
  end

  describe("of a unix socket", function()
    local unix = unix_socket.new(here)
    teardown(env.clean)

    local function path_of(kind)
      return kind == "a path" and unix:path() or unix:name()
    end

    for _, kind in ipairs { "a path", "an abstract name" } do
      local way
      before_each(function()
        way = { path_of(kind), path_of(kind), path_of(kind), path_of(kind) }
      end)

      it("show the peer that it asked for: " .. kind, function()
        chain(rewrite("connect", way[1], way[2]), rewrite("connect", way[2], way[3]),
          rewrite("connect", way[3], way[4]))
        for _, of in ipairs { "unix_stream", "unix_seqpacket" } do
          serve(of, way[4])
          inside(function()
            for _, asked in ipairs(way) do
              assert.equal(asked, socket.reached(of, asked))
            end
          end)
          here:close_sockets()
          os.remove(way[4]:sub(#"unix:" + 1))
        end
      end)

      it("show the sender that it sent to: " .. kind, function()
        chain(rewrite("sendmsg", way[1], way[2]) .. rewrite("sendmsg", way[4], way[2]),
          rewrite("sendmsg", way[2], way[3]))
        local server, own = serve("unix_datagram", way[3]), unix:path()
        inside(function()
          local client = socket.unix_datagram()
          assert(client:bind(own))
          for _ = 1, 3 do
            for _, asked in ipairs { way[1], way[4], way[2], way[3], way[1] } do
              assert.equal(asked, answered(client, server, asked))
            end
          end
        end)
      end)

      it("show where the inner one redirects to, if that reveals it: " .. kind, function()
        chain(rewrite("connect", way[1], way[2], "reveal = true"),
          rewrite("connect", way[2], way[3]))
        serve("unix_stream", way[3])
        assert.equal(way[2], inside(function() return socket.reached("unix_stream", way[1]) end))
      end)
    end
  end)
end)

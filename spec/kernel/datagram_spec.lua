-- Datagrams: each one that an unconnected socket sends is judged.

local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("sendmsg", function(here)
  local servers = {
    { name = "v4", at = "127.0.0.1:0", as = "127.0.0.1:%d", hook = "sendmsg4" },
    { name = "v6", at = "[::1]:0", as = "[::1]:%d", hook = "sendmsg6" },
    { name = "v6 to a mapped address", at = "127.0.0.1:0", as = "[::ffff:127.0.0.1]:%d",
      hook = "sendmsg4" },
  }

  for _, case in ipairs(servers) do
    local function family() return case.as:sub(1, 1) == "[" and "inet6" or "inet" end

    it("is denied with the errno of the rule: " .. case.name, function()
      local server = here:keep(socket.serve("udp", case.at))
      local other = here:keep(socket.serve("udp", case.at))
      local gate = here:enforce(([[
        deny { sendmsg = "*:%d", errno = "EHOSTUNREACH", log = true }
      ]]):format(server:port()))
      local client = here:keep(socket.udp(family()))
      local to = case.as:format(server:port())
      assert.same({ nil, "EHOSTUNREACH" }, { client:sendto("no", to) })
      assert.equal(2, client:sendto("ok", case.as:format(other:port())))
      assert.equal("ok", (other:receive()))
      assert.is_true(server:is_empty())
      local event = gate:events { timeout = 1 }()
      assert.equal(case.hook, event.hook)
      assert.equal((to:gsub("^%[::ffff:(.*)%]", "%1")), event.asked)
      assert.equal("udp", event.proto)
      assert.equal("EHOSTUNREACH", event.errno)
    end)
  end

  it("is an operation of its own: connect rules do not apply to it", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local to = "127.0.0.1:" .. server:port()
    here:enforce [[deny { connect = "127.0.0.1" }]]
    assert.equal("EPERM", socket.try("udp", to))
    assert.equal(1, here:keep(socket.udp "inet"):sendto("x", to))
  end)

  it("is not judged again on a connected socket", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local to = "127.0.0.1:" .. server:port()
    here:enforce [[deny { sendmsg = "127.0.0.1" }]]
    local client = here:keep(socket.udp "inet")
    assert(client:connect(to))
    assert.equal(1, client:send "x")
    assert.equal("x", (server:receive()))
    assert.same({ nil, "EPERM" }, { client:sendto("x", to) })
  end)

  it("lets control data pass on a connected socket, which names no address", function()
    for _, host in ipairs { "127.0.0.1", "[::1]" } do
      local server = here:keep(socket.serve("udp", host .. ":0"))
      local client = here:keep(socket.udp(host == "[::1]" and "inet6" or "inet"))
      local gate = here:enforce [[policy { default = { sendmsg = "deny" } }
        deny { sendmsg = { "0.0.0.0/0", "[::/0]" } }]]
      assert(client:connect(host .. ":" .. server:port()))
      assert.equal(1, client:send_control "x")
      assert.equal("x", (server:receive()))
      gate:close()
    end
  end)

  it("is judged by where a rewritten socket is connected: to a mapped address", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local client = here:keep(socket.udp "inet6")
    here:enforce(([[
      rewrite { connect = "192.0.2.1:53", to = "127.0.0.1:%d" }
      deny { sendmsg = "192.0.2.1" }
    ]]):format(server:port()))
    assert(client:connect "[::ffff:192.0.2.1]:53")
    assert.equal(1, client:send "x")
    assert.equal("x", (server:receive()))
  end)

  it("stops the other names of loopback", function()
    local server4 = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local server6 = here:keep(socket.serve("udp", "[::1]:0"))
    here:enforce [[deny { sendmsg = { "127.0.0.1", "::1" } }]]
    local v4, v6 = here:keep(socket.udp "inet"), here:keep(socket.udp "inet6")
    assert.same({ nil, "EPERM" }, { v4:sendto("x", "0.0.0.0:" .. server4:port()) })
    assert.same({ nil, "EPERM" }, { v6:sendto("x", "[::ffff:0.0.0.0]:" .. server4:port()) })
    assert.same({ nil, "EPERM" }, { v6:sendto("x", "[::]:" .. server6:port()) })
    local bound = here:keep(socket.udp "inet6")
    assert(bound:bind "[::ffff:127.0.0.1]:0")
    assert.same({ nil, "EPERM" }, { bound:sendto("x", "[::]:" .. server4:port()) })
    assert.is_true(server4:is_empty() and server6:is_empty())
  end)

  it("is part of egress, beside connect", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local to = "127.0.0.1:" .. server:port()
    here:enforce [[deny { egress = "127.0.0.1", errno = "ENETUNREACH" }]]
    assert.equal("ENETUNREACH", socket.try("udp", to))
    assert.equal("ENETUNREACH", socket.try("tcp", to))
    assert.same({ nil, "ENETUNREACH" }, { here:keep(socket.udp "inet"):sendto("x", to) })
  end)
end)

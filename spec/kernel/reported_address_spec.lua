-- Rules for recvmsg, getpeername and getsockname: they change what is
-- reported, and nothing else.

local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"

-- An address of this machine, as a rule and as a socket name it, and the address that is shown in
-- its place.
local families = {
  { name = "v4", family = "inet", at = "127.0.0.1", shown = "127.0.0.1", to = "192.0.2.1",
    as = "192.0.2.1" },
  { name = "v6", family = "inet6", at = "[::1]", shown = "[::1]", to = "[2001:db8::1]",
    as = "[2001:db8::1]" },
  { name = "v6, mapped", family = "inet6", at = "127.0.0.1", shown = "[::ffff:127.0.0.1]",
    to = "192.0.2.1",
    as = "[::ffff:192.0.2.1]" },
}

sandbox.describe("what is reported", function(here)
  for _, case in ipairs(families) do
    describe("over " .. case.name .. ",", function()
      --- Rules for an operation: the address and the port to be shown for those of a socket.
      local function show(op, port, to)
        return here:enforce(([[rewrite { %s = "%s:%d", to = %q, log = true }]])
          :format(op, case.at, port, to))
      end

      for _, kind in ipairs { "tcp", "udp", "mptcp" } do
        local server, client

        local function connected()
          server = here:keep(socket.serve(kind, case.at .. ":0"))
          client = here:keep(socket.kinds[kind](case.family))
          assert(client:connect(("%s:%d"):format(case.shown, server:port())))
        end

        it("of getpeername, is what the rule says: " .. kind, function()
          connected()
          local gate = show("getpeername", server:port(), case.to .. ":80")
          assert.equal(case.as .. ":80", client:getpeername())
          assert.equal(case.as .. ":80", client:peername_option())
          assert.equal(2, gate:rules()[1].hits)
          local event = gate:events { timeout = 1 }()
          assert.same({ "getpeername", ("%s:%d"):format(case.at, server:port()), case.to .. ":80" },
            { event.op, event.asked, event.final })
          assert.equal(("%s:%d"):format(case.shown, server:port()),
            here:outside(function() return gate:detach() and client:getpeername() end))
        end)

        it("of getsockname, is what the rule says: " .. kind, function()
          connected()
          local port = server:port()
          local gate = show("getsockname", port, "*:80")
          assert.equal(case.at .. ":80", server:getsockname())
          assert.equal(1, gate:rules()[1].hits)
          gate:close()
          show("getsockname", port, case.to)
          assert.equal(("%s:%d"):format(case.to, port), server:getsockname())
        end)

        if kind ~= "udp" then
          it("of accept4(), is what the rule for getpeername says: " .. kind, function()
            connected()
            here:enforce(([[rewrite { getpeername = "%s:%d", to = "%s:81" }]])
              :format(case.at, client:port(), case.to))
            local accepted, peer = server:accept()
            here:keep(accepted)
            assert.equal(case.to .. ":81", peer)
            assert.equal(case.to .. ":81", accepted:getpeername())
          end)
        end
      end

      it("of recvfrom() and recvmsg(), is what the rule for recvmsg says", function()
        local server = here:keep(socket.serve("udp", case.at .. ":0"))
        local client = here:keep(socket.udp(case.family))
        assert(client:sendto("?", ("%s:%d"):format(case.shown, server:port())))
        local _, from = server:receive()
        local gate = show("recvmsg", server:port(), case.to .. ":53")
        for _ = 1, 2 do
          assert(server:sendto("!", from))
        end
        assert.same({ "!", case.as .. ":53" }, { client:receive() })
        assert.same({ "!", case.as .. ":53" }, { client:receive_message() })
        assert.equal(2, gate:rules()[1].hits)
        local event = gate:events { timeout = 1 }()
        assert.same({ case.family == "inet" and "recvmsg4" or "recvmsg6", "rewrite",
          case.to .. ":53" },
          { event.hook, event.verb, event.final })
      end)
    end)
  end

  it("is the first rule that matches: an allow leaves it as it is", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    local gate = here:enforce [[
      allow { "as it is", getsockname = "127.0.0.1", comm = "nobody" }
      rewrite { "else", getsockname = "127.0.0.1", to = "192.0.2.1" }
    ]]
    assert.equal("192.0.2.1:" .. server:port(), server:getsockname())
    gate:close()
    gate = here:enforce [[
      allow { "as it is", getsockname = "127.0.0.1", uid = 0 }
      rewrite { "else", getsockname = "127.0.0.1", to = "192.0.2.1" }
    ]]
    assert.equal("127.0.0.1", (server:getsockname():match "^(.*):"))
    assert.same({ 1, 0 }, { gate:rules()[1].hits, gate:rules()[2].hits })
  end)

  it("is the real address for a socket that was made outside the cgroup", function()
    local outside = here:outside(function() return here:keep(socket.serve("tcp",
      "127.0.0.1:0")) end)
    local inside = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce [[rewrite { getsockname = "127.0.0.1", to = "192.0.2.1:9" }]]
    assert.not_equal("192.0.2.1:9", outside:getsockname())
    assert.equal("192.0.2.1:9", inside:getsockname())
  end)

  it("of a call that was rewritten is what was asked for, whatever such rules say", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    here:enforce(([[
      rewrite { egress = "192.0.2.1:53", to = "127.0.0.1:%d" }
      rewrite { bind = "127.0.0.9:5000", to = "127.0.0.8:6000" }
      rewrite { getpeername = "*", to = "198.51.100.1" }
      rewrite { recvmsg = "*", to = "198.51.100.2" }
      rewrite { getsockname = "*", to = "198.51.100.3" }
    ]]):format(server:port()))
    local client = here:keep(socket.udp "inet")
    assert(client:bind "127.0.0.9:5000")
    assert.equal("127.0.0.9:5000", client:getsockname())
    assert(client:sendto("?", "192.0.2.1:53"))
    assert.equal("198.51.100.2:6000", (select(2, server:receive())))
    assert(server:sendto("!", "127.0.0.8:6000"))
    assert.same({ "!", "192.0.2.1:53" }, { client:receive() })
    assert(client:connect "192.0.2.1:53")
    assert.equal("192.0.2.1:53", client:getpeername())
    local other = here:keep(socket.udp "inet")
    assert(other:connect "127.0.0.1:9")
    assert.equal("198.51.100.1:9", other:getpeername())
  end)

  it("of a server is its real address while its clients are redirected", function()
    for _, kind in ipairs { "tcp", "mptcp" } do
      local server = here:keep(socket.serve(kind, "127.0.0.1:0"))
      local gate = here:enforce(([[rewrite { egress = "192.0.2.1:53", to = "127.0.0.1:%d" }]])
        :format(server:port()))
      local client = here:keep(socket.kinds[kind] "inet")
      assert(client:connect "192.0.2.1:53")
      local accepted, peer = server:accept()
      here:keep(accepted)
      assert.equal(client:getsockname(), peer)
      assert.equal(client:getsockname(), accepted:getpeername())
      assert.equal("127.0.0.1:" .. server:port(), accepted:getsockname())
      gate:close()
    end
  end)

  it("is the same in a child process", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce [[rewrite { getsockname = "127.0.0.1", to = "192.0.2.1:9" }]]
    assert.equal("192.0.2.1:9", process.run(function() return server:getsockname() end))
  end)

  for _, op in ipairs { "recvmsg", "getpeername", "getsockname" } do
    it("cannot be denied: " .. op, function()
      local gate, message = tidegate.load_text(([[deny { "no", %s = "*" }]]):format(op))
      assert.is_nil(gate)
      assert.truthy(message:find(op
        .. ": cannot be denied: the kernel lets its hook only change what is reported; "
        .. "write rewrite, or deny connect, bind or sendmsg", 1, true), message)
    end)
  end
end)

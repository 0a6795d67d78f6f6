-- The names that unix sockets see: of their peer, of themselves, and of the sender of a datagram.

local env = require "spec.support.env"
local sandbox = require "spec.support.sandbox"
local unix_socket = require "spec.support.unix_socket"

local reason = sandbox.no_unix()
if reason then
  return pending(reason)
end

sandbox.describe("unix sockets", function(here)
  local unix = unix_socket.new(here)
  teardown(env.clean)

  describe("that ask for their peer", function()
    local asked, other, real, server

    local function set_up(kind, more)
      asked, other, real = unix:path(), unix:path(), unix:path()
      server = unix:serve(kind, real)
      here:enforce(([[
        rewrite { connect = %q, to = %q }
        rewrite { connect = %q, to = %q%s }
      ]]):format(asked, real, other, real, more or ""))
    end

    for _, kind in ipairs { "stream", "seqpacket" } do
      it("each see the name that they asked for, two at once: " .. kind, function()
        set_up(kind)
        local one, two, three = unix:client(kind), unix:client(kind), unix:client(kind)
        assert(one:connect(asked))
        assert(two:connect(other))
        assert(three:connect(real))
        assert.equal(asked, one:getpeername())
        assert.equal(other, two:getpeername())
        assert.equal(real, three:getpeername())
        assert.equal(asked, one:peername_option(2 + #asked - #"unix:" + 1))
      end)

      it("see real names when they accept: " .. kind, function()
        set_up(kind)
        local one, own = unix:client(kind), unix:path()
        assert(one:bind(own))
        assert(one:connect(asked))
        local accepted, peer = server:accept()
        here:keep(accepted)
        assert.equal(own, peer)
        assert.equal(own, accepted:getpeername())
        assert.equal(real, accepted:getsockname())
        assert.equal(own, one:getsockname())
        assert.equal(asked, one:getpeername())
      end)

      it("see the real name even if the server was redirected: " .. kind, function()
        set_up(kind)
        -- The process of the server has connected to `asked`, too, from another socket.
        local busy = unix:client(kind)
        assert(busy:connect(asked))
        here:keep((server:accept()))
        local one, own = unix:client(kind), unix:path()
        assert(one:bind(own))
        assert(one:connect(real))
        local accepted = here:keep((server:accept()))
        assert.equal(own, accepted:getpeername())
        assert.equal(real, one:getpeername())
      end)

      it("see the real name if the rule reveals it: " .. kind, function()
        set_up(kind, ", reveal = true")
        local one = unix:client(kind)
        assert(one:connect(other))
        assert.equal(real, one:getpeername())
      end)

      it("see the name of their last connect, after one that failed: " .. kind, function()
        local nowhere = unix:path()
        set_up(kind)
        here:enforce(([[rewrite { connect = "%s", to = "%s-none" }]]):format(nowhere, nowhere))
        local one = unix:client(kind)
        assert.equal("ENOTCONN", one:getpeername_errno())
        assert.same({ nil, "ENOENT" }, { one:connect(nowhere) })
        assert.equal("ENOTCONN", one:getpeername_errno())
        assert(one:connect(real))
        assert.equal(real, one:getpeername())
      end)
    end

    it("see the name that they asked for if the server is outside the cgroup", function()
      asked, real = unix:path(), unix:path()
      here:outside(function() server = unix:serve("stream", real) end)
      here:enforce(([[rewrite { connect = %q, to = %q }]]):format(asked, real))
      local one = unix:client "stream"
      assert(one:connect(asked))
      assert.equal(asked, one:getpeername())
    end)
  end)

  describe("that send datagrams", function()
    it("are denied or redirected", function()
      local asked, real, shut = unix:path(), unix:path(), unix:path()
      local server = unix:serve("datagram", real)
      unix:serve("datagram", shut)
      here:enforce(([[
        rewrite { sendmsg = %q, to = %q }
        deny { sendmsg = %q, errno = "EACCES" }
      ]]):format(asked, real, shut))
      local one = unix:client "datagram"
      assert(one:sendto("hello", asked))
      assert.equal("hello", (server:receive()))
      assert.same({ nil, "EACCES" }, { one:sendto("x", shut) })
    end)

    it("see each sender under the name that they sent to", function()
      local first, second, real, beside, own = unix:path(), unix:name(), unix:path(), unix:name(),
        unix:path()
      local server, another = unix:serve("datagram", real), unix:serve("datagram", beside)
      here:enforce(([[
        rewrite { egress = %q, to = %q }
        rewrite { egress = %q, to = %q }
      ]]):format(first, real, second, beside))
      local one = unix:client "datagram"
      assert(one:bind(own))
      assert(one:sendto("1", first))
      assert(one:sendto("2", second))
      local _, from = server:receive()
      assert.equal(own, from)
      another:receive()
      assert(another:sendto("two", own))
      assert(server:sendto("one", own))
      assert.same({ "two", second }, { one:receive() })
      assert.same({ "one", first }, { one:receive() })
      -- Another socket, which sent to the real name, sees the real name.
      local two, own2 = unix:client "datagram", unix:path()
      assert(two:bind(own2))
      assert(two:sendto("3", real))
      server:receive()
      assert(server:sendto("three", own2))
      assert.same({ "three", real }, { two:receive() })
    end)

    it("see the real name again once they have sent to it", function()
      local asked, real, own = unix:path(), unix:path(), unix:path()
      local server = unix:serve("datagram", real)
      here:enforce(([[rewrite { egress = %q, to = %q }]]):format(asked, real))
      local one = unix:client "datagram"
      assert(one:bind(own))
      assert(one:connect(asked))
      assert(one:send "1")
      server:receive()
      assert(server:sendto("a", own))
      assert.same({ "a", asked }, { one:receive() })
      assert(one:sendto("2", real))
      server:receive()
      assert(server:sendto("b", own))
      assert.same({ "b", real }, { one:receive() })
    end)
  end)

  describe("whose names are reported", function()
    it("see them renamed by rules: the peer, their own name, the sender", function()
      local real, own, shown = unix:path(), unix:path(), unix:name()
      local server = unix:serve("stream", real)
      here:enforce(([[
        rewrite { getpeername = %q, to = %q }
        rewrite { getsockname = %q, to = "unix:@own" }
      ]]):format(real, shown, own))
      local one = unix:client "stream"
      assert(one:bind(own))
      assert(one:connect(real))
      assert.equal(shown, one:getpeername())
      assert.equal("unix:@own", one:getsockname())
      local accepted = here:keep((server:accept()))
      assert.equal(own, accepted:getpeername())

      local inbox, sender, from = unix:path(), unix:client "datagram", unix:path()
      local receiver = unix:serve("datagram", inbox)
      here:enforce(([[rewrite { recvmsg = %q, to = %q }]]):format(from, shown))
      assert(sender:bind(from))
      assert(sender:sendto("x", inbox))
      assert.same({ "x", shown }, { receiver:receive() })
    end)

    it("see the name that they asked for, even if a rule would rename it", function()
      local asked, real = unix:path(), unix:path()
      unix:serve("stream", real)
      here:enforce(([[
        rewrite { connect = %q, to = %q }
        rewrite { getpeername = { %q, %q }, to = "unix:@never" }
      ]]):format(asked, real, asked, real))
      local one, two = unix:client "stream", unix:client "stream"
      assert(one:connect(asked))
      assert(two:connect(real))
      assert.equal(asked, one:getpeername())
      assert.equal("unix:@never", two:getpeername())
    end)
  end)
end)

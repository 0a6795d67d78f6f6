-- getpeername() returns what the program asked for, and the real peer if
-- nothing was rewritten.

local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("getpeername", function(here)
  local server, other -- TCP or UDP on 127.0.0.1

  local ASKED = "1.2.3.4:60000"
  local ELSEWHERE = "1.2.3.5:60000"

  local function name(of)
    return "127.0.0.1:" .. of:port()
  end

  --- ASKED is redirected to the first server, ELSEWHERE to the other; 1.2.3.6 to where nothing
  --- listens.
  local function set_up(kind)
    server = here:keep(socket.serve(kind, "127.0.0.1:0"))
    other = here:keep(socket.serve(kind, "127.0.0.1:0"))
    return here:enforce(([[
      rewrite { connect = "1.2.3.4:60000", to = %q }
      rewrite { connect = "1.2.3.5:60000", to = %q }
      rewrite { connect = "1.2.3.6", to = "127.0.0.1:1" }
      rewrite { connect = "1.2.3.7", to = "192.0.2.1" }
      rewrite { connect = "1.2.3.8", to = %q, reveal = true }
      rewrite { connect = "1.2.3.9", to = %q, bind_source = "192.0.2.9" }
      deny { connect = "1.2.3.0/24" }
    ]]):format(name(server), name(other), name(server), name(server)))
  end

  for _, kind in ipairs { "tcp", "mptcp" } do
    describe("of a connection, " .. kind, function()
      local client
      before_each(function()
        set_up(kind)
        client = here:keep(socket.kinds[kind] "inet")
      end)

      it("is what was asked for, also by SO_PEERNAME and while it is in use", function()
        assert(client:connect(ASKED))
        assert.equal(ASKED, client:getpeername())
        assert.equal(ASKED, client:peername_option())
        client:send "x"
        assert.equal("x", (here:keep((server:accept())):receive()))
        assert.equal(ASKED, client:getpeername())
      end)

      it("is nothing before a connect, and after one that failed", function()
        assert.equal("ENOTCONN", client:getpeername_errno())
        assert.same({ nil, "ECONNREFUSED" }, { client:connect "1.2.3.6:80" })
        assert.equal("ENOTCONN", client:getpeername_errno())
        assert.same({ nil, "EPERM" }, { client:connect "1.2.3.1:80" })
        assert.equal("ENOTCONN", client:getpeername_errno())
      end)

      it("is that of the next connect after one that failed", function()
        assert.same({ nil, "ECONNREFUSED" }, { client:connect "1.2.3.6:80" })
        assert(client:connect(name(server)))
        assert.equal(name(server), client:getpeername())
      end)

      it("is that of the next connect after connect(AF_UNSPEC)", function()
        assert(client:connect(ASKED))
        assert(client:disconnect())
        assert.equal("ENOTCONN", client:getpeername_errno())
        assert(client:connect(name(server)))
        assert.equal(name(server), client:getpeername())
        assert(client:disconnect())
        assert(client:connect(ELSEWHERE))
        assert.equal(ELSEWHERE, client:getpeername())
      end)

      it("survives a second connect, which the kernel refuses", function()
        assert(client:connect(ASKED))
        assert.same({ nil, "EISCONN" }, { client:connect(ELSEWHERE) })
        assert.equal(ASKED, client:getpeername())
      end)

      it("is the true peer for the server, from accept4() on", function()
        assert(client:connect(ASKED))
        local accepted, peer = server:accept()
        here:keep(accepted)
        assert.equal(client:getsockname(), peer)
        assert.equal(client:getsockname(), accepted:getpeername())
        assert.equal(client:getsockname(), accepted:peername_option())
      end)
    end)
  end

  describe("of a datagram socket", function()
    local client, gate
    before_each(function()
      gate = set_up "udp"
      client = here:keep(socket.udp "inet")
      assert(client:connect(ASKED))
    end)

    --- The name is this, and datagrams go there.
    local function check(expected, receiver)
      assert.equal(expected, client:getpeername())
      client:send "x"
      assert.equal("x", (receiver:receive()))
    end

    it("is what was asked for", function() check(ASKED, server) end)

    it("follows each connect", function()
      assert(client:connect(ELSEWHERE))
      check(ELSEWHERE, other)
      assert(client:connect(ASKED))
      check(ASKED, server)
      assert(client:connect(name(other)))
      check(name(other), other)
    end)

    it("is the real peer after a connect to the same place under its own name", function()
      assert(client:connect(name(server)))
      check(name(server), server)
    end)

    it("is the real peer after a rewrite to the same place that reveals it", function()
      assert(client:connect "1.2.3.8:60000")
      check(name(server), server)
    end)

    it("stays after a connect that was denied", function()
      assert.same({ nil, "EPERM" }, { client:connect "1.2.3.1:80" })
      check(ASKED, server)
    end)

    it("stays after a connect that the kernel refused", function()
      assert.same({ nil, "ENETUNREACH" }, { client:connect "192.0.2.1:80" })
      check(ASKED, server)
    end)

    it("stays after a connect that was redirected to where the kernel cannot go", function()
      assert.same({ nil, "ENETUNREACH" }, { client:connect "1.2.3.7:80" })
      check(ASKED, server)
    end)

    it("stays after a connect whose source could not be bound", function()
      assert.is_nil((client:connect "1.2.3.9:80"))
      check(ASKED, server)
    end)

    it("is nothing after connect(AF_UNSPEC), and correct after the next connect", function()
      assert(client:disconnect())
      assert.equal("ENOTCONN", client:getpeername_errno())
      assert(client:connect(name(server)))
      check(name(server), server)
      assert(client:connect(ASKED))
      check(ASKED, server)
    end)

    it("stays when the policy changes, also to one that rewrites nothing", function()
      gate:allow { "more", connect = "192.0.2.0/24" }
      assert(gate:commit())
      check(ASKED, server)
    end)
  end)
end)

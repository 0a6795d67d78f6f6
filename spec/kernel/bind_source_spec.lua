-- A rule's bind_source: the socket is bound to it before it connects.

local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("bind_source", function(here)
  before_each(function()
    netns.add_address "2001:db8::7"
  end)

  local families = {
    { name = "v4", at = "127.0.0.1", bind_source = "127.0.0.2", shown = "127.0.0.2" },
    { name = "v6", at = "[::1]", bind_source = "[2001:db8::7]", shown = "[2001:db8::7]" },
    { name = "v6, mapped", at = "127.0.0.1", asked = "[::ffff:127.0.0.1]",
      bind_source = "127.0.0.2", shown = "[::ffff:127.0.0.2]" },
  }

  for _, kind in ipairs { "tcp", "udp" } do
    for _, family in ipairs(families) do
      local what = ": " .. kind .. " " .. family.name
      local host = family.asked or family.at
      local function client()
        return here:keep(socket.kinds[kind](host:sub(1, 1) == "[" and "inet6" or "inet"):abrupt())
      end

      it("binds the address" .. what, function()
        local server = here:keep(socket.serve(kind, family.at .. ":0"))
        local gate = here:enforce(([[allow { connect = "*", bind_source = %q }]])
          :format(family.bind_source:gsub("[%[%]]", "")))
        local one = client()
        assert(one:connect(("%s:%d"):format(host, server:port())))
        assert.equal(family.shown, (one:getsockname():match "^(.*):%d+$"))
        assert.equal(0, gate:stats().errors)
      end)

      it("binds address and port" .. what, function()
        local server = here:keep(socket.serve(kind, family.at .. ":0"))
        here:enforce(([[allow { connect = "*", bind_source = "%s:22222" }]])
          :format(family.bind_source))
        local one = client()
        assert(one:connect(("%s:%d"):format(host, server:port())))
        assert.equal(family.shown .. ":22222", one:getsockname())
      end)

      it("works with a rewrite" .. what, function()
        local server = here:keep(socket.serve(kind, family.at .. ":0"))
        here:enforce(([[rewrite { connect = "%s:60000", to = "*:%d", bind_source = "%s:22222" }]])
          :format(family.at, server:port(), family.bind_source))
        local one = client()
        assert(one:connect(host .. ":60000"))
        assert.equal(host .. ":60000", one:getpeername())
        assert.equal(family.shown .. ":22222", one:getsockname())
      end)

      it("can be bound again after a connect that failed" .. what, function()
        local server = here:keep(socket.serve(kind, family.at .. ":0"))
        here:enforce(([[
          deny { connect = "*:2" }
          allow { connect = "*", bind_source = "%s:22222" }
        ]]):format(family.bind_source))
        local one = client()
        one:connect(host .. ":1")
        assert.same({ nil, "EPERM" }, { one:connect(host .. ":2") })
        assert(one:connect(("%s:%d"):format(host, server:port())))
        assert.equal(family.shown .. ":22222", one:getsockname())
      end)

      it("that is not of this machine fails the call" .. what, function()
        local away = family.name == "v6" and "2001:db8::99" or "192.0.2.99"
        local server = here:keep(socket.serve(kind, family.at .. ":0"))
        local gate = here:enforce(([[allow { connect = "*", bind_source = %q }]]):format(away))
        local one = client()
        assert.same({ nil, "EADDRNOTAVAIL" }, { one:connect(("%s:%d")
          :format(host, server:port())) })
        assert.equal(1, gate:stats().errors)
        assert.equal(1, gate:rules()[1].hits)
      end)
    end
  end

  it("that is in use fails the call", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:keep(socket.serve("tcp", "127.0.0.2:22222"))
    local gate = here:enforce [[allow { connect = "*", bind_source = "127.0.0.2:22222" }]]
    assert.equal("EADDRINUSE", socket.try("tcp", "127.0.0.1:" .. server:port()))
    assert.equal(1, gate:stats().errors)
  end)

  it("fails the call of a socket that is bound to something else", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    local gate = here:enforce [[allow { connect = "*", bind_source = "127.0.0.2" }]]
    local client = here:keep(socket.tcp "inet")
    assert(client:bind "127.0.0.3:0")
    assert.same({ nil, "EINVAL" }, { client:connect("127.0.0.1:" .. server:port()) })
    assert.equal(1, gate:stats().errors)
  end)

  it("does not redirect 0.0.0.0 to an address that was not judged", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.9:0"))
    here:enforce [[
      deny { connect = "127.0.0.9" }
      allow { connect = "*", bind_source = "127.0.0.9" }
    ]]
    for _, zero in ipairs { "0.0.0.0", "[::ffff:0.0.0.0]" } do
      assert.equal("ECONNREFUSED", socket.try("tcp", ("%s:%d"):format(zero, server:port())))
    end
  end)

  it("of IPv4 fails a connect to a v6 address", function()
    here:enforce [[allow { connect = { "127.0.0.1", "2001:db8::7" }, bind_source = "127.0.0.2" }]]
    assert.equal("EAFNOSUPPORT", socket.try("tcp", "[2001:db8::7]:80"))
  end)
end)

-- A denied connect fails with the errno of the rule, however the
-- address is written.

local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("deny", function(here)
  local errnos = {
    "EPERM", "EACCES", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN",
    "ETIMEDOUT", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL", "ENOENT", "ECONNABORTED",
  }

  for _, errno in ipairs(errnos) do
    it("fails the call with " .. errno, function()
      here:enforce(([[deny { connect = { "192.0.2.0/24", "2001:db8::/32" }, errno = %q }]])
        :format(errno))
      for _, kind in ipairs { "tcp", "udp", "mptcp" } do
        for _, host in ipairs { "192.0.2.1", "[2001:db8::1]", "[::ffff:192.0.2.1]" } do
          assert.equal(errno, socket.try(kind, host .. ":80"))
        end
      end
    end)
  end

  it("fails with EPERM if no errno is given, and as the default", function()
    local gate = here:enforce [[deny { connect = "192.0.2.1" }]]
    assert.equal("EPERM", socket.try("tcp", "192.0.2.1:80"))
    gate:policy { default = "deny" }
    assert(gate:commit())
    assert.equal("EPERM", socket.try("udp", "192.0.2.2:80"))
    assert.equal("EPERM", socket.try("udp", "[2001:db8::1]:80"))
  end)

  it("leaves alone what no rule names", function()
    netns.own_all_addresses()
    here:enforce [[deny { connect = "192.0.2.0/24:80-90" }]]
    for _, endpoint in ipairs { "192.0.2.0:80", "192.0.2.255:90" } do
      assert.equal("EPERM", socket.try("udp", endpoint))
    end
    for _, endpoint in ipairs { "192.0.1.255:80", "192.0.3.0:80", "192.0.2.1:79", "192.0.2.1:91",
      "[2001:db8::1]:80" } do
      assert.equal("ok", socket.try("udp", endpoint))
    end
  end)

  it("takes the first rule that matches", function()
    netns.own_all_addresses()
    here:enforce [[
      allow { connect = "192.0.2.1" }
      deny { connect = "192.0.2.0/24:80", errno = "EACCES" }
      deny { connect = "192.0.2.0/24", errno = "ECONNREFUSED" }
    ]]
    assert.equal("ok", socket.try("udp", "192.0.2.1:80"))
    assert.equal("EACCES", socket.try("udp", "192.0.2.2:80"))
    assert.equal("ECONNREFUSED", socket.try("udp", "192.0.2.2:81"))
  end)

  it("stops 127.0.0.1 in every spelling that reaches it", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    local port = server:port()
    local spellings = { "127.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]" }
    for _, host in ipairs(spellings) do
      assert.equal("ok", socket.try("tcp", host .. ":" .. port))
    end
    here:enforce [[deny { connect = "127.0.0.1" }]]
    for _, host in ipairs(spellings) do
      assert.equal("EPERM", socket.try("tcp", host .. ":" .. port))
    end
    assert.equal("ECONNREFUSED", socket.try("tcp", "[::1]:" .. port))
  end)

  it("stops ::1 under its other name", function()
    local server = here:keep(socket.serve("tcp", "[::1]:0"))
    assert.equal("ok", socket.try("tcp", "[::]:" .. server:port()))
    here:enforce [[deny { connect = "::1" }]]
    assert.equal("EPERM", socket.try("tcp", "[::1]:" .. server:port()))
    assert.equal("EPERM", socket.try("tcp", "[::]:" .. server:port()))
    assert.equal("ECONNREFUSED", socket.try("tcp", "127.0.0.1:" .. server:port()))
  end)

  it("stops :: if the kernel takes it for 127.0.0.1: on a socket that is bound to IPv4", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce [[deny { connect = "127.0.0.1" }]]
    local client = here:keep(socket.tcp "inet6")
    assert(client:bind "[::ffff:127.0.0.1]:0")
    assert.same({ nil, "EPERM" }, { client:connect("[::]:" .. server:port()) })
  end)

  it("stops 0.0.0.0 if the kernel takes it for the socket's own address", function()
    netns.own_all_addresses()
    local server = here:keep(socket.serve("tcp", "192.0.2.7:0"))
    here:enforce [[deny { connect = "192.0.2.7" }]]
    for _, bound in ipairs { "192.0.2.7:0", "[::ffff:192.0.2.7]:0" } do
      local v6 = bound:sub(1, 1) == "["
      local client = here:keep(socket.tcp(v6 and "inet6" or "inet"))
      assert(client:bind(bound))
      local zero = v6 and "[::ffff:0.0.0.0]:" or "0.0.0.0:"
      assert.same({ nil, "EPERM" }, { client:connect(zero .. server:port()) })
    end
  end)

  it("works on a v6-only socket, too", function()
    here:enforce [[deny { connect = { "2001:db8::1", "192.0.2.1" }, errno = "EACCES" }]]
    for _, kind in ipairs { "tcp", "udp" } do
      local client = here:keep(socket.kinds[kind]("inet6"):v6only())
      assert.same({ nil, "EACCES" }, { client:connect "[2001:db8::1]:80" })
      assert.same({ nil, "EACCES" }, { client:connect "[::ffff:192.0.2.1]:80" })
    end
  end)

  it("distinguishes a socket's family from its address's", function()
    netns.own_all_addresses()
    here:enforce [[deny { connect = "192.0.2.1", family = "inet6" }]]
    assert.equal("ok", socket.try("udp", "192.0.2.1:80"))
    assert.equal("EPERM", socket.try("udp", "[::ffff:192.0.2.1]:80"))
  end)

  it("leaves the socket usable for another connect", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce [[deny { connect = "192.0.2.1" }]]
    local client = here:keep(socket.tcp "inet")
    assert.same({ nil, "EPERM" }, { client:connect "192.0.2.1:80" })
    assert.equal("ENOTCONN", client:getpeername_errno())
    assert.same({ true }, { client:connect("127.0.0.1:" .. server:port()) })
  end)
end)

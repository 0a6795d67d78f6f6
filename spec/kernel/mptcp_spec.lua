-- MPTCP: the kernel connects by a TCP subflow; rules and getpeername() see the
-- program's own socket.

local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("MPTCP", function(here)
  --- The results of connecting to 192.0.2.1 under a policy: by TCP, MPTCP and UDP.
  local function answers(policy)
    local gate = here:enforce(policy)
    local found = {}
    for _, host in ipairs { "192.0.2.1", "[::ffff:192.0.2.1]" } do
      for _, kind in ipairs { "tcp", "mptcp", "udp" } do
        found[#found + 1] = socket.try(kind, host .. ":80")
      end
    end
    gate:close()
    return table.concat(found, " ")
  end

  it("matches a rule for tcp, and is a protocol of its own for mptcp", function()
    assert.equal("EPERM EPERM ENETUNREACH EPERM EPERM ENETUNREACH",
      answers [[deny { connect = "192.0.2.1", proto = "tcp" }]])
    assert.equal("ENETUNREACH EPERM ENETUNREACH ENETUNREACH EPERM ENETUNREACH",
      answers [[deny { connect = "192.0.2.1", proto = "mptcp" }]])
    assert.equal("EPERM ENETUNREACH ENETUNREACH EPERM ENETUNREACH ENETUNREACH",
      answers [[deny { connect = "192.0.2.1", proto = 6 }]])
    assert.equal("ENETUNREACH ENETUNREACH EPERM ENETUNREACH ENETUNREACH EPERM",
      answers [[deny { connect = "192.0.2.1", proto = "!tcp" }]])
    assert.equal("EPERM EACCES ENETUNREACH EPERM EACCES ENETUNREACH", answers [[
      deny { connect = "192.0.2.1", proto = "mptcp", errno = "EACCES" }
      deny { connect = "192.0.2.1", proto = "tcp" }
    ]])
  end)

  it("is named by events", function()
    local gate = here:enforce [[deny { connect = "*", log = true }]]
    socket.try("mptcp", "192.0.2.1:80")
    socket.try("tcp", "192.0.2.1:80")
    local protos = {}
    for event in gate:events { timeout = 0 } do
      protos[#protos + 1] = event.proto
    end
    assert.same({ "mptcp", "tcp" }, protos)
  end)

  it("falls back to TCP if the server has no MPTCP, and is rewritten all the same", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce(([[
      rewrite { connect = "192.0.2.1:80", to = "127.0.0.1:%d", bind_source = "127.0.0.9" ]]
      .. [[}]])
      :format(server:port()))
    local client = here:keep(socket.mptcp "inet")
    assert(client:connect "192.0.2.1:80")
    local accepted, peer = server:accept()
    here:keep(accepted)
    assert.equal("127.0.0.9", peer:match "^[^:]+")
    assert.equal("192.0.2.1:80", client:getpeername())
    assert.equal("192.0.2.1:80", client:peername_option())
    client:send "x"
    assert.equal("x", (accepted:receive()))
    assert.equal("192.0.2.1:80", client:getpeername())
    assert.equal(peer, accepted:getpeername())
  end)
end)

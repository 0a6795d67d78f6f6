-- sockopt: socket options on connect and bind.

local ffi = require "ffi"
local libc = require "spec.support.libc"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local SOL_SOCKET, SOL_IP, SOL_TCP, SOL_IPV6 = 1, 0, 6, 41
local SO_KEEPALIVE, SO_PRIORITY, SO_BINDTODEVICE, SO_MARK = 9, 12, 25, 36
local IP_TOS, IPV6_TCLASS = 1, 67
local TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_CONGESTION = 4, 5, 6, 13

local function text(client, level, option)
  local value, length = ffi.new "char[32]", ffi.new("uint32_t[1]", 32)
  assert(libc.outcome(libc.call.getsockopt(client.fd, level, option, value, length)))
  return ffi.string(value)
end

sandbox.describe("sockopt", function(here)
  local function connected(kind, endpoint)
    local client = here:keep(socket.kinds[kind](endpoint:sub(1, 1) == "[" and "inet6" or "inet"))
    assert(client:connect(endpoint))
    return client
  end

  it("gives a connecting TCP socket every option", function()
    local port = here:keep(socket.serve("tcp", "127.0.0.1:0")):port()
    here:enforce [[
      allow { connect = "127.0.0.1", proto = "tcp",
        sockopt = { mark = 0x12345678, priority = 3, tos = 16, device = "lo",
        keepalive = true, keepidle = 44, keepintvl = 7, keepcnt = 5, congestion = "reno" } }
    ]]
    local client = connected("tcp", "127.0.0.1:" .. port)
    assert.same({ 0x12345678, 3, 16, 1, 44, 7, 5 }, {
      client:number(SOL_SOCKET, SO_MARK), client:number(SOL_SOCKET, SO_PRIORITY),
      client:number(SOL_IP, IP_TOS),
      client:number(SOL_SOCKET, SO_KEEPALIVE), client:number(SOL_TCP, TCP_KEEPIDLE),
      client:number(SOL_TCP, TCP_KEEPINTVL), client:number(SOL_TCP, TCP_KEEPCNT),
    })
    assert.same({ "reno", "lo" }, { text(client, SOL_TCP, TCP_CONGESTION),
      text(client, SOL_SOCKET, SO_BINDTODEVICE) })
  end)

  it("sets the traffic class of IPv6", function()
    here:enforce [[allow { connect = "::1", sockopt = { tos = 8 } }]]
    assert.equal(8, connected("udp", "[::1]:9"):number(SOL_IPV6, IPV6_TCLASS))
  end)

  it("cannot set the TOS of what an IPv6 socket sends over IPv4", function()
    here:enforce [[allow { connect = "127.0.0.1", sockopt = { tos = 8 } }]]
    local client = connected("udp", "[::ffff:127.0.0.1]:9")
    assert.same({ 8, 0 }, { client:number(SOL_IPV6, IPV6_TCLASS), client:number(SOL_IP, IP_TOS) })
  end)

  it("works with a rewrite and on bind, and on no socket that the rule does not match", function()
    here:enforce [[
      rewrite { connect = "127.0.0.1:9", to = "*:10", sockopt = { mark = 5 } }
      allow { bind = "127.0.0.1:7777", sockopt = { mark = 6 } }
    ]]
    local rewritten = connected("udp", "127.0.0.1:9")
    assert.equal(5, rewritten:number(SOL_SOCKET, SO_MARK))
    local bound = here:keep(socket.serve("udp", "127.0.0.1:7777"))
    assert.equal(6, bound:number(SOL_SOCKET, SO_MARK))
    assert.equal(0, connected("udp", "127.0.0.1:11"):number(SOL_SOCKET, SO_MARK))
  end)

  it("fails a call whose socket cannot have them, and counts it", function()
    local gate = here:enforce [[
      allow { connect = "127.0.0.1:9", sockopt = { device = "nosuch0" } }
      allow { connect = "127.0.0.1:10", proto = "tcp", sockopt = { congestion = "nosuch" } }
    ]]
    assert.equal("ENODEV", socket.try("udp", "127.0.0.1:9"))
    assert.equal("ENOENT", socket.try("tcp", "127.0.0.1:10"))
    assert.equal(2, gate:stats().errors)
  end)

  it("keeps the options of more than 64 rules apart", function()
    local rules = {}
    for port = 1, 100 do
      rules[port] = ("allow { connect = '127.0.0.1:%d', sockopt = { mark = %d } }")
        :format(port, port * 3)
    end
    here:enforce(table.concat(rules, "\n"))
    for port = 1, 100 do
      assert.equal(port * 3, connected("udp", "127.0.0.1:" .. port):number(SOL_SOCKET, SO_MARK))
    end
  end)
end)

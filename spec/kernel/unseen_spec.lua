-- What the hooks do not see: with programs on the hooks that deny every call,
-- these calls go through.  The doctor and docs/limits.md say so.

local ffi = require "ffi"
local foreign = require "spec.support.foreign"
local libc = require "spec.support.libc"
local sandbox = require "spec.support.sandbox"

local C, outcome = libc.call, libc.outcome

local AF_INET, AF_NETLINK, AF_PACKET, AF_VSOCK = 2, 16, 17, 40
local SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_CLOEXEC = 1, 2, 3, 0x80000
local IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_RAWEST = 1, 6, 17, 132, 253
local INET_BYTES, ECHO_REQUEST = 16, 8

sandbox.describe("the hooks do not see", function(here)
  local open, programs

  --- Deny every call of some hooks.
  local function deny(...)
    for _, hook in ipairs { ... } do
      programs[#programs + 1] = foreign.load("no", 0, hook)
      foreign.attach(here.cgroup, programs[#programs], foreign.ALLOW_MULTI, hook)
    end
  end

  --- A socket, closed at the end; nil and the reason if the kernel has none of its kind.
  local function socket(family, kind, protocol)
    local fd, errno = outcome(C.socket(family, kind + SOCK_CLOEXEC, protocol))
    open[#open + 1] = fd
    return fd, errno
  end

  --- 127.0.0.1 and a port.
  local function loopback(port)
    local to = ffi.new "struct spec_sockaddr"
    to.family, to.bytes[1], to.bytes[2], to.bytes[5] = AF_INET, port or 0, 127, 1
    return to
  end

  local function connect(fd) return select(2, outcome(C.connect(fd, loopback(9), INET_BYTES)))
    or "ok" end
  local function bind(fd) return select(2, outcome(C.bind(fd, loopback(), INET_BYTES))) or "ok" end

  local function sendto(fd, bytes)
    return select(2, outcome(C.sendto(fd, bytes or "x", #(bytes or "x"), 0, loopback(9),
      INET_BYTES))) or "ok"
  end

  before_each(function()
    open, programs = {}, {}
  end)
  after_each(function()
    for _, fds in ipairs { open, programs } do
      for _, fd in ipairs(fds) do
        C.close(fd)
      end
    end
  end)

  it("raw sockets", function()
    deny(foreign.BIND4, foreign.CONNECT4, foreign.SENDMSG4)
    local raw = assert(socket(AF_INET, SOCK_RAW, IPPROTO_RAWEST))
    assert.same({ "ok", "ok", "ok" }, { bind(raw), sendto(raw), connect(raw) })
    local udp = assert(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP))
    assert.same({ "EPERM", "EPERM", "EPERM" }, { bind(udp), sendto(udp), connect(udp) })
  end)

  it("packet and netlink sockets", function()
    deny(foreign.BIND4, foreign.CONNECT4, foreign.SENDMSG4)
    local all = ffi.new "struct spec_sockaddr"
    all.family = AF_PACKET
    assert.equal(0, outcome(C.bind(assert(socket(AF_PACKET, SOCK_DGRAM, 0)), all, 20)))
    all.family = AF_NETLINK
    local netlink = assert(socket(AF_NETLINK, SOCK_RAW, 0))
    assert.equal(0, outcome(C.bind(netlink, all, 12)))
    assert.equal(0, outcome(C.connect(netlink, all, 12)))
  end)

  it("sockets of virtual machines", function()
    deny(foreign.BIND4, foreign.CONNECT4)
    local vsock, errno = socket(AF_VSOCK, SOCK_STREAM, 0)
    if not vsock then
      return pending("this kernel has none: " .. errno)
    end
    local any = ffi.new "struct spec_sockaddr"
    any.family = AF_VSOCK
    ffi.fill(any.bytes + 2, 8, 255) -- any port, any machine
    assert.equal(0, outcome(C.bind(vsock, any, 16)))
  end)

  it("SCTP", function()
    deny(foreign.BIND4, foreign.CONNECT4, foreign.SENDMSG4)
    local sctp, errno = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP)
    if not sctp then
      return pending("this kernel has none: " .. errno)
    end
    assert.equal("ok", bind(sctp))
    assert.equal("ECONNREFUSED", connect(sctp))
  end)

  it("what ping sockets send and bind, but their connects", function()
    deny(foreign.BIND4, foreign.CONNECT4, foreign.SENDMSG4)
    local range = assert(io.open("/proc/sys/net/ipv4/ping_group_range", "w"))
    range:write "0 2147483647"
    range:close()
    local ping = assert(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP))
    assert.equal("ok", bind(ping))
    assert.equal("ok", sendto(ping, string.char(ECHO_REQUEST) .. ("\0"):rep(7)))
    assert.equal("EPERM", connect(ping))
  end)

  it("that the kernel picks a port", function()
    deny(foreign.BIND4)
    local udp = assert(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP))
    assert.equal("ok", connect(udp))
    local name, length = ffi.new "struct spec_sockaddr", ffi.new("uint32_t[1]", 128)
    assert(outcome(C.getsockname(udp, name, length)))
    assert.is_true(name.bytes[0] * 256 + name.bytes[1] > 0)
    assert.equal("EPERM", bind(assert(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP))))
  end)

  it("connections that come in", function()
    local server = assert(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP))
    assert.equal(0, outcome(C.bind(server, loopback(9), INET_BYTES)))
    assert.equal(0, outcome(C.listen(server, 1)))
    deny(foreign.BIND4, foreign.CONNECT4)
    here:outside(function() assert.equal("ok", connect(assert(socket(AF_INET, SOCK_STREAM,
      IPPROTO_TCP)))) end)
    open[#open + 1] = assert(outcome(C.accept4(server, nil, nil, SOCK_CLOEXEC)))
    assert.equal("EPERM", connect(assert(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP))))
  end)

  it("what a connected socket sends, whenever it was connected", function()
    local udp = assert(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP))
    local server = assert(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP))
    assert.equal(0, outcome(C.bind(server, loopback(9), INET_BYTES)))
    assert.equal("ok", connect(udp))
    deny(foreign.CONNECT4, foreign.SENDMSG4)
    assert.equal(1, outcome(C.send(udp, "x", 1, 0)))
    assert.equal("EPERM", connect(udp))
    assert.equal("EPERM", sendto(udp))
  end)
end)

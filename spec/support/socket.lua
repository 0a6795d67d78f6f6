--- Real sockets.  An endpoint is a text, as a policy spells it; on an inet6
--- socket an IPv4 address is "[::ffff:1.2.3.4]:80"; that of a unix socket is
--- "unix:/run/x.sock", or "unix:@name", in which "@" replaces each zero.
--
-- A function that fails returns nil and the errno's name.

local bit = require "bit"
local ffi = require "ffi"
local libc = require "spec.support.libc"
local sockaddr = require "spec.support.sockaddr"

local C, outcome = libc.call, libc.outcome
local address, asked = sockaddr.of, sockaddr.asked

local M = {}

local SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_CLOEXEC = 1, 2, 3, 5, 0x80000
local IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDPLITE, IPPROTO_MPTCP = 1, 58, 136, 262
local IPPROTO_NONE = 253 -- for experiments
local IPPROTO_TCP, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, MSG_FASTOPEN = 6, 23, 30, 0x20000000
local SO_BROADCAST = 6
local SOL_SOCKET, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SO_PEERNAME, SO_COOKIE, SO_NETNS_COOKIE =
  1, 13, 20, 21, 28, 57, 71
local SO_BINDTODEVICE, SO_MARK = 25, 36
local SO_ATTACH_FILTER, SO_DETACH_FILTER, BPF_LD_ABS, BPF_RET = 26, 27, 0x20, 0x06
local IPPROTO_IPV6, IPV6_V6ONLY, IPV6_HOPLIMIT, IPPROTO_IP, IP_TTL = 41, 26, 52, 0, 2
local IP_PKTINFO, IPV6_PKTINFO = 8, 50

--- How long a call may block before it fails with EAGAIN or EINPROGRESS.
local PATIENCE_S = 20

---@class spec.Socket
---@field fd integer
---@field family "inet"|"inet6"
local Socket = {}
Socket.__index = Socket

-- Sockets ---------------------------------------------------------------------------

local function wrap(fd, family)
  local self = setmetatable({ fd = fd, family = family }, Socket)
  local patience = ffi.new("struct spec_timeval", PATIENCE_S, 0)
  self:set(SOL_SOCKET, SO_RCVTIMEO, patience)
  self:set(SOL_SOCKET, SO_SNDTIMEO, patience)
  return self
end

local function open(family, kind, proto)
  return wrap(assert(outcome(C.socket(sockaddr.families[family], bit.bor(kind, SOCK_CLOEXEC),
    proto))), family)
end

---@param family "inet"|"inet6"
---@return spec.Socket
function M.tcp(family) return open(family, SOCK_STREAM, 0) end

---@param family "inet"|"inet6"
---@return spec.Socket
function M.udp(family) return open(family, SOCK_DGRAM, 0) end

---@param family "inet"|"inet6"
---@return spec.Socket
function M.mptcp(family) return open(family, SOCK_STREAM, IPPROTO_MPTCP) end

function M.unix_stream() return open("unix", SOCK_STREAM, 0) end
function M.unix_datagram() return open("unix", SOCK_DGRAM, 0) end
function M.unix_seqpacket() return open("unix", SOCK_SEQPACKET, 0) end

---@param family "inet"|"inet6"
---@return spec.Socket
function M.udplite(family) return open(family, SOCK_DGRAM, IPPROTO_UDPLITE) end

--- A ping socket, which needs netns.allow_ping().
---@param family "inet"|"inet6"
---@return spec.Socket
function M.ping(family) return open(family, SOCK_DGRAM,
  family == "inet" and IPPROTO_ICMP or IPPROTO_ICMPV6) end

---@param family "inet"|"inet6"
---@return spec.Socket
function M.raw(family) return open(family, SOCK_RAW, IPPROTO_NONE) end

function Socket:set(level, option, value)
  return outcome(C.setsockopt(self.fd, level, option, value, ffi.sizeof(value)))
end

function Socket:v6only()
  assert(self:set(IPPROTO_IPV6, IPV6_V6ONLY, ffi.new("int[1]", 1)))
  return self
end

--- SO_MARK.
function Socket:mark(number)
  assert(self:set(SOL_SOCKET, SO_MARK, ffi.new("uint32_t[1]", number)))
  return self
end

--- SO_BINDTODEVICE.
function Socket:device(name)
  assert(self:set(SOL_SOCKET, SO_BINDTODEVICE, ffi.new("char[16]", name)))
  return self
end

function Socket:broadcast()
  assert(self:set(SOL_SOCKET, SO_BROADCAST, ffi.new("int[1]", 1)))
  return self
end

local function attach_filter(self, count)
  local filter = ffi.new("struct spec_filter[?]", count)
  for index = 0, count - 2 do
    filter[index].code = BPF_LD_ABS -- which the kernel translates into several instructions
  end
  filter[count - 1].code = BPF_RET
  filter[count - 1].k = 0xffff
  return self:set(SOL_SOCKET, SO_ATTACH_FILTER, ffi.new("struct spec_filters", count, filter))
end

--- Leave next to nothing of what the kernel lets the options of a socket take, by the largest
--- filter that it takes.
function Socket:fill_option_memory()
  local fits, most = 1, 4096
  assert(not attach_filter(self, most), "the largest filter fits")
  while most - fits > 1 do
    local count = math.floor((fits + most) / 2)
    if attach_filter(self, count) then
      fits = count
      self:set(SOL_SOCKET, SO_DETACH_FILTER, ffi.new "int[1]")
    else
      most = count
    end
  end
  assert(attach_filter(self, fits))
  return self
end

--- getsockopt(), of an option that is a number.
---@return integer
function Socket:number(level, option)
  local value, length = ffi.new "int[1]", ffi.new("uint32_t[1]", 4)
  assert(outcome(C.getsockopt(self.fd, level, option, value, length)))
  return value[0]
end

--- TCP fast open: of a listener, or of a client whose connect() waits for its first send().
---@param side "server"|"client"
function Socket:fast_open(side)
  assert(self:set(IPPROTO_TCP, side == "server" and TCP_FASTOPEN or TCP_FASTOPEN_CONNECT,
    ffi.new("int[1]", 1)))
  return self
end

--- Make the connection end with a reset, so that no TIME_WAIT remains and its port is free.
function Socket:abrupt()
  assert(self:set(SOL_SOCKET, SO_LINGER, ffi.new("struct spec_linger", 1, 0)))
  return self
end

local function cookie(self, option)
  local value, length = ffi.new "uint64_t[1]", ffi.new("uint32_t[1]", 8)
  assert(outcome(C.getsockopt(self.fd, SOL_SOCKET, option, value, length)))
  return tonumber(value[0])
end

function Socket:cookie() return cookie(self, SO_COOKIE) end
function Socket:netns_cookie() return cookie(self, SO_NETNS_COOKIE) end

function Socket:close()
  C.close(self.fd)
end

-- Calls ------------------------------------------------------------------------------

--- `family`: the family that the address claims, if it is a false one.
function Socket:connect(endpoint, family)
  local to, length = address(endpoint)
  to.family = family or to.family
  local result, errno = outcome(C.connect(self.fd, to, length))
  return result and true, errno
end

--- connect(AF_UNSPEC).
function Socket:disconnect()
  local result, errno = outcome(C.connect(self.fd, ffi.new "struct spec_sockaddr", 16))
  return result and true, errno
end

function Socket:bind(endpoint, family)
  local to, length = address(endpoint)
  to.family = family or to.family
  local result, errno = outcome(C.bind(self.fd, to, length))
  return result and true, errno
end

function Socket:listen()
  assert(outcome(C.listen(self.fd, 64)))
  return self
end

--- The next connection, and its peer as accept4() reports it.
---@return spec.Socket
---@return string peer
function Socket:accept()
  local peer, fd = asked(function(from, length) return C.accept4(self.fd, from, length,
    SOCK_CLOEXEC) end)
  assert(peer, fd)
  return wrap(fd, self.family), peer
end

function Socket:getpeername()
  return (asked(function(from, length) return C.getpeername(self.fd, from, length) end))
end

--- Why getpeername() fails.
function Socket:getpeername_errno()
  return select(2, outcome(C.getpeername(self.fd, ffi.new "struct spec_sockaddr",
    ffi.new("uint32_t[1]", sockaddr.BYTES))))
end

function Socket:getsockname()
  return (asked(function(from, length) return C.getsockname(self.fd, from, length) end))
end

--- The port that it is bound to.
---@return integer
function Socket:port()
  return tonumber(self:getsockname():match ":(%d+)$")
end

--- getsockopt(SO_PEERNAME), which wants room for exactly that address; for a unix socket that is
--- `room` bytes.
function Socket:peername_option(room)
  return (asked(function(from, length)
    length[0] = room or (self.family == "inet" and 16 or 28)
    return C.getsockopt(self.fd, SOL_SOCKET, SO_PEERNAME, from, length)
  end))
end

function Socket:send(text)
  return outcome(C.send(self.fd, text, #text, 0))
end

function Socket:sendto(text, endpoint, family)
  local to, length = address(endpoint)
  to.family = family or to.family
  return outcome(C.sendto(self.fd, text, #text, 0, to, length))
end

--- Send from an address of this machine, whatever the socket is bound to (IP_PKTINFO).
---@param source string "127.0.0.2:0", "[::1]:0"
function Socket:sendto_from(text, endpoint, source)
  local to, length = address(endpoint)
  local from = address(source)
  local inet = self.family == "inet"
  local control = ffi.new(inet and "struct spec_source4" or "struct spec_source6")
  control.length = inet and 28 or 36
  control.level, control.type = inet and IPPROTO_IP or IPPROTO_IPV6,
    inet and IP_PKTINFO or IPV6_PKTINFO
  ffi.copy(control.source, from.bytes + (inet and 2 or 6), inet and 4 or 16)
  local part = ffi.new("struct spec_iovec", ffi.cast("const char *", text), #text)
  local message = ffi.new "struct spec_message"
  message.name, message.name_length = to, length
  message.parts, message.part_count = part, 1
  message.control, message.control_length = control, ffi.sizeof(control)
  return outcome(C.sendmsg(self.fd, message, 0))
end

--- Connect and send in one call: TCP fast open.
function Socket:sendto_connecting(text, endpoint)
  local to, length = address(endpoint)
  return outcome(C.sendto(self.fd, text, #text, MSG_FASTOPEN, to, length))
end

--- sendmmsg(): the same text to each of the endpoints.
---@param endpoints string[]
---@return integer|nil sent
---@return string|nil errno
function Socket:send_all(text, endpoints)
  local messages = ffi.new("struct spec_messages[?]", #endpoints)
  local part = ffi.new("struct spec_iovec", ffi.cast("const char *", text), #text)
  local names = ffi.new("struct spec_sockaddr[?]", #endpoints)
  for index, endpoint in ipairs(endpoints) do
    local to, length = address(endpoint)
    local message = messages[index - 1].message
    names[index - 1] = to
    message.name, message.name_length, message.parts, message.part_count = names + index - 1,
      length, part, 1
  end
  return outcome(C.sendmmsg(self.fd, messages, #endpoints, 0))
end

--- Send with control data (a time to live) on a connected socket.
function Socket:send_control(text)
  local inet = self.family == "inet"
  local control = ffi.new("struct spec_control", 20, inet and IPPROTO_IP or IPPROTO_IPV6,
    inet and IP_TTL or IPV6_HOPLIMIT, 64)
  local part = ffi.new("struct spec_iovec", ffi.cast("const char *", text), #text)
  local message = ffi.new "struct spec_message"
  message.parts, message.part_count = part, 1
  message.control, message.control_length = control, ffi.sizeof(control)
  return outcome(C.sendmsg(self.fd, message, 0))
end

--- The next datagram, and its sender.
---@return string text
---@return string from
function Socket:receive()
  local room = ffi.new "char[2048]"
  local from, count = asked(function(address_of, length)
    return C.recvfrom(self.fd, room, 2048, 0, address_of, length)
  end)
  assert(from, count)
  return ffi.string(room, count), from
end

--- Like receive(), by recvmsg().
---@return string text
---@return string from
function Socket:receive_message()
  local room, from = ffi.new "char[2048]", ffi.new "struct spec_sockaddr"
  local part = ffi.new("struct spec_iovec", room, 2048)
  local message = ffi.new "struct spec_message"
  message.name, message.name_length, message.parts, message.part_count = from, sockaddr.BYTES, part,
    1
  local count = assert(outcome(C.recvmsg(self.fd, message, 0)))
  return ffi.string(room, count), sockaddr.text(from)
end

--- Whether no datagram has arrived.
function Socket:is_empty()
  local MSG_PEEK, MSG_DONTWAIT = 0x2, 0x40
  local flags = MSG_PEEK + MSG_DONTWAIT
  return select(2, outcome(C.recvfrom(self.fd, ffi.new "char[1]", 1, flags, nil, nil))) == "EAGAIN"
end

-- Shorter --------------------------------------------------------------------------------

local function family_of(endpoint)
  return endpoint:find "^unix:" and "unix" or endpoint:sub(1, 1) == "[" and "inet6" or "inet"
end

M.kinds = {
  tcp = M.tcp, udp = M.udp, mptcp = M.mptcp, udplite = M.udplite, ping = M.ping, raw = M.raw,
  unix_stream = M.unix_stream, unix_datagram = M.unix_datagram, unix_seqpacket = M.unix_seqpacket,
}

local datagram = { udp = true, unix_datagram = true }

--- A socket that waits at an endpoint; port 0 takes a free one.
---@param kind "tcp"|"udp"|"mptcp"
---@return spec.Socket
function M.serve(kind, endpoint)
  local server = M.kinds[kind](family_of(endpoint))
  assert(server:bind(endpoint))
  return datagram[kind] and server or server:listen()
end

--- Where connecting a new socket of `kind` to an endpoint ends up, or the errno's name.
---@return string
function M.reached(kind, endpoint)
  local client = M.kinds[kind](family_of(endpoint)):abrupt()
  local ok, errno = client:connect(endpoint)
  local peer = ok and client:getpeername() or errno
  client:close()
  return peer
end

--- The result of connecting a new socket of `kind` to an endpoint: "ok" or the errno's name.
---@return string
function M.try(kind, endpoint)
  local client = M.kinds[kind](family_of(endpoint)):abrupt()
  local ok, errno = client:connect(endpoint)
  client:close()
  return ok and "ok" or errno
end

return M

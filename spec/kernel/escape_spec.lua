-- Ways round a policy: a deny of 127.0.0.1 stops every call that would reach
-- it, however the address is written and whatever makes the call.

local bit = require "bit"
local ffi = require "ffi"
local command = require "spec.support.command"
local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

if sandbox.reason then
  return pending(sandbox.reason)
end

local SOL_IP, IP_UNICAST_IF = 0, 50
local SOL_SOCKET, SO_BINDTODEVICE = 1, 25

local program = command.build .. "/escape"
local built = command.run { "make", "-s", "B=" .. command.build, program }
assert(built.status == 0, built.err)

-- Ways to write an address: the socket's family, what it is bound to, the address.
local spellings = {
  { "4", "-", "127.0.0.1" }, { "4", "-", "0.0.0.0" },
  { "4", "127.0.0.1", "0.0.0.0" }, { "4", "127.0.0.1", "127.0.0.1" },
  { "6", "-", "::ffff:127.0.0.1" }, { "6", "-", "::ffff:0.0.0.0" }, { "6", "-", "::ffff:7f00:1" },
  { "6", "::ffff:127.0.0.1", "::" }, { "6", "::ffff:127.0.0.1", "::ffff:0.0.0.0" },
  { "6", "::ffff:127.0.0.3", "::" },
}

local hows = { "plain", "thread", "fork", "uring", "uring-async" }
local stream_calls = { "connect", "fastopen", "fastopen-connect", "mptcp", "mptcp-fastopen" }
local datagram_calls = { "udp", "sendto", "sendmmsg", "sendto-connected" }

--- The result of a call: "ok", an errno, or "none: …".
local function try(how, call, spelling, port)
  local got = command.run { program, how, call, spelling[1], spelling[2], spelling[3],
    tostring(port) }
  assert.equal("", got.err)
  -- A child that cannot make the call says so before its parent is done.
  return got.out:match "^[^\n]*"
end

sandbox.describe("a deny of 127.0.0.1", function(here)
  local function make_sense(how, call, spelling)
    local sends = call:match "^send"
    if how:match "^uring" and (call:match "fastopen" or call == "sendmmsg") then
      return false -- io_uring has no such call
    end
    -- A socket that is bound to a mapped address cannot use ::, except to connect and to send.
    return not (call == "sendto-connected" and spelling[2] ~= "-") or sends
  end

  for _, kind in ipairs { "stream", "datagram" } do
    for _, call in ipairs(kind == "stream" and stream_calls or datagram_calls) do
      for _, how in ipairs(hows) do
        if make_sense(how, call, spellings[1]) then
          it(("stops %s, %s, in every spelling"):format(call, how), function()
            netns.own_all_addresses()
            local server = here:keep(socket.serve(kind == "stream" and "tcp" or "udp",
              "127.0.0.1:0"))
            if kind == "stream" then
              server:fast_open "server"
            end
            local port = server:port()
            local open = {}
            for index, spelling in ipairs(spellings) do
              if make_sense(how, call, spelling) then
                open[index] = try(how, call, spelling, port)
                if open[index]:match "^none" then
                  return pending("this kernel: " .. open[index])
                end
              end
            end
            here:enforce [[deny { egress = "127.0.0.1", errno = "EXDEV" }]]
            for index, spelling in ipairs(spellings) do
              if open[index] then
                local text = table.concat(spelling, " ")
                assert.equal(text .. " ok", text .. " " .. open[index])
                assert.equal(text .. " EXDEV", text .. " " .. try(how, call, spelling, port))
              end
            end
          end)
        end
      end
    end
  end
end)

sandbox.describe("io_uring", function(here)
  for _, how in ipairs { "uring", "uring-async" } do
    for _, call in ipairs { "connect", "mptcp", "udp", "sendto" } do
      it(("is rewritten as other calls are: %s, %s"):format(call, how), function()
        local datagrams = call == "udp" or call == "sendto"
        local server = here:keep(socket.serve(datagrams and "udp" or "tcp", "127.0.0.1:0"))
        local gate = here:enforce(([[rewrite { egress = "192.0.2.1:53", to = "127.0.0.1:%d" }]])
          :format(server:port()))
        for _, spelling in ipairs { { "4", "-", "192.0.2.1" }, { "6", "-", "::ffff:192.0.2.1" } } do
          local outcome = try(how, call, spelling, 53)
          if outcome:match "^none" then
            return pending("this kernel: " .. outcome)
          end
          assert.equal("ok", outcome)
          if not datagrams then
            here:keep((server:accept()))
          elseif call == "sendto" then
            assert.equal("x", (server:receive()))
          end
        end
        assert.equal(2, gate:rules()[1].hits)
      end)
    end
  end
end)

sandbox.describe("no socket", function(here)
  before_each(netns.own_all_addresses)

  local function new(kind, family) return here:keep(socket.kinds[kind](family)) end

  -- For 0.0.0.0 the kernel takes the socket's own address, unless that is a broadcast or multicast
  -- one.
  for _, bound in ipairs { "127.255.255.255", "224.0.0.1", "255.255.255.255" } do
    it("reaches 127.0.0.1 by 0.0.0.0 from the address that it is bound to: " .. bound, function()
      local tcp, udp = here:keep(socket.serve("tcp", "127.0.0.1:0")),
        here:keep(socket.serve("udp", "127.0.0.1:0"))
      here:enforce [[deny { egress = "127.0.0.1" }]]
      for kind, server in pairs { tcp = tcp, udp = udp } do
        local one = new(kind, "inet")
        if one:bind(bound .. ":0") then
          local connected = one:connect("0.0.0.0:" .. server:port())
          assert.not_equal("127.0.0.1:" .. server:port(), connected and one:getpeername())
        end
      end
      local sender = new("udp", "inet")
      assert(sender:bind(bound .. ":0"))
      assert.same({ nil, "EPERM" }, { sender:sendto("x", "0.0.0.0:" .. udp:port()) })
      assert.is_true(udp:is_empty())
    end)
  end

  -- For 0.0.0.0 on a socket that is bound to a device, the kernel takes that device's address.
  it("reaches the address of a device by 0.0.0.0", function()
    netns.readdress_loopback "192.0.2.7"
    local tcp, udp = here:keep(socket.serve("tcp", "192.0.2.7:0")),
      here:keep(socket.serve("udp", "192.0.2.7:0"))
    local device, index = ffi.new("char[3]", "lo"), ffi.new("uint32_t[1]", bit.bswap(1))
    local ways = {
      device = function(one) assert(one:set(SOL_SOCKET, SO_BINDTODEVICE, device)) end,
      unicast = function(one) assert(one:set(SOL_IP, IP_UNICAST_IF, index)) end,
    }
    local function took(server)
      local some = not server:is_empty()
      if some then
        server:receive()
      end
      return some
    end
    local function reached(kind, family, leave_by)
      local host = family == "inet" and "0.0.0.0:" or "[::ffff:0.0.0.0]:"
      local one, other = new(kind, family), new(kind, family)
      leave_by(one)
      leave_by(other)
      if kind == "tcp" then
        return one:connect(host .. tcp:port()) ~= nil
      end
      one:sendto("x", host .. udp:port())
      local sent = took(udp)
      if other:connect(host .. udp:port()) then
        other:send "x"
      end
      return sent, took(udp)
    end
    local cases = {
      { "udp", "inet", ways.device }, { "udp", "inet", ways.unicast },
      { "udp", "inet6", ways.device },
      { "tcp", "inet", ways.device }, { "tcp", "inet6", ways.device },
    }
    for _, case in ipairs(cases) do
      local datagrams = case[1] == "udp" and true or nil
      assert.same({ true, datagrams }, { reached(unpack(case)) })
    end
    here:enforce [[deny { egress = "192.0.2.7" }]]
    for _, case in ipairs(cases) do
      local datagrams = nil
      if case[1] == "udp" then
        datagrams = false
      end
      assert.same({ false, datagrams }, { reached(unpack(case)) })
    end
  end)

  it("sends to a denied address that says AF_UNSPEC", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    here:enforce [[deny { sendmsg = "127.0.0.1" }]]
    local to = "127.0.0.1:" .. server:port()
    assert.same({ nil, "EPERM" }, { new("udp", "inet"):sendto("x", to, 0) })
    -- A sockaddr_in on a v6 socket.
    assert.same({ nil, "EPERM" }, { new("udp", "inet6"):sendto("x", to) })
    assert.is_nil((new("udp", "inet6"):sendto("x", to, 0)))
    assert.is_true(server:is_empty())
  end)

  it("is connected by AF_UNSPEC, which ends a connection whatever the address", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    here:enforce [[deny { connect = "127.0.0.1" }]]
    local to = "127.0.0.1:" .. server:port()
    for _, family in ipairs { "inet", "inet6" } do
      local one = new("udp", family)
      assert(one:connect(to, 0))
      assert.equal("ENOTCONN", one:getpeername_errno())
      assert.is_nil((one:send "x"))
    end
    -- A sockaddr_in on a v6 socket.
    assert.same({ nil, "EPERM" }, { new("udp", "inet6"):connect(to) })
    assert.is_true(server:is_empty())
  end)

  it("sends to a denied address because it was connected there under another name", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local final = "127.0.0.1:" .. server:port()
    here:enforce(([[
      rewrite { connect = "192.0.2.1:53", to = %q }
      deny { egress = "127.0.0.1" }
    ]]):format(final))
    for _, case in ipairs { { "inet", "192.0.2.1:53", final },
      { "inet6", "[::ffff:192.0.2.1]:53", "[::ffff:" ..
      final:gsub(":", "]:") } } do
      local one = new("udp", case[1])
      assert(one:connect(case[2]))
      assert(one:send "x")
      assert.equal("x", (server:receive()))
      if case[1] == "inet" then -- a plain send of a v6 socket looks the same to the hook
        assert.same({ nil, "EPERM" }, { one:sendto("x", case[3]) })
      end
      assert(one:disconnect())
      assert.same({ nil, "EPERM" }, { one:sendto("x", case[3]) })
      assert(one:connect "[::ffff:127.0.0.2]:9" or case[1] == "inet")
      assert.same({ nil, "EPERM" }, { one:sendto("x", case[3]) })
    end
    assert.is_true(server:is_empty())
  end)

  it("reaches ::1 by ::, or from a socket that was connected elsewhere", function()
    local server = here:keep(socket.serve("udp", "[::1]:0"))
    local port = server:port()
    here:enforce [[deny { egress = "::1" }]]
    local one = new("udp", "inet6")
    assert.same({ nil, "EPERM" }, { one:connect("[::]:" .. port) })
    assert.same({ nil, "EPERM" }, { one:sendto("x", "[::]:" .. port) })
    assert(one:connect "[2001:db8::1]:9")
    assert.same({ nil, "EPERM" }, { one:sendto("x", "[::]:" .. port) })
    assert.same({ nil, "EPERM" }, { one:connect("[::]:" .. port) })
    assert.is_true(server:is_empty())
  end)
end)

-- What these hooks do not see.  If a kernel begins to see it, this is where that shows.
sandbox.describe("out of sight", function(here)
  before_each(function()
    netns.own_all_addresses()
    netns.allow_ping()
  end)

  local function new(kind, family) return here:keep(socket.kinds[kind](family)) end

  local function deny_all()
    return here:enforce [[policy { default = "deny" } deny { egress = "*", errno = "EXDEV" }]]
  end

  it("are raw sockets", function()
    deny_all()
    for family, host in pairs { inet = "127.0.0.1", inet6 = "[::1]" } do
      assert(new("raw", family):connect(host .. ":0"))
      assert.equal(1, new("raw", family):sendto("x", host .. ":0"))
    end
  end)

  it("are pings: sendto, but not connect", function()
    deny_all()
    for family, host in pairs { inet = "127.0.0.1", inet6 = "[::1]" } do
      assert.same({ nil, "EXDEV" }, { new("ping", family):connect(host .. ":0") })
      local echo_request = (family == "inet" and "\8" or "\128") .. ("\0"):rep(7)
      assert.equal(8, new("ping", family):sendto(echo_request, host .. ":0"))
    end
  end)

  it("are sockets that were connected before the gate was attached", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    local one = new("udp", "inet")
    assert(one:connect("127.0.0.1:" .. server:port()))
    deny_all()
    assert.equal(1, one:send "x")
    assert.equal("x", (server:receive()))
  end)

  it("is the connect of UDP-Lite, but not its sendto", function()
    local known = pcall(new, "udplite", "inet")
    if not known then
      return pending "this kernel has no UDP-Lite"
    end
    deny_all()
    for family, host in pairs { inet = "127.0.0.1", inet6 = "[::1]" } do
      assert(new("udplite", family):connect(host .. ":9"))
      assert.same({ nil, "EXDEV" }, { new("udplite", family):sendto("x", host .. ":9") })
    end
  end)
end)

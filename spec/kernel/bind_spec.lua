-- bind: allowed, denied, rewritten, and exempt from the capability for low ports;
-- getsockname() then returns what the program asked for.

local netns = require "spec.support.netns"
local libc = require "spec.support.libc"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local NOBODY = 65534

local families = {
  { name = "v4", family = "inet", host = "127.0.0.9", to = "127.0.0.8", final = "127.0.0.8" },
  { name = "v6", family = "inet6", host = "[2001:db8::9]", to = "[2001:db8::8]",
    final = "[2001:db8::8]" },
  { name = "v6, mapped", family = "inet6", host = "[::ffff:127.0.0.9]", to = "127.0.0.8",
    final = "[::ffff:127.0.0.8]" },
  { name = "v6 to mapped", family = "inet6", host = "[2001:db8::9]", to = "[::ffff:127.0.0.8]",
    final = "[::ffff:127.0.0.8]" },
}

sandbox.describe("bind", function(here)
  before_each(function()
    netns.add_address "2001:db8::8"
    netns.add_address "2001:db8::9"
  end)

  local function new(kind, family) return here:keep(socket.kinds[kind](family)) end

  --- The result of binding a new socket.
  local function try(kind, endpoint)
    local one = socket.kinds[kind](endpoint:sub(1, 1) == "[" and "inet6" or "inet")
    local ok, errno = one:bind(endpoint)
    one:close()
    return ok and "ok" or errno
  end

  for _, errno in ipairs { "EPERM", "EACCES", "EADDRINUSE", "EADDRNOTAVAIL", "EINVAL", "ENOENT" } do
    it("is denied with " .. errno, function()
      here:enforce(([[deny { bind = { "127.0.0.9:1-60000", "2001:db8::9" }, errno = %q }]])
        :format(errno))
      for _, kind in ipairs { "tcp", "udp", "mptcp" } do
        assert.equal(errno, try(kind, "127.0.0.9:5000"))
        assert.equal(errno, try(kind, "[::ffff:127.0.0.9]:5000"))
        assert.equal(errno, try(kind, "[2001:db8::9]:0"))
        assert.equal("ok", try(kind, "127.0.0.9:60001"))
        assert.equal("ok", try(kind, "127.0.0.8:5000"))
        assert.equal("ok", try(kind, "[2001:db8::8]:5000"))
      end
    end)
  end

  it("is denied by default, except for what is allowed", function()
    local gate = here:enforce [[
      policy { default = { bind = "deny" } }
      allow { bind = { "*:8080", "127.0.0.1" } }
    ]]
    assert.equal("EPERM", try("tcp", "127.0.0.2:8081"))
    assert.equal("EPERM", try("udp", "[2001:db8::8]:8082"))
    assert.equal("ok", try("tcp", "0.0.0.0:8080"))
    assert.equal("ok", try("tcp", "[::]:8080"))
    assert.equal("ok", try("tcp", "127.0.0.1:8081"))
    assert.equal("ok", try("udp", "[::ffff:127.0.0.1]:0"))
    assert.equal(2, gate:stats().defaults.bind.hits)
    assert.equal(4, gate:rules()[1].hits)
  end)

  -- The kernel also picks the port of a socket that is never bound, and no hook sees that.
  it("to port 0 is refused by a rule, but not by the default", function()
    local gate = here:enforce [[
      policy { default = "deny" }
      deny { "none on this", bind = "127.0.0.9", errno = "EACCES" }
    ]]
    assert.equal("ok", try("tcp", "127.0.0.1:0"))
    assert.equal("ok", try("udp", "0.0.0.0:0"))
    assert.equal("ok", try("udp", "[::]:0"))
    assert.equal("ok", try("tcp", "[::ffff:127.0.0.1]:0"))
    assert.equal("EACCES", try("udp", "127.0.0.9:0"))
    assert.equal("EPERM", try("udp", "0.0.0.0:5353"))
    assert.equal(1, gate:stats().defaults.bind.hits)
    local seen = {}
    for event in gate:events { timeout = 0 } do
      seen[#seen + 1] = event.asked
    end
    assert.same({ "127.0.0.9:0", "0.0.0.0:5353" }, seen)
    local decision = gate:decide { bind = "0.0.0.0:0" }
    assert.equal("allow by default: 0.0.0.0:0, and the kernel picks a port, which no hook sees",
      tostring(decision))
    assert.is_false(decision.logs)
  end)

  it("treats an address that says AF_UNSPEC as IPv4, as the kernel does", function()
    assert(new("udp", "inet"):bind("0.0.0.0:5000", 0))
    here:enforce [[deny { bind = "*:5001", errno = "EACCES" }]]
    assert.same({ nil, "EACCES" }, { new("udp", "inet"):bind("0.0.0.0:5001", 0) })
  end)

  it("logs what it denies", function()
    local gate = here:enforce [[deny { "no", bind = "*:5000", errno = "EACCES" }]]
    try("tcp", "127.0.0.1:5000")
    try("udp", "[::]:5000")
    local found = {}
    for event in gate:events { timeout = 0 } do
      found[#found + 1] = { event.hook, event.asked, event.proto, event.errno }
    end
    assert.same({
      { "bind4", "127.0.0.1:5000", "tcp", "EACCES" }, { "bind6", "[::]:5000", "udp", "EACCES" },
    }, found)
  end)

  it("does not see the port that the kernel chooses by itself", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce [[deny { bind = "*" }]]
    assert.equal("EPERM", try("tcp", "127.0.0.1:0"))
    assert(new("tcp", "inet"):connect("127.0.0.1:" .. server:port()))
    assert(new("udp", "inet"):sendto("x", "127.0.0.1:9"))
    assert.is_true(new("tcp", "inet"):listen():port() > 0)
  end)

  for _, case in ipairs(families) do
    for _, kind in ipairs { "tcp", "udp", "mptcp" } do
      local what = ": " .. kind .. " " .. case.name
      local asked = case.host .. ":5000"

      --- A socket whose bind was rewritten, and where it is bound.
      local function rewritten(rule)
        local gate = here:enforce(rule)
        local one = new(kind, case.family)
        assert.same({ true }, { one:bind(asked) })
        local shown = one:getsockname()
        gate:close()
        return shown, one:getsockname(), one
      end

      it("is rewritten, and shown as asked for" .. what, function()
        local shown, final = rewritten(([[rewrite { bind = %q, to = "%s:6000" }]])
          :format(asked, case.to))
        assert.equal(asked, shown)
        assert.equal(case.final .. ":6000", final)
      end)

      it("is rewritten in its address alone" .. what, function()
        local shown, final = rewritten(([[rewrite { bind = %q, to = %q }]]):format(asked, case.to))
        assert.equal(asked, shown)
        assert.equal(case.final .. ":5000", final)
      end)

      it("is rewritten in its port alone" .. what, function()
        local shown, final = rewritten [[rewrite { bind = "*:5000", to = "*:6000" }]]
        assert.equal(asked, shown)
        assert.equal(case.host .. ":6000", final)
      end)

      it("is rewritten and revealed" .. what, function()
        local shown, final = rewritten(([[rewrite { bind = %q, to = "%s:6000", reveal = true }]])
          :format(asked, case.to))
        assert.equal(final, shown)
        assert.equal(case.final .. ":6000", final)
      end)

      it("with port 0 shows the address asked for and the kernel's port" .. what, function()
        local gate = here:enforce(([[rewrite { bind = "%s:0", to = %q }]])
          :format(case.host, case.to))
        local one = new(kind, case.family)
        assert(one:bind(case.host .. ":0"))
        local host, port = one:getsockname():match "^(.*):(%d+)$"
        assert.equal(case.host, host)
        assert.is_true(tonumber(port) > 0)
        gate:close()
        assert.equal(case.final .. ":" .. port, one:getsockname())
      end)
    end
  end

  describe("that was rewritten", function()
    for _, kind in ipairs { "tcp", "mptcp" } do
      it("is what accepted sockets show, too: " .. kind, function()
        local gate = here:enforce [[rewrite { bind = "127.0.0.9:5000", to = "127.0.0.8:6000" }]]
        local server = here:keep(socket.serve(kind, "127.0.0.9:5000"))
        local client = new(kind, "inet")
        assert(client:connect "127.0.0.8:6000")
        local accepted, peer = server:accept()
        here:keep(accepted)
        assert.equal("127.0.0.9:5000", server:getsockname())
        assert.equal("127.0.0.9:5000", accepted:getsockname())
        assert.equal(client:getsockname(), peer)
        assert.equal(client:getsockname(), accepted:getpeername())
        assert.equal("127.0.0.8:6000", client:getpeername())
        gate:close()
        assert.equal("127.0.0.8:6000", accepted:getsockname())
      end)

      for asked, to in pairs {
        ["0.0.0.0:5000"] = "127.0.0.1", ["[::]:5000"] = "[::ffff:127.0.0.1]",
      } do
        it(("shows where a connection was made to: %s %s"):format(kind, asked), function()
          here:enforce [[rewrite { bind = "*:5000", to = "*:6000" }]]
          local server = here:keep(socket.serve(kind, asked))
          assert(new(kind, "inet"):connect "127.0.0.1:6000")
          assert.equal(asked, server:getsockname())
          assert.equal(to .. ":5000", here:keep((server:accept())):getsockname())
        end)
      end

      it("from any address to one shows that one, with the port asked for: " .. kind, function()
        here:enforce [[rewrite { bind = "0.0.0.0:5000", to = "127.0.0.8:6000" }]]
        local server = here:keep(socket.serve(kind, "0.0.0.0:5000"))
        assert(new(kind, "inet"):connect "127.0.0.8:6000")
        assert.equal("0.0.0.0:5000", server:getsockname())
        assert.equal("127.0.0.8:5000", here:keep((server:accept())):getsockname())
      end)

      it("from one address to any shows the one: " .. kind, function()
        here:enforce [[rewrite { bind = "192.0.2.1:5000", to = "0.0.0.0:6000" }]]
        local server = here:keep(socket.serve(kind, "192.0.2.1:5000"))
        assert(new(kind, "inet"):connect "127.0.0.8:6000")
        assert.equal("192.0.2.1:5000", server:getsockname())
        assert.equal("192.0.2.1:5000", here:keep((server:accept())):getsockname())
      end)
    end

    it("shows a connected datagram socket's own address, with the port asked for", function()
      here:enforce [[rewrite { bind = "*:5000", to = "*:6000" }]]
      local server = here:keep(socket.serve("udp", "0.0.0.0:5000"))
      assert.equal("0.0.0.0:5000", server:getsockname())
      assert(server:connect "127.0.0.1:9")
      assert.equal("127.0.0.1:5000", server:getsockname())
    end)

    for _, kind in ipairs { "tcp", "udp", "mptcp" } do
      it("shows the same after a second bind, which the kernel refuses: " .. kind, function()
        here:enforce [[rewrite { bind = "127.0.0.9:5000", to = "127.0.0.8:6000" }
          deny { bind = "*:5002" }]]
        local one = new(kind, "inet")
        assert(one:bind "127.0.0.9:5000")
        for _, again in ipairs { "127.0.0.7:5001", "127.0.0.9:5000" } do
          assert.same({ nil, "EINVAL" }, { one:bind(again) })
          assert.equal("127.0.0.9:5000", one:getsockname())
        end
        assert.same({ nil, "EPERM" }, { one:bind "127.0.0.7:5002" })
        assert.equal("127.0.0.9:5000", one:getsockname())
      end)
    end

    it("shows the next bind after one that failed", function()
      here:keep(socket.serve("tcp", "127.0.0.8:6000"))
      here:enforce [[rewrite { bind = "127.0.0.9:5000", to = "127.0.0.8:6000" }]]
      local one = new("tcp", "inet")
      assert.same({ nil, "EADDRINUSE" }, { one:bind "127.0.0.9:5000" })
      assert.equal("0.0.0.0:0", one:getsockname())
      assert(one:bind "127.0.0.8:6001")
      assert.equal("127.0.0.8:6001", one:getsockname())
    end)

    it("to IPv4 fails on a v6-only socket", function()
      here:enforce [[rewrite { bind = "2001:db8::9", to = "::ffff:127.0.0.8" }]]
      assert.same({ nil, "EINVAL" }, { new("tcp", "inet6"):v6only():bind "[2001:db8::9]:5000" })
    end)
  end)

  describe("low_port", function()
    --- try() as a user without capabilities.
    local function try_as_nobody(kind, endpoint)
      return process.run(function()
        assert(libc.outcome(libc.call.setresgid(NOBODY, NOBODY, NOBODY)))
        assert(libc.outcome(libc.call.setresuid(NOBODY, NOBODY, NOBODY)))
        return try(kind, endpoint)
      end)
    end

    it("exempts the sockets that the rule names from the capability, and no others", function()
      here:enforce [[allow { bind = "*:443", uid = 65534, low_port = true }]]
      for _, kind in ipairs { "tcp", "udp", "mptcp" } do
        for _, host in ipairs { "127.0.0.1", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]" } do
          assert.equal("ok", try_as_nobody(kind, host .. ":443"))
          assert.equal("EACCES", try_as_nobody(kind, host .. ":444"))
        end
      end
    end)

    it("can be combined with a rewrite to a low port", function()
      local gate = here:enforce [[
        rewrite { bind = "*:8443", to = "*:443", low_port = true }
        rewrite { bind = "*:8444", to = "*:444" }
      ]]
      assert.equal("ok", try_as_nobody("tcp", "127.0.0.1:8443"))
      assert.equal("ok", try_as_nobody("udp", "[::]:8443"))
      assert.equal("EACCES", try_as_nobody("tcp", "127.0.0.1:8444"))
      assert.equal("EACCES", try_as_nobody("tcp", "127.0.0.1:443"))
      assert.equal(2, gate:rules()[1].hits)
    end)

    it("yields to another gate's denial", function()
      here:enforce [[allow { bind = "*:443", low_port = true }]]
      here:enforce [[deny { bind = "*:443", errno = "EADDRNOTAVAIL" }]]
      here:enforce [[allow { bind = "*:443", low_port = true }]]
      assert.equal("EADDRNOTAVAIL", try_as_nobody("tcp", "127.0.0.1:443"))
    end)
  end)

  it("does not see ping and raw sockets", function()
    netns.allow_ping()
    here:enforce [[policy { default = { bind = "deny" } }]]
    for _, family in ipairs { "inet", "inet6" } do
      for _, kind in ipairs { "ping", "raw" } do
        assert(new(kind, family):bind(family == "inet" and "127.0.0.1:0" or "[::1]:0"))
      end
    end
  end)

  it("sees UDP-Lite", function()
    local ok = pcall(function() return new("udplite", "inet") end)
    if not ok then
      return pending "this kernel has no UDP-Lite"
    end
    here:enforce [[deny { bind = "*", proto = "udplite", errno = "EACCES" }]]
    assert.equal("EACCES", try("udplite", "127.0.0.1:5000"))
    assert.equal("ok", try("udp", "127.0.0.1:5000"))
  end)
end)

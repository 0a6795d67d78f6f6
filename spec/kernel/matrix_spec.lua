-- Every operation, over every family, with every effect: a test for each cell
-- that the kernel has, and the compile error for each cell that it does not have.

local command = require "spec.support.command"
local libc = require "spec.support.libc"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"

local NOBODY = 65534
local SOL_SOCKET, SO_MARK = 1, 36

-- `call`: the address of a call.  `rule`: as a rule names it.  `to`: where it is redirected, and
-- `final`: as the socket names that.  `server`: where its own server listens.  `bind_source`: a
-- rule's, and `from`: as the server sees it.
local families = {
  { name = "v4", family = "inet", call = "192.0.2.1", rule = "192.0.2.1", local_call = "127.0.0.9",
    local_rule = "127.0.0.9", to = "127.0.0.8", final = "127.0.0.8", bind_source = "127.0.0.7",
    from = "127.0.0.7",
    own = "127.0.0.7" },
  { name = "v6", family = "inet6", call = "[2001:db8::1]", rule = "[2001:db8::1]",
    local_call = "[fd00::9]",
    local_rule = "[fd00::9]", to = "[fd00::8]", final = "[fd00::8]", bind_source = "fd00::7",
    from = "[fd00::7]",
    own = "[fd00::7]" },
  { name = "v6, mapped", family = "inet6", call = "[::ffff:192.0.2.1]", rule = "192.0.2.1",
    local_call = "[::ffff:127.0.0.9]", local_rule = "127.0.0.9", to = "127.0.0.8",
    final = "[::ffff:127.0.0.8]",
    bind_source = "127.0.0.7", from = "127.0.0.7", own = "[::ffff:127.0.0.7]" },
}

-- Errnos of permission, connecting, routing, addresses, arguments, files, and one that has nothing
-- to do with sockets.
local errnos = { "EPERM", "EACCES", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH",
  "EADDRNOTAVAIL", "EINVAL", "ENOENT", "EXDEV", "EOPNOTSUPP" }

local sandboxes = {} -- of the running test

--- The result of a call, "ok" or the errno's name; and the socket.
local operations = {
  connect = {
    calls = function(case, kind, endpoint)
      local one = sandboxes.here:keep(socket.kinds[kind](case.family):abrupt())
      local ok, errno = one:connect(endpoint)
      return ok and "ok" or errno, one
    end,
    kinds = { "tcp", "udp", "mptcp" },
  },
  sendmsg = {
    calls = function(case, kind, endpoint)
      local one = sandboxes.here:keep(socket.kinds[kind](case.family))
      local ok, errno = one:sendto("?", endpoint)
      return ok and "ok" or errno, one
    end,
    kinds = { "udp" },
  },
  bind = {
    calls = function(case, kind, endpoint)
      local one = sandboxes.here:keep(socket.kinds[kind](case.family))
      local ok, errno = one:bind(endpoint)
      return ok and "ok" or errno, one
    end,
    kinds = { "tcp", "udp", "mptcp" },
  },
}

--- A server to which calls are redirected.
local function serve(case, kind)
  return sandboxes.here:keep(socket.serve(kind, case.to .. ":6000"))
end

--- The source of what arrived, at the server.
local function sender(server, kind, client)
  if kind ~= "udp" then
    local accepted, peer = server:accept()
    sandboxes.here:keep(accepted)
    return (peer:match "^(.*):%d+$")
  end
  if client:getpeername() then
    assert(client:send "?")
  end
  return (select(2, server:receive()):match "^(.*):%d+$")
end

--- The mark of an MPTCP socket's subflow, on which the hooks run: the socket itself does not report
--- it.
local function subflow_mark(one)
  if not one:getpeername() then
    one:listen()
  end
  local subflows = command.run { "ss", "-Hatne", "sport = :" .. one:port() }.out
  return tonumber(subflows:match "fwmark:(%S+)")
end

local function compile_error(rule)
  local gate, message = tidegate.load_text(rule)
  assert.is_nil(gate)
  return (message:gsub("^.-:1: %a+ \"#1\": ", ""))
end

sandbox.describe("the matrix:", function(here)
  sandboxes.here = here
  before_each(function()
    for _, address in ipairs { "fd00::7", "fd00::8", "fd00::9" } do
      netns.add_address(address)
    end
  end)

  for op, operation in pairs(operations) do
    for _, case in ipairs(families) do
      for _, kind in ipairs(operation.kinds) do
        local what = (" %s, %s, %s"):format(op, case.name, kind)
        local binds = op == "bind"
        local target = (binds and case.local_call or case.call) .. ":5000"
        local rule = (binds and case.local_rule or case.rule) .. ":5000"
        local function try(endpoint) return operation.calls(case, kind, endpoint or target) end

        it("allow:" .. what, function()
          netns.own_all_addresses()
          if not binds then
            here:keep(socket.serve(kind, case.family == "inet" and "0.0.0.0:5000" or "[::]:5000"))
          end
          here:enforce(([[policy { default = "deny" } allow { %s = %q }]]):format(op, rule))
          assert.equal("ok", (try()))
          assert.equal("EPERM", (try((target:gsub(":5000$", ":5001")))))
        end)

        it("deny, with every kind of errno:" .. what, function()
          local lines = {}
          for index, errno in ipairs(errnos) do
            lines[index] = ("deny { %s = %q, errno = %q }")
              :format(op, rule:gsub("5000$", 5000 + index), errno)
          end
          local gate = here:enforce(table.concat(lines, "\n"))
          for index, errno in ipairs(errnos) do
            assert.equal(errno, (try((target:gsub("5000$", 5000 + index)))))
            assert.equal(1, gate:rules()[index].hits)
          end
        end)

        it("rewrite:" .. what, function()
          local server = not binds and serve(case, kind)
          local gate = here:enforce(([[rewrite { %s = %q, to = "%s:6000" }]])
            :format(op, rule, case.to))
          local answer, one = try()
          assert.equal("ok", answer)
          if binds then
            assert.equal(target, one:getsockname())
            gate:close()
            assert.equal(case.final .. ":6000", one:getsockname())
          else
            assert.is_string(sender(server, kind, one))
          end
        end)

        if not binds then
          it("bind_source:" .. what, function()
            local server = serve(case, kind)
            here:enforce(([[rewrite { %s = %q, to = "%s:6000", bind_source = %q }]])
              :format(op, rule, case.to, case.bind_source))
            local answer, one = try()
            assert.equal("ok", answer)
            assert.equal(case.from, sender(server, kind, one))
            assert.equal(op == "connect" and case.own or nil,
              op == "connect" and one:getsockname():match "^(.*):%d+$" or nil)
          end)
        else
          it("low_port:" .. what, function()
            here:enforce(([[allow { bind = "%s:100", low_port = true }]]):format(case.local_rule))
            for port, expected in pairs { [100] = "ok", [101] = "EACCES" } do
              assert.equal(expected, process.run(function()
                assert(libc.outcome(libc.call.setresuid(NOBODY, NOBODY, NOBODY)))
                return (try(("%s:%d"):format(case.local_call, port)))
              end))
            end
          end)
        end

        if op ~= "sendmsg" then
          it("set:" .. what, function()
            netns.own_all_addresses()
            if not binds then
              here:keep(socket.serve(kind, case.family == "inet" and "0.0.0.0:5000" or "[::]:5000"))
            end
            here:enforce(([[allow { %s = %q, sockopt = { mark = 77 } }]]):format(op, rule))
            local answer, one = try()
            assert.equal("ok", answer)
            assert.equal(77, kind == "mptcp" and subflow_mark(one)
              or one:number(SOL_SOCKET, SO_MARK))
          end)
        end
      end
    end
  end

  --- A connection or two datagram sockets; what each of the reporting calls returns.
  local function reports(case, op)
    local server = here:keep(socket.serve("udp", case.local_rule .. ":5000"))
    local client = here:keep(socket.udp(case.family))
    if op == "getsockname" then
      local one = here:keep(socket.udp(case.family))
      assert(one:bind(case.local_call .. ":5001"))
      return function() return (one:getsockname():gsub(":5001$", ":5000")) end
    end
    assert(client:connect(case.local_call .. ":5000"))
    if op == "getpeername" then
      return function() return client:getpeername() end
    end
    return function()
      assert(client:send "?")
      local _, from = server:receive()
      assert(server:sendto("!", from))
      return (select(2, client:receive()))
    end
  end

  for _, op in ipairs { "recvmsg", "getpeername", "getsockname" } do
    for _, case in ipairs(families) do
      it(("allow and rewrite: %s, %s"):format(op, case.name), function()
        local report = reports(case, op)
        local true_name = case.local_call .. ":5000"
        assert.equal(true_name, report())
        local gate = here:enforce(([[rewrite { %s = "%s:5000-5001", to = %q }]])
          :format(op, case.local_rule, case.rule))
        assert.equal(case.call .. ":5000", report())
        gate:close()
        gate = here:enforce(([[
          allow { %s = "%s:5000-5001" }
          rewrite { %s = "*:5000-5001", to = "*:7" }
        ]]):format(op, case.local_rule, op))
        assert.equal(true_name, report())
        assert.is_true(gate:rules()[1].hits > 0)
        assert.equal(0, gate:rules()[2].hits)
      end)
    end

    it("does not have deny, bind_source, low_port or reveal: " .. op, function()
      assert.equal(op
        .. ": cannot be denied: the kernel lets its hook only change what is reported; write "
        .. "rewrite, "
        .. "or deny connect, bind or sendmsg", compile_error(("deny { %s = '*' }"):format(op)))
      assert.equal("bind_source: only connect and sendmsg have one",
        compile_error(("allow { %s = '*', bind_source = '127.0.0.1' }"):format(op)))
      assert.equal("low_port: only bind has it",
        compile_error(("allow { %s = '*', low_port = true }"):format(op)))
      assert.equal(("reveal: %s changes only what is shown: leave it out"):format(op),
        compile_error(("rewrite { %s = '192.0.2.1', to = '127.0.0.1', reveal = true }"):format(op)))
    end)
  end

  it("does not have bind_source of bind, or low_port of anything else", function()
    assert.equal("bind_source: only connect and sendmsg have one",
      compile_error [[allow { bind = "*", bind_source = "127.0.0.1" }]])
    for _, op in ipairs { "connect", "sendmsg", "egress" } do
      assert.equal("low_port: only bind has it",
        compile_error(("allow { %s = '*', low_port = true }"):format(op)))
    end
    assert.equal('"low_port" is for allow and rewrite',
      compile_error [[deny { bind = "*", low_port = true }]])
    assert.equal('"bind_source" is for allow, rewrite and balance',
      compile_error [[deny { connect = "*", bind_source = "127.0.0.1" }]])
  end)

  it("has set of connect and bind only", function()
    for _, op in ipairs { "sendmsg", "egress" } do
      assert.equal("sockopt: a datagram has read the socket's options before its hook runs: set "
        .. "them on connect or bind",
        compile_error(("allow { %s = '*', sockopt = { mark = 1 } }"):format(op)))
    end
    for _, op in ipairs { "recvmsg", "getpeername", "getsockname" } do
      assert.equal("sockopt: only connect and bind have it",
        compile_error(("allow { %s = '*', sockopt = { mark = 1 } }"):format(op)))
    end
    assert.equal('"sockopt" is for allow, rewrite and balance',
      compile_error [[deny { connect = "*", sockopt = { mark = 1 } }]])
  end)

  it("does not have the source port of a datagram", function()
    for _, op in ipairs { "sendmsg", "egress" } do
      assert.equal("bind_source: \"127.0.0.1:53\": a datagram leaves from its socket's port: write "
        .. "the address alone",
        compile_error(("allow { %s = '*', bind_source = '127.0.0.1:53' }"):format(op)))
    end
  end)

  it("does not rewrite IPv4 to IPv6", function()
    for op, verb in pairs { connect = "connect to", bind = "have", sendmsg = "have",
      egress = "connect to",
      recvmsg = "have", getpeername = "have", getsockname = "have" } do
      assert.equal(("to: an IPv4 socket cannot %s an IPv6 address: match IPv6 addresses only, or "
        .. "add family = "
        .. '"inet6"'):format(verb), compile_error(("rewrite { %s = '192.0.2.1', to = "
        .. "'2001:db8::1' }"):format(op)))
    end
  end)

  it("rewrites IPv6 to IPv4, but not for datagrams", function()
    for _, op in ipairs { "connect", "bind", "recvmsg", "getpeername", "getsockname" } do
      assert(tidegate.load_text(("rewrite { %s = '2001:db8::1', to = '127.0.0.1' }"):format(op)))
    end
    for _, op in ipairs { "sendmsg", "egress" } do
      assert.equal("to: the kernel sends no datagram for an IPv6 address to an IPv4 one: match "
        .. "IPv4 addresses only, "
        .. 'or add family = "inet"',
        compile_error(("rewrite { %s = '2001:db8::1', to = '127.0.0.1' }"):format(op)))
    end
  end)
end)

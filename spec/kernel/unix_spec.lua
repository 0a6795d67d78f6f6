-- Unix sockets: connect and sendmsg are judged by path, denied or redirected.

local env = require "spec.support.env"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local unix_socket = require "spec.support.unix_socket"

if sandbox.reason then
  return pending(sandbox.reason)
end

local reason = sandbox.no_unix()

describe("an old kernel", function()
  it("is named by the rule that needs a newer one", function()
    if not reason then
      return
    end
    assert.matches('deny "#1": needs the hook connect_unix, which this kernel, Linux %S+, does '
      .. 'not have; '
      .. "Linux 6%.7 and newer do", reason)
  end)
end)

if reason then
  return pending(reason)
end

sandbox.describe("unix sockets", function(here)
  local unix = unix_socket.new(here)
  teardown(env.clean)

  for _, kind in ipairs { "stream", "seqpacket", "datagram" } do
    for what, fresh in pairs { pathname = unix.path, abstract = unix.name } do
      it(("is denied with an errno: %s, %s"):format(kind, what), function()
        local shut, open = fresh(unix), fresh(unix)
        unix:serve(kind, shut)
        unix:serve(kind, open)
        here:enforce(([[deny { connect = %q, errno = "EACCES" }]]):format(shut))
        assert.equal("EACCES", unix_socket.try(kind, shut))
        assert.equal("ok", unix_socket.try(kind, open))
        here:outside(function()
          assert(unix:client(kind):connect(shut))
        end)
      end)

      it(("is redirected: %s, %s"):format(kind, what), function()
        local asked, real = fresh(unix), fresh(unix)
        local server = unix:serve(kind, real)
        here:enforce(([[rewrite { connect = %q, to = %q }]]):format(asked, real))
        local one = unix:client(kind)
        assert.same({ true }, { one:connect(asked) })
        assert(one:send "hello")
        local peer = kind == "datagram" and server or here:keep((server:accept()))
        assert.equal("hello", (peer:receive()))
        -- The peer of a datagram socket cannot know who asks: it is shown the real name.
        assert.equal(kind == "datagram" and real or asked, one:getpeername())
      end)
    end
  end

  for _, errno in ipairs { "EPERM", "ECONNREFUSED", "ENOENT", "ETIMEDOUT" } do
    it("is denied with " .. errno, function()
      here:enforce(([[deny { connect = "unix:@tidegate-none", errno = %q }]]):format(errno))
      assert.equal(errno, unix_socket.try("stream", "unix:@tidegate-none"))
    end)
  end

  it("is matched by prefix, and by lists with exceptions", function()
    local base = unix:path()
    for _, ending in ipairs { "", "a", "ab", "b" } do
      unix:serve("stream", base .. ending)
    end
    here:enforce(([[deny { connect = { "%sa*", "!%sab" }, errno = "EACCES" }]]):format(base, base))
    assert.equal("ok", unix_socket.try("stream", base))
    assert.equal("EACCES", unix_socket.try("stream", base .. "a"))
    assert.equal("ok", unix_socket.try("stream", base .. "ab"))
    assert.equal("EACCES", unix_socket.try("stream", base .. "ac"))
    assert.equal("ok", unix_socket.try("stream", base .. "b"))
  end)

  it("is matched up to 108 bytes", function()
    local long = "unix:@" .. ("x"):rep(107)
    unix:serve("stream", long)
    here:enforce(([[deny { connect = %q, errno = "EACCES" }]]):format(long))
    assert.equal("EACCES", unix_socket.try("stream", long))
    assert.equal("ECONNREFUSED", unix_socket.try("stream", long:sub(1, -2)))
    assert.equal("ECONNREFUSED", unix_socket.try("stream", long:sub(1, -2) .. "y"))
  end)

  it("treats an abstract name with zeros after it as the same name", function()
    local shut = unix:name()
    here:enforce(([[deny { connect = %q, errno = "EACCES" }]]):format(shut))
    assert.equal("EACCES", unix_socket.try("stream", shut .. "@@@"))
    assert.equal("ECONNREFUSED", unix_socket.try("stream", shut .. "x"))
  end)

  it("is not matched by *, or by a default if no rule names unix sockets", function()
    local open = unix:path()
    unix:serve("stream", open)
    here:enforce [[policy { default = "deny" } deny { connect = "*", errno = "EACCES" }]]
    assert.equal("ok", unix_socket.try("stream", open))
    here:enforce [[policy { default = "deny" } allow { connect = "unix:@tidegate-none" }]]
    assert.equal("EPERM", unix_socket.try("stream", open))
  end)

  it("and IP addresses can be in one rule", function()
    local shut = unix:path()
    unix:serve("stream", shut)
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce(([[deny { connect = { %q, "127.0.0.1" }, errno = "EACCES" }]]):format(shut))
    assert.equal("EACCES", unix_socket.try("stream", shut))
    assert.equal("EACCES", socket.try("tcp", "127.0.0.1:" .. server:port()))
  end)

  it("is judged among hundreds of rules", function()
    local base, rules = unix:name(), {}
    for index = 1, 300 do
      rules[index] = ([[deny { connect = "%s/%d", uid = "0-%d", errno = "EACCES" }]])
        :format(base, index, index)
    end
    here:enforce(table.concat(rules, "\n"))
    for _, index in ipairs { 1, 2, 150, 299, 300 } do
      assert.equal("EACCES", unix_socket.try("stream", base .. "/" .. index))
      assert.equal("ECONNREFUSED", unix_socket.try("stream", base .. "/" .. index .. "x"))
    end
    assert.equal("ECONNREFUSED", unix_socket.try("stream", base .. "/301"))
  end)

  it("holds for a child process", function()
    here:enforce [[deny { connect = "unix:@tidegate-none", errno = "EACCES" }]]
    local pipe = io.popen [[luajit -e 'io.write(require("spec.support.socket")
      .try("unix_stream", "unix:@tidegate-none"))']]
    local said = pipe:read "*a"
    pipe:close()
    assert.equal("EACCES", said)
  end)

  it("are only counted and reported by a shadow", function()
    local open = unix:path()
    unix:serve("stream", open)
    local gate = here:enforce(([[
      deny { "shadow", connect = %q, shadow = true, log = true }
      allow { "rest", connect = "unix:*" }
    ]]):format(open))
    assert.equal("ok", unix_socket.try("stream", open))
    assert.equal(1, gate:rules()[1].hits)
    assert.equal(1, gate:rules()[2].hits)
    local event = gate:events()()
    assert.same({ "shadow", open }, { event.rule, event.final })
  end)

  it("are reported in events", function()
    local asked, shut = unix:path(), unix:name()
    local gate = here:enforce(([[
      rewrite { "go", connect = %q, to = "unix:@tidegate-spec-real", log = true }
      deny { "no", connect = %q, errno = "EACCES" }
    ]]):format(asked, shut))
    unix:serve("stream", "unix:@tidegate-spec-real")
    assert.equal("ok", unix_socket.try("stream", asked))
    assert.equal("EACCES", unix_socket.try("stream", shut))
    local seen = {}
    while #seen < 2 do
      for event in gate:events() do
        seen[#seen + 1] = event:copy()
        if #seen == 2 then
          break
        end
      end
    end
    assert.equal(asked, seen[1].asked)
    assert.equal("unix:@tidegate-spec-real", seen[1].final)
    assert.equal("unix", seen[1].family)
    assert.equal("connect_unix", seen[1].hook)
    assert.is_nil(seen[1].proto)
    assert.is_nil(seen[1].asked_port)
    assert.matches("^rewrite go  connect " .. asked:gsub("%p", "%%%0")
      .. " %-> unix:@tidegate%-spec%-real  ", tostring(seen[1]))
    assert.equal(shut, seen[2].final)
    assert.equal("EACCES", seen[2].errno)
  end)

  -- G10
  it("have the rate of the policy in force, whatever the one before has used up", function()
    local shut = unix:path()
    local gate = here:enforce(([[deny { "kept", connect = %q, log = "1/h" }]]):format(shut))
    local function events(calls)
      local count = 0
      for _ = 1, calls do
        assert.equal("EPERM", unix_socket.try("stream", shut))
      end
      for _ in gate:events { timeout = 0 } do
        count = count + 1
      end
      return count
    end
    assert.equal(1, events(2))
    gate:rules()[1]:remove()
    gate:deny { "kept", connect = shut, log = "100/s" }
    assert(gate:commit())
    assert.equal(2, events(2))
  end)

  it("attach only the hooks that the rules need", function()
    local hooks = here:enforce([[deny { connect = "unix:@x" }]]):status().hooks
    assert.same({ "connect_unix" }, hooks)
    hooks = here:enforce([[rewrite { connect = "unix:@x", to = "unix:@y", reveal = true }]])
      :status().hooks
    assert.same({ "connect_unix" }, hooks)
    hooks = here:enforce([[rewrite { sendmsg = "unix:@x", to = "unix:@y" }]]):status().hooks
    assert.same({ "sendmsg_unix", "recvmsg_unix", "getpeername_unix" }, hooks)
  end)
end)

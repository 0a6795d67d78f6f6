-- Unix sockets: connect and sendmsg are judged by path, redirected, and shown
-- what they asked for; all other sockets are shown the real names.

local env = require "spec.support.env"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

if sandbox.reason then
  return pending(sandbox.reason)
end

local folder = env.folder()
local reason = sandbox.no_unix()

describe("an old kernel", function()
  it("is named by the rule that needs a newer one", function()
    if not reason then
      return
    end
    assert.matches('deny "#1": needs the hook connect_unix, which this kernel, Linux %S+, does not have; '
      .. "Linux 6%.7 and newer do", reason)
  end)
end)

if reason then
  return pending(reason)
end

sandbox.describe("unix sockets", function(here)
  teardown(env.clean)

  local made = 0

  --- Names that no socket has yet: a pathname, and an abstract one.
  local function path()
    made = made + 1
    return ("unix:%s/s%d"):format(folder, made)
  end

  local function name()
    made = made + 1
    return "unix:@tidegate-spec-" .. made -- of the sandbox's network namespace
  end

  local function serve(kind, at)
    return here:keep(socket.serve("unix_" .. kind, at))
  end

  local function client(kind)
    return here:keep(socket.kinds["unix_" .. kind]())
  end

  local function try(kind, at)
    return socket.try("unix_" .. kind, at)
  end

  local connected = { "stream", "seqpacket" }
  local every = { "stream", "seqpacket", "datagram" }

  for _, kind in ipairs(every) do
    for what, fresh in pairs { pathname = path, abstract = name } do
      it(("is denied with an errno: %s, %s"):format(kind, what), function()
        local shut, open = fresh(), fresh()
        serve(kind, shut)
        serve(kind, open)
        here:enforce(([[deny { connect = %q, errno = "EACCES" }]]):format(shut))
        assert.equal("EACCES", try(kind, shut))
        assert.equal("ok", try(kind, open))
        here:outside(function()
          local outsider = here:keep(socket.kinds["unix_" .. kind]())
          assert(outsider:connect(shut))
        end)
      end)

      it(("is redirected: %s, %s"):format(kind, what), function()
        local asked, real = fresh(), fresh()
        local server = serve(kind, real)
        here:enforce(([[rewrite { connect = %q, to = %q }]]):format(asked, real))
        local one = client(kind)
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
      assert.equal(errno, try("stream", "unix:@tidegate-none"))
    end)
  end

  it("is matched by prefix, and by lists with exceptions", function()
    local base = path()
    for _, ending in ipairs { "", "a", "ab", "b" } do
      serve("stream", base .. ending)
    end
    here:enforce(([[deny { connect = { "%sa*", "!%sab" }, errno = "EACCES" }]]):format(base, base))
    assert.equal("ok", try("stream", base))
    assert.equal("EACCES", try("stream", base .. "a"))
    assert.equal("ok", try("stream", base .. "ab"))
    assert.equal("EACCES", try("stream", base .. "ac"))
    assert.equal("ok", try("stream", base .. "b"))
  end)

  it("is matched up to 108 bytes", function()
    local long = "unix:@" .. ("x"):rep(107)
    serve("stream", long)
    here:enforce(([[deny { connect = %q, errno = "EACCES" }]]):format(long))
    assert.equal("EACCES", try("stream", long))
    assert.equal("ECONNREFUSED", try("stream", long:sub(1, -2)))
    assert.equal("ECONNREFUSED", try("stream", long:sub(1, -2) .. "y"))
  end)

  it("treats an abstract name with zeros behind it as the same name", function()
    local shut = name()
    here:enforce(([[deny { connect = %q, errno = "EACCES" }]]):format(shut))
    assert.equal("EACCES", try("stream", shut .. "@@@"))
    assert.equal("ECONNREFUSED", try("stream", shut .. "x"))
  end)

  it("is not matched by *, or by a default without a rule of its own", function()
    local open = path()
    serve("stream", open)
    here:enforce [[policy { default = "deny" } deny { connect = "*", errno = "EACCES" }]]
    assert.equal("ok", try("stream", open))
    here:enforce [[policy { default = "deny" } allow { connect = "unix:@tidegate-none" }]]
    assert.equal("EPERM", try("stream", open))
  end)

  it("and IP addresses can be in one rule", function()
    local shut = path()
    serve("stream", shut)
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce(([[deny { connect = { %q, "127.0.0.1" }, errno = "EACCES" }]]):format(shut))
    assert.equal("EACCES", try("stream", shut))
    assert.equal("EACCES", socket.try("tcp", "127.0.0.1:" .. server:port()))
  end)

  it("is judged among hundreds of rules", function()
    local base, rules = name(), {}
    for index = 1, 300 do
      rules[index] = ([[deny { connect = "%s/%d", uid = "0-%d", errno = "EACCES" }]]):format(base, index, index)
    end
    here:enforce(table.concat(rules, "\n"))
    for _, index in ipairs { 1, 2, 150, 299, 300 } do
      assert.equal("EACCES", try("stream", base .. "/" .. index))
      assert.equal("ECONNREFUSED", try("stream", base .. "/" .. index .. "x"))
    end
    assert.equal("ECONNREFUSED", try("stream", base .. "/301"))
  end)

  it("holds for a child process", function()
    here:enforce [[deny { connect = "unix:@tidegate-none", errno = "EACCES" }]]
    local pipe = io.popen [[luajit -e 'io.write(require("spec.support.socket")
      .try("unix_stream", "unix:@tidegate-none"))']]
    local said = pipe:read "*a"
    pipe:close()
    assert.equal("EACCES", said)
  end)

  describe("that ask for their peer", function()
    local asked, other, real, server

    local function set_up(kind, more)
      asked, other, real = path(), path(), path()
      server = serve(kind, real)
      here:enforce(([[
        rewrite { connect = %q, to = %q }
        rewrite { connect = %q, to = %q%s }
      ]]):format(asked, real, other, real, more or ""))
    end

    for _, kind in ipairs(connected) do
      it("are shown what each asked for, two at once: " .. kind, function()
        set_up(kind)
        local one, two, three = client(kind), client(kind), client(kind)
        assert(one:connect(asked))
        assert(two:connect(other))
        assert(three:connect(real))
        assert.equal(asked, one:getpeername())
        assert.equal(other, two:getpeername())
        assert.equal(real, three:getpeername())
        assert.equal(asked, one:peername_option(2 + #asked - #"unix:" + 1))
      end)

      it("are shown the real name when they accept: " .. kind, function()
        set_up(kind)
        local one, own = client(kind), path()
        assert(one:bind(own))
        assert(one:connect(asked))
        local accepted, peer = server:accept()
        here:keep(accepted)
        assert.equal(own, peer)
        assert.equal(own, accepted:getpeername())
        assert.equal(real, accepted:getsockname())
        assert.equal(own, one:getsockname())
        assert.equal(asked, one:getpeername())
      end)

      it("are shown the real name if the server is the one that was redirected: " .. kind, function()
        set_up(kind)
        -- The server has asked for `asked` itself, from another socket.
        local busy = client(kind)
        assert(busy:connect(asked))
        here:keep((server:accept()))
        local one, own = client(kind), path()
        assert(one:bind(own))
        assert(one:connect(real))
        local accepted = here:keep((server:accept()))
        assert.equal(own, accepted:getpeername())
        assert.equal(real, one:getpeername())
      end)

      it("are shown the real name if the rule reveals it: " .. kind, function()
        set_up(kind, ", reveal = true")
        local one = client(kind)
        assert(one:connect(other))
        assert.equal(real, one:getpeername())
      end)

      it("are shown what they asked for last, after one that failed: " .. kind, function()
        local nowhere = path()
        set_up(kind)
        here:enforce(([[rewrite { connect = "%s", to = "%s-none" }]]):format(nowhere, nowhere))
        local one = client(kind)
        assert.equal("ENOTCONN", one:getpeername_errno())
        assert.same({ nil, "ENOENT" }, { one:connect(nowhere) })
        assert.equal("ENOTCONN", one:getpeername_errno())
        assert(one:connect(real))
        assert.equal(real, one:getpeername())
      end)
    end

    it("are shown what they asked for if the server is outside of the cgroup", function()
      asked, real = path(), path()
      here:outside(function() server = serve("stream", real) end)
      here:enforce(([[rewrite { connect = %q, to = %q }]]):format(asked, real))
      local one = client "stream"
      assert(one:connect(asked))
      assert.equal(asked, one:getpeername())
    end)
  end)

  describe("that send datagrams", function()
    it("are denied, and redirected", function()
      local asked, real, shut = path(), path(), path()
      local server = serve("datagram", real)
      serve("datagram", shut)
      here:enforce(([[
        rewrite { sendmsg = %q, to = %q }
        deny { sendmsg = %q, errno = "EACCES" }
      ]]):format(asked, real, shut))
      local one = client "datagram"
      assert(one:sendto("hello", asked))
      assert.equal("hello", (server:receive()))
      assert.same({ nil, "EACCES" }, { one:sendto("x", shut) })
    end)

    it("are shown the names of several senders as they asked for them", function()
      local first, second, real, beside, own = path(), name(), path(), name(), path()
      local server, another = serve("datagram", real), serve("datagram", beside)
      here:enforce(([[
        rewrite { egress = %q, to = %q }
        rewrite { egress = %q, to = %q }
      ]]):format(first, real, second, beside))
      local one = client "datagram"
      assert(one:bind(own))
      assert(one:sendto("1", first))
      assert(one:sendto("2", second))
      local _, from = server:receive()
      assert.equal(own, from)
      another:receive()
      assert(another:sendto("two", own))
      assert(server:sendto("one", own))
      assert.same({ "two", second }, { one:receive() })
      assert.same({ "one", first }, { one:receive() })
      -- Another socket, which sent there under the real name, is shown that.
      local two, own2 = client "datagram", path()
      assert(two:bind(own2))
      assert(two:sendto("3", real))
      server:receive()
      assert(server:sendto("three", own2))
      assert.same({ "three", real }, { two:receive() })
    end)

    it("are shown the real name again once they ask for it", function()
      local asked, real, own = path(), path(), path()
      local server = serve("datagram", real)
      here:enforce(([[rewrite { egress = %q, to = %q }]]):format(asked, real))
      local one = client "datagram"
      assert(one:bind(own))
      assert(one:connect(asked))
      assert(one:send "1")
      server:receive()
      assert(server:sendto("a", own))
      assert.same({ "a", asked }, { one:receive() })
      assert(one:sendto("2", real))
      server:receive()
      assert(server:sendto("b", own))
      assert.same({ "b", real }, { one:receive() })
    end)
  end)

  describe("that are reported", function()
    it("are renamed by rules: the peer, the own name, the sender", function()
      local real, own, shown = path(), path(), name()
      local server = serve("stream", real)
      here:enforce(([[
        rewrite { getpeername = %q, to = %q }
        rewrite { getsockname = %q, to = "unix:@own" }
      ]]):format(real, shown, own))
      local one = client "stream"
      assert(one:bind(own))
      assert(one:connect(real))
      assert.equal(shown, one:getpeername())
      assert.equal("unix:@own", one:getsockname())
      local accepted = here:keep((server:accept()))
      assert.equal(own, accepted:getpeername())

      local inbox, sender, from = path(), client "datagram", path()
      local receiver = serve("datagram", inbox)
      here:enforce(([[rewrite { recvmsg = %q, to = %q }]]):format(from, shown))
      assert(sender:bind(from))
      assert(sender:sendto("x", inbox))
      assert.same({ "x", shown }, { receiver:receive() })
    end)

    it("are what was asked for, before any rule", function()
      local asked, real = path(), path()
      serve("stream", real)
      here:enforce(([[
        rewrite { connect = %q, to = %q }
        rewrite { getpeername = { %q, %q }, to = "unix:@never" }
      ]]):format(asked, real, asked, real))
      local one, two = client "stream", client "stream"
      assert(one:connect(asked))
      assert(two:connect(real))
      assert.equal(asked, one:getpeername())
      assert.equal("unix:@never", two:getpeername())
    end)
  end)

  it("are only counted and reported by a shadow", function()
    local open = path()
    serve("stream", open)
    local gate = here:enforce(([[
      deny { "shadow", connect = %q, shadow = true, log = true }
      allow { "rest", connect = "unix:*" }
    ]]):format(open))
    assert.equal("ok", try("stream", open))
    assert.equal(1, gate:rules()[1].hits)
    assert.equal(1, gate:rules()[2].hits)
    local event = gate:events()()
    assert.same({ "shadow", open }, { event.rule, event.final })
  end)

  it("are reported in events", function()
    local asked, shut = path(), name()
    local gate = here:enforce(([[
      rewrite { "go", connect = %q, to = "unix:@tidegate-spec-real", log = true }
      deny { "no", connect = %q, errno = "EACCES" }
    ]]):format(asked, shut))
    serve("stream", "unix:@tidegate-spec-real")
    assert.equal("ok", try("stream", asked))
    assert.equal("EACCES", try("stream", shut))
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
    assert.matches("^rewrite go  connect " .. asked:gsub("%p", "%%%0") .. " %-> unix:@tidegate%-spec%-real  ",
      tostring(seen[1]))
    assert.equal(shut, seen[2].final)
    assert.equal("EACCES", seen[2].errno)
  end)

  it("have the rate of the policy in force, whatever the one before has used up", function()
    local shut = path()
    local gate = here:enforce(([[deny { "kept", connect = %q, log = "1/h" }]]):format(shut))
    local function events(calls)
      local count = 0
      for _ = 1, calls do
        assert.equal("EPERM", try("stream", shut))
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
    hooks = here:enforce([[rewrite { connect = "unix:@x", to = "unix:@y", reveal = true }]]):status().hooks
    assert.same({ "connect_unix" }, hooks)
    hooks = here:enforce([[rewrite { sendmsg = "unix:@x", to = "unix:@y" }]]):status().hooks
    assert.same({ "sendmsg_unix", "recvmsg_unix", "getpeername_unix" }, hooks)
  end)
end)

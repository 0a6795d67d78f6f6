-- What a rule may ask about beside the endpoint, on real sockets of real processes.

local cgroup = require "spec.support.cgroup"
local client = require "spec.support.client"
local command = require "spec.support.command"
local env = require "spec.support.env"
local libc = require "spec.support.libc"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"

local C = libc.call

sandbox.describe("a rule that asks about", function(here)
  local port

  before_each(function()
    netns.add_address "2001:db8::7"
    port = here:keep(socket.serve("tcp", "127.0.0.1:0")):port()
  end)
  after_each(env.clean)

  --- The result of connecting, after `prepare` was given the socket.
  local function connect(prepare, host, kind)
    local one = socket.kinds[kind or "tcp"]((host or "1"):sub(1, 1) == "[" and "inet6" or "inet")
      :abrupt()
    if prepare then
      prepare(one)
    end
    local ok, errno = one:connect(("%s:%d"):format(host or "127.0.0.1", port))
    one:close()
    return ok and "ok" or errno
  end

  describe("type", function()
    it("matches the socket's type", function()
      here:enforce [[deny { connect = "*", type = "stream" }]]
      assert.equal("EPERM", connect())
      assert.equal("EPERM", connect(nil, nil, "mptcp"))
      assert.equal("ok", connect(nil, nil, "udp"))
    end)
  end)

  describe("mark", function()
    it("matches SO_MARK", function()
      here:enforce [[deny { connect = "*", mark = { "0x10-0x1f", "!17" } }]]
      local expected = { [0] = "ok", [15] = "ok", [16] = "EPERM", [17] = "ok", [31] = "EPERM",
        [32] = "ok" }
      for mark, answer in pairs(expected) do
        for _, kind in ipairs { "tcp", "udp", "mptcp" } do
          assert.equal(answer, connect(function(one) one:mark(mark) end, nil, kind), kind .. mark)
        end
      end
    end)
  end)

  describe("device", function()
    it("matches the device that the socket is bound to", function()
      local gate = here:enforce [[deny { connect = "*", device = "lo" }]]
      assert.equal("EPERM", connect(function(one) one:device "lo" end))
      assert.equal("ok", connect())
      gate:rules()[1]:remove()
      gate:deny { connect = "*", device = "none", errno = "EACCES" }
      assert(gate:commit())
      assert.equal("EACCES", connect())
      assert.equal("ok", connect(function(one) one:device "lo" end))
    end)
  end)

  describe("netns", function()
    it("matches that of the socket, by path, cookie and self", function()
      local cookie = here:keep(socket.tcp "inet"):netns_cookie()
      local home = ("/proc/self/fd/%d"):format(here.netns)
      for value, answer in pairs {
        ["\"self\""] = "EPERM", [tostring(cookie)] = "EPERM",
        [("%q"):format("/proc/self/ns/net")] = "EPERM",
        [("%q"):format(home)] = "ok", [("%q"):format("!" .. home)] = "EPERM",
        [tostring(cookie + 1)] = "ok",
      } do
        local gate = here:enforce(([[deny { connect = "*", netns = %s }]]):format(value))
        assert.equal(answer, connect(), value)
        gate:close()
      end
    end)

    it("finds the cookie of another namespace, as a socket there reports it", function()
      local one = socket.tcp "inet"
      local path, cookie = ("/proc/self/fd/%d"):format(here.netns), one:netns_cookie()
      one:close()
      -- Outside the sandbox, this sandbox's namespace is another one.
      local fd = assert(libc.outcome(C.open("/proc/self/ns/net", 0x80000)))
      assert(libc.outcome(C.setns(here.netns, 0x40000000)))
      local gate = here:gate(([[deny { connect = "*", netns = "/proc/self/fd/%d" }]]):format(fd))
      assert(libc.outcome(C.setns(fd, 0x40000000)))
      C.close(fd)
      assert(gate:attach(here.cgroup))
      assert.equal("EPERM", connect())
      assert.not_equal(path, cookie)
    end)
  end)

  describe("exe", function()
    it("matches the file that the process executes, under any name", function()
      local folder = env.folder()
      local copy = folder .. "/copy"
      assert.equal(0, command.run({ "cp", client.path(), copy }).status)
      os.execute(("ln -s copy %s/link && ln %s/copy %s/hard"):format(folder, folder, folder))
      here:enforce(([[deny { connect = "*", exe = "%s/link" }]]):format(folder))
      local function answer(path)
        return (command.run({ path, "connect", "127.0.0.1", tostring(port) }).out:gsub("\n", ""))
      end
      for _, name in ipairs { "/copy", "/link", "/hard" } do
        assert.equal("EPERM", answer(folder .. name), name)
      end
      assert.equal("ok", answer(client.path()))
      assert.equal("ok", connect())
    end)

    it("means another file once the path has another", function()
      local path = env.folder() .. "/program"
      local function replace()
        assert.equal(0, command.run({ "cp", "--remove-destination", client.path(),
          path .. ".new" }).status)
        assert(os.rename(path .. ".new", path))
      end
      local function answer()
        return (command.run({ path, "connect", "127.0.0.1", tostring(port) }).out:gsub("\n", ""))
      end
      replace()
      here:enforce(([[deny { connect = "*", exe = "%s" }]]):format(path))
      assert.equal("EPERM", answer())
      local keep = assert(io.open(path)) -- so that its inode is not reused for the new file
      replace()
      assert.equal("ok", answer())
      keep:close()
    end)

    it("sees a fork of the program as the program", function()
      here:enforce [[deny { connect = "*", exe = "/proc/self/exe" }]]
      assert.equal("EPERM", process.run(function() return connect() end))
      assert.equal("ok\n", client.run("connect", "127.0.0.1", tostring(port)))
    end)
  end)

  describe("cgroup", function()
    --- The result for a process in a cgroup.
    local function answer_in(path)
      return process.run(function()
        cgroup.enter(path)
        return connect()
      end)
    end

    it("matches that cgroup and those below, wherever the task moves", function()
      local a, b = here:another(here.cgroup), here:another(here.cgroup)
      local below = here:another(a)
      here:enforce(([[deny { connect = "*", cgroup = %q }]]):format(a))
      assert.equal("EPERM", answer_in(a))
      assert.equal("EPERM", answer_in(below))
      assert.equal("ok", answer_in(b))
      assert.equal("ok", connect())
      -- The socket stays in the cgroup where it was made; the rule asks where the task is.
      assert.equal("EPERM", process.run(function()
        local one = socket.tcp "inet"
        cgroup.enter(below)
        local ok, errno = one:connect("127.0.0.1:" .. port)
        return ok and "ok" or errno
      end))
    end)

    it("takes exceptions below and above, at any depth", function()
      local a = here:another(here.cgroup)
      local b = here:another(a)
      local c = here:another(b)
      local side = here:another(a)
      here:enforce(([[
        deny { connect = "*", cgroup = { %q, "!%s" }, errno = "EACCES" }
        deny { connect = "*", cgroup = %q, errno = "EXDEV" }
        deny { connect = "*", cgroup = "!%s", errno = "EBADSLT" }
      ]]):format(a, b, c, here.cgroup))
      assert.equal("EACCES", answer_in(a))
      assert.equal("EACCES", answer_in(side))
      assert.equal("ok", answer_in(b))
      assert.equal("EXDEV", answer_in(c))
      assert.equal("ok", connect())
    end)

    it("matches every task if it names the root", function()
      here:enforce [[deny { connect = "*", cgroup = "/" }]]
      assert.equal("EPERM", connect())
    end)

    it("holds among many rules", function()
      local a = here:another(here.cgroup)
      local lines = {}
      for index = 1, 100 do
        lines[index] = ([[deny { connect = "127.0.0.1", cgroup = %q, mark = %d, uid = "0-%d" }]])
          :format(a, index, index)
      end
      here:enforce(table.concat(lines, "\n"))
      local function answer(mark, path)
        return process.run(function()
          cgroup.enter(path)
          return connect(function(one) one:mark(mark) end)
        end)
      end
      assert.equal("EPERM", answer(7, a))
      assert.equal("EPERM", answer(100, a))
      assert.equal("ok", answer(101, a))
      assert.equal("ok", answer(7, here.cgroup))
    end)

    it("is refused if it cannot be found", function()
      local _, message = tidegate.load_text([[deny { "x", connect = "*", cgroup = "nosuch" }]],
        "p.lua")
      assert.equal(('p.lua:1: deny "x": cgroup: "nosuch": there is no such cgroup: make it first, '
        .. 'or write a path '
        .. "below %s"):format(cgroup.root()), message)
      _, message = tidegate.load_text([[deny { "x", connect = "*", cgroup = "/tmp" }]], "p.lua")
      assert.equal(('p.lua:1: deny "x": cgroup: "/tmp": there is no such cgroup: make it first, '
        .. 'or write a path '
        .. "below %s"):format(cgroup.root()), message)
      local path, items = here.cgroup, { '"/"' }
      for depth = 2, 9 do
        path = here:another(path)
        items[depth] = ("%q"):format(path)
      end
      _, message = tidegate.load_text(([[deny { "x", connect = "*", cgroup = { %s } }]])
        :format(table.concat(items, ", ")), "p.lua")
      assert.equal('p.lua:1: deny "x": cgroup: the rules name cgroups at more than 8 different '
        .. 'depths, which is the '
        .. "limit: name fewer", message)
    end)

    it("is found by its path below the root", function()
      here:enforce(([[deny { connect = "*", cgroup = %q }]])
        :format(here.cgroup:sub(#cgroup.root() + 2)))
      assert.equal("EPERM", connect())
    end)

    it("is another cgroup once it was removed and made again", function()
      local a = here:another(here.cgroup)
      here:enforce(([[deny { connect = "*", cgroup = %q }]]):format(a))
      assert.equal("EPERM", answer_in(a))
      cgroup.remove(a)
      assert.equal(0, command.run({ "mkdir", a }).status)
      assert.equal("ok", answer_in(a))
    end)
  end)

  describe("source", function()
    local function bound(endpoint)
      return function(one) assert(one:bind(endpoint)) end
    end

    it("matches what the socket is bound to", function()
      here:enforce [[
        deny { connect = "*", source = "127.0.0.2:5000", errno = "EACCES" }
        deny { connect = "*", source = "127.0.0.0/8", errno = "EXDEV" }
        deny { connect = "*", source = "2001:db8::7", errno = "EBADSLT" }
        deny { connect = "*", source = "*:5001", errno = "ENOANO" }
      ]]
      for _, kind in ipairs { "tcp", "udp" } do
        assert.equal("EACCES", connect(bound "127.0.0.2:5000", nil, kind))
        assert.equal("EXDEV", connect(bound "127.0.0.2:5002", nil, kind))
        assert.equal("EACCES", connect(bound "[::ffff:127.0.0.2]:5000", "[::ffff:127.0.0.1]", kind))
        assert.equal("EBADSLT", connect(bound "[2001:db8::7]:0", "[::1]", kind))
        assert.equal("ENOANO", connect(bound "0.0.0.0:5001", nil, kind))
        assert.equal("ENOANO", connect(bound "[::]:5001", "[::1]", kind))
        assert.equal("ok", connect(nil, nil, kind))
      end
    end)

    it("takes 0.0.0.0, :: and port 0 for an unbound socket", function()
      here:enforce [[
        deny { connect = "*", source = "0.0.0.0:0", errno = "EACCES" }
        deny { connect = "*", source = "[::]:0", errno = "EXDEV" }
      ]]
      assert.equal("EACCES", connect())
      assert.equal("EXDEV", connect(nil, "[::1]"))
      assert.equal("EXDEV", connect(nil, "[::ffff:127.0.0.1]"))
      assert.equal("ok", connect(bound "127.0.0.1:0"))
    end)

    it("matches a datagram's own source", function()
      local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
      local server6 = here:keep(socket.serve("udp", "[::1]:0"))
      here:enforce [[
        deny { sendmsg = "*", source = "127.0.0.3", errno = "EACCES" }
        deny { sendmsg = "*", source = "2001:db8::7", errno = "EXDEV" }
      ]]
      local to, to6 = "127.0.0.1:" .. server:port(), "[::1]:" .. server6:port()
      local one, six = here:keep(socket.udp "inet"), here:keep(socket.udp "inet6")
      assert(one:sendto("x", to))
      assert(one:sendto_from("x", to, "127.0.0.2:0"))
      assert.same({ nil, "EACCES" }, { one:sendto_from("x", to, "127.0.0.3:0") })
      assert(six:sendto("x", to6))
      assert(six:sendto_from("x", to6, "[::1]:0"))
      assert.same({ nil, "EXDEV" }, { six:sendto_from("x", to6, "[2001:db8::7]:0") })
      local bound_one = here:keep(socket.udp "inet")
      assert(bound_one:bind "127.0.0.3:0")
      assert.same({ nil, "EACCES" }, { bound_one:sendto("x", to) })
    end)
  end)

  it("all of these matches only if all of them hold", function()
    local a = here:another(here.cgroup)
    here:enforce(([[
      deny { connect = "*", cgroup = %q, mark = 7, device = "lo", type = "stream", netns = "self",
        source = "127.0.0.2:5000", exe = "/proc/self/exe", uid = 0, proto = "tcp" }
    ]]):format(a))
    local function answer(mark, device, source)
      return process.run(function()
        cgroup.enter(a)
        return connect(function(one)
          one:mark(mark):device(device)
          assert(one:bind(source))
        end)
      end)
    end
    assert.equal("EPERM", answer(7, "lo", "127.0.0.2:5000"))
    assert.equal("ok", answer(8, "lo", "127.0.0.2:5000"))
    assert.equal("ok", answer(7, "", "127.0.0.2:5000"))
    assert.equal("ok", answer(7, "lo", "127.0.0.2:5001"))
    assert.equal("ok", connect(function(one)
      one:mark(7):device "lo"
      assert(one:bind "127.0.0.2:5000")
    end))
  end)
end)

-- tidegate explain: which rule decides, and why the earlier ones do not.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local tidegate = command.tidegate

describe("tidegate explain", function()
  local path

  setup(function()
    path = env.write(env.folder() .. "/web.lua", [[
policy { name = "web", default = { connect = "deny", sendmsg = "allow" } }
allow   { "not asked", sendmsg = "*" }
deny    { "addr", connect = "10.0.0.0/8" }
deny    { "port", connect = "1.2.3.4:1-1023" }
deny    { "who", connect = "1.2.3.4", uid = 33, comm = "nginx", gid = "!0", pid = 7 }
deny    { "kind", connect = "1.2.3.4", proto = "udp", family = "inet6" }
rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", source = "127.0.0.1:22222" }
]])
  end)
  teardown(env.clean)

  it("names each rule that does not match, with the fields that differ", function()
    local got = tidegate("explain", path, "connect", "1.2.3.4:60000")
    assert.equal("", got.err)
    assert.equal(('not deny "addr" (%s:3): another address\n'
      .. 'not deny "port" (%s:4): another port\n'
      .. 'not deny "who" (%s:5): another uid, another gid, another comm, another pid\n'
      .. 'not deny "kind" (%s:6): another proto, another family\n'
      .. 'rewrite "seed" (%s:7): 1.2.3.4:60000 -> 127.0.0.1:60123 from 127.0.0.1:22222\n')
      :gsub("%%s", path), got.out)
    assert.equal(0, got.status)
  end)

  it("takes every field of a call", function()
    local got = tidegate("explain", path, "connect", "1.2.3.4:60000",
      "--uid", "33", "--gid", "33", "--comm", "nginx", "--pid", "7")
    assert.truthy(got.out:find(('deny "who" (%s:5): EPERM\n'):format(path), 1, true), got.out)
    got = tidegate("explain", path, "connect", "1.2.3.4:60000", "--proto", "udp", "--family",
      "inet6")
    assert.truthy(got.out:find(('deny "kind" (%s:6): EPERM\n'):format(path), 1, true), got.out)
  end)

  it("takes the fields of a socket and its process", function()
    local own = env.write(env.folder() .. "/own.lua", [[
deny { "socket", connect = "*", type = "stream", from = "127.0.0.1:5000", mark = "0x10",
  device = "lo" }
deny { "process", connect = "*", exe = "/bin/sh", cgroup = "!/", netns = "self" }
]])
    local got = tidegate("explain", own, "connect", "1.2.3.4:5", "--type", "stream", "--from",
      "127.0.0.1:5000", "--mark", "16", "--device", "lo")
    assert.equal(('deny "socket" (%s:1): EPERM\n'):format(own), got.out)
    got = tidegate("explain", own, "connect", "1.2.3.4:5", "--proto", "udp")
    assert.equal(('not deny "socket" (%s:1): another type, another from, another mark, another '
      .. 'device\nnot deny "process" (%s:3): another exe, another cgroup, another netns\n'
      .. "allow by default: 1.2.3.4:5\n"):gsub("%%s", own), got.out)
    got = tidegate("explain", own, "connect", "1.2.3.4:5", "--exe", "/bin/sh", "--netns", "self",
      "--cgroup", "/")
    assert.truthy(got.out:find('not deny "process" (' .. own .. ":3): another cgroup\n", 1, true),
      got.out)
  end)

  it("is asked about unix sockets", function()
    local file = env.write(env.folder() .. "/unix.lua", [[
deny    { "ip", connect = "*" }
deny    { "tmp", connect = "unix:/tmp/*" }
rewrite { "docker", connect = "unix:/var/run/docker.sock", to = "unix:/run/docker-proxy.sock" }
]])
    local got = tidegate("explain", file, "connect", "unix:/var/run/docker.sock")
    assert.equal("", got.err)
    assert.equal(('not deny "ip" (%s:1): another address\nnot deny "tmp" (%s:2): another address\n'
      .. 'rewrite "docker" (%s:3): unix:/var/run/docker.sock -> unix:/run/docker-proxy.sock\n')
      :gsub("%%s", file), got.out)
    assert.equal(('allow by default: unix:@x\n'),
      tidegate("explain", path, "connect", "unix:@x").out)
    got = tidegate("explain", file, "connect", "unix:/tmp/*")
    assert.equal('tidegate: "unix:/tmp/*": must be one path: \'*\' stands for many\n', got.err)
    assert.equal(2, got.status)
  end)

  it("reports the default's verdict for each operation", function()
    assert.truthy(tidegate("explain", path, "connect",
      "9.9.9.9:1").out:find "\ndeny by default: EPERM\n$")
    assert.equal(('allow "not asked" (%s:2): 9.9.9.9:1\n'):format(path),
      tidegate("explain", path, "sendmsg", "9.9.9.9:1").out)
  end)

  it("reports the rules that observe a call", function()
    local file = env.write(env.folder() .. "/observe.lua", [[
observe { "watch", connect = "10.0.0.0/8" }
deny    { "maybe", connect = "10.0.0.0/8", shadow = true }
deny    { "lan", connect = "10.0.0.0/8:22" }
]])
    local got = tidegate("explain", file, "connect", "10.0.0.1:22")
    assert.equal("", got.err)
    assert.equal(('observe "watch" (%s:1): observed\nnot deny "maybe" (%s:2): a shadow, only '
      .. 'counted\ndeny "lan" (%s:3): EPERM\n'):gsub("%%s", file), got.out)
  end)

  it("counts the rules after the tenth instead of listing them", function()
    local lines = {}
    for index = 1, 14 do
      lines[index] = ('deny { connect = "10.0.0.%d" }'):format(index)
    end
    local long = env.write(env.folder() .. "/long.lua", table.concat(lines, "\n"))
    local got = tidegate("explain", long, "connect", "10.0.0.14:1")
    assert.equal(12, select(2, got.out:gsub("\n", "")))
    assert.truthy(got.out:find('not deny "#10" (' .. long .. ":10): another address\nnot 3 more\n"
      .. 'deny "#14" (' .. long .. ":14): EPERM\n", 1, true), got.out)
  end)

  it("prints JSON", function()
    local got = tidegate("explain", path, "connect", "1.2.3.4:80", "--json")
    local answer = cjson.decode(got.out)
    assert.equal("connect 1.2.3.4:80 tcp uid 0 gid 0", answer.query)
    assert.equal("deny", answer.decision.verb)
    assert.equal("port", answer.decision.rule)
    assert.equal("EPERM", answer.decision.errno)
    assert.same({ "address" }, answer.misses[1].mismatch)
    assert.equal(1, #answer.misses)
  end)

  local mistakes = {
    { { "connect", "1.2.3.444:5" }, 'tidegate: "1.2.3.444:5": 444 is over 255\n' },
    { { "connect", "1.2.3.4" }, 'tidegate: "1.2.3.4": a call has one port: write ADDRESS:80\n' },
    { { "connect", "1.2.3.4:5", "--uid", "nobody-of-that-name" },
      'tidegate: uid: "nobody-of-that-name": user "nobody-of-that-name" is not known on this '
        .. 'machine\n' },
  }
  for _, case in ipairs(mistakes) do
    it("refuses: " .. table.concat(case[1], " "), function()
      local got = tidegate("explain", path, unpack(case[1]))
      assert.equal(case[2], got.err)
      assert.equal("", got.out)
      assert.equal(2, got.status)
    end)
  end
end)

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
rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", bind_source = "127.0.0.1:22" }
]])
  end)
  teardown(env.clean)

  --- What explain prints: the call, the steps, which are { line, rule, reason }, and the decision.
  local function printed(file, query, steps, decision)
    local lines, widths = { query }, { 0, 0 }
    for _, step in ipairs(steps) do
      step[1] = file .. ":" .. step[1]
      widths = { math.max(widths[1], #step[1]), math.max(widths[2], #step[2]) }
    end
    for _, step in ipairs(steps) do
      lines[#lines + 1] = ("  %s%s  %s%s  %s"):format(step[1], (" "):rep(widths[1] - #step[1]),
        step[2], (" "):rep(widths[2] - #step[2]), step[3])
    end
    lines[#lines + 1] = decision:gsub("FILE", file)
    return table.concat(lines, "\n") .. "\n"
  end

  it("names each rule that does not match, with the fields that differ", function()
    local got = tidegate("explain", path, "connect", "1.2.3.4:60000")
    assert.equal("", got.err)
    assert.equal(printed(path, "connect 1.2.3.4:60000 tcp uid 0 gid 0", {
      { 3, 'deny "addr"', "address differs" },
      { 4, 'deny "port"', "port differs" },
      { 5, 'deny "who"', "uid, gid, comm and pid differ" },
      { 6, 'deny "kind"', "proto and family differ" },
    }, 'rewrite "seed" (FILE:7): 1.2.3.4:60000 -> 127.0.0.1:60123 from 127.0.0.1:22'), got.out)
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
deny { "socket", connect = "*", type = "stream", source = "127.0.0.1:5000", mark = "0x10",
  device = "lo" }
deny { "process", connect = "*", exe = "/bin/sh", cgroup = "!/", netns = "self" }
]])
    local got = tidegate("explain", own, "connect", "1.2.3.4:5", "--type", "stream", "--source",
      "127.0.0.1:5000", "--mark", "16", "--device", "lo")
    assert.equal(printed(own, "connect 1.2.3.4:5 tcp uid 0 gid 0 type stream source "
      .. "127.0.0.1:5000 mark 16 device lo", {}, 'deny "socket" (FILE:1): EPERM'), got.out)
    got = tidegate("explain", own, "connect", "1.2.3.4:5", "--proto", "udp")
    assert.equal(printed(own, "connect 1.2.3.4:5 udp uid 0 gid 0", {
      { 1, 'deny "socket"', "type, source, mark and device differ" },
      { 3, 'deny "process"', "exe, cgroup and netns differ" },
    }, "allow by default: 1.2.3.4:5"), got.out)
    got = tidegate("explain", own, "connect", "1.2.3.4:5", "--exe", "/bin/sh", "--netns", "self",
      "--cgroup", "/")
    assert.truthy(got.out:find('deny "process"  cgroup differs\n', 1, true), got.out)
  end)

  it("is asked about unix sockets", function()
    local file = env.write(env.folder() .. "/unix.lua", [[
deny    { "ip", connect = "*" }
deny    { "tmp", connect = "unix:/tmp/*" }
rewrite { "docker", connect = "unix:/var/run/docker.sock", to = "unix:/run/docker-proxy.sock" }
]])
    local got = tidegate("explain", file, "connect", "unix:/var/run/docker.sock")
    assert.equal("", got.err)
    assert.equal(printed(file, "connect unix:/var/run/docker.sock uid 0 gid 0", {
      { 1, 'deny "ip"', "address differs" }, { 2, 'deny "tmp"', "address differs" },
    }, 'rewrite "docker" (FILE:3): unix:/var/run/docker.sock -> unix:/run/docker-proxy.sock'),
      got.out)
    assert.truthy(tidegate("explain", path, "connect", "unix:@x").out
      :find "\nallow by default: unix:@x\n$")
    got = tidegate("explain", file, "connect", "unix:/tmp/*")
    assert.equal('tidegate: "unix:/tmp/*": must be one path: \'*\' stands for many\n', got.err)
    assert.equal(2, got.status)
  end)

  it("answers for both operations of egress", function()
    local got = tidegate("explain", path, "egress", "9.9.9.9:1")
    assert.equal("", got.err)
    assert.equal(printed(path, "connect 9.9.9.9:1 tcp uid 0 gid 0", {
      { 3, 'deny "addr"', "address differs" }, { 4, 'deny "port"', "address differs" },
      { 5, 'deny "who"', "address, uid, gid, comm and pid differ" },
      { 6, 'deny "kind"', "address, proto and family differ" },
      { 7, 'rewrite "seed"', "address differs" },
    }, "deny by default: EPERM") .. "\n"
      .. printed(path, "sendmsg 9.9.9.9:1 udp uid 0 gid 0", {},
        'allow "not asked" (FILE:2): 9.9.9.9:1'), got.out)
  end)

  it("expects a verdict or a rule, and exits with 1 if it is another", function()
    local function expect(expected, op, endpoint)
      return tidegate("explain", path, op or "connect", endpoint or "1.2.3.4:80", "--expect",
        expected)
    end
    for _, expected in ipairs { "deny", "port" } do
      local got = expect(expected)
      assert.same({ "", 0 }, { got.err, got.status })
    end
    local got = expect "allow"
    assert.equal(('tidegate: expected allow; got: deny "port" (%s:4): EPERM\n'):format(path),
      got.err)
    assert.equal(1, got.status)
    assert.truthy(got.out:find('\ndeny "port" (', 1, true))
    assert.equal(1, expect("who").status)
    assert.equal(0, expect("rewrite", "connect", "1.2.3.4:60000").status)
    got = expect("deny", "egress", "9.9.9.9:1")
    assert.equal(('tidegate: expected deny; got: allow "not asked" (%s:2): 9.9.9.9:1\n')
      :format(path), got.err)
    assert.equal(1, got.status)
    got = expect "prot"
    assert.equal('tidegate: --expect: no rule is called "prot"; did you mean "port"?\n', got.err)
    assert.same({ "", 2 }, { got.out, got.status })
  end)

  it("reports the rules that observe a call, and those that are shadows", function()
    local file = env.write(env.folder() .. "/observe.lua", [[
observe { "watch", connect = "10.0.0.0/8" }
deny    { "maybe", connect = "10.0.0.0/8", shadow = true }
deny    { "lan", connect = "10.0.0.0/8:22" }
]])
    local got = tidegate("explain", file, "connect", "10.0.0.1:22")
    assert.equal("", got.err)
    assert.equal(printed(file, "connect 10.0.0.1:22 tcp uid 0 gid 0", {
      { 1, 'observe "watch"', "observed" }, { 2, 'deny "maybe"', "matches, but is a shadow" },
    }, 'deny "lan" (FILE:3): EPERM'), got.out)
  end)

  it("says what a policy that is a shadow would do", function()
    local file = env.write(env.folder() .. "/shadow.lua",
      'policy { shadow = true }\ndeny { "lan", connect = "10.0.0.0/8" }')
    local got = tidegate("explain", file, "connect", "10.0.0.1:22", "--expect", "lan")
    assert.equal(printed(file, "connect 10.0.0.1:22 tcp uid 0 gid 0", {},
      'deny "lan" (FILE:2), as a shadow: EPERM'), got.out)
    assert.equal(0, got.status)
    got = tidegate("explain", file, "connect", "10.0.0.1:22", "--json")
    assert.is_true(cjson.decode(got.out).decision.shadow)
  end)

  it("tells the VIP of another protocol from another address", function()
    local file = env.write(env.folder() .. "/vip.lua", [[
      deny { "x", connect = services "s" { ["10.0.0.1:80/udp"] = { "127.0.0.1:1" } } }
    ]])
    for address, differs in pairs { ["10.0.0.1"] = "proto", ["10.0.0.2"] = "address" } do
      local got = tidegate("explain", file, "connect", address .. ":80")
      assert.truthy(got.out:find('deny "x"  ' .. differs .. " differs\n", 1, true), got.out)
    end
  end)

  it("says that no hook sees a call, whatever the rules say", function() -- G3
    local got = tidegate("explain", path, "connect", "10.0.0.1:22", "--proto", "sctp")
    assert.equal(printed(path, "connect 10.0.0.1:22 sctp uid 0 gid 0", {},
      'not seen by any hook: the call proceeds; the rules say deny "addr" (FILE:3)'), got.out)
    for expected, status in pairs { allow = 0, deny = 1, addr = 1 } do
      assert.equal(status, tidegate("explain", path, "connect", "10.0.0.1:22", "--type", "raw",
        "--expect", expected).status)
    end
    got = tidegate("explain", path, "egress", "10.0.0.1:22", "--proto", "udplite", "--json")
    local unseen = {}
    for line in got.out:gmatch "[^\n]+" do
      unseen[#unseen + 1] = cjson.decode(line).decision.unseen
    end
    assert.same({ true, false }, unseen)
  end)

  it("says that the kernel picks a port", function() -- G5
    local got = tidegate("explain", path, "bind", "0.0.0.0:0")
    assert.equal(printed(path, "bind 0.0.0.0:0 tcp uid 0 gid 0", {},
      "allow by default: 0.0.0.0:0, and the kernel picks a port, which no hook sees"), got.out)
  end)

  it("prints JSON, in which every key is there", function()
    local got = tidegate("explain", path, "connect", "1.2.3.4:80", "--json")
    local answer = cjson.decode(got.out)
    assert.equal("connect 1.2.3.4:80 tcp uid 0 gid 0", answer.query)
    assert.same({
      verb = "deny", rule = "port", where = path .. ":4", message = cjson.null, errno = "EPERM",
      asked = "1.2.3.4:80", final = "1.2.3.4:80", addr = "1.2.3.4", port = 80,
      bind_source = cjson.null, backends = cjson.null, by_chance = false, low_port = false,
      logs = true, shadow = false, unseen = false, picks_port = false,
    }, answer.decision)
    assert.same({ {
      verb = "deny", rule = "addr", where = path .. ":3",
      text = [[deny { "addr", connect = "10.0.0.0/8" }]], reason = "address differs",
      mismatch = { "address" }, over = cjson.null, observed = false, shadow = false,
    } }, answer.steps)
    got = tidegate("explain", path, "egress", "9.9.9.9:1", "--json")
    local queries = {}
    for line in got.out:gmatch "[^\n]+" do
      queries[#queries + 1] = cjson.decode(line).query:match "^%l+"
    end
    assert.same({ "connect", "sendmsg" }, queries)
    assert.truthy(got.out:find('"steps":[]', 1, true))
  end)

  it("prints its failures as JSON, too", function()
    local function failure(...)
      local got = tidegate("explain", ...)
      assert.equal("", (got.out:gsub("^{[^\n]*}\n$", "")))
      local object = cjson.decode(got.err)
      assert.equal(got.status, object.status)
      return { object.failure, object.message, got.status }
    end
    assert.same({ "usage", '"1.2.3.444:5": 444 is over 255', 2 },
      failure(path, "connect", "1.2.3.444:5", "--json"))
    assert.same({ "policy", "/none.lua: No such file or directory", 1 },
      failure("/none.lua", "connect", "1.2.3.4:5", "--json"))
    assert.same({ "unexpected",
      ('expected allow; got: deny "port" (%s:4): EPERM'):format(path), 1 },
      failure(path, "connect", "1.2.3.4:80", "--json", "--expect", "allow"))
  end)

  local mistakes = {
    { { "connect", "1.2.3.444:5" }, 'tidegate: "1.2.3.444:5": 444 is over 255\n' },
    { { "connect", "1.2.3.4" }, 'tidegate: "1.2.3.4": a call has one port: write ADDRESS:80\n' },
    { { "connect", "1.2.3.4:5", "--uid", "nobody-of-that-name" },
      'tidegate: uid: "nobody-of-that-name": user "nobody-of-that-name" is not known on this '
        .. 'machine\n' },
    { { "conect", "1.2.3.4:5" }, 'tidegate explain: unknown operation "conect"; did you mean '
      .. '"connect"?\nSee: tidegate explain --help\n' },
    { { "uid", "1.2.3.4:5" },
      'tidegate explain: unknown operation "uid"; there are connect, sendmsg, egress, bind, '
        .. 'recvmsg, getpeername and getsockname\nSee: tidegate explain --help\n' },
    { { "connect", "1.2.3.4:5", "--from", "1.2.3.4" },
      'tidegate explain: unknown option "--from"; did you mean "--source"?\n'
        .. 'See: tidegate explain --help\n' },
  }
  for _, case in ipairs(mistakes) do
    it("refuses: " .. table.concat(case[1], " "), function()
      local got = tidegate("explain", path, unpack(case[1]))
      assert.equal(case[2], got.err)
      assert.equal("", got.out)
      assert.equal(2, got.status)
    end)
  end

  it("shows names of any length", function()
    local name = ("n"):rep(150)
    local long = env.write(env.folder() .. "/web.lua", ([[
deny { %q, connect = "10.0.0.1" } allow { "y", connect = "10.0.0.3" }]]):format(name))
    local got = tidegate("explain", long, "connect", "10.0.0.3:1")
    assert.equal("", got.err)
    assert.truthy(got.out:find(('deny "%s"  address differs'):format(name), 1, true), got.out)
  end)
end)

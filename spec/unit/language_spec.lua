local env = require "spec.support.env"
local tidegate = require "tidegate"

--- Wrong policies, and the whole error of each.
local refused = {
  -- Fields.
  { [[deny { "x", egress = "1.2.3.4", errrno = "EPERM" }]],
    [[web.lua:1: deny "x": unknown field "errrno"; did you mean "errno"?]] },
  { [[deny { "x", egress = "1.2.3.4", zzz = 1 }]],
    [[web.lua:1: deny "x": unknown field "zzz"]] },
  { [[deny { "x", egress = "1.2.3.4", [true] = 1 }]],
    [[web.lua:1: deny "x": unknown field true]] },
  { [[deny { "x", egress = "1.2.3.4", "10.0.0.1" }]],
    [[web.lua:1: deny "x": unexpected value "10.0.0.1"; only the name, which comes first, ]]
      .. [[has no field]] },
  { [[deny { "x", connect = "1.2.3.4", to = "1.1.1.1" }]],
    [[web.lua:1: deny "x": "to" is for rewrite and balance]] },
  { [[allow { "x", connect = "1.2.3.4", errno = "EPERM" }]],
    [[web.lua:1: allow "x": "errno" is for deny and balance]] },
  { [[deny { "x", connect = "1.2.3.4", source = "127.0.0.1" }]],
    [[web.lua:1: deny "x": "source" is for allow, rewrite and balance]] },

  { [[deny { name = "x", connect = "*" }]],
    [[web.lua:1: deny "#1": the name comes first, without a field; write deny { "x", … }]] },
  { [[deny { "x", connect = "1.2.3.4\0" }]],
    [[web.lua:1: deny "x": connect: wants an endpoint such as "10.0.0.0/8:443", or a list of ]]
      .. [[them; got "1.2.3.4\000"]] },
  { [[return deny { "x", conect = "*" }]],
    [[web.lua: deny "x": unknown field "conect"; did you mean "connect"?]] },

  -- Live sets.
  { [[set "s" { "10.0.0.1:80" }]],
    'web.lua:1: set "s": "10.0.0.1:80": a set holds addresses without ports: '
    .. "write the port in the rule that uses the set: { addr = set, port = 80 }" },
  { [[set "s" { "!10.0.0.1" }]],
    [[web.lua:1: set "s": "!10.0.0.1": a set has no '!': leave out what is not in it]] },
  { [[set "s" { "10.0.0.1-10.0.0.5" }]],
    'web.lua:1: set "s": "10.0.0.1-10.0.0.5": a set holds addresses and prefixes, not ranges: '
      .. 'write it as prefixes' },
  { [[set "s" { "unix:/run/x" }]],
    'web.lua:1: set "s": "unix:/run/x": a set holds addresses, not unix sockets' },
  { [[set "s" { size = 0 }]],
    'web.lua:1: set "s": size: wants a whole number of elements, 1 or more; got 0' },
  { [[set "s" { size = 5000000 }]],
    'web.lua:1: set "s": size: 5000000 is over the limit of 4194304' },
  { [[set "s" { ttl = "soon" }]],
    'web.lua:1: set "s": ttl: wants a time such as "500ms", "10s", "10m", "2h", "1d", '
    .. 'or a number of seconds; got "soon"' },
  { [[set "s" { tll = "10m" }]],
    [[web.lua:1: set "s": unknown option "tll"; did you mean "ttl"?]] },
  { [[set "s" { { "10.0.0.1", tll = 1 } }]],
    [[web.lua:1: set "s": unknown field "tll" of an element; did you mean "ttl"?]] },
  { [[set "s" { 10 }]],
    'web.lua:1: set "s": wants addresses such as "10.0.0.1" or "10.0.0.0/8", each optionally with '
    .. 'a ttl: { "10.0.0.1", ttl = "10m" }; got 10' },
  { [[set "s" { { "10.0.0.1\0.2", ttl = 1 } }]],
    'web.lua:1: set "s": wants addresses such as "10.0.0.1" or "10.0.0.0/8", each optionally with '
    .. 'a ttl: { "10.0.0.1", ttl = "10m" }; got a table' },
  { [[set "s" { "10.0.0.1", "10.0.0.2", size = 1 }]],
    'web.lua:1: set "s": has room for 1 elements: declare it with a larger size' },
  { 'set "s" {}\nset "s" {}', 'web.lua:2: set "s": is declared already at web.lua:1' },
  { [[set(1)]], "web.lua:1: set wants a name; got 1" },
  { [[deny { "x", egress = set "s" }]],
    'web.lua:1: deny "x": set "s": is not declared: write set "s" { … } before the rule' },
  { [[set "s" {} deny { "x", connect = "*", uid = set "s" }]],
    'web.lua:1: deny "x": uid: set "s": a live set holds addresses: only an operation, or from, '
      .. 'can name one' },
  { [[deny { "x", connect = "*", from = set "s" }]],
    'web.lua:1: deny "x": set "s": is not declared: write set "s" { … } before the rule' },
  { [[services "s" {} deny { "x", connect = "*", from = services "s" }]],
    'web.lua:1: deny "x": from: services "s": are what calls ask for, not a socket\'s own '
      .. 'address: '
      .. "name them in the operation, or a set here" },

  -- Operations.
  { [[deny { "x", errno = "EPERM" }]],
    [[web.lua:1: deny "x" says no operation; ]]
    .. [[add connect, sendmsg, egress, bind, recvmsg, getpeername or getsockname]] },
  { [[deny { "x", connect = "1.2.3.4", egress = "1.2.3.4" }]],
    [[web.lua:1: deny "x" says both connect and egress; a rule has exactly one]] },
  { [[deny { "x", connect = "*", sendmsg = "*", egress = "*" }]],
    [[web.lua:1: deny "x" says connect, sendmsg and egress; a rule has exactly one]] },
  { [[rewrite { "x", egress = "*", to = "127.0.0.1" }]],
    'web.lua:1: rewrite "x": to: the kernel sends no datagram for an IPv6 address to an IPv4 one: '
      .. 'match IPv4 addresses only, or add family = "inet"' },
  { [[deny { "x", getpeername = "1.2.3.4" }]],
    'web.lua:1: deny "x": getpeername: cannot be denied: the kernel lets its hook only change '
      .. 'what is reported; '
      .. "write rewrite, or deny connect, bind or sendmsg" },
  { [[allow { "x", connect = "1.2.3.4", privileged = true }]],
    'web.lua:1: allow "x": privileged: only bind has it' },
  { [[allow { "x", bind = "1.2.3.4", source = "127.0.0.1" }]],
    'web.lua:1: allow "x": source: only connect and sendmsg have one' },
  { [[allow { "x", egress = "1.2.3.4", source = "127.0.0.1:80" }]],
    "web.lua:1: allow \"x\": source: \"127.0.0.1:80\": a datagram leaves from its socket's port: "
      .. "write the address alone" },
  { [[allow { "x", connect = "*", set = { marc = 1 } }]],
    'web.lua:1: allow "x": set: unknown option "marc"; did you mean "mark"?' },
  { [[allow { "x", connect = "*", set = { mark = "1" } }]],
    'web.lua:1: allow "x": set: mark: wants a number; got "1"' },
  { [[allow { "x", connect = "*", set = { tos = 256 } }]],
    'web.lua:1: allow "x": set: tos: "256": needs a number from 0 to 255' },
  { [[allow { "x", connect = "*", set = { device = "a very long name" } }]],
    'web.lua:1: allow "x": set: device: wants a text; got "a very long name"' },
  { [[allow { "x", connect = "*", set = {} }]],
    'web.lua:1: allow "x": set: nothing to set: leave it out, or write an option such as mark=1' },
  { [[allow { "x", connect = "*", set = { congestion = "bbr" } }]],
    'web.lua:1: allow "x": set: congestion: is an option of TCP, and other sockets would fail: '
      .. 'add proto = "tcp"' },
  { [[allow { "x", egress = "*", set = { mark = 1 } }]],
    "web.lua:1: allow \"x\": set: a datagram has read the socket's options before its hook runs: "
      .. "set them on connect or bind" },
  { [[allow { "x", getsockname = "*", set = { mark = 1 } }]],
    'web.lua:1: allow "x": set: only connect and bind have it' },
  { [[rewrite { "x", recvmsg = "1.2.3.4", to = "127.0.0.1", reveal = true }]],
    'web.lua:1: rewrite "x": reveal: recvmsg changes only what is shown: leave it out' },
  { [[policy { default = { recvmsg = "deny" } }]],
    "web.lua:1: policy: default: recvmsg cannot be denied: the kernel lets its hook only change "
      .. "what is reported" },
  { [[rewrite { "x", connect = "1.2.3.4" }]],
    [[web.lua:1: rewrite "x" says no "to"; add where the call goes, such as to = "127.0.0.1:80"]] },
  { [[rewrite { "x", connect = "1.2.3.4", to = "[::1]:80" }]],
    [[web.lua:1: rewrite "x": to: an IPv4 socket cannot connect to an IPv6 address: ]]
    .. [[match IPv6 addresses only, or add family = "inet6"]] },

  -- Names.
  { [[deny { 12, connect = "1.2.3.4" }]],
    [[web.lua:1: deny "#1": the name wants a text; got 12]] },
  { [[deny { "", connect = "1.2.3.4" }]],
    [[web.lua:1: deny "#1": the name "" is empty or has control characters; choose another]] },
  { [[deny { "a\nb", connect = "1.2.3.4" }]],
    [[web.lua:1: deny "#1": the name "a\nb" is empty or has control characters; choose another]] },
  { "deny { \"x\", connect = \"1.2.3.4\" }\nallow { \"x\", connect = \"*\" }",
    [[web.lua:2: allow "x": the name is taken by web.lua:1; choose another]] },
  { "deny { connect = \"1.2.3.4\" }\nallow { conect = \"*\" }",
    [[web.lua:2: allow "#2": unknown field "conect"; did you mean "connect"?]] },
  { [[deny "x"]],
    [[web.lua:1: deny wants a table such as deny { "no-metadata", egress = "169.254.169.254", ]]
    .. [[errno = "ECONNREFUSED" }; got "x"]] },
  { [[deny(deny { connect = "*" })]],
    [[web.lua:1: deny wants a table such as deny { "no-metadata", egress = "169.254.169.254", ]]
    .. [[errno = "ECONNREFUSED" }; got a table]] },

  -- Values.
  { [[deny { "x", connect = 443 }]],
    [[web.lua:1: deny "x": connect: wants an endpoint such as "10.0.0.0/8:443", or a list of ]]
      .. [[them; got 443]] },
  { [[deny { "x", connect = { "1.2.3.4", { true } } }]],
    [[web.lua:1: deny "x": connect: wants an endpoint such as "10.0.0.0/8:443", or a list of ]]
      .. [[them; got true]] },
  { [[deny { "x", connect = { { addr = "1.2.3.4", prot = 4 } } }]],
    [[web.lua:1: deny "x": connect: unknown key "prot" in { addr = …, port = … }; did you mean ]]
      .. [["port"?]] },
  { [[deny { "x", connect = { addr = 4 } }]],
    [[web.lua:1: deny "x": connect: wants addr to be an address such as "10.0.0.0/8", or a list ]]
      .. [[of them; got 4]] },
  { [[deny { "x", connect = { port = 1.5 } }]],
    [[web.lua:1: deny "x": connect: wants port to be a port such as 443, "8000-8999" or "https", ]]
    .. [[or a list of them; got 1.5]] },
  { [[deny { "x", connect = "*", uid = { addr = "1.2.3.4" } }]],
    [[web.lua:1: deny "x": uid: wants a user such as "www-data", 1000 or "1000-1999", or a list ]]
      .. [[of them; { addr = …, port = … } is for endpoints]] },
  { [[deny { "x", connect = "*", uid = -1 }]],
    [[web.lua:1: deny "x": uid: wants a user such as "www-data", 1000 or "1000-1999", or a list ]]
      .. [[of them; got -1]] },
  { [[local t = {} t[1] = t; deny { "x", connect = t }]],
    [[web.lua:1: deny "x": connect: lists nest deeper than 16; write one list]] },
  { [[deny { "x", connect = "1.2.3" }]],
    [[web.lua:1: deny "x": connect: "1.2.3": an IPv4 address has four numbers, this one has 3]] },
  { [[deny { "x", connect = "1.2.3.4:99999" }]],
    [[web.lua:1: deny "x": connect: "1.2.3.4:99999": port 99999 is over 65535]] },
  { [[deny { "x", connect = "*", errno = "EINPROGRESS" }]],
    [[web.lua:1: deny "x": errno: EINPROGRESS: connect would look as if it were under way, ]]
    .. [[and the program would wait: write another, such as ECONNREFUSED]] },
  { [[deny { "x", connect = file "nosuch.txt" }]],
    [[web.lua:1: deny "x": connect: nosuch.txt: No such file or directory]] },

  -- The other words.
  { [[policy { nam = "x" }]], [[web.lua:1: policy: unknown option "nam"; did you mean "name"?]] },
  { [[policy { "x" }]], [[web.lua:1: policy: unknown option 1]] },
  { [[policy "x"]],
    [[web.lua:1: policy wants a table such as policy { name = "web", default = "allow" }; ]]
      .. [[got "x"]] },
  { [[policy { default = { conect = "deny" } }]],
    [[web.lua:1: policy: default: "conect" is no operation; did you mean "connect"?]] },
  { [[policy { default = { connect = "drop" } }]],
    [[web.lua:1: policy: default: connect wants "allow" or "deny"; got "drop"]] },
  { [[on("deny")]], [[web.lua:1: on "deny" wants a function; got nil]] },
  { [[on(4, print)]], [[web.lua:1: on wants a verb, the name of a rule, or "*"; got 4]] },
  { [[on("denny", print)]],
    [[web.lua:1: on "denny": no verb and no rule of that name; did you mean "deny"?]] },
  { "on(\"sead\", print)\nallow { \"seed\", connect = \"*\" }",
    [[web.lua:1: on "sead": no verb and no rule of that name; did you mean "seed"?]] },
  { [[file(5)]], [[web.lua:1: file wants a path; got 5]] },

  -- Lua.
  { "-- one\n\ndenny { \"x\" }", [[web.lua:3: unknown name "denny"; did you mean "deny"?]] },
  { "print(zzz)", [[web.lua:1: unknown name "zzz"; write a text in quotes]] },
  { "deny { seed, connect = \"*\" }", [[web.lua:1: unknown name "seed"; write a text in quotes]] },
  { "x = 1", [[web.lua:1: "x" is not local; write local x = …]] },
  { "local function f()\n  y = 1\nend\nf()", [[web.lua:2: "y" is not local; write local y = …]] },
  { "deny = 1", [[web.lua:1: "deny" is not local; write local deny = …]] },
  { "local x = (1", [[web.lua:1: ')' expected near '<eof>']] },
  { "\27LJ", [[web.lua: is compiled Lua; a policy is source]] },
  { "\127ELF\1\0", [[web.lua: is neither an image nor a policy, which is a text]] },
  { [[error "by hand"]], [[web.lua:1: by hand]] },
}

describe("a policy file", function()
  local folder

  setup(function() folder = env.folder() end)
  teardown(env.clean)

  for _, case in ipairs(refused) do
    it("is refused: " .. case[1]:gsub("%c", " "), function()
      assert.equal(case[2], env.refusal(case[1]))
    end)
  end

  it("has all of its errors reported at once, one a line", function()
    assert.equal(table.concat({
      [[web.lua:1: deny "a" says no operation; ]]
        .. [[add connect, sendmsg, egress, bind, recvmsg, getpeername or getsockname]],
      [[web.lua:3: deny "c": unknown field "comn"; did you mean "comm"?]],
      [[web.lua:4: unknown name "alow"; did you mean "allow"?]],
    }, "\n"), env.refusal [[deny { "a" }
deny { "b", connect = "*" }
deny { "c", connect = "*", comn = "x" }
alow { "d" }]])
  end)

  it("names the verb's line, and where a helper function of the policy was called", function()
    assert.equal([[web.lua:2: deny "x": unknown field "foo"]], env.refusal [[
local function refuse(name)
  return deny { name, connect = "*", foo = 1 }, nil
end
refuse "x"]])
  end)

  it("shows the whole of a long path", function()
    local path = folder .. "/" .. ("long"):rep(30) .. ".lua"
    env.write(path, "local x = ")
    assert.equal(path .. ":1: unexpected symbol near '<eof>'", select(2, tidegate.load(path)))
    env.write(path, "denny {}")
    assert.equal(path .. [[:1: unknown name "denny"; did you mean "deny"?]],
      select(2, tidegate.load(path)))
    env.write(path, "local x = nil + 1")
    assert.equal(path .. ":1: attempt to perform arithmetic on a nil value",
      select(2, tidegate.load(path)))
  end)

  it("is refused if it is missing, or a folder", function()
    local gate, message, errno = tidegate.load(folder .. "/none.lua")
    assert.is_nil(gate)
    assert.equal(folder .. "/none.lua: No such file or directory", message)
    assert.equal(2, errno)
    assert.equal(folder .. ": Is a directory", select(2, tidegate.load(folder)))
  end)

  it("may be empty, or shorter than an image's first word", function()
    for _, text in ipairs { "", "-- x", "local x" } do
      local gate = assert(tidegate.load(env.write(folder .. "/short.lua", text)))
      assert.equal(0, #gate:rules())
    end
  end)

  it("may start with a line for the shell", function()
    env.write(folder .. "/shell.lua",
      "#!/usr/bin/env -S tidegate run\ndeny { \"x\", connect = \"*\" }")
    local gate = assert(tidegate.load(folder .. "/shell.lua"))
    assert.equal(folder .. "/shell.lua:2", gate:rules()[1].where)
  end)

  it("uses Lua's library, and modules", function()
    assert(tidegate.compile([[
      local ffi = require "ffi"
      assert(type(ffi.new) == "function" and os.time() > 0 and math.floor(1.5) == 1)
      for _, port in ipairs { 80, 443 } do
        deny { "port " .. port, connect = "*:" .. port }
      end]], "web.lua"))
    assert.equal([[web.lua:1: unknown name "dofile"; did you mean "file"?]],
      env.refusal [[dofile "x"]])
  end)

  it("neither changes the globals of the host nor sees them", function()
    rawset(_G, "tidegate_spec_global", true)
    assert.equal([[web.lua:1: unknown name "tidegate_spec_global"; write a text in quotes]],
      env.refusal "print(tidegate_spec_global)")
    rawset(_G, "tidegate_spec_global", nil)
  end)

  it("finds the files that it names beside itself", function()
    env.write(folder .. "/block.txt", "# a comment\n192.0.2.0/24\n198.51.100.1:80\n")
    env.write(folder .. "/web.lua", [[deny { "x", connect = { file "block.txt", "203.0.113.1" } }
      deny { "y", connect = { addr = file("block2.txt"), port = 25 } }]])
    env.write(folder .. "/block2.txt", "10.0.0.0/8\n")
    local gate = assert(tidegate.load(folder .. "/web.lua"))
    local function rule(addr)
      return assert(gate:decide { op = "connect", addr = addr }).rule
    end
    assert.equal("x", rule "192.0.2.77:1")
    assert.equal("x", rule "198.51.100.1:80")
    assert.is_nil(rule "198.51.100.1:81")
    assert.equal("x", rule "203.0.113.1:5")
    assert.equal("y", rule "10.1.1.1:25")
    assert.is_nil(rule "10.1.1.1:26")
  end)

  it("names the line of a file that is wrong", function()
    env.write(folder .. "/bad.txt", "192.0.2.0/24\n192.0.2\n")
    env.write(folder .. "/web.lua", [[deny { "x", connect = file "bad.txt" }]])
    assert.equal(folder .. [[/web.lua:1: deny "x": connect: ]] .. folder
      .. [[/bad.txt:2: "192.0.2": an IPv4 address has four numbers, this one has 3]],
      select(2, tidegate.load(folder .. "/web.lua")))
  end)

  it("understands numbers, nested and empty lists, and negation", function()
    local gate = assert(tidegate.compile([[
      local lan = { "10.0.0.0/8", { "192.168.0.0/16" } }
      deny { "none", connect = {} }
      deny { "lan", connect = { lan, "!10.0.0.1" }, uid = { 33, "1000-1999", "!1500" } }
      deny { "ports", connect = { { addr = lan, port = { 80, "8000-8999" } } }, proto = 6 }
    ]], "web.lua"))
    local function rule(addr, uid)
      return assert(gate:decide { op = "connect", addr = addr, uid = uid }).rule
    end
    assert.equal("lan", rule("10.0.0.2:1", 33))
    assert.equal("lan", rule("192.168.0.2:1", 1999))
    assert.is_nil(rule("10.0.0.1:1", 33))
    assert.is_nil(rule("10.0.0.2:1", 1500))
    assert.equal("ports", rule("10.0.0.1:8500", 1500))
    assert.is_nil(rule("10.0.0.1:7999", 1500))
  end)
end)

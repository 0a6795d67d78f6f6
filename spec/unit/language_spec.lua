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
  { [[deny { "x", connect = "1.2.3.4", bind_source = "127.0.0.1" }]],
    [[web.lua:1: deny "x": "bind_source" is for allow, rewrite and balance]] },

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
    .. 'or a number of seconds, or math.huge for ever; got "soon"' },
  { [[set "s" { ttl = 0 }]],
    'web.lua:1: set "s": ttl: wants a time such as "500ms", "10s", "10m", "2h", "1d", '
    .. 'or a number of seconds, or math.huge for ever; got 0' },
  { [[set "s" { { "10.0.0.1", ttl = 0 } }]],
    'web.lua:1: set "s": ttl: wants a time such as "500ms", "10s", "10m", "2h", "1d", '
    .. 'or a number of seconds, or math.huge for ever; got 0' },
  { [[set "s" { { ttl = "1m" } }]],
    'web.lua:1: set "s": wants addresses such as "10.0.0.1" or "10.0.0.0/8", each optionally with '
    .. 'a ttl: { "10.0.0.1", ttl = "10m" }; got a ttl alone' },
  { [[services "s" { ["10.96.0.10:80/tcp"] = { { "10.0.0.1", weight = 0 } } }]],
    'web.lua:1: services "s": "10.96.0.10:80/tcp": "10.0.0.1": weight: wants a whole number from '
    .. '1 to 65535; got 0; a backend that gets no new calls has state = "draining"' },
  { [[set "s" { tll = "10m" }]],
    [[web.lua:1: set "s": unknown option "tll"; did you mean "ttl"?]] },
  { [[set "s" { { "10.0.0.1", tll = 1 } }]],
    [[web.lua:1: set "s": unknown field "tll" of an element; did you mean "ttl"?]] },
  { [[set "s" { 10 }]],
    'web.lua:1: set "s": wants addresses such as "10.0.0.1" or "10.0.0.0/8", each optionally with '
    .. 'a ttl: { "10.0.0.1", ttl = "10m" }; got 10' },
  { [[set "s" { { "10.0.0.1\0.2", ttl = 1 } }]],
    'web.lua:1: set "s": wants addresses such as "10.0.0.1" or "10.0.0.0/8", each optionally with '
    .. [[a ttl: { "10.0.0.1", ttl = "10m" }; got "10.0.0.1\000.2"]] },
  { [[set "s" { "10.0.0.1", "10.0.0.2", size = 1 }]],
    'web.lua:1: set "s": 2 elements do not fit: it has room for 1: declare it with a larger size' },
  { 'set "s" {}\nset "s" {}', 'web.lua:2: set "s": is declared already at web.lua:1' },
  { [[set(1)]], "web.lua:1: set wants a name; got 1" },
  { [[deny { "x", egress = set "s" }]],
    'web.lua:1: deny "x": egress: set "s": is not declared: write set "s" { … } first' },
  { [[set "s" {} deny { "x", connect = "*", uid = set "s" }]],
    'web.lua:1: deny "x": uid: set "s": a live table holds addresses; only an operation, or '
      .. 'source, can name one' },
  { [[deny { "x", connect = "*", source = set "s" }]],
    'web.lua:1: deny "x": source: set "s": is not declared: write set "s" { … } first' },
  { [[services "s" {} deny { "x", connect = "*", source = services "s" }]],
    'web.lua:1: deny "x": source: services "s": are what calls ask for, not a socket\'s own '
      .. 'address: '
      .. "name them in the operation, or a set here" },

  { [[set "banned" {} deny { "x", egress = { "10.0.0.1", "!@baned:25" } }]],
    'web.lua:1: deny "x": egress: set "baned": is not declared; did you mean "banned"?' },
  { [[local s = set "s" {} deny { "x", egress = -s }]],
    'web.lua:1: set "s": cannot be negated: write "!@s" for the addresses that are not in it' },
  { [[services "s" {} deny { "x", egress = "!@s" }]],
    'web.lua:1: deny "x": services "s": cannot be excluded from a list: they have ports, too' },
  { [[rewrite { "x", connect = "10.0.0.1", to = "@s" }]],
    'web.lua:1: rewrite "x": to: "@s": a live set or a range stands only where a rule says what it '
      .. 'matches: write an address here' },
  { [[set "s" { "@other" }]],
    'web.lua:1: set "s": "@other": a live set or a range stands only where a rule says what it '
      .. 'matches: write an address here' },
  { [[set "s" { capacity = 9 }]], 'web.lua:1: set "s": unknown option "capacity"; write size' },
  { [[services "s" { capacity = 9 }]],
    'web.lua:1: services "s": unknown option "capacity"; write size' },
  { [[set "private" {}]],
    'web.lua:1: set "private": the name is that of a built-in range: choose another' },
  { [[services "two words" {}]],
    'web.lua:1: services "two words": a name has only letters, digits, \'_\', \'.\' and \'-\'' },

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
  { [[allow { "x", connect = "1.2.3.4", low_port = true }]],
    'web.lua:1: allow "x": low_port: only bind has it' },
  { [[allow { "x", bind = "1.2.3.4", bind_source = "127.0.0.1" }]],
    'web.lua:1: allow "x": bind_source: only connect and sendmsg have one' },
  { [[allow { "x", egress = "1.2.3.4", bind_source = "127.0.0.1:80" }]],
    "web.lua:1: allow \"x\": bind_source: \"127.0.0.1:80\": a datagram leaves from its socket's "
      .. "port: write the address alone" },
  { [[allow { "x", connect = "*", sockopt = { marc = 1 } }]],
    'web.lua:1: allow "x": sockopt: unknown option "marc"; did you mean "mark"?' },
  { [[allow { "x", connect = "*", sockopt = { mark = "1" } }]],
    'web.lua:1: allow "x": sockopt: mark: wants a number; got "1"' },
  { [[allow { "x", connect = "*", sockopt = { tos = 256 } }]],
    'web.lua:1: allow "x": sockopt: tos: "256": needs a number from 0 to 255' },
  { [[allow { "x", connect = "*", sockopt = { device = "a very long name" } }]],
    'web.lua:1: allow "x": sockopt: device: wants a text; got "a very long name"' },
  { [[allow { "x", connect = "*", sockopt = {} }]],
    'web.lua:1: allow "x": sockopt: nothing to set: leave it out, or write an option such as '
      .. 'mark=1' },
  { [[allow { "x", connect = "*", sockopt = { congestion = "bbr" } }]],
    'web.lua:1: allow "x": sockopt: congestion: is an option of TCP, and other sockets would fail: '
      .. 'add proto = "tcp"' },
  { [[allow { "x", egress = "*", sockopt = { mark = 1 } }]],
    "web.lua:1: allow \"x\": sockopt: a datagram has read the socket's options before its hook "
      .. "runs: set them on connect or bind" },
  { [[allow { "x", getsockname = "*", sockopt = { mark = 1 } }]],
    'web.lua:1: allow "x": sockopt: only connect and bind have it' },
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
    .. [[errno = "ECONNREFUSED" }; got a rule]] },

  -- Values.
  { [[deny { "x", connect = 443 }]],
    [[web.lua:1: deny "x": connect: wants an endpoint such as "10.0.0.0/8:443", or a list of ]]
      .. [[them; got 443; for a port write "*:443"]] },
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
  { [[policy { "x" }]], [[web.lua:1: policy: unexpected value "x"; write name = "web"]] },
  { [[policy "x"]],
    [[web.lua:1: policy wants a table such as policy { name = "web", default = "allow" }; ]]
      .. [[got "x"]] },
  { [[policy { default = { conect = "deny" } }]],
    [[web.lua:1: policy: default: "conect" is no operation; did you mean "connect"?]] },
  { [[policy { default = { connect = "drop" } }]],
    [[web.lua:1: policy: default: connect wants "allow" or "deny"; got "drop"; write "deny"]] },
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

  it("is read no further if it requires a newer version", function()
    local version = require("tidegate")._VERSION
    local major, minor = version:match "(%d+)%.(%d+)"
    for _, newer in ipairs { major .. "." .. minor + 1, major + 1 .. ".0.0", major .. "." .. minor
      .. ".99999" } do
      assert.equal(("web.lua:1: policy: requires: the policy needs Tidegate %s or newer, and this "
        .. "is %s; upgrade it"):format(newer, version),
        env.refusal(('policy { requires = %q, seal = true }\nforbid { "x" }'):format(newer)))
    end
    for _, older in ipairs { "0.0", "0.1", version } do
      assert.equal("", env.refusal(("policy { requires = %q }"):format(older)))
    end
    for _, malformed in ipairs { '"new"', '"1"', '"0.1."', '"0.1.2.3"', '"v0.1"', "0.1", '""' } do
      assert.equal(('web.lua:1: policy: requires: wants a version such as "0.3" or "0.3.1"; got %s')
        :format(malformed), env.refusal(("policy { requires = %s }"):format(malformed)))
    end
    assert.has_error(function() tidegate.new():policy { requires = "99.0" } end)
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
    assert(tidegate.load_text([[
      assert(require "bit".bor(1, 2) == 3 and os.time() > 0 and math.floor(1.5) == 1)
      for _, port in ipairs { 80, 443 } do
        deny { "port " .. port, connect = "*:" .. port }
      end]], "web.lua"))
    assert.equal([[web.lua:1: unknown name "dofile"; require "name" runs name.lua beside the ]]
      .. [[policy; file "blocklist.txt" reads a list]],
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
      return assert(gate:decide { connect = addr }).rule
    end
    assert.equal("x", rule "192.0.2.77:1")
    assert.equal("x", rule "198.51.100.1:80")
    assert.is_nil(rule "198.51.100.1:81")
    assert.equal("x", rule "203.0.113.1:5")
    assert.equal("y", rule "10.1.1.1:25")
    assert.is_nil(rule "10.1.1.1:26")
  end)

  it("may name live sets in files, and by their handles or names", function()
    env.write(folder .. "/block.txt", "@banned:25-26\n!@fine # but not these\n")
    env.write(folder .. "/web.lua", [[
      local banned = set "banned" { "192.0.2.0/24" }
      set "fine" { "192.0.2.7" }
      deny { "file", connect = file "block.txt" }
      deny { "handle", connect = { { addr = banned, port = 80 } } }
      deny { "name", connect = { "10.0.0.1", "@banned", "!@fine:81-82" } }]])
    local gate = assert(tidegate.load(folder .. "/web.lua"))
    for addr, rule in pairs {
      ["192.0.2.1:25"] = "file", ["192.0.2.7:26"] = "name", ["192.0.2.7:80"] = "handle",
      ["192.0.2.7:83"] = "name", ["10.0.0.1:82"] = "name",
    } do
      assert.equal(rule, assert(gate:decide { connect = addr }).rule, addr)
    end
    assert.is_nil(assert(gate:decide { connect = "192.0.2.7:81" }).rule)
    assert.matches('"handle", connect = { addr = "@banned", port = 80 }', gate:dump(), 1, true)
    env.write(folder .. "/block.txt", "@fine\n@baned\n")
    assert.equal(folder .. '/web.lua:3: deny "file": set "baned": is not declared; did you '
      .. 'mean "banned"?', select(2, tidegate.load(folder .. "/web.lua")))
  end)

  it("takes a bare name for a host's, and says if it is a set's", function()
    local _, message = tidegate.load_text([[set "nosuch.invalid" {}
      deny { "x", egress = "!nosuch.invalid:25" }]])
    assert.matches('"!nosuch.invalid:25": host "nosuch.invalid": .*; '
      .. 'did you mean "!@nosuch.invalid"%?$', message)
  end)

  it("names the line of a file that is wrong", function()
    env.write(folder .. "/bad.txt", "192.0.2.0/24\n192.0.2\n")
    env.write(folder .. "/web.lua", [[deny { "x", connect = file "bad.txt" }]])
    assert.equal(folder .. [[/web.lua:1: deny "x": connect: ]] .. folder
      .. [[/bad.txt:2: "192.0.2": an IPv4 address has four numbers, this one has 3]],
      select(2, tidegate.load(folder .. "/web.lua")))
  end)

  it("understands numbers, nested and empty lists, and negation", function()
    local gate = assert(tidegate.load_text([[
      local lan = { "10.0.0.0/8", { "192.168.0.0/16" } }
      deny { "none", connect = {} }
      deny { "lan", connect = { lan, "!10.0.0.1" }, uid = { 33, "1000-1999", "!1500" } }
      deny { "ports", connect = { { addr = lan, port = { 80, "8000-8999" } } }, proto = 6 }
    ]], "web.lua"))
    local function rule(addr, uid)
      return assert(gate:decide { connect = addr, uid = uid }).rule
    end
    assert.equal("lan", rule("10.0.0.2:1", 33))
    assert.equal("lan", rule("192.168.0.2:1", 1999))
    assert.is_nil(rule("10.0.0.1:1", 33))
    assert.is_nil(rule("10.0.0.2:1", 1500))
    assert.equal("ports", rule("10.0.0.1:8500", 1500))
    assert.is_nil(rule("10.0.0.1:7999", 1500))
  end)
end)

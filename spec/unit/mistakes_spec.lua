-- Everything that is wrong with a rule, or with a list, is told at once.

local env = require "spec.support.env"
local tidegate = require "tidegate"

--- What is said to a policy of one line, without the place that begins each line.
local function told(text)
  local lines = {}
  for line in assert(env.refusal(text)):gmatch "[^\n]+" do
    lines[#lines + 1] = assert(line:match "^web%.lua:1: (.*)$", line)
  end
  return lines
end

describe("the mistakes of a rule", function()
  after_each(env.clean)

  it("are told at once: items, names and effects", function() -- E9
    assert.same({
      'deny "x": egress: "1.1.1.300": 300 is over 255',
      'deny "x": uid: "nosuch": user "nosuch" is not known on this machine',
      'deny "x": errno: "ECONNREFUSE": not an errno; did you mean "ECONNREFUSED"?',
    }, told [[deny { "x", egress = "1.1.1.300", uid = "nosuch", errno = "ECONNREFUSE" }]])
  end)

  it("are told at once: those that only the library finds", function()
    assert.same({
      'deny "x": errno: "X": not an errno, such as ECONNREFUSED or 111',
      'deny "x": log: "yes": write true, false, a rate such as "10/s", "10/m" or "10/h", or '
        .. 'one call in many: "1/100"',
      'deny "x": over: "5": write a rate such as "100/s", "10/m" or "100/s burst 200"',
    }, told [[deny { "x", egress = "*", errno = "X", log = "yes", over = "5" }]])
  end)

  it("are told at once: unknown fields, those of other verbs, and values of the wrong kind",
    function()
      assert.same({
        'deny "x": unknown field "dst"; the address belongs to the operation, as in connect = '
          .. '"10.0.0.1:80"',
        'deny "x": unknown field "erno"; did you mean "errno"?',
        'deny "x": "to" is for rewrite and balance',
        'deny "x": shadow: wants true or false; got 1',
      }, told [[deny { "x", connect = "*", dst = "1.2.3.4", erno = 1, to = "x", shadow = 1 }]])
    end)

  it("are told at once: the items of a list, up to ten", function()
    assert.same({
      'deny "x": connect: "1.1.1.300": 300 is over 255',
      'deny "x": connect: "1.2.3.4:70000": port 70000 is over 65535',
    }, told [[deny { "x", connect = { "1.1.1.300", "10.0.0.1", "1.2.3.4:70000" } }]])
    local items = {}
    for index = 1, 12 do
      items[index] = ('"1.1.1.%d"'):format(300 + index)
    end
    assert.equal(10, #told(('deny { "x", connect = { %s } }'):format(table.concat(items, ", "))))
  end)

  it("in the words of other tools say what to write", function()
    for text, message in pairs {
      [ [[deny { "x", connect = "$ban" }]] ] = 'connect: "$ban": a live set is written "@ban"',
      [ [[deny { "x", connect = "!+ban" }]] ] = 'connect: "!+ban": a live set is written "@ban"',
      [ [[deny { "x", connect = "ANY:53" }]] ] =
        'connect: "ANY:53": host "ANY": Name or service not known; for every address write "*"',
      [ [[deny { "x", connect = "*", mark = "0x10/0xff" }]] ] =
        'mark: "0x10/0xff": masks are not supported: write each mark, or a range such as 0x10-0x1f',
    } do
      assert.same({ 'deny "x": ' .. message }, told(text))
    end
  end)

  it("of a set are not told at its rules, too", function()
    assert.same({ 'set "b": "x.y.z.300": neither an address nor a name' },
      told [[local b = set "b" { "x.y.z.300" } deny { "x", connect = b } deny { egress = "@b" }]])
  end)

  it("are told once each, and without what follows from them", function()
    for text, message in pairs {
      [ [[rewrite { "x", connect = "*:80", to = 8080 }]] ] = 'rewrite "x": to: wants an endpoint ',
      [ [[rewrite { "x", connect = "*:80", too = "x" }]] ] = 'rewrite "x": unknown field "too"; ',
      [ [[deny { "x", conect = "1.1.1.1" }]] ] = 'deny "x": unknown field "conect"; ',
      [ [[deny { "x", egress = "*", over = 5, per = "uid" }]] ] = 'deny "x": over: wants a rate ',
      [ [[balance { "x", connect = "1.1.1.1", to = "2.2.2.2", sticky = "x", key = "uid" }]] ] =
        'balance "x": sticky: wants a time ',
    } do
      local lines = told(text)
      assert.equal(1, #lines, table.concat(lines, "\n"))
      assert.equal(message, lines[1]:sub(1, #message))
    end
  end)

  it("are told at once by a gate and by replace, too", function()
    local gate = tidegate.new()
    local ok, message = pcall(gate.deny, gate,
      { "x", egress = "1.1.1.300", errno = "ECONNREFUSE" })
    assert.is_false(ok)
    assert.truthy(message:find(': deny "x": egress: "1.1.1.300": 300 is over 255\n', 1, true))
    assert.truthy(message:find(': deny "x": errno: "ECONNREFUSE": not an errno; ', 1, true))
    local rule = assert(gate:deny { "x", egress = "*" })
    ok, message = rule:replace { egress = "1.1.1.300", uid = "nosuch" }
    assert.is_nil(ok)
    assert.equal(2, select(2, message:gsub('deny "x": ', "")))
  end)

  it("are told at once if parts of it contradict each other", function()
    assert.same({
      'rewrite "x": to: an IPv4 socket cannot connect to an IPv6 address: match IPv6 addresses '
        .. 'only, or add family = "inet6"',
      'rewrite "x": sockopt: keepalive: is an option of TCP, and other sockets would fail: add '
        .. 'proto = "tcp"',
    }, told [[rewrite { "x", connect = "1.2.3.4", to = "[::1]", sockopt = { keepalive = true } }]])
  end)
end)

describe("a byte-order mark", function() -- E9
  after_each(env.clean)

  it("is passed over at the beginning of a list, and of a policy", function()
    local folder = env.folder()
    env.write(folder .. "/list.txt", "\239\187\19110.0.0.1\n10.0.0.2\n")
    local path = env.write(folder .. "/web.lua",
      '\239\187\191deny { "x", connect = file "list.txt" }\n')
    local gate = assert(tidegate.load(path))
    assert.equal("deny", gate:decide { connect = "10.0.0.1:80" }.verb)
    env.write(folder .. "/list.txt", "10.0.0.1\n\239\187\19110.0.0.2\n")
    local ok, message = tidegate.load(path)
    assert.is_nil(ok)
    assert.truthy(message:find("list.txt:2: ", 1, true), message)
  end)
end)

describe("a protocol's number", function() -- I7
  it("is at most 255, or that of MPTCP", function()
    for _, proto in ipairs { "256", "261", "263", "65535", "70000", '"200-300"', '"262-263"' } do
      local line = told(('deny { "x", connect = "*", proto = %s }'):format(proto))[1]
      assert.truthy(line:find(" is over 255; the only larger one is 262, of mptcp", 1, true), line)
    end
    for _, proto in ipairs { "0", "255", "262", '"0-255"', '"*"' } do
      assert(tidegate.load_text(('deny { connect = "*", proto = %s }'):format(proto), "web.lua"))
    end
  end)
end)

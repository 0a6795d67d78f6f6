-- Rules that can never match: the exact words, and no finding if nothing is wrong.

local findings = require "spec.support.findings"

describe("a rule that can never match", function()
  it("is found after one that takes all its calls", function()
    assert.equal('web.lua:2: deny "b": can never match: allow "a" (web.lua:1) before it takes '
      .. 'every call that it '
      .. "would; move it up, or remove it", findings [[
allow { "a", connect = "10.0.0.0/8" }
deny { "b", connect = "10.1.0.0/16:80", uid = 7 }]])
    assert.equal("", findings [[
allow { "a", connect = "10.0.0.0/8", uid = 7 }
deny { "b", connect = "10.1.0.0/16:80" }]])
    assert.equal("", findings [[
allow { "a", connect = "10.0.0.0/8" }
deny { "b", sendmsg = "10.1.0.0/16:80", proto = "udplite" }]])
  end)

  it("is found after several that do so together", function()
    assert.equal('web.lua:3: deny "c": can never match: allow "a" (web.lua:1) and deny "b" '
      .. '(web.lua:2) before it take '
      .. "every call that it would; move it up, or remove it", findings [[
allow { "a", connect = "10.0.0.0/9" }
deny { "b", connect = "10.128.0.0/9" }
deny { "c", connect = "10.0.0.0/8" }]])
    assert.equal("", findings [[
allow { "a", connect = "10.0.0.0/9" }
deny { "b", connect = "10.128.0.1-10.255.255.255" }
deny { "c", connect = "10.0.0.0/8" }]])
  end)

  it("is found if it takes two fields at once to see it", function()
    assert.equal('web.lua:4: deny "d": can never match: allow "a" (web.lua:1), allow "b" '
      .. '(web.lua:2) and '
      .. 'allow "c" (web.lua:3) before it take every call that it would; move it up, or remove it',
      findings [[
allow { "a", connect = "10.0.0.0/9", uid = "0-999" }
allow { "b", connect = "10.128.0.0/9", uid = "500-999" }
allow { "c", connect = "10.128.0.0/9", uid = "0-499" }
deny { "d", connect = "10.0.0.0/8", uid = "0-999" }]])
  end)

  it("names two of many", function()
    assert.equal('web.lua:5: deny "e": can never match: allow "a" (web.lua:1), allow "b" '
      .. '(web.lua:2) and 2 more before '
      .. "it take every call that it would; move it up, or remove it", findings [[
allow { "a", connect = "10.0.0.0/10" }
allow { "b", connect = "10.64.0.0/10" }
allow { "c", connect = "10.128.0.0/10" }
allow { "d", connect = "10.192.0.0/10" }
deny { "e", connect = "10.0.0.0/8" }]])
  end)

  it("knows that an address is IPv4 or IPv6, and no third", function()
    assert.equal('web.lua:3: deny "c": can never match: allow "a" (web.lua:1) and allow "b" '
      .. '(web.lua:2) before it take '
      .. "every call that it would; move it up, or remove it",
      findings [[
allow { "a", connect = "0.0.0.0/0" }
allow { "b", connect = "::/0" }
deny { "c", connect = "*" }]])
  end)

  it("is found in one operation of two", function()
    assert.equal('web.lua:2: deny "b": can never match connect: deny "a" (web.lua:1) before it '
      .. 'takes every such call; '
      .. "move it up, or restrict it to sendmsg",
      findings 'deny { "a", connect = "10.0.0.0/8" }\ndeny { "b", egress = "10.0.0.0/8" }')
  end)

  it("is not found after a shadow, but may be one itself", function()
    assert.equal("", findings [[
deny { "a", connect = "10.0.0.0/8", shadow = true }
deny { "b", connect = "10.0.0.0/8" }]])
    assert.equal('web.lua:2: deny "b": can never match: deny "a" (web.lua:1) before it takes '
      .. 'every call that it '
      .. "would; move it up, or remove it", findings [[
deny { "a", connect = "10.0.0.0/8" }
deny { "b", connect = "10.0.0.0/8", shadow = true }]])
    assert.equal("", findings 'deny { "all", egress = "*", shadow = true }')
    assert.equal("",
      findings 'rewrite { "a", connect = "*", to = "127.0.0.1:3128", shadow = true }')
    assert.equal("", findings [[
allow { "one", connect = "10.0.0.1", shadow = true }
deny { "lan", egress = "10.0.0.0/8" }]])
  end)

  it("is found in every operation", function()
    for _, op in ipairs { "bind", "recvmsg", "getpeername", "getsockname" } do
      assert.equal('web.lua:2: allow "b": can never match: allow "a" (web.lua:1) before it takes '
        .. 'every call that it '
        .. "would; move it up, or remove it",
        findings(('allow { "a", %s = "10.0.0.0/8" }\nallow { "b", %s = "10.1.0.0/16" }')
          :format(op, op)))
    end
  end)

  it("is found among unix sockets, whose rules take no calls from others", function()
    assert.equal('web.lua:2: allow "b": can never match: deny "a" (web.lua:1) before it takes '
      .. 'every call that it '
      .. "would; move it up, or remove it", findings [[
deny { "a", connect = "unix:/run/*" }
allow { "b", connect = "unix:/run/x.sock", uid = 7 }
allow { "c", connect = { "unix:/run/y.sock", "10.0.0.1" } }
allow { "d", connect = "unix:*" }]])
    assert.equal("", findings 'deny { "a", connect = "unix:/run/x.sock" }')
    assert.equal("",
      findings 'deny { "a", connect = "unix:/run/x.sock" }\ndeny { "b", connect = "unix:/run/*" }')
    assert.equal("",
      findings 'deny { "a", connect = "10.0.0.0/8" }\ndeny { "b", connect = "unix:/run/*" }')
  end)

  it("is found if its own conditions hold for nothing", function()
    local nothing = "matches no call: one of its lists is empty, or they exclude each other; "
      .. "give it something to match, or remove it"
    assert.equal('web.lua:1: deny "a": ' .. nothing, findings 'deny { "a", egress = {} }')
    assert.equal('web.lua:1: deny "a": ' .. nothing,
      findings 'deny { "a", connect = "::1", family = "inet" }')
    assert.equal('web.lua:1: allow "a": ' .. nothing,
      findings 'allow { "a", connect = { "::1", "!::1" } }')
  end)

  it("is not reported if the hook's family allows it", function()
    assert.equal("", findings 'deny { "a", connect = "10.0.0.1", family = "inet6" }')
    assert.equal('web.lua:1: deny "a": matches no call: one of its lists is empty, or they '
      .. 'exclude each other; '
      .. "give it something to match, or remove it",
      findings 'deny { "a", sendmsg = "10.0.0.1", family = "inet6" }')
  end)

  it("is found among more than 64", function()
    local lines = {}
    for index = 1, 200 do
      lines[index] = ('allow { "r%d", connect = "10.0.0.%d" }'):format(index, index - 1)
    end
    lines[201] = 'deny { "one", connect = "10.0.0.77", uid = 1 }'
    lines[202] = 'deny { "all", connect = "10.0.0.0/25" }'
    lines[203] = 'deny { "open", connect = "10.0.0.0/24" }'
    assert.equal('web.lua:201: deny "one": can never match: allow "r78" (web.lua:78) before it '
      .. 'takes every call that '
      .. "it would; move it up, or remove it\n"
      .. 'web.lua:202: deny "all": can never match: allow "r1" (web.lua:1), allow "r2" '
      .. '(web.lua:2) and 126 more before '
      .. "it take every call that it would; move it up, or remove it",
      findings(table.concat(lines, "\n")))
  end)
end)

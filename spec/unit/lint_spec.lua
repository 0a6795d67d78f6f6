-- What is found in policies that compile: the exact words, and no finding
-- if nothing is wrong.

local env = require "spec.support.env"
local ffi = require "ffi"
local library = require "tidegate.ffi"
local tidegate = require "tidegate"

local C = library.C

--- The findings about a policy, one a line.
local function findings(text)
  local texts = {}
  for index, finding in ipairs(assert(assert(tidegate.compile(text, "web.lua")):findings())) do
    texts[index] = finding.text
  end
  return table.concat(texts, "\n")
end

local LOOP = " matches it again: what listens there is sent round in a loop when it connects "
  .. "onward, if the policy applies to it, too; put a rule before this one that lets its own calls "
  .. "through, such as "
  .. 'allow { connect = "*", uid = "proxy" }'
local UNSEEN = ", and what a connected socket sends is not checked again; "
local LOOPBACK = ", too, where programs reach services of this machine; "
  .. "if that is not intended, put this before it: allow { "

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
deny { "b", sendmsg = "10.1.0.0/16:80", proto = 1 }]])
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

describe("a loop", function()
  it("is found if a rewrite's target is its own", function()
    assert.equal('web.lua:1: rewrite "a": its target 127.0.0.1:3128' .. LOOP,
      findings 'rewrite { "a", connect = "*", to = "127.0.0.1:3128" }')
    assert.equal('web.lua:1: rewrite "a": its target [::1]:80' .. LOOP,
      findings 'rewrite { "a", connect = "[::/0]:80", to = "[::1]:80" }')
    assert.equal('web.lua:1: rewrite "a": its target 127.0.0.1' .. LOOP,
      findings 'rewrite { "a", connect = "*:80", family = "inet", to = "127.0.0.1" }')
    assert.equal('web.lua:1: rewrite "a": its target port 80' .. LOOP,
      findings 'rewrite { "a", connect = "*:80-90", to = "*:80" }')
  end)

  it("is found if several rewrites form a circle", function()
    assert.equal('web.lua:1: rewrite "a": its target 192.0.2.2:2 is sent on by rewrite "b" '
      .. '(web.lua:2) to 192.0.2.3, '
      .. 'by rewrite "c" (web.lua:3) to port 1, which' .. LOOP, findings [[
rewrite { "a", connect = "192.0.2.0/24:1", to = "192.0.2.2:2" }
rewrite { "b", connect = "192.0.2.2", to = "192.0.2.3" }
rewrite { "c", connect = "192.0.2.3:2", to = "*:1" }]])
  end)

  it("is found between unix sockets", function()
    local function loop(rule, target)
      return ("web.lua:%s: its target %s matches it again: what listens there is sent round in a "
        .. "loop when it connects onward, if the policy applies to it, too; put a rule before this "
        .. "one that lets its own calls through, such as "
        .. 'allow { connect = "unix:*", uid = "proxy" }'):format(rule, target)
    end
    assert.equal(loop('1: rewrite "a"', "unix:/run/proxy.sock"),
      findings 'rewrite { "a", connect = "unix:/run/*", to = "unix:/run/proxy.sock" }')
    assert.equal(
      loop('1: rewrite "a"', 'unix:@b is sent on by rewrite "b" (web.lua:2) to unix:@a, which'),
      findings [[
rewrite { "a", connect = "unix:@a", to = "unix:@b" }
rewrite { "b", connect = "unix:@b", to = "unix:@a" }]])
    assert.equal("",
      findings 'rewrite { "a", connect = "unix:/run/docker.sock", to = "unix:/run/proxy.sock" }')
  end)

  it("is found if a backend is balanced again", function()
    assert.equal('web.lua:1: balance "a": its backend 10.96.0.10:80' .. LOOP,
      findings [[
balance { "a", connect = "10.96.0.10:80", to = { "10.0.0.1:80", "10.96.0.10:80" } }]])
    assert.equal('web.lua:1: balance "a": its backend 10.96.0.10' .. LOOP,
      findings [[
balance { "a", connect = "10.96.0.10:80", to = "10.96.0.10", by = "hash", key = "uid" }]])
    assert.equal('web.lua:1: balance "a": its backend [2001:db8::1]:80' .. LOOP,
      findings [[
balance { "a", connect = "[2001:db8::/32]:80", to = { "[2001:db9::1]:80", "[2001:db8::1]:80" } }]])
    assert.equal('web.lua:1: balance "a": its backend 10.0.0.2:80 is sent on by rewrite "b" '
      .. '(web.lua:2) to 10.96.0.10, which' .. LOOP, findings [[
balance { "a", connect = "10.96.0.10:80", to = { "10.0.0.1:80", "10.0.0.2:80" } }
rewrite { "b", connect = "10.0.0.2", to = "10.96.0.10" }]])
    assert.equal('web.lua:1: rewrite "a": its target 10.96.0.10:80 is sent on by balance "b" '
      .. '(web.lua:2) to 10.0.0.3:1, which' .. LOOP, findings [[
rewrite { "a", connect = "10.0.0.3", to = "10.96.0.10:80" }
balance { "b", connect = "10.96.0.10", to = { "10.0.0.9", "10.0.0.3:1" } }]])
    assert.equal("", findings [[
allow { connect = "10.96.0.10:80", uid = "root" }
balance { "a", connect = "10.96.0.10:80", to = { "10.0.0.1:80", "10.96.0.10:8080" } }
rewrite { "b", connect = "10.0.0.1:81", to = "10.96.0.10:80" }]])
  end)

  it("is found among the services that a policy has at first", function()
    local function services(list, rest)
      return ('local svc = services "svc" { %s }\nbalance { "a", connect = svc }\n%s')
        :format(list, rest or "")
    end
    local own = 'web.lua:2: balance "a": its backend 10.96.0.10:80 for 10.96.0.10:80/tcp' .. LOOP
    assert.equal(own,
      findings(services [=[["10.96.0.10:80/tcp"] = { "10.0.0.1:80", "10.96.0.10:80" }]=]))
    assert.equal(own:gsub(":80 for", " for"),
      findings(services [=[["10.96.0.10:80/tcp"] = "10.96.0.10"]=]))
    assert.equal('web.lua:2: balance "a": its backend [2001:db8::1]:53 for [2001:db8::1]:53/udp'
      .. LOOP,
      findings(services [=[["[2001:db8::1]:53/udp"] = "[2001:db8::1]:53"]=]))
    assert.equal('web.lua:2: balance "a": its backend 10.96.0.11:80 for 10.96.0.10:80/tcp '
      .. 'is sent on by balance "a" (web.lua:2) to 10.96.0.10:80, which' .. LOOP,
      findings(services [=[
      ["10.96.0.10:80/tcp"] = { "10.96.0.11:80" }, ["10.96.0.11:80/tcp"] = "10.96.0.10:80"]=]))
    assert.equal('web.lua:2: balance "a": its backend 10.0.0.1:80 for 10.96.0.10:80/tcp '
      .. 'is sent on by rewrite "b" (web.lua:3) to 10.96.0.10, which' .. LOOP,
      findings(services([=[["10.96.0.10:80/tcp"] = "10.0.0.1:80"]=],
      'rewrite { "b", connect = "10.0.0.1", to = "10.96.0.10" }')))
    -- A backend that no call goes to: of another protocol, of another port, of another service.
    assert.equal("",
      findings(services [=[["10.96.0.10:80/tcp"] = { { "10.96.0.10:80", state = "down" } }]=]))
    assert.equal("", findings(services [=[["10.96.0.10:80/tcp"] = { "10.96.0.10:81" }]=]))
    assert.equal("", findings(services [=[
      ["10.96.0.10:80/tcp"] = "10.96.0.11:80", ["10.96.0.11:80/udp"] = "10.96.0.10:80"]=]))
    assert.equal("", findings(services [=[
      ["10.96.0.10:80/tcp"] = "10.96.0.11:80", ["10.96.0.11:80/tcp"] = "10.0.0.1:80"]=]))
    assert.equal("",
      findings('local svc = services "svc" { ["10.96.0.10:80/tcp"] = "10.96.0.10:80" }\n'
      .. 'allow { connect = "10.96.0.10:80" }\nbalance { connect = svc }'))
  end)

  it("is looked for in a limited number of steps if many services point to each other", function()
    local lines = {}
    for index = 1, 200 do
      local backends = {}
      for other = 1, 200 do
        backends[other] = other ~= index and ('"10.97.0.%d:80"'):format(other) or '"10.0.0.1:80"'
      end
      lines[index] = ('["10.96.%d.1:80/tcp"] = { %s }'):format(index, table.concat(backends, ","))
      lines[200 + index] = ('["10.97.0.%d:80/tcp"] = '
        .. '{ "10.97.0.%d:80", "10.97.0.%d:80", "10.97.0.%d:80" }')
        :format(index, index % 200 + 1, (index + 3) % 200 + 1, (index + 7) % 200 + 1)
    end
    assert.equal("",
      findings('balance { connect = services "svc" { ' .. table.concat(lines, ",\n") .. " } }"))
  end)

  it("is not reported if the target is let through before, or is elsewhere", function()
    assert.equal("", findings [[
allow { "proxy", connect = "127.0.0.1:3128" }
rewrite { "a", connect = "*", to = "127.0.0.1:3128" }]])
    assert.equal("", findings 'rewrite { "a", connect = "*:80", to = "127.0.0.1:3128" }')
    assert.equal("",
      findings 'rewrite { "a", connect = { "*", "!127.0.0.1" }, to = "127.0.0.1:3128" }')
  end)
end)

describe("a denial of datagrams", function()
  it("is defeated by an allow of connects before it", function()
    assert.equal('web.lua:2: deny "lan": does not keep UDP from 10.0.0.1: allow "one" (web.lua:1) '
      .. 'before it lets '
      .. "sockets connect there" .. UNSEEN
      .. 'give that rule proto = "tcp", or, if UDP is meant, egress',
      findings 'allow { "one", connect = "10.0.0.1" }\ndeny { "lan", egress = "10.0.0.0/8" }')
  end)

  it("is not defeated by an allow of TCP alone, of egress, of other addresses, or after", function()
    assert.equal("", findings [[
allow { "a", connect = "10.0.0.1", proto = "tcp" }
deny { "b", egress = "10.0.0.0/8" }]])
    assert.equal("",
      findings 'allow { "a", egress = "10.0.0.1" }\ndeny { "b", egress = "10.0.0.0/8" }')
    assert.equal("",
      findings 'allow { "a", connect = "11.0.0.1" }\ndeny { "b", egress = "10.0.0.0/8" }')
    assert.equal("", findings 'deny { "b", egress = "10.0.0.0/8" }\nallow { "a", connect = "*" }')
    assert.equal("", findings [[
allow { "a", connect = "10.0.0.1" }
allow { "dns", sendmsg = "10.0.0.1" }
deny { "b", egress = "10.0.0.0/8" }]])
  end)

  it("is defeated by any rule that lets sockets connect, if it is of sendmsg alone", function()
    assert.equal('web.lua:1: deny "dns": does not keep UDP from 10.0.0.1: nothing keeps sockets '
      .. 'from connecting there'
      .. UNSEEN .. "write egress instead of sendmsg",
      findings 'deny { "dns", sendmsg = "10.0.0.1:53" }')
    assert.equal('web.lua:2: deny "dns": does not keep UDP from 10.0.0.1: allow "a" (web.lua:2) '
      .. 'lets sockets connect '
      .. "there" .. UNSEEN .. "write egress instead of sendmsg", findings [[
policy { default = { connect = "deny" } } allow { "itself", egress = { "127.0.0.1", "::1" } }
allow { "a", connect = "10.0.0.1" } deny { "dns", sendmsg = "10.0.0.1:53" }]])
    assert.equal("", findings 'deny { sendmsg = "10.0.0.1:53" }\ndeny { connect = "10.0.0.1" }')
    assert.equal("", findings 'deny { sendmsg = "10.0.0.1:53", proto = "!udp" }')
  end)
end)

describe("a denial of everything", function()
  it("covers the loopback, if no rule before it is about it", function()
    assert.equal('web.lua:1: deny "all": catches 127.0.0.1 and ::1' .. LOOPBACK
      .. 'egress = { "127.0.0.0/8", "::1" } }', findings 'deny { "all", egress = "*", uid = 1000 }')
    assert.equal('web.lua:2: deny "all": catches ::1' .. LOOPBACK .. 'connect = "::1" }',
      findings 'allow { "a", connect = "127.0.0.0/8" }\ndeny { "all", connect = "*" }')
    assert.equal("",
      findings 'allow { egress = { "127.0.0.0/8", "::1" } }\ndeny { "all", egress = "*" }')
    assert.equal("",
      findings 'deny { egress = { "127.0.0.1:25", "::1" } }\ndeny { "all", egress = "*" }')
    assert.equal("", findings 'deny { "mail", egress = "*:25" }')
    assert.equal("", findings 'deny { "world", egress = { "*", "!127.0.0.0/8", "!::1" } }')
  end)

  it("does so as a default", function()
    assert.equal('policy: default = "deny" catches 127.0.0.1 and ::1' .. LOOPBACK
      .. 'egress = { "127.0.0.0/8", "::1" } }', findings 'policy { default = "deny" }')
    assert.equal('policy: default = "deny" catches 127.0.0.1' .. LOOPBACK
      .. 'connect = "127.0.0.0/8" }',
      findings 'policy { default = { connect = "deny" } }\nallow { connect = "::1" }')
    assert.equal("", findings 'policy { default = "deny" }\nallow { egress = "*" }')
  end)
end)

describe("the findings", function()
  it("are the same for an image in a file", function()
    local folder = env.folder()
    local text = 'deny { "a", egress = {} }\ndeny { "b", egress = "*" }'
    local image = assert(assert(tidegate.compile(text, "web.lua")):image())
    assert(image:save(folder .. "/image"))
    assert.same(image:findings(), assert(assert(tidegate.image(folder .. "/image")):findings()))
    assert.same({ "never", "loopback" }, { image:findings()[1].kind, image:findings()[2].kind })
    assert.same({ "a", "b" }, { image:findings()[1].rule, image:findings()[2].rule })
    env.clean()
  end)

  it("include staged rules", function()
    local gate = tidegate.gate()
    assert.same({}, gate:findings())
    gate:deny { "none", connect = {} }
    assert.equal(1, #gate:findings())
  end)

  it("end when there are no more, and require the size of their struct", function()
    local image = assert(assert(tidegate.compile('deny { connect = {} }', "web.lua")):image())
    local slot, finding = library.slot "lint", library.sized "struct tg_finding"
    assert.equal(0, C.tg_lint_new(image.cdata, slot))
    local lint = library.own("lint", slot)
    assert.equal(0, C.tg_lint_finding(lint, 0, finding))
    assert.equal(-34, C.tg_lint_finding(lint, 1, finding))
    assert.equal("there are 1 findings, counted from 0", ffi.string(C.tg_error()))
    finding.size = 1
    assert.equal(-22, C.tg_lint_finding(lint, 0, finding))
  end)
end)

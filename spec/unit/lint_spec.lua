-- What is found in policies that compile: the exact words, and no finding
-- if nothing is wrong.

local env = require "spec.support.env"
local ffi = require "ffi"
local findings = require "spec.support.findings"
local images = require "tidegate.image"
local library = require "tidegate.ffi"
local tidegate = require "tidegate"

local C = library.C

local UNSEEN = ", and what a connected socket sends is not checked again; "
local LOOPBACK = ", too, where programs reach services of this machine; "
  .. "if that is not intended, put this before it: allow { "

describe("a socket option for a network device", function() -- D5
  it("is found if this host has no such device", function()
    assert.equal('web.lua:1: allow "a": sockopt: there is no network device "tgnone9" here: until '
      .. "there is one, calls that the rule lets through fail with ENODEV", findings [[
      allow { "a", connect = "192.0.2.0/24", sockopt = { device = "tgnone9" } }
      allow { "b", connect = "192.0.3.0/24", sockopt = { device = "lo" } }
      allow { "c", connect = "192.0.4.0/24", sockopt = { mark = 9 } }
    ]])
  end)

  it("cannot be that there is none", function()
    local gate, message = tidegate.load_text(
      'allow { "a", connect = "*", sockopt = { device = "none" } }', "web.lua")
    message = gate and select(2, gate:compile()) or message
    assert.equal('web.lua:1: allow "a": sockopt: device: "none": a rule cannot unbind a socket '
      .. "from its device: leave device out, or refuse such sockets by the condition "
      .. 'device = "!none"', message)
  end)
end)

describe("a denial of a port to bind", function() -- G5
  local UNSEEN_PORT = "does not see ports that the kernel picks: a program may bind to port 0, and "
    .. "narrow the range to a denied port; if the program needs no such port, deny { bind = "
    .. '"*:0" } as well'

  it("is found if the kernel may pick that port for a program that binds to 0", function()
    for _, rule in ipairs {
      'deny { "a", bind = "*:40000" }', 'deny { "a", bind = "[::1]:1024-65535", uid = "!root" }',
      -- A default refuses no bind to port 0.
      'policy { default = { bind = "deny" } } deny { "a", bind = "*:60999" }',
    } do
      assert.equal('web.lua:1: deny "a": ' .. UNSEEN_PORT, findings(rule))
    end
  end)

  it("is not found if the kernel picks no such port, or a bind to 0 is denied", function()
    for _, rule in ipairs {
      'deny { bind = "*:22" }', 'deny { bind = "*:61000-65535" }', 'deny { bind = "*" }',
      'deny { bind = "10.0.0.1" }', 'deny { bind = { "*:0", "*:40000" } }',
      'deny { bind = "*:0" } deny { bind = "*:40000" }',
      'policy { default = { bind = "deny" } } deny { bind = { "*:40000", "*:0" } }',
    } do
      assert.equal("", findings(rule))
    end
  end)
end)

describe("a rule that asks for the source", function()
  local function leaves_out(when, remedy)
    return ("leaves out sockets that are not bound, as most are when they %s: their source is "
      .. "0.0.0.0:0 or [::]:0; %s"):format(when, remedy)
  end
  local ADD, BIND = "add these to source, or deny without it",
    "to choose the source of calls, write bind_source"

  it("is found if it denies, and leaves out sockets that are not bound", function()
    assert.equal('web.lua:1: deny "a": ' .. leaves_out("connect", ADD),
      findings [[deny { "a", connect = "192.0.2.0/24", source = "10.0.0.5" }]])
    assert.equal('web.lua:1: deny "a": ' .. leaves_out("send", ADD),
      findings [[deny { "a", sendmsg = "192.0.2.0/24", source = "2001:db8::/32" }]])
    assert.equal('web.lua:2: deny "a": ' .. leaves_out("connect or send", ADD), findings [[
set "mine" { "10.0.0.5" }
deny { "a", egress = "192.0.2.0/24", source = { "@mine", "*:1-1023" } }]])
  end)

  it("is found if it redirects, which was perhaps to choose the source", function()
    assert.equal('web.lua:1: rewrite "a": ' .. leaves_out("connect", BIND),
      findings [[rewrite { "a", connect = "192.0.2.1", source = "10.0.0.5", to = "10.0.0.1" }]])
    assert.equal('web.lua:1: balance "a": ' .. leaves_out("connect", BIND),
      findings [[balance { "a", connect = "192.0.2.1", source = "10.0.0.5", to = "10.0.0.1" }]])
  end)

  it("is not found if it includes them, among few rules and many", function()
    local many = {}
    for port = 1, 200 do
      many[port] = ('deny { connect = "192.0.2.1:%d", uid = %d }'):format(port, port)
    end
    for _, before in ipairs { "", table.concat(many, "\n") } do
      assert.equal("", findings(before .. [[
        deny { "b", connect = "192.0.2.0/24", source = "!10.0.0.0/8" }
        deny { "c", connect = "198.51.100.0/24", source = { "10.0.0.5", "0.0.0.0:0" } }
        deny { "d", connect = "203.0.113.0/24", source = { "10.0.0.5", "[::]:0" } }
        deny { "e", bind = "203.0.113.0/24" }
        allow { "f", connect = "192.0.2.0/24", source = "10.0.0.5" }
        rewrite { "g", connect = "100.64.0.0/24", bind_source = "10.0.0.5", to = "10.0.0.1" }]]))
      assert.matches('deny "z": leaves out', findings(before .. [[
        deny { "z", connect = "100.64.0.0/24", source = "10.0.0.5" }]]))
    end
  end)
end)

describe("a rule for calls that no hook sees", function() -- G3
  it("is found, whether the protocol or the type of the socket is unseen", function()
    for rule, sockets in pairs {
      ['deny { "a", connect = "10.0.0.0/8", proto = "sctp" }'] = "connect of sctp",
      ['deny { "a", connect = "10.0.0.0/8", proto = "udplite" }'] = "connect of udplite",
      ['deny { "a", sendmsg = "10.0.0.0/8", proto = "tcp" }'] = "sendmsg of tcp",
      ['deny { "a", egress = "*", type = "raw" }'] = "connect or sendmsg of raw",
      ['deny { "a", egress = "*", proto = { "sctp", 200 } }'] =
        "connect or sendmsg of sctp, protocol 200",
      ['deny { "a", connect = "*", proto = "tcp", type = "dgram" }'] = "connect of tcp dgram",
      ['deny { "a", bind = "*:5", proto = "icmp" }'] = "bind of icmp",
      ['deny { "a", bind = "*", proto = { "!tcp", "!udp", "!udplite", "!dccp" } }'] =
        "bind of such",
      ['rewrite { "a", recvmsg = "10.0.0.1", proto = "sctp", to = "10.0.0.2" }'] =
        "recvmsg of sctp",
    } do
      assert.equal(('web.lua:1: deny "a": no hook sees %s sockets: this rule can never match')
        :format(sockets), (findings(rule):gsub("^web.lua:1: rewrite", "web.lua:1: deny")))
    end
  end)

  it("is not found if a hook sees some of them", function()
    for _, rule in ipairs {
      'deny { connect = "10.0.0.0/8", proto = { "tcp", "sctp" } }',
      'deny { egress = "10.0.0.0/8", proto = "udplite" }',
      'deny { connect = "1.2.3.4", proto = 262 }', 'deny { egress = "10.0.0.0/8", proto = "tcp" }',
      'deny { connect = "1.2.3.4", proto = "icmp" }',
      'deny { bind = "10.0.0.1", proto = "dccp" }', 'deny { bind = "10.0.0.1", proto = "mptcp" }',
      'deny { connect = "unix:*", proto = "sctp" }',
      'rewrite { getsockname = "10.0.0.1", proto = "sctp", to = "10.0.0.2" }',
    } do
      assert.equal("", findings(rule))
    end
  end)

  it("is found among many", function()
    local many = {}
    for index = 1, 200 do
      many[index] = ('deny { connect = "192.0.2.1:%d", proto = %d }')
        :format(index, index == 150 and 132 or index % 2 == 0 and 6 or 17)
    end
    assert.equal('web.lua:150: deny "#150": no hook sees connect of sctp sockets: this rule can '
      .. "never match", findings(table.concat(many, "\n")))
  end)
end)

describe("a rule that counts connects", function() -- G6
  local PROBES = "also counts UDP connects by which the C library sorts the addresses of a name; "
    .. 'add proto = "tcp", or, to count both, proto = { "tcp", "udp" }'

  it("is found if it names no protocol", function()
    assert.equal('web.lua:1: deny "a": ' .. PROBES,
      findings [[deny { "a", connect = "10.0.0.0/8", over = "5/m burst 5" }]])
    assert.equal('web.lua:1: observe "a": ' .. PROBES, findings [[observe { "a", egress = "*" }]])
  end)

  it("is not found if it names one, or counts no connects", function()
    for _, rule in ipairs {
      'deny { connect = "10.0.0.0/8", over = "5/m burst 5", proto = "tcp" }',
      'observe { egress = "*", proto = { "tcp", "udp" } }',
      'observe { egress = "*", type = "dgram" }',
      'observe { sendmsg = "*" }', 'observe { connect = "unix:*" }',
      'deny { connect = "10.0.0.0/8", log = "1/s" }',
    } do
      assert.equal("", findings(rule))
    end
  end)
end)

describe("an IPv6 address that ends like a port", function() -- E9
  local function meant(item, port)
    return ('"%s:%s": is an address as a whole; with a port, write "[%s]:%s"; if it is meant, '
      .. 'write "[%s:%s]"'):format(item, port, item, port, item, port)
  end

  it("is found once a rule, wherever it stands", function()
    assert.equal('web.lua:1: deny "a": ' .. meant("2001:db8::1", "443"),
      findings [[deny { "a", connect = { "10.0.0.1", "2001:db8::1:443", "2001:db8::2:443" } }]])
    assert.equal('web.lua:1: rewrite "a": ' .. meant("2001:db8::1", "8080"),
      findings [[rewrite { "a", connect = "2001:db8::2", to = "2001:db8::1:8080" }]])
  end)

  it("is not found in brackets, or in an address that has no such end", function()
    for _, item in ipairs { "[2001:db8::1:443]", "[2001:db8::1]:443", "2001:4860:4860::8888",
      "2001:db8::1:2", "2001:db8::1:44a", "1:2:3:4:5:6:7:443",
      "2001:db8::1:443-2001:db8::1:445" } do
      assert.equal("", findings(('deny { "2001:db8::1:443", connect = %q }'):format(item)))
    end
  end)
end)

describe("a default that refuses to bind", function() -- G2
  local NOTHING = "policy: the default refuses to bind to any port, so nothing can serve; allow "
    .. 'what may, such as allow { bind = "*:8080" }; default = { egress = "deny" } leaves bind '
    .. 'alone; if nothing may serve, say so: allow { bind = "*:0" }'

  it("is found if no rule is about bind", function()
    assert.equal(NOTHING, findings 'policy { default = { bind = "deny" } }')
    assert.equal(NOTHING, findings [[policy { default = "deny" }
      allow { egress = { "127.0.0.0/8", "::1" } }]])
  end)

  it("is not found if some rule is, or if the default lets bind through", function()
    for _, policy in ipairs {
      'policy { default = { bind = "deny" } } allow { bind = "*:80" }',
      'policy { default = { bind = "deny" } } allow { bind = "*:0" }',
      'policy { default = { egress = "deny" } } allow { egress = { "127.0.0.0/8", "::1" } }',
    } do
      assert.equal("", findings(policy))
    end
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
      .. 'egress = { "127.0.0.0/8", "::1" } }', findings 'policy { default = { egress = "deny" } }')
    assert.equal('policy: default = "deny" catches 127.0.0.1' .. LOOPBACK
      .. 'connect = "127.0.0.0/8" }',
      findings 'policy { default = { connect = "deny" } }\nallow { connect = "::1" }')
    assert.equal("", findings 'policy { default = { egress = "deny" } }\nallow { egress = "*" }')
  end)
end)

describe("the findings", function()
  it("are the same for an image in a file", function()
    local folder = env.folder()
    local text = 'deny { "a", egress = {} }\ndeny { "b", egress = "*" }'
    local image = assert(assert(tidegate.load_text(text, "web.lua")):compile())
    assert(image:save(folder .. "/image"))
    assert.same(image:check(), assert(assert(tidegate.load_image(folder .. "/image")):check()))
    assert.same({ "never", "loopback" }, { image:check()[1].kind, image:check()[2].kind })
    assert.same({ "a", "b" }, { image:check()[1].rule, image:check()[2].rule })
    env.clean()
  end)

  it("include staged rules", function()
    local gate = tidegate.new()
    assert.same({}, gate:check())
    gate:deny { "none", connect = {} }
    assert.equal(1, #gate:check())
  end)

  it("end when there are no more, and require the size of their struct", function()
    local image = assert(assert(tidegate.load_text('deny { connect = {} }', "web.lua")):compile())
    local slot, finding = library.slot "lint", library.sized "struct tg_finding"
    assert.equal(0, C.tg_lint_new(images.state(image).cdata, slot))
    local lint = library.own("lint", slot)
    local cursor = ffi.new "uint64_t[1]"
    local before = ffi.string(C.tg_error())
    assert.equal(1, C.tg_lint_next(lint, cursor, finding))
    assert.equal(0, C.tg_lint_next(lint, cursor, finding))
    assert.equal(0, C.tg_lint_next(lint, cursor, finding))
    assert.equal(before, ffi.string(C.tg_error()))
    finding.size, cursor[0] = 1, 0
    assert.equal(-22, C.tg_lint_next(lint, cursor, finding))
  end)
end)

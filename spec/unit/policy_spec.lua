-- Policies in memory: what a rule may say, and the errors about the rest.

local env = require "spec.support.env"
local ffi = require "ffi"
local binding = require "tidegate.ffi"
local C = binding.C

local EEXIST, EINVAL, ERANGE = 17, 22, 34
local CONNECT, SENDMSG = 1, 4

local function new_policy()
  local slot = binding.slot "policy"
  assert(C.tg_policy_new("test", slot) == 0)
  return binding.own("policy", slot)
end

local function new_list(field, items)
  local slot = binding.slot "list"
  assert(C.tg_list_new(C["TG_FIELD_" .. field], 0, slot) == 0)
  local list = binding.own("list", slot)
  for _, item in ipairs(items) do
    assert(C.tg_list_add(list, item) == 0, ffi.string(C.tg_error()))
  end
  return list
end

local function outcome(result)
  if result == 0 then
    return true
  end
  return binding.failure(result)
end

-- `fields`: the members of struct tg_rule, the verb by its name.
local function add(policy, fields)
  local rule = binding.sized "struct tg_rule"
  for key, value in pairs(fields) do
    rule[key] = key == "verb" and C["TG_VERB_" .. value] or value
  end
  rule.ops = fields.ops or CONNECT
  return outcome(C.tg_policy_add_rule(policy, rule, binding.index()))
end

local function match(policy, index, field, ...)
  return outcome(C.tg_policy_add_match(policy, index, new_list(field, { ... })))
end

local function compile(policy)
  local slot = binding.slot "image"
  local result = C.tg_policy_compile(policy, slot)
  return outcome(result), result == 0 and binding.own("image", slot)
end

local function refused(message, fields)
  fields.name = fields.name or "r"
  local ok, text, code = add(new_policy(), fields)
  assert.is_nil(ok)
  assert.equal(message, text)
  assert.equal(EINVAL, code)
end

describe("a rule", function()
  it("is named with its place in errors, if that is known", function()
    refused('web.lua:4: deny "no-lan": errno: "EFOO": not an errno, such as ECONNREFUSED or 111',
      { verb = "DENY", name = "no-lan", where = "web.lua:4", error = "EFOO" })
    refused('deny "no-lan": errno: "EFOO": not an errno, such as ECONNREFUSED or 111',
      { verb = "DENY", name = "no-lan", error = "EFOO" })
  end)

  it("may have no name; a name is unique", function()
    local policy = new_policy()
    assert.is_true(add(policy, { verb = "ALLOW" }))
    assert.is_true(add(policy, { verb = "ALLOW", name = "#3", where = "a.lua:2" }))
    local _, message, code = add(policy, { verb = "ALLOW", where = "a.lua:3" })
    assert.equal('a.lua:3: allow "#3": rule 2 has this name too (a.lua:2)', message)
    assert.equal(EEXIST, code)
    assert.is_true(add(policy, { verb = "ALLOW", name = "x" }))
    for index = 4, 100 do
      assert.is_true(add(policy, { verb = "DENY", name = "rule " .. index }))
    end
    _, message = add(policy, { verb = "DENY", name = "rule 50" })
    assert.equal('deny "rule 50": rule 50 has this name too', message)
    refused('allow "": an empty name: leave it out, or give one', { verb = "ALLOW", name = "" })
    local long = ("x"):rep(255)
    assert.is_true(add(policy, { verb = "ALLOW", name = long }))
    refused(('allow "%sy": a name of 256 bytes: at most 255 are possible'):format(long),
      { verb = "ALLOW", name = long .. "y" })
    for name, wrong in pairs { -- D1, D2
      ["a\27"] = 'allow "a\\x1b": the name has control characters: choose another one',
      ["a\nb"] = 'allow "a\\x0ab": the name has control characters: choose another one',
      ["a\194\155"] = 'allow "a\\xc2\\x9b": the name has control characters: choose another one',
      ["b\255d"] = 'allow "b\\xffd": the name is not UTF-8: choose another one',
    } do
      refused(wrong, { verb = "ALLOW", name = name })
    end
    assert.is_true(add(new_policy(), { verb = "ALLOW", name = "caf\195\169" }))
  end)

  it("is not called like a kind of handlers", function()
    for _, kind in ipairs {
      "*", "lost", "error", "failed", "severed", "reload", "learned", "end",
      "allow", "deny", "rewrite", "balance", "observe",
    } do
      refused(('deny "%s": no rule can have this name, because on("%s", ...) hears of something '
        .. 'else: choose another one'):format(kind, kind), { verb = "DENY", name = kind })
    end
    assert.is_true(add(new_policy(), { verb = "DENY", name = "deny all" }))
  end)

  it("has a message of one line, or none", function()
    for _, message in ipairs { "x", ("x"):rep(256), "caf\195\169" } do
      assert.is_true(add(new_policy(), { verb = "ALLOW", message = message }))
    end
    for message, text in pairs {
      ["is empty: leave it out"] = "",
      ["has 257 bytes: at most 256 are possible"] = ("x"):rep(257),
      ["has control characters: write it in UTF-8, on one line"] = "two\nlines",
      ["is not UTF-8: write it in UTF-8, on one line"] = "\255",
    } do
      refused('allow "r": message: ' .. message, { verb = "ALLOW", message = text })
    end
  end)

  it("has a verb and operations of this version", function()
    refused("a rule: 0 is not a verb: set it to a TG_VERB_*", { verb = "NONE" })
    refused('allow "r": no operation: write connect, sendmsg, egress, bind, recvmsg, getpeername '
      .. 'or getsockname; in C ops is a set of bits, such as TG_BIT(TG_OP_CONNECT)',
      { verb = "ALLOW", ops = 0 })
    refused('allow "r": 9 is not an operation', { verb = "ALLOW", ops = 512 })
  end)

  it("has a struct of a size, and flags, that the library knows", function()
    local size = ffi.sizeof "struct tg_rule"
    local rule = ffi.new "struct tg_rule"
    local _, message = outcome(C.tg_policy_add_rule(new_policy(), rule, binding.index()))
    assert.equal(("struct tg_rule: its size is 0: set it to sizeof(struct tg_rule), %d")
      :format(size), message)
    refused('allow "r": flags: 0x48 is not known to this library',
      { verb = "ALLOW", flags = C.TG_RULE_SHADOW + 0x48 })
    refused('allow "r": reserved: must be 0', { verb = "ALLOW", reserved = 1 })
  end)

  it("denies with an errno that a program may see", function()
    for _, error in ipairs {
      "ECONNREFUSED", "111", "EWOULDBLOCK", "EOPNOTSUPP", "ENOTSUP", "1", "133",
    } do
      assert.is_true(add(new_policy(), { verb = "DENY", error = error }))
    end
    local function bad(message, error)
      refused('deny "r": errno: ' .. message, { verb = "DENY", error = error })
    end
    bad("0: a denial needs an errno; to let a call pass write allow", "0")
    bad("134: over 133, which programs never see", "134")
    bad("512: over 133, which programs never see", "512")
    bad("41: no errno has this number", "41")
    bad('"-1": not an errno, such as ECONNREFUSED or 111', "-1")
    bad('"": not an errno, such as ECONNREFUSED or 111', "")
    for name, number in pairs { EINPROGRESS = "115", EALREADY = "114" } do
      local reason = name
        .. ": connect would look as if it were under way, and the program would wait: "
        .. "write another, such as ECONNREFUSED"
      bad(reason, name)
      bad(reason, number)
    end
    bad("EISCONN: connect would look as if it had succeeded: write another, such as ECONNREFUSED",
      "EISCONN")
  end)

  it("rewrites to one address, one port, or both", function()
    for _, to in ipairs {
      "127.0.0.1:80", "127.0.0.1", "*:80", "[::1]:80", "::1", "localhost:https",
    } do
      assert.is_true(add(new_policy(), { verb = "REWRITE", to = to }))
    end
    local function bad(message, to)
      refused('rewrite "r": to: ' .. message, { verb = "REWRITE", to = to })
    end
    bad("missing: write where the call is to go")
    bad('"10.0.0.0/8": must be one address, not a prefix or a range', "10.0.0.0/8")
    bad('"10.0.0.1-10.0.0.2:80": must be one address, not a prefix or a range',
      "10.0.0.1-10.0.0.2:80")
    bad([["!10.0.0.1": must be one address: '!' leaves many]], "!10.0.0.1")
    bad('"10.0.0.1:80-90": must be one port; leave it out to keep the port of the call',
      "10.0.0.1:80-90")
    bad('"10.0.0.1:*": must be one port; leave it out to keep the port of the call', "10.0.0.1:*")
    bad('"10.0.0.1:0": port 0 is not a port', "10.0.0.1:0")
    bad('"*": changes nothing: write an address, a port, or both', "*")
    bad('"0.0.0.0:80": the kernel connects to 127.0.0.1 instead: write that', "0.0.0.0:80")
    bad('"::": the kernel connects to ::1 instead: write that', "::")
    bad('"10.0.0.256": 256 is over 255', "10.0.0.256")
  end)

  it("has a source if it connects or sends", function()
    for _, source in ipairs { "127.0.0.1:22222", "127.0.0.1", "::1", "[::1]:9" } do
      assert.is_true(add(new_policy(), { verb = "ALLOW", bind_source = source }))
    end
    local function bad(message, source)
      refused('allow "r": bind_source: ' .. message, { verb = "ALLOW", bind_source = source })
    end
    bad('"*:80": needs an address of this machine', "*:80")
    bad('"0.0.0.0": needs an address of this machine', "0.0.0.0")
    bad('"127.0.0.0/8": must be one address, not a prefix or a range', "127.0.0.0/8")
    bad('"127.0.0.1:0": port 0 is not a port', "127.0.0.1:0")
    refused('allow "r": bind_source: only connect and sendmsg have one',
      { verb = "ALLOW", ops = 2, bind_source = "127.0.0.1" })
    refused('allow "r": bind_source: "127.0.0.1:9": a datagram leaves from its socket\'s port: '
      .. 'write the address alone',
      { verb = "ALLOW", ops = CONNECT + SENDMSG, bind_source = "127.0.0.1:9" })
    refused('deny "r": bind_source: a denied call has none',
      { verb = "DENY", bind_source = "127.0.0.1" })
    for field, fields in pairs {
      bind_source = { bind_source = "127.0.0.1" }, sockopt = { sockopt = "mark=1" },
      low_port = { flags = C.TG_RULE_LOW_PORT }, shadow = { flags = C.TG_RULE_SHADOW },
    } do
      fields.verb = "OBSERVE"
      refused(('observe "r": %s: observe only counts and reports: leave it out, or write allow')
        :format(field), fields)
    end
    refused('observe "r": log: observe exists to report: write a rate such as "10/s", or leave '
      .. 'the rule out',
      { verb = "OBSERVE", log = "false" })
    refused('observe "r": errno: only deny and balance have one',
      { verb = "OBSERVE", error = "EACCES" })
  end)

  it("has only the effects of its verb", function()
    refused('allow "r": to: only rewrite and balance have it', { verb = "ALLOW", to = "127.0.0.1" })
    refused('deny "r": reveal: only rewrite and balance have it',
      { verb = "DENY", flags = C.TG_RULE_REVEAL })
    refused('rewrite "r": errno: only deny and balance have one',
      { verb = "REWRITE", to = "::1", error = "EPERM" })
  end)

  it("logs all, none, a rate, or one in many", function()
    for _, log in ipairs {
      "true", "false", "10/s", "1000000/s", "1/h", "60000000/m", "1/100", "1/1",
    } do
      assert.is_true(add(new_policy(), { verb = "ALLOW", log = log }))
    end
    local function bad(message, log)
      refused(('allow "r": log: "%s": %s'):format(log, message), { verb = "ALLOW", log = log })
    end
    local forms = 'write true, false, a rate such as "10/s", "10/m" or "10/h", or one call in '
      .. 'many: "1/100"'
    bad(forms, "yes")
    bad(forms, "10")
    bad(forms, "")
    bad("never: write false", "0/s")
    bad("over 1000000 a second: write true", "1000001/s")
    bad('the rate is by s, m or h: write "10/s"', "10/d")
    bad('one call in many is written "1/100"', "2/100")
    bad('one call in many is written "1/100"', "1/0")
  end)
end)

describe("a condition", function()
  it("belongs to a rule, once", function()
    local policy = new_policy()
    assert.is_true(add(policy, { verb = "DENY", name = "x", where = "a.lua:1" }))
    assert.is_true(match(policy, 0, "UID", "root"))
    assert.is_true(match(policy, 0, "ENDPOINT", "*"))
    local _, message, code = match(policy, 0, "UID", "!root")
    assert.equal('a.lua:1: deny "x": uid: is given already', message)
    assert.equal(EEXIST, code)
    _, message, code = match(policy, 1, "UID", "root")
    assert.equal("there is no rule 1: the policy has 1", message)
    assert.equal(ERANGE, code)
  end)

  it("does not name the addresses that the kernel takes for others", function()
    local policy = new_policy()
    assert.is_true(add(policy, { verb = "DENY", name = "x" }))
    local reasons = {
      ["0.0.0.0"] = '"0.0.0.0": the kernel takes it for 127.0.0.1, and so do rules: write '
        .. '127.0.0.1',
      ["::"] = '"::": the kernel takes it for ::1, and so do rules: write ::1',
    }
    local same = { ["0.0.0.0/32"] = "0.0.0.0", ["0.0.0.0:80"] = "0.0.0.0",
      ["::ffff:0.0.0.0"] = "0.0.0.0",
      ["!0.0.0.0"] = "0.0.0.0", ["0.0.0.0"] = "0.0.0.0", ["::"] = "::", ["::/128"] = "::",
      ["[::]:80"] = "::" }
    for item, address in pairs(same) do
      local _, message = match(policy, 0, "ENDPOINT", "10.0.0.1", item)
      assert.equal('deny "x": endpoint: ' .. reasons[address], message)
    end
    local product = new_list("ENDPOINT", {})
    assert.equal(0, C.tg_list_add_product(product, new_list("ENDPOINT", { "::" }), nil))
    assert.equal(-EINVAL, C.tg_policy_add_match(policy, 0, product))
    assert.is_true(match(policy, 0, "ENDPOINT", "0.0.0.0/0", "0.0.0.0/8", "::/0",
      "0.0.0.0-0.0.0.1"))
  end)
end)

describe("a policy", function()
  it("has defaults that the kernel can enforce", function()
    local policy = new_policy()
    local function check(message, ...)
      assert.equal(message, (select(2, outcome(C.tg_policy_default(policy, ...)))))
    end
    check("default: must be allow or deny", CONNECT, C.TG_VERB_REWRITE)
    check("default: ops: 0x40 is not known to this library", 64, C.TG_VERB_ALLOW)
    check("default: the kernel cannot deny recvmsg", 63, C.TG_VERB_DENY)
    check("default: the kernel cannot deny getpeername", 16, C.TG_VERB_DENY)
    assert.equal(0, C.tg_policy_default(policy, CONNECT + SENDMSG, C.TG_VERB_DENY))
    assert.equal(0, C.tg_policy_default(policy, 63, C.TG_VERB_ALLOW))
    assert.equal(0, C.tg_policy_on_error(policy, CONNECT + SENDMSG, C.TG_VERB_DENY))
    for message, arguments in pairs {
      ["on_error: must be allow or deny"] = { CONNECT, C.TG_VERB_NONE },
      ["on_error: no operation: ops is 0; write TG_BIT(TG_OP_CONNECT), not TG_OP_CONNECT"] =
        { 0, C.TG_VERB_DENY },
      ["on_error: the kernel cannot deny recvmsg"] = { 8, C.TG_VERB_DENY },
    } do
      assert.equal(message, (select(2, outcome(C.tg_policy_on_error(policy, unpack(arguments))))))
    end
    assert.equal("flags: 0x2 is not known to this library",
      (select(2, outcome(C.tg_policy_flags(policy, C.TG_POLICY_SHADOW + 2)))))
  end)

  local function compiles(rule, ...)
    local policy = new_policy()
    rule.name, rule.where = "r", "a.lua:1"
    assert.is_true(add(policy, rule))
    for _, condition in ipairs { ... } do
      assert.is_true(match(policy, 0, unpack(condition)))
    end
    local ok, message = compile(policy)
    return ok, message
  end

  local function contradicts(message, ...)
    local slot_ok, _ = compiles(...)
    assert.is_nil(slot_ok)
    assert.equal(message, ffi.string(C.tg_error()))
  end

  it("does not rewrite calls of IPv4 sockets to IPv6 addresses", function()
    local reason = 'a.lua:1: rewrite "r": to: an IPv4 socket cannot connect to an IPv6 address: '
      .. 'match IPv6 addresses only, or add family = "inet6"'
    local function to6()
      return { verb = "REWRITE", to = "[::1]:80" }
    end
    contradicts(reason, to6(), { "ENDPOINT", "1.2.3.4" })
    contradicts(reason, to6(), { "ENDPOINT", "*:80" })
    contradicts(reason, to6(), { "ENDPOINT", "::ffff:1.2.3.4" })
    contradicts(reason, to6(), { "ENDPOINT", "1.2.3.4" }, { "FAMILY", "inet", "inet6" })
    contradicts(reason, to6())
    assert.is_true(compiles(to6(), { "ENDPOINT", "2001:db8::1" }))
    assert.is_true(compiles(to6(), { "ENDPOINT", "1.2.3.4" }, { "FAMILY", "inet6" }))
    assert.is_true(compiles(to6(), { "ENDPOINT", "*" }, { "FAMILY", "!inet" }))
    assert.is_true(compiles({ verb = "REWRITE", to = "127.0.0.1" }, { "ENDPOINT", "2001:db8::1" }))
  end)

  it("does not bind to one family and connect to the other", function()
    local function reason(verb, source, peer)
      return ('a.lua:1: %s "r": bind_source: is IPv%d, and the rule\'s connections all go to IPv%d '
        .. 'addresses')
        :format(verb, source, peer)
    end
    contradicts(reason("rewrite", 6, 4), { verb = "REWRITE", to = "127.0.0.1",
      bind_source = "::1" }, { "ENDPOINT", "::2" })
    contradicts(reason("rewrite", 4, 6), { verb = "REWRITE", to = "::1",
      bind_source = "127.0.0.1" }, { "ENDPOINT", "::2" })
    contradicts(reason("allow", 6, 4), { verb = "ALLOW", bind_source = "::1" },
      { "ENDPOINT", "1.2.3.4" })
    contradicts(reason("allow", 4, 6), { verb = "ALLOW", bind_source = "127.0.0.1" },
      { "ENDPOINT", "::2" })
    contradicts(reason("allow", 6, 4), { verb = "ALLOW", bind_source = "::1" }, { "ENDPOINT", "*" },
      { "FAMILY", "inet" })
    contradicts(reason("rewrite", 4, 6), { verb = "REWRITE", to = "*:80",
      bind_source = "127.0.0.1" }, { "ENDPOINT", "::2" })
    assert.is_true(compiles({ verb = "ALLOW", bind_source = "127.0.0.1" }, { "ENDPOINT", "*" }))
    assert.is_true(compiles({ verb = "ALLOW", bind_source = "::1" }, { "ENDPOINT", "*" }))
    assert.is_true(compiles({ verb = "REWRITE", to = "127.0.0.1", bind_source = "127.0.0.1" },
      { "ENDPOINT", "::2" }))
    assert.is_true(compiles({ verb = "ALLOW", bind_source = "::1" }, { "ENDPOINT", "!*" }))
  end)
end)

describe("a rule of unix sockets", function()
  it("is refused if it mixes them with IP addresses", function()
    assert.equal('web.lua:1: rewrite "#1": to: only a unix socket can be redirected to a unix '
      .. 'socket: match unix: endpoints only',
      env.refusal [[rewrite { connect = "*", to = "unix:/run/x" }]])
    assert.equal('web.lua:1: rewrite "#1": to: a unix socket cannot be redirected to an IP '
      .. 'address: match no unix: endpoints, or write a path: to = "unix:/run/x.sock"',
      env.refusal [[rewrite { connect = { "10.0.0.1", "unix:/run/x" }, to = "127.0.0.1:80" }]])
    assert.equal('web.lua:1: allow "#1": bind_source: a unix socket has none: match no unix: '
      .. 'endpoints',
      env.refusal [[allow { connect = "unix:/run/x", bind_source = "127.0.0.1" }]])
    assert.equal('web.lua:1: allow "#1": bind_source: "unix:/run/x": a unix socket has none',
      env.refusal [[allow { connect = "127.0.0.1", bind_source = "unix:/run/x" }]])
  end)

  it("is refused if it has no hook, or no effect", function()
    assert.equal('web.lua:1: allow "#1": bind: the kernel has no hook where unix sockets are '
      .. 'bound: match no unix: '
      .. "endpoints", env.refusal [[allow { bind = "unix:/run/x" }]])
    assert.equal('web.lua:1: allow "#1": sockopt: unix sockets have none of these options: match '
      .. 'no unix: endpoints',
      env.refusal [[allow { connect = "unix:/run/x", sockopt = { mark = 1 } }]])
  end)

  it("is refused if the path to redirect to is invalid", function()
    assert.equal('web.lua:1: rewrite "#1": to: "unix:/run/*": must be one path: \'*\' stands for '
      .. 'many',
      env.refusal [[rewrite { connect = "unix:/x", to = "unix:/run/*" }]])
    assert.equal('web.lua:1: deny "#1": connect: port: a unix socket has none: leave it out, or '
      .. 'write the unix: '
      .. "endpoints as separate items",
      env.refusal [[deny { connect = { addr = { "unix:/x", "10.0.0.1" }, port = 80 } }]])
    assert.equal("",
      env.refusal [[deny { connect = { { addr = { "unix:/x*", "!unix:/xy" } }, "10.0.0.1" } }]])
    assert.equal("", env.refusal [[rewrite { egress = "unix:/x", to = "unix:@y" }]])
  end)
end)

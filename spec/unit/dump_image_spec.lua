-- An image read back: what it has in force, as Lua that compiles to the same rows.
-- TIDEGATE_SEED repeats a run.

local agreement = require "spec.support.agreement"
local dump = require "tidegate.dump"
local dump_rule = require "tidegate.dump_rule"
local env = require "spec.support.env"
local image = require "tidegate.image"
local image_rows = require "spec.support.image_rows"
local images = require "spec.support.images"
local library = require "tidegate.ffi"
local random_paths = require "spec.support.random.unix_policy"
local random_policy = require "spec.support.random.policy"
local tidegate = require "tidegate"

local C = library.C

--- The image of a policy as another process has it: from its bytes alone.
local function from_bytes(compiled)
  return image.handle(assert(image.parse(compiled:data(), "the image")))
end

local function compile(text)
  return assert(tidegate.load_text(text, "web.lua")):compile()
end

--- A policy whose rules are read back from the rows, whatever their texts say.  A rule that matches
--- nothing has no rows.
local function read_back(compiled)
  local state = image.state(from_bytes(compiled))
  local reader, lines = dump_rule.reader(state), { dump.head(state) }
  for index = 0, #compiled - 1 do
    local text, why, numbers = reader:rule(index)
    assert(text or why:find "^it matches nothing", why)
    assert(not next(numbers))
    lines[#lines + 1] = text or state:rule(index).text
  end
  return table.concat(lines, "\n")
end

--- How what is read back differs from the image, nil: it does not; and the gate that it makes.
local function difference(gate)
  local compiled = gate:compile()
  local text = read_back(compiled)
  local again, message = tidegate.load_text(text, "again.lua")
  local part = message or image_rows.difference(compiled, again:compile())
  return part and ("%s, of\n%s\nread back as\n%s"):format(part, gate:dump(), text), again
end

--- The first call of many that two gates decide differently.
local function disagreement(maker, gate, again)
  for _ = 1, 300 do
    local question = agreement.question(maker:call())
    local one, other = assert(gate:decide(question)), assert(again:decide(question))
    if one.verb ~= other.verb or one.rule ~= other.rule or one.errno ~= other.errno then
      return tostring(one) .. "\n" .. tostring(other)
    end
  end
end

describe("an image", function()
  setup(env.seed)
  teardown(env.clean)

  it("is read back as rules that compile to the same rows, for random policies", function()
    local maker, others = random_policy.new { sources = true }, 0
    for _ = 1, 600 do
      local policy = maker:policy(random_policy.some_count())
      for _, rule in ipairs(policy.rules) do
        rule.exe, rule.cgroup = nil, nil -- of which an image has only numbers
      end
      local gate = tidegate.new()
      agreement.stage(gate, policy)
      -- What a rule says of 0, and of v4-mapped addresses as IPv6, means nothing to a call, and
      -- its image does not always have it: such a policy may get other rows, and decides the same.
      local story, again = difference(gate)
      others = others + (story and 1 or 0)
      assert(not story or again and not disagreement(maker, gate, again), story)
    end
    assert(others <= 2, "too many policies get other rows")
  end)

  it("says what no range of addresses can say", function()
    for _, list in ipairs {
      '{ "::/0", "!::1" }', '{ "0.0.0.0/8", "!0.0.0.1" }', '{ "::/125", "!::1-::3" }',
      '{ "::/0", "!::fffe:ffff:ffff" }', '{ "::/0", "!::1:0:0:0", "!::1" }',
      '{ "::8000:0:0/81", "::1:0:0:0" }', '{ "::1-1::", "!::1:0:0:0" }',
    } do
      for op in ("egress bind"):gmatch "%S+" do
        local story = difference(assert(tidegate.load_text(("deny { %s = %s }"):format(op, list))))
        assert(not story, story)
      end
    end
  end)

  it("is so for random policies of unix sockets", function()
    local maker = random_paths.new({ "/", "@" }, { "/to", "@to", "/" .. ("t"):rep(107) })
    for _ = 1, 400 do
      local text = random_paths.text(maker:policy(math.random(0, 12)))
      local story = difference(assert(tidegate.load_text(text)))
      assert(not story, story)
    end
  end)

  it("is dumped in the words of its policy, and compiles to the same image again", function()
    local maker = random_policy.new { sources = true }
    for _ = 1, 100 do
      local gate = tidegate.new()
      agreement.stage(gate, maker:policy(random_policy.some_count()))
      local compiled = gate:compile()
      local text = from_bytes(compiled):dump()
      assert.equal(gate:dump(), text)
      local again = compile(text)
      assert.is_nil(image_rows.difference(compiled, again))
    end
  end)

  it("reads back each kind of condition and effect", function()
    local text = [[
policy { name = "all", default = { connect = "deny", sendmsg = "allow", bind = "allow" }, ]]
      .. [[on_error = "deny" }

services "svc" { ["10.96.0.10:80/tcp"] = { { "10.0.1.5:8080", weight = 2, state = "draining" } } }
set "one" { "192.0.2.1", { "192.0.2.2", ttl = "1m" }, ttl = "10m", size = 100, readonly = true }
services "none" {}
deny { "a", egress = { "10.0.0.0/8", "fd00::/8", "1.2.3.4:80-90" }, uid = "!0", ]]
      .. [[gid = { 5, "10-20" }, errno = "ECONNREFUSED", log = "10/m", message = "no" }
deny { "b", egress = { addr = { "@one", "!10.0.0.0/8" }, port = 443 }, ]]
      .. [[source = { "*:1-1023", { addr = "@one" } }, over = "100/s burst 200", per = "uid" }
rewrite { "c", connect = "192.0.2.9:80", proto = "tcp", comm = { "ngin*", "!nginx" }, ]]
      .. [[to = "127.0.0.1:8080", bind_source = "127.0.0.1:2222", reveal = true, ]]
      .. [[sockopt = { mark = 16, keepalive = true, congestion = "cubic" }, log = false }
allow { "d", bind = "*:443", family = "!inet6", type = { "stream", "dgram" }, netns = { 1, 2 }, ]]
      .. [[mark = "!16", device = "1-2", low_port = true, shadow = true, log = "1/100" }
balance { "e", connect = { addr = "@svc" }, by = "hash", key = "uid", log = true }
balance { "f", egress = "10.0.0.1:443", pid = 7, errno = "ENETDOWN", ]]
      .. [[to = { "10.0.1.5", { "10.0.1.6:1", weight = 3 } }, key = "cgroup", sticky = "10m" }
rewrite { "g", connect = "unix:/run/*", to = "unix:@name" }
observe { recvmsg = { "unix:@b*", "unix:/a" }, log = "5/s" }
allow { connect = {} }]]
    assert.equal(text, read_back(compile(text)))
  end)

  --- The image of a rule that a program in C makes, with a text or without.
  local function of_c(text, ops, exe)
    local policy, rule = images.new_policy "c", library.sized "struct tg_rule"
    rule.verb, rule.ops, rule.name, rule.text = C.TG_VERB_DENY, ops or images.EGRESS, "r", text
    images.check(C.tg_policy_add_rule(policy, rule, nil))
    images.check(C.tg_policy_add_match(policy, 0,
      images.new_list(C.TG_FIELD_ENDPOINT, { "10.0.0.0/8:443", "!10.1.0.0/16" })))
    if exe then
      images.check(C.tg_policy_add_match(policy, 0, images.new_list(C.TG_FIELD_EXE, { exe })))
    end
    return image.handle(assert(image.make(function(slot)
      return C.tg_policy_compile(policy, slot)
    end)))
  end

  local READ_BACK = [[
policy { name = "c", default = "allow" }

-- Where a rule's own text no longer gives what the image has, the rule is as the image has it:
-- names are numbers, and files, hosts and ranges are the addresses that they stood for.
deny { "r", egress = { addr = { "10.0.0.0/16", "10.2.0.0-10.255.255.255" }, port = 443 } }
]]

  it("is read back where it was made without texts, as by a program in C", function()
    local compiled = of_c(nil)
    assert.equal(READ_BACK, compiled:dump())
    assert.is_nil(image_rows.difference(compiled, compile(compiled:dump())))
  end)

  it("has a rule for each word of its operations", function()
    local bind = 2 ^ tonumber(C.TG_OP_BIND)
    local compiled = of_c(nil, images.EGRESS + bind)
    local lists = ' = { addr = { "10.0.0.0/16", "10.2.0.0-10.255.255.255" }, port = 443 } }\n'
    local text = compiled:dump()
    assert.equal('deny { "r", connect' .. lists .. 'deny { "r, sendmsg", sendmsg' .. lists
      .. 'deny { "r, bind", bind' .. lists, text:match "\n(deny.*)")
    local again = compile(text)
    for op in ("connect sendmsg bind"):gmatch "%S+" do
      assert.equal("deny", assert(again:decide { [op] = "10.0.0.1:443" }).verb)
    end
  end)

  it("does not believe a text that says something else", function()
    for _, text in ipairs {
      'deny { "r", egress = "10.0.0.0/8:443" }', 'deny { "x", egress = "10.0.0.0/16:443" }',
      'allow { "r", egress = "10.0.0.0/16:443" }', "os.exit()", 'deny { "r" } os.exit()',
      'deny { "r", egress = file "/dev/zero" }', 'deny { "r", egress = "@none" }',
      'deny { "r", egress = { "10.0.0.0/8:443", "!10.1.0.0/16" }, uid = 5 }',
    } do
      assert.equal(READ_BACK, of_c(text):dump())
    end
    local text = 'deny { "r", egress = { "10.0.0.0/8:443", "!10.1.0.0/16" } }'
    assert.matches("\n\n" .. text .. "\n", of_c(text):dump(), 1, true)
  end)

  it("passes on no text that would do something", function()
    for _, text in ipairs { "os.exit()", 'deny { "r", connect = f() }', 'deny { "r" } os.exit()',
      'deny { "r" } -- x', 'observe { "r", connect = "*" }' } do
      local dumped = of_c(text, nil, "/bin/sh"):dump()
      assert.matches('^policy [^\n]*\n\n%-%- deny "r": exe: the image has [^\n]*\n$', dumped)
    end
  end)

  it("has what a file contained, and not what it contains now", function()
    local folder = env.folder()
    local list = env.write(folder .. "/list.txt", "192.0.2.0/24\n")
    local policy = env.write(folder .. "/web.lua", ([[
      deny { "a", egress = file %q }
      deny { "b", egress = "@private", uid = "root" }]]):format(list))
    local compiled = assert(tidegate.load(policy)):compile()
    env.write(list, "198.51.100.1\n")
    local text = from_bytes(compiled):dump()
    assert.matches('deny { "a", egress = "192.0.2.0/24" }\n', text, 1, true)
    assert.matches('deny { "b", egress = "@private", uid = "root" }\n', text, 1, true)
    assert.is_nil(image_rows.difference(compiled, compile(text)))
  end)

  it("says what it does not know: where a program is", function()
    local folder = env.folder()
    local program = folder .. "/program"
    os.execute(("cp /bin/true %s"):format(program))
    local compiled = compile(('deny { "x", egress = "*:25", exe = %q }'):format(program))
    local known = from_bytes(compiled)
    assert.matches("\ndeny { ", known:dump(), 1, true)
    os.execute(("cp /bin/true %s.new; mv %s.new %s"):format(program, program, program))
    assert.matches(('\n%%-%%- deny "x": exe: the image has 0x%%x+:0x%%x+.*, of which it is not '
      .. 'known where they are; its own text, which may mean something else now:\n'
      .. 'deny { "x", egress = "%%*:25", exe = %q }\n'):format(program), known:dump())
  end)
end)

-- What a policy may reach without its caller's trust: the language, and nothing of the host.

local bit = require "bit"
local env = require "spec.support.env"
local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal_reader = require "tidegate.literal_reader"
local tidegate = require "tidegate"

local folder

--- The message with which a policy in a folder of its own is refused; nil: it is accepted.
local function refusal(text, options)
  local gate, message = tidegate.load(env.write(folder .. "/web.lua", text), options)
  return not gate and message or nil
end

describe("a policy that nobody trusts", function() -- C3
  before_each(function() folder = env.folder() end)
  after_each(env.clean)

  -- Each returns what it must not get, or raises.
  local ATTACKS = {
    "io", "ffi", "ngx", "luv", "debug", "jit", "package", "load", "loadstring", "loadfile",
    "dofile", "setfenv", "getfenv", "newproxy", "collectgarbage", "module", "gcinfo", "_G", "arg",
    "os.execute", "os.remove", "os.rename", "os.exit", "os.getenv", "os.tmpname", "os.setlocale",
    "math.randomseed",
    'require "ffi"', 'require "io"', 'require "debug"', 'require "jit"', 'require "package"',
    'require "luv"', 'require "ngx"', 'require "cjson"', 'require "tidegate"', 'require "_G"',
    'require "tidegate.ffi"', 'require "tidegate.language"', 'require "table.new"',
    'require "../outside"', 'require "/etc/passwd"', 'require "sub/../../outside"',
    'require "..outside"', 'require ".outside"', 'require "a..b"', 'require "link"',
    'require "bytecode"', 'require "web\\0x"', 'require "folder"', 'require ""',
    'getmetatable("")', 'getmetatable("").__index', 'getmetatable(deny { connect = "*" })',
    'getmetatable(set "s" {})', 'getmetatable(file "x")', 'getmetatable(string)',
    'getmetatable(os)', "getmetatable(print)", "getmetatable(nil)", "getmetatable(1)",
    'getmetatable(after("1s", print))',
    'setmetatable(table, {})', 'setmetatable(math, {})', 'setmetatable("", {})',
    'setmetatable(set "s" {}, {})', 'setmetatable(setmetatable({}, { __metatable = 1 }), {})',
    'rawget(file "x", "path")', 'rawset(file "x", "path", "/etc/shadow")',
    'rawget(deny { connect = "*" }, "member")', 'rawset(deny { connect = "*" }, "x", 1)',
    'next(set "s" {})', 'next(deny { connect = "*" })', 'pairs(file "x")',
    '(deny { connect = "*" }).member', '(deny { connect = "*" }).class', '(file "x").within',
    '(set "s" {}).state', '(set "s" {}).class', '(set "s" {}).policy', '(set "s" {}).gate',
    '(after("1s", print)).owner',
    'set("s" {}).load(nil, "x")', 'table.foreach(set "s" {}, print)', "unpack(deny)",
    '("").x.y', "string.dump(pairs)", "coroutine.create(print, 1).x",
    'select(2, pcall(deny, setmetatable({}, { __index = error }))).x',
  }

  it("gets none of the host's tables and functions", function()
    env.write(folder .. "/outside.lua", "return 'outside'")
    os.execute(("mkdir %s/sub %s/sub/folder.lua && ln -s ../outside.lua %s/sub/link.lua")
      :format(folder, folder, folder))
    env.write(folder .. "/sub/bytecode.lua", string.dump(function() return 1 end))
    folder = folder .. "/sub"
    for _, attack in ipairs(ATTACKS) do
      local text = ([[
        local ok, got = pcall(function() return (%s) end)
        if ok and got then error("GOT: " .. type(got), 0) end]]):format(attack)
      local message = refusal(text) or ""
      assert.is_nil(message:find("GOT", 1, true), attack .. ": " .. message)
    end
  end)

  it("is told who may allow what it names", function()
    local ASK = "; whoever loads the policy can allow it, with --trust, or in Lua with "
      .. "{ trust = true }"
    for text, message in pairs {
      ["io.open 'x'"] = 'unknown name "io"; it is not for every policy' .. ASK,
      ["os.execute 'x'"] = "os.execute is not for every policy" .. ASK,
      ["os.getenv 'x'"] = "os.getenv is not for every policy" .. ASK,
      ["require 'ffi'"] = 'require: there is no module "ffi" in the folder of the policy, and '
        .. "others are not for every policy" .. ASK,
      ["ngx.log()"] = 'unknown name "ngx"; it is a module: local ngx = require "ngx", which is not '
        .. "for every policy" .. ASK,
      ["deny { connect = file '/etc/hostname' }"] = 'deny "#1": connect: /etc/hostname: is outside '
        .. "the folder of the policy" .. ASK,
      ["set 's' { file '/etc/hostname' }"] = "/etc/hostname: is outside the folder of the policy"
        .. ASK,
    } do
      assert.equal(("%s/web.lua:1: %s"):format(folder, message), refusal(text))
    end
    assert.is_nil(refusal([[
      local ffi = require "ffi"
      assert(ffi.C and io.open and os.getenv "PATH" and os.execute and math.randomseed)
      assert(require "luv".new_timer and require "tidegate".load)]], { trust = true }))
  end)

  it("changes its own copies of Lua's library alone", function()
    local before = { string.format, table.insert, math.floor, require "bit".bor, os.time, print }
    assert.is_nil(refusal([[
      string.format = nil
      table.insert, math.floor, coroutine.wrap, os.time = 1, 2, 3, 4
      require "bit".bor = 5
      require "string".rep, string.evil = 6, 7
      assert(("x"):format() == "x" and ("").evil == nil)
      local mine = setmetatable({}, { __index = { x = 1 }, __tostring = print })
      assert(getmetatable(mine).__index.x == 1 and setmetatable(mine, nil) == mine)
      assert(getmetatable(mine) == nil and mine.x == nil)
    ]]))
    assert.same(before,
      { string.format, table.insert, math.floor, require "bit".bor, os.time, print })
    assert.is_nil(rawget(string, "evil"))
  end)

  it("has pure modules beside it, which run as it does", function()
    os.execute("mkdir -p " .. folder .. "/lib/deep")
    env.write(folder .. "/one.lua", [[
      local name = ...
      count = (pcall(function() leak = 1 end))
      ]])
    env.write(folder .. "/two.lua", [[
      local M = { name = ..., bit = require "bit" }
      function M.block(port)
        local rule = deny { connect = "*:" .. port }
        return rule
      end
      return M]])
    env.write(folder .. "/lib/init.lua", "return 'init of lib'")
    env.write(folder .. "/lib/deep/three.lua", "return require 'two'")
    env.write(folder .. "/self.lua", "local self = require 'self' return self")
    env.write(folder .. "/wrong.lua", "return return")
    local gate = assert(tidegate.load(env.write(folder .. "/web.lua", [[
      local two = require "two"
      assert(two == require "two" and two.name == "two" and two == require "lib.deep.three")
      assert(require "lib" == "init of lib")
      two.block(25)
    ]])))
    assert.equal(folder .. "/two.lua:3", gate:rules()[1].where)
    for module, message in pairs {
      one = folder .. '/one.lua:2: "count" is not local; write local count = …',
      self = folder .. '/self.lua:1: require: module "self" requires itself',
      wrong = folder .. "/web.lua:1: require: " .. folder
        .. "/wrong.lua:1: unexpected symbol near 'return'",
      none = folder .. '/web.lua:1: require: there is no module "none" in the folder of the '
        .. "policy, and others are not for every policy; whoever loads the policy can allow it, "
        .. "with --trust, or in Lua with { trust = true }",
    } do
      assert.equal(message, refusal(('require "%s"'):format(module)))
    end
  end)

  it("reads no file outside its folder, no pipe and no device", function()
    local within = folder .. "/within"
    os.execute(("mkdir -p %s/sub && mkfifo %s/pipe && ln -s /etc/hostname %s/link")
      :format(within, within, within))
    env.write(folder .. "/secret.txt", "a secret\n")
    env.write(within .. "/sub/list.txt", "192.0.2.1\n")
    folder = within
    for name, message in pairs {
      ["../secret.txt"] = "is outside the folder of the policy",
      ["/etc/shadow"] = "is outside the folder of the policy",
      link = "is outside the folder of the policy",
      pipe = "is not a regular file",
      ["/dev/zero"] = "is outside the folder of the policy",
      ["sub/none"] = "No such file or directory",
    } do
      for _, use in ipairs {
        "deny { connect = file %q }", "deny { connect = { addr = file %q } }",
        "deny { egress = '*', comm = file %q }", "set 's' { file %q } deny { connect = '@s' }",
        "set 's' { { file %q, ttl = '1m' } }", "local s = set 's' {} assert(s:load(%q))",
        "local s = set 's' {} assert(s:add(file(%q)))",
      } do
        local said = refusal(use:format(name) .. " deny { connect = '@s' }")
        assert.truthy(said and said:find(message, 1, true), use .. ": " .. tostring(said))
        assert.is_nil(said:find("secret%f[^%w.]"), said)
      end
    end
    assert.is_nil(refusal [[
      deny { connect = file "sub/list.txt" }
      set "s" {}
      assert(set "s":load "sub/list.txt")
      assert(set "s" == set "s")]])
    assert.is_nil(refusal([[deny { egress = "*", comm = file "../secret.txt" }]], { trust = true }))
    -- Nor does a path in a condition have it wait for a pipe.
    for _, condition in ipairs { "netns", "exe", "cgroup" } do
      local rule = ("deny { connect = '*', %s = '%s/pipe' }"):format(condition, within)
      assert.is_string(refusal(rule))
    end
  end)

  it("has no folder if it is a text without a name", function()
    for _, text in ipairs { "deny { connect = file 'README.md' }", "require 'spec'" } do
      local gate, message = tidegate.load_text(text)
      assert.is_nil(gate)
      assert.matches("with { trust = true }$", message)
    end
  end)

  it("may raise anything, and its loader only reports it", function()
    for _, raised in ipairs {
      "{}", "nil", "setmetatable({}, { __tostring = function() error 'again' end })",
      "setmetatable({}, { __tostring = function() return 5 end })", "print", "'x\\0y'", "1/0",
    } do
      assert.is_string(refusal(("error(%s)"):format(raised)), raised)
    end
    assert.matches("stack overflow", refusal "local function f() return 1 + f() end f()")
  end)
end)

describe("handles and events", function() -- C3
  after_each(env.clean)

  it("keep their records out of reach", function()
    local event = require "tidegate.event"
    local at = ffi.new "struct tg_event_record"
    local function none() end
    local view = event.view(at, { epoch = 0, rule_name = none, rule_message = none })
    assert.equal("userdata", type(view.event))
    assert.is_false(getmetatable(view.event))
    for _, name in ipairs { "at", "reader", "view", "event" } do
      assert.is_nil(view.event[name])
    end
    assert.has_error(function() view.event.at = 1 end)
    assert.has_error(function() view.event.copy {} end)
    assert.is_false(getmetatable(view.event:copy()))
  end)
end)

describe("a policy has one policy { … }", function() -- C4
  it("and a second one names the first", function()
    assert.equal("web.lua:3: policy: there is one at web.lua:1 already; write all options there",
      env.refusal 'policy { default = "deny" }\n\npolicy { name = "web" }')
    local gate = assert(tidegate.load_text('policy { default = "deny" }', "web.lua"))
    gate:policy { default = "allow" }
  end)
end)

describe("the rules of an image", function() -- C2
  local function read(text)
    return literal_reader.read(text, function(path) return "FILE " .. path end)
  end

  it("are read as literals", function()
    assert.same({
      { word = "deny", value = { "a\"b\\\n\t\1", connect = { "x", "y", { addr = "z" } },
        log = false, shadow = true, mark = 16, over = -1.5, [""] = "k" } },
      { word = "set", name = "s", value = { { "10.0.0.1", ttl = math.huge }, "FILE /x" } },
    }, assert(read([[deny { "a\"b\\\n\t\001", connect = { "x", "y", { addr = "z" } }, log = false,
      shadow = true, mark = 16, over = -1.5, [""] = "k", }
      set "s" { { "10.0.0.1", ttl = math.huge }, file "/x" } ]])))
  end)

  it("are never run", function()
    for _, text in ipairs {
      "deny { os.execute 'x' }", "deny { connect = os.exit() }", "deny { (function() end)() }",
      "deny { function() end }", "deny { connect = 'x' }", "deny { [print] = 1 }",
      "deny { [[x]] }", "deny { 1 + 1 }", 'deny { "a" .. "b" }', "deny { 0x }",
      "deny { _G }", "deny { file }", "deny {} os.exit()", "local x = 1", "return 1", "deny",
      "deny {", "deny }",
      'deny { "', 'deny { "\\999" }', 'deny { "\\x41" }', "deny { -- x\n }", "require 'x'",
      'require "x"', ("deny " .. ("{"):rep(1000)), "set { math.floor }", "\27LJ", "deny { a == 1 }",
    } do
      local got, message = read(text)
      assert.is_nil(got, text)
      assert.is_string(message)
    end
  end)

  --- An image whose only rule says this of itself.
  local function image_with(text, path)
    local C = library.C
    local policy = assert(library.make("policy", function(slot)
      return C.tg_policy_new("evil", slot)
    end))
    local rule = library.sized "struct tg_rule"
    rule.verb, rule.ops, rule.name, rule.where, rule.text =
      C.TG_VERB_DENY, bit.lshift(1, C.TG_OP_CONNECT), "good", "web.lua:1", text
    assert(library.outcome(C.tg_policy_add_rule(policy, rule, library.index())))
    local image = assert(library.make("image", function(slot)
      return C.tg_policy_compile(policy, slot)
    end))
    assert(library.outcome(C.tg_image_save(image, path)))
  end

  it("are refused if their text is not one that Tidegate writes", function()
    folder = env.folder()
    local path, mark = folder .. "/web.image", folder .. "/mark"
    image_with('deny { "good", connect = "10.0.0.0/8" }', path)
    local session = assert(require("tidegate.repl.session").new(path, "spec"))
    assert.equal("web.lua:1", session.gate:rules()[1].where)
    for _, evil in ipairs {
      'os.execute("touch MARK")', 'io.open("MARK", "w")', 'deny { io.open("MARK", "w") }',
      'allow { "good", connect = "*" }', 'deny { connect = "*" } deny { connect = "*" }',
      'deny { connect = file "/etc/shadow" }', 'deny { connect = (function() end)() }',
      'policy { default = "allow" }', "return", "", 'deny "x" { connect = "*" }',
    } do
      image_with(evil:gsub("MARK", mark), path)
      local opened, message = require("tidegate.repl.session").new(path, "spec")
      assert.is_nil(opened, evil)
      assert.equal(path .. ": ", message:sub(1, #path + 2))
      assert.is_nil(message:find("root:", 1, true))
      assert.is_nil(io.open(mark))
    end
  end)
end)

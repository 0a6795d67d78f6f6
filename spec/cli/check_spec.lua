-- tidegate check and compile: what compiles, what does not, and how that is reported.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local tidegate = command.tidegate
local uv = require "luv"

describe("tidegate check", function()
  local folder

  before_each(function() folder = env.folder() end)
  after_each(env.clean)

  local function policy(text, name)
    return env.write(folder .. "/" .. (name or "web.lua"), text)
  end

  it("says how many rules a policy has", function()
    local one = policy('policy { name = "one" }\ndeny { "x", connect = "10.0.0.0/8" }\n', "one.lua")
    local none = policy("", "none.lua")
    local got = tidegate("check", one, none)
    assert.equal("", got.err)
    assert.truthy(got.out:match("^" .. one:gsub("%p", "%%%0")
      .. ": ok, 1 rule, %d+ bytes, hooks: connect4 connect6\n"), got.out)
    assert.truthy(got.out:match(none:gsub("%p", "%%%0") .. ": ok, 0 rules, %d+ bytes, no hooks\n$"),
      got.out)
    assert.equal(0, got.status)
  end)

  it("reports every error of every file, and goes on to the next", function()
    local bad = policy('deny { egres = "x" }\nallow { "dns", connect = "1.2.3.4:99999" }\n',
      "bad.lua")
    local good = policy('allow { connect = "*" }', "good.lua")
    local got = tidegate("check", bad, good, folder .. "/none.lua")
    assert.equal(bad .. ':1: deny "#1": unknown field "egres"; did you mean "egress"?\n'
      .. bad .. ':2: allow "dns": connect: "1.2.3.4:99999": port 99999 is over 65535\n'
      .. folder .. "/none.lua: No such file or directory\n", got.err)
    assert.truthy(got.out:find(good .. ": ok, 1 rule, ", 1, true))
    assert.equal(1, got.status)
  end)

  it("warns of what compiles but is hardly meant, in policies and images, and succeeds", function()
    local path = policy('policy { default = { egress = "deny" } }\n'
      .. 'allow { "a", egress = "*:443" }\n'
      .. 'deny { "b", egress = "10.0.0.1:443" }\n')
    local dead = path .. ':3: deny "b": can never match: allow "a" (' .. path
      .. ":2) before it takes every call that it would; move it up, or remove it\n"
    local loopback = 'policy: default = "deny" catches 127.0.0.1 and ::1, too, where programs '
      .. 'reach services of this '
      .. 'machine; if that is not intended, put this before it: allow { egress = { "127.0.0.0/8", '
      .. '"::1" } }\n'
    local got = tidegate("check", path)
    assert.equal(dead .. path .. ": " .. loopback, got.err)
    assert.truthy(got.out:match "ok, 2 rules, %d+ bytes, hooks: [%l%d ]+, 2 warnings\n$", got.out)
    assert.equal(0, got.status)
    local image = folder .. "/web.image"
    tidegate("compile", path, "-o", image)
    got = tidegate("check", image)
    assert.equal(dead .. image .. ": " .. loopback, got.err)
    assert.equal(0, got.status)
  end)

  it("prints JSON, a line for each policy, and failures too", function()
    local path = policy('policy { name = "web" }\nallow { "a", egress = "*:443" }\n'
      .. 'deny { "b", egress = "10.0.0.1:443" }\n')
    local none = policy("", "none.lua")
    local got = tidegate("check", path, folder .. "/missing.lua", none, "--json")
    local lines = {}
    for line in got.out:gmatch "[^\n]+" do
      lines[#lines + 1] = cjson.decode(line)
    end
    assert.is_number(lines[1].bytes)
    assert.same({
      policy = path, name = "web", rules = 2, bytes = lines[1].bytes,
      hooks = { "connect4", "connect6", "sendmsg4", "sendmsg6" },
      warnings = { { kind = "never", rule = "b", text = path .. ':3: deny "b": can never match: '
        .. 'allow "a" (' .. path .. ":2) before it takes every call that it would; move it up, or "
        .. "remove it" } },
    }, lines[1])
    assert.equal(none, lines[2].policy)
    assert.truthy(got.out:find('"hooks":[],"warnings":[]}', 1, true), got.out)
    assert.same({ failure = "policy", status = 1,
      message = folder .. "/missing.lua: No such file or directory" }, cjson.decode(got.err))
    assert.equal(1, got.status)
  end)

  it("finds no fault with the examples", function()
    local got = tidegate("check", unpack(command.examples()))
    assert.equal("", got.err)
    assert.equal(0, got.status)
  end)

  it("reports what is not a policy", function()
    local got = tidegate("check", folder)
    assert.equal(folder .. ": Is a directory\n", got.err)
    assert.equal(1, got.status)
    local broken = policy "deny {"
    got = tidegate("check", broken)
    assert.equal(broken .. ":1: unexpected symbol near '<eof>'\n", got.err)
    assert.equal(1, got.status)
  end)

  it("reports what may not be read: a policy, an image, a file that a policy names", function()
    local secret, image = policy("", "secret.lua"), folder .. "/secret.image"
    policy("10.0.0.1\n", "secret.txt")
    local naming = policy('deny { "x", connect = file "secret.txt" }', "naming.lua")
    assert.equal(0, tidegate("compile", naming, "-o", image).status)
    for _, path in ipairs { secret, image, folder .. "/secret.txt" } do
      assert(uv.fs_chmod(path, 0))
    end
    assert(uv.fs_chmod(folder, tonumber("755", 8)))
    local nobody = uv.getuid() == 0 and { "setpriv", "--reuid=65534", "--clear-groups" }
      or { "env" }
    for _, word in ipairs { command.path, "check", secret, image, naming } do
      nobody[#nobody + 1] = word
    end
    local got = command.run(nobody)
    assert.equal(secret .. ": Permission denied\n" .. image .. ": Permission denied\n" .. naming
      .. ':1: deny "x": connect: ' .. folder .. "/secret.txt: Permission denied\n", got.err)
    assert.equal(1, got.status)
  end)
end)

describe("tidegate compile", function()
  local folder

  before_each(function() folder = env.folder() end)
  after_each(env.clean)

  it("writes an image that every command takes, and that explains itself", function()
    local image = folder .. "/service.image"
    local got = tidegate("compile", "examples/02-default-deny.lua", "-o", image)
    assert.equal("", got.out .. got.err)
    assert.equal(0, got.status)
    assert.truthy(tidegate("check", image).out:find(image .. ": ok, 4 rules, ", 1, true))
    local question = { "connect", "93.184.216.34:443" }
    assert.equal(tidegate("explain", "examples/02-default-deny.lua", unpack(question)).out,
      tidegate("explain", image, unpack(question)).out)
    assert.equal(0, tidegate("compile", image, "--output", image .. ".2").status)
    assert.equal(env.read(image), env.read(image .. ".2"))
  end)

  it("prints as JSON what it has written", function()
    local image = folder .. "/service.image"
    local got = tidegate("compile", "examples/02-default-deny.lua", "-o", image, "--json")
    assert.same({ policy = "examples/02-default-deny.lua", image = image, rules = 4,
      bytes = #env.read(image) }, cjson.decode(got.out))
  end)

  it("refuses a damaged image", function()
    local image = folder .. "/service.image"
    tidegate("compile", "examples/02-default-deny.lua", "-o", image)
    local bytes = env.read(image)
    env.write(image, bytes:sub(1, 500))
    local got = tidegate("check", image)
    assert.equal(("%s: damaged image: 500 bytes, it should have %d\n"):format(image, #bytes),
      got.err)
    assert.equal(1, got.status)
  end)

  it("says where it cannot write, and writes nothing for a bad policy", function()
    local got = tidegate("compile", "examples/02-default-deny.lua", "-o", folder .. "/none/image")
    assert.equal("tidegate: " .. folder .. "/none/image: No such file or directory\n", got.err)
    assert.equal(2, got.status)
    local bad = env.write(folder .. "/bad.lua", "deny { connect = 1 }")
    got = tidegate("compile", bad, "-o", folder .. "/image")
    assert.equal(1, got.status)
    assert.is_nil(io.open(folder .. "/image"))
  end)
end)

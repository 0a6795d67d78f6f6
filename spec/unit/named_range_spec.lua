-- Built-in ranges: what each contains, and where its name stands.

local address = require "spec.support.reference.address"
local addresses = require "spec.support.random.address"
local draw = require "spec.support.random.draw"
local env = require "spec.support.env"
local named_range = require "tidegate.named_range"
local reference = require "spec.support.reference.named_range"
local tidegate = require "tidegate"

local RANDOM = 300

--- The images of policies that deny connects to one range each.
local function images()
  local found = {}
  for _, name in ipairs(reference.names) do
    local gate = assert(tidegate.load_text(('deny { "in", connect = "@%s" }'):format(name), name))
    found[name] = assert(gate:compile())
  end
  return found
end

local function is_denied(image, addr)
  local text = addresses.text(addr, address.is_v4(addr) and "inet" or "inet6")
  local decision = assert(image:decide { connect = text:find(":", 1, true)
    and "[" .. text .. "]:80" or text .. ":80" })
  return decision.verb == "deny", text
end

--- The first address, of some, about which an image and the reference differ.
local function difference(made, list)
  for name, image in pairs(made) do
    for _, addr in ipairs(list) do
      local denied, text = is_denied(image, addr)
      if denied ~= reference.contains(name, addr) then
        return ("@%s %s %s"):format(name, denied and "contains" or "does not contain", text)
      end
    end
  end
end

--- The kernel takes these for loopback when it connects, and so do rules of connect.
local function is_any(addr)
  return addr == address.parse "0.0.0.0" or addr == address.parse "::"
end

local function add(list, addr)
  if not is_any(addr) then
    list[#list + 1] = addr
  end
end

--- Each address with the IPv6 addresses that have it inside.
local function with_forms(list)
  local found = {}
  for _, addr in ipairs(list) do
    add(found, addr)
    for _, form in ipairs(address.is_v4(addr) and reference.embed(addr) or {}) do
      add(found, form)
    end
  end
  return found
end

describe("a built-in range", function()
  setup(env.seed)

  -- G, H1
  it("contains what the registries say, to the last address", function()
    local made, list = images(), {}
    for _, addr in ipairs(reference.ends()) do
      list[#list + 1] = addr
      list[#list + 1] = addresses.beside(addr, 1)
      list[#list + 1] = addresses.beside(addr, -1)
    end
    list = with_forms(list)
    assert(#list > 1000)
    local beside = {}
    for _, addr in ipairs(list) do
      add(beside, addresses.beside(addr, 1))
      add(beside, addresses.beside(addr, -1))
    end
    assert.is_nil(difference(made, list))
    assert.is_nil(difference(made, beside))
  end)

  it("contains random addresses exactly if the reference says so", function()
    local list = {}
    for _ = 1, RANDOM do
      list[#list + 1] = draw.chance(50) and address.parse "0.0.0.0":sub(1, 12) .. draw.bytes(4)
        or draw.chance(50) and draw.bytes(16)
        or draw.pick { "\32", "\32\1", "\32\2", "\63\255", "\252", "\254", "\255" }
          .. draw.bytes(16)
    end
    for index, addr in ipairs(list) do
      list[index] = addr:sub(1, 16)
    end
    assert.is_nil(difference(images(), with_forms(list)))
  end)

  it("shares no address with @global, unless it is @global", function()
    local gate = assert(tidegate.load_text([[
      deny { "both",
             connect = { "@private", "@metadata", "@loopback", "@linklocal", "@multicast" } }
      allow { "global", connect = "@global" }
    ]], "both"))
    local image = assert(gate:compile())
    assert.same({}, image:check())
    for _, addr in ipairs(with_forms(reference.ends())) do
      local denied, text = is_denied(image, addr)
      assert(not (denied and reference.global(addr)), text)
    end
  end)

  it("has a name, a line of help, and contents", function()
    assert.same({ "private", "metadata", "loopback", "linklocal", "multicast", "global", "local" },
      named_range.names)
    for _, name in ipairs(named_range.names) do
      assert.truthy(named_range.docs[name], name)
      assert(name == "local" or #named_range.contents(name) > 0, name)
    end
  end)
end)

describe("the name of a built-in range", function()
  local function verdict(policy, question)
    local gate = assert(tidegate.load_text(policy, "names", { trust = true }))
    return assert(gate:decide(question)).verb
  end

  local cases = {
    { [[deny { connect = "@private:443" }]], "10.0.0.1:443", "deny" },
    { [[deny { connect = "@private:443" }]], "10.0.0.1:80", "allow" },
    { [[deny { connect = "@private:80-90" }]], "[fd00::1]:85", "deny" },
    { [[deny { connect = { "*", "!@private" } }]], "10.0.0.1:80", "allow" },
    { [[deny { connect = { "*", "!@private" } }]], "8.8.8.8:80", "deny" },
    { [[deny { connect = "!@global" }]], "127.0.0.1:80", "deny" },
    { [[deny { connect = { "*", "!@private:443" } }]], "10.0.0.1:80", "deny" },
    { [[deny { connect = { "@private", "!10.0.0.1" } }]], "10.0.0.1:80", "allow" },
    { [[deny { connect = { "@private", "@metadata", "8.8.8.8" } }]], "8.8.8.8:80", "deny" },
    { [[deny { connect = { addr = "@private", port = { 80, "8000-8999" } } }]], "10.0.0.1:8080",
      "deny" },
    { [[deny { connect = { addr = { "*", "!@loopback" }, port = 80 } }]], "127.0.0.1:80", "allow" },
    { [[set "s" { "10.0.0.1" } deny { connect = { "@private", "!@s" } }]], "10.0.0.1:80", "allow" },
    { [[set "s" { "10.0.0.1" } deny { connect = { "@s", "!@private" } }]], "10.0.0.1:80", "allow" },
    { [[deny { connect = "@loopback" }]], "0.0.0.0:80", "deny" },
    { [[deny { connect = "@loopback" }]], "[::]:80", "deny" },
    { [[deny { connect = "@private" }]], "[::ffff:10.0.0.1]:80", "deny" },
  }
  for _, case in ipairs(cases) do
    it(("%s: %s: %s"):format(unpack(case)), function()
      assert.equal(case[3], verdict(case[1], { connect = case[2] }))
    end)
  end

  it("stands in source, bind and files", function()
    assert.equal("deny", verdict([[deny { connect = "*", source = "@loopback" }]],
      { connect = "8.8.8.8:80", source = "127.0.0.1:1" }))
    assert.equal("deny", verdict([[deny { bind = "@loopback:80" }]], { bind = "127.0.0.1:80" }))
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write("# ours\n@private # all of it\n!@metadata\n")
    file:close()
    local policy = ("deny { connect = file %q }"):format(path)
    local in_file = verdict(policy, { connect = "10.0.0.1:80" })
    local left_out = verdict(policy, { connect = "100.100.100.200:80" })
    os.remove(path)
    assert.equal("deny", in_file)
    assert.equal("allow", left_out)
  end)

  it("is kept by dump and diff", function()
    local gate = assert(tidegate.load_text(
      [[deny { "x", egress = { "@private:443", "!@metadata" } }]], "kept"))
    assert.truthy(gate:dump():find([[egress = { "@private:443", "!@metadata" }]], 1, true))
    local again = assert(tidegate.load_text(gate:dump(), "again"))
    assert.same({}, assert(gate:diff(again)))
  end)

  local wrong = {
    { [["@privat"]], '"@privat": is neither a built-in range nor a set; did you mean "@private"?' },
    { [["@rfc1918"]], '"@rfc1918": is neither a built-in range nor a set; write "@private"' },
    { [["!@internet:80"]], '"@internet": is neither a built-in range nor a set; write "@global"' },
    { [["@Private"]],
      '"@Private": is neither a built-in range nor a set; did you mean "@private"?' },
    { [["@link-local"]],
      '"@link-local": is neither a built-in range nor a set; write "@linklocal"' },
    { [["@private/8"]], [["@private/8": after the '@' comes the name of a live set or a range: ]]
      .. [[letters, digits, '_', '.' and '-', and perhaps a port: "@banned:25"]] },
  }
  for _, case in ipairs(wrong) do
    it("is written in its own way: " .. case[1], function()
      assert.equal('web.lua:1: deny "x": egress: ' .. case[2],
        env.refusal(('deny { "x", egress = %s }'):format(case[1])))
    end)
  end

  it("is written with its @", function()
    for word, hint in pairs {
      private = '; did you mean "@private"?', metadata = '; did you mean "@metadata"?',
      internet = '; write "@global"', all = '; for every address write "*"',
    } do
      assert.equal(hint, env.refusal(("deny { egress = %q }"):format(word)):sub(-#hint))
    end
  end)
end)

local env = require "spec.support.env"
local image_rows = require "spec.support.image_rows"
local literal = require "tidegate.literal"
local tidegate = require "tidegate"

local random = math.random

local function pick(values)
  return values[random(#values)]
end

-- Random policies, as Lua source that compiles.

local function v4()
  return pick {
    function() return ("10.%d.%d.%d"):format(random(0, 255), random(0, 255), random(0, 255)) end,
    function() return ("10.%d.0.0/16"):format(random(0, 255)) end,
    function() return ("10.0.%d.1-10.0.%d.9"):format(random(0, 99), random(100, 255)) end,
    function() return "0.0.0.0/0" end,
  }()
end

local function v6()
  return pick {
    function() return ("2001:db8::%x"):format(random(1, 65535)) end,
    function() return ("2001:db8:%x::/48"):format(random(1, 65535)) end,
  }()
end

local function port()
  return pick { "443", "1-1023", "8000-8999", "*" }
end

local function endpoint(six)
  local addr, with_port = six and v6() or v4(), random(2) == 1
  if six and with_port then
    addr = "[" .. addr .. "]"
  end
  return with_port and addr .. ":" .. port() or addr
end

local function product(six, one_family)
  local parts = {}
  if one_family or random(3) > 1 then
    parts[1] = ("addr = { %q, %q }"):format(six and v6() or v4(), six and v6() or v4())
  end
  if #parts == 0 or random(2) == 1 then
    parts[#parts + 1] = pick { "port = 80", [[port = { 80, "8000-8999" }]], [[port = "!80"]] }
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- `one_family`: only of the family that it looks like, as "to" and "bind_source" need it.
local function endpoints(six, one_family)
  local items = {}
  for i = 1, random(0, 4) do
    items[i] = pick {
      function() return ("%q"):format(endpoint(six)) end,
      function() return ("%q"):format("!" .. endpoint(six)) end,
      function() return ("{ %q, %q }"):format(endpoint(six), endpoint(six)) end,
      function() return product(six, one_family) end,
      -- A set may contain any address, which "to" and "bind_source" of one family cannot have.
      function() return one_family and ("%q"):format(endpoint(six))
        or pick { 'set "one"', [["!@two"]], [["@two:80-90"]], [["!@one:443"]] } end,
    }()
  end
  -- Negations alone would mean all of both families.
  items[#items + 1] = ("%q"):format(endpoint(six))
  return "{ " .. table.concat(items, ", ") .. " }"
end

local who = {
  proto = { [["tcp"]], "17", [[{ "tcp", "udp" }]], [["!icmp"]] },
  uid = { "0", "33", [["1000-1999"]], [[{ 33, "!34", "1-9" }]], [["!root"]], "{}" },
  gid = { "0", [["!0"]], "4294967295" },
  comm = { [["curl"]], [["ngin*"]], [[{ "*", "!postfix" }]] },
  pid = { "1", [["100-199"]] },
  source = { [["*:1-1023"]], 'set "one"', '{ "10.0.0.0/8", "!@two" }', [["@one:1-1023"]] },
}

local function rule(number, six)
  local verb = pick { "allow", "deny", "rewrite", "balance" }
  local redirects = verb == "rewrite" or verb == "balance"
  local what = redirects and "connect" or pick { "connect", "sendmsg", "egress" }
  local sourced = verb ~= "deny" and what == "connect" and random(4) == 1
  local parts = {}
  if random(2) == 1 then
    parts[1] = literal.quote(pick { "rule ", 'quo"ted ', "back\\slash ", "été " } .. number)
  end
  parts[#parts + 1] = what .. " = " .. endpoints(six, redirects or sourced)
  if six then
    parts[#parts + 1] = [[family = "inet6"]]
  end
  for field, values in pairs(who) do
    if random(4) == 1 then
      parts[#parts + 1] = field .. " = " .. pick(values)
    end
  end
  if verb == "deny" and random(2) == 1 then
    parts[#parts + 1] = "errno = " .. pick { [["ECONNREFUSED"]], "113", [["EACCES"]] }
  elseif verb == "rewrite" then
    parts[#parts + 1] = "to = " .. (six and pick { [["[::1]:80"]], [["::1"]] }
      or pick { [["127.0.0.1:80"]], [["127.0.0.1"]], [["*:8080"]] })
    parts[#parts + 1] = random(2) == 1 and "reveal = " .. pick { "true", "false" } or nil
  elseif verb == "balance" then
    parts[#parts + 1] = "to = " .. (six and pick { [["::1"]],
      [[{ "[::1]:80", { "::2", weight = 3 } }]] }
      or pick { [["127.0.0.1:80"]], [[{ { "127.0.0.1", weight = 1 }, "127.0.0.2:80" }]] })
    parts[#parts + 1] = pick { nil, [[by = "random"]], [[by = "hash"]],
      [[by = "hash", key = "uid"]] }
  end
  if sourced then
    parts[#parts + 1] = "bind_source = " .. (six and [["::1"]]
      or pick { [["127.0.0.1"]], [["127.0.0.1:2222"]] })
  end
  if random(4) == 1 then
    parts[#parts + 1] = "message = " .. pick { [["not here"]], [["a \"b\" \\ é"]] }
  end
  if random(3) == 1 then
    parts[#parts + 1] = "log = " .. pick { "true", "false", [["10/s"]], [["1/100"]] }
  end
  return verb .. " { " .. table.concat(parts, ", ") .. " }"
end

local function policy()
  local lines = {}
  lines[1] = pick {
    "", [[policy { name = "web" }]], [[policy { default = "deny" }]],
    [[policy { name = "a \"b\"", default = { connect = "deny" }, on_error = "deny" }]],
    [[policy { default = { egress = "deny", sendmsg = "allow" } }]],
    [[policy { default = "deny", on_error = { connect = "allow", bind = "allow" } }]],
    [[policy { default = "deny", shadow = true }]],
  }
  for _, name in ipairs { "one", "two" } do
    local items = {}
    for index = 1, random(0, 4) do
      local item = pick { function() return ("10.%d.0.0/16"):format(random(0, 255)) end, v6 }()
      items[index] = random(3) == 1 and ("{ %q, ttl = %s }")
        :format(item, pick { '"90s"', "math.huge", "0.5" })
        or ("%q"):format(item)
    end
    items[#items + 1] = pick { "", "", 'ttl = "10m"', "size = 100" }
    lines[#lines + 1] = ("set %q { %s }"):format(name, table.concat(items, ", "))
  end
  for number = 1, random(0, 12) do
    lines[#lines + 1] = rule(number, random(3) == 1)
  end
  return table.concat(lines, "\n")
end

describe("gate:dump", function()
  teardown(env.clean)

  it("is Lua on one line a rule", function()
    local gate = assert(tidegate.load_text([[
      deny { log = "1/100", errno = 111, uid = { "root", { 33 } }, connect = { "10.0.0.0/8:443",
             { addr = "192.0.2.1", port = { 80, "8000-8999" } } }, "a \"name\"" }
      rewrite { to = "127.0.0.1:80", reveal = true, connect = { { "192.0.2.1" } } }]], "web.lua"))
    assert.equal([[
policy { default = "allow" }

deny { "a \"name\"", connect = { "10.0.0.0/8:443", ]]
      .. [[{ addr = "192.0.2.1", port = { 80, "8000-8999" } } }, ]]
      .. [[uid = { "root", 33 }, errno = "111", log = "1/100" }
rewrite { connect = "192.0.2.1", to = "127.0.0.1:80", reveal = true }
]], gate:dump())
  end)

  it("keeps the names of unnamed rules if one was removed", function()
    local gate = tidegate.new()
    local first = gate:deny { connect = "192.0.2.1" }
    gate:deny { connect = "192.0.2.2" }
    first:remove()
    gate:deny { connect = "192.0.2.3" }
    local text = gate:dump()
    assert.equal([[
policy { default = "allow" }

deny { "#2", connect = "192.0.2.2" }
deny { "#3", connect = "192.0.2.3" }
]], text)
    assert.equal(text, assert(tidegate.load_text(text)):dump())
  end)

  it("names a file from the root, so that it can be loaded from anywhere", function()
    local folder = env.folder()
    env.write(folder .. "/block.txt", "192.0.2.1\n")
    env.write(folder .. "/web.lua", [[deny { connect = { file "./block.txt", "192.0.2.2" } }]])
    local text = assert(tidegate.load(folder .. "/web.lua")):dump()
    assert.equal(('policy { default = "allow" }\n\n'
      .. 'deny { connect = { file "%s/block.txt", "192.0.2.2" } }\n'):format(folder), text)
    assert.equal(text, assert(tidegate.load_text(text, "/elsewhere/dump.lua",
      { trust = true })):dump())
  end)

  it("gives the same image, for random policies", function()
    env.seed()
    for _ = 1, 2000 do
      local text = policy()
      local gate, message = tidegate.load_text(text, "web.lua")
      assert(gate, text .. "\n" .. tostring(message))
      local dumped = gate:dump()
      local again = assert(tidegate.load_text(dumped, "web.lua"))
      -- The same decisions …
      assert(not image_rows.difference(gate:compile(), again:compile()), text)
      -- … and, except for the lines that rules came from, the same bytes.
      assert.equal(dumped, again:dump())
      local third = assert(tidegate.load_text(again:dump(), "web.lua"))
      assert(third:compile():data() == again:compile():data(), text)
    end
  end)
end)

-- What handles of sets and services have in common, before anything is in force.

local native = require "spec.support.native"
local tidegate = require "tidegate"

describe("a set's table", function()
  it("changes as a list of its elements does, or not at all", function()
    local seed = tonumber(os.getenv "TIDEGATE_SEED") or os.time() % 100000
    print("    seed " .. seed)
    assert.equal("ok\n", native.run("set_table", seed))
  end)
end)

describe("a live table's handle", function()
  local gate

  before_each(function() gate = tidegate.new() end)
  after_each(function() gate:close() end)

  -- Misuse raises an error at the caller's line, however the function is called.
  local function wrong(call)
    local ok, message = pcall(call)
    assert.is_false(ok)
    local place, rest = message:match "^([^:]*:%d+): (.*)$"
    local info = debug.getinfo(call, "S")
    assert.equal(("%s:%d"):format(info.short_src, info.linedefined + 1), place)
    return rest
  end

  it("says where it is misused, and what to do", function()
    local set, services = gate:set "banned", gate:services "web"
    assert.equal('set "banned": is not declared: write set "banned" { … } first', wrong(function()
      set:add "192.0.2.1"
    end))
    assert.equal('set "banned": is not declared: write set "banned" { … } first', wrong(function()
      return #set
    end))
    gate:set "banned" {}
    assert.equal('set "baned": is not declared; did you mean "banned"?', wrong(function()
      gate:set "baned":add "192.0.2.1"
    end))
    assert.equal('set "banned": is not in force yet; attach or commit first', wrong(function()
      set:remove "192.0.2.1"
    end))
    assert.equal('set "banned": find wants an address; got 7', wrong(function()
      set:find(7)
    end))
    assert.equal('services "web": are not declared: write services "web" { … } first',
      wrong(function()
        services["192.0.2.1:80/tcp"] = "192.0.2.2:80"
      end))
    gate:services "web" {}
    assert.equal('services "web": are not in force yet; attach or commit first', wrong(function()
      services:each()
    end))
    gate:close()
    assert.equal('set "banned": its gate is closed', wrong(function()
      return #set
    end))
    assert.equal('services "web": their gate is closed', wrong(function()
      return services["192.0.2.1:80/tcp"]
    end))
  end)

  it("is the same one for a kind and a name", function()
    assert.equal(gate:set "a", gate:set "a")
    assert.equal(gate:services "a", gate:services "a")
    assert.are_not.equal(gate:set "a", gate:services "a")
  end)

  it("says what it is, and how much it contains", function()
    assert.equal('set "a": is not declared: write set "a" { … } first', tostring(gate:set "a"))
    local set = gate:set "a" { "192.0.2.1", { "192.0.2.2", "192.0.2.3", ttl = "1m" }, size = 9 }
    assert.equal('set "a": 3 elements, not in force yet', tostring(set))
    assert.same({ 3, 9, math.huge, "a" }, { #set, set.size, set.ttl, set.name })
    local services = gate:services "b" { ["10.96.0.10:80/tcp"] = "10.0.0.1" }
    assert.equal('services "b": 1 service, not in force yet', tostring(services))
    assert.same({ services }, gate:services())
    gate:close()
    assert.equal('set "a": its gate is closed', tostring(set))
  end)

  it("has no fields but its own, and leads to the right method", function()
    local set, services = gate:set "a" {}, gate:services "b" {}
    assert.is_false(getmetatable(set))
    assert.equal("set.x cannot be assigned to; add and remove change what it contains",
      wrong(function()
        set.x = 1
      end))
    assert.equal('a set has no "contains"; write find(ADDRESS)', wrong(function()
      set:contains "192.0.2.1"
    end))
    assert.equal('a set has no "ad"; did you mean "add"?', wrong(function()
      set:ad "192.0.2.1"
    end))
    assert.equal('a table of services has no "set"; write put(VIP, BACKENDS)', wrong(function()
      services:set("10.96.0.10:80/tcp", {})
    end))
    assert.is_nil(set.state)
    assert.is_nil(services.kind)
    local handle = require "tidegate.handle"
    assert.same({ "add", "clear", "each", "find", "info", "load", "name", "readonly",
      "remove", "replace", "size", "ttl" }, handle.names(set))
    assert.same({ "each", "get", "info", "name", "put", "put_backend", "readonly", "remove",
      "remove_backend", "size" }, handle.names(services))
  end)

  it("takes elements in every form, with their times to live", function()
    local path = os.tmpname()
    local stream = assert(io.open(path, "w"))
    stream:write "198.51.100.1 # one\n\n198.51.100.2\n"
    stream:close()
    local set = gate:set "a" { "192.0.2.1", { "192.0.2.2", ttl = 1 }, tidegate.file(path),
      { tidegate.file(path), { "192.0.2.3" }, ttl = math.huge }, ttl = "1h", size = 20 }
    assert(set:add({ "192.0.2.4", { "192.0.2.5", ttl = "5m" } }, "2m"))
    assert(set:load(path, "3m"))
    local dumped = gate:dump()
    os.remove(path)
    assert.matches('set "a" { "192.0.2.1", { "192.0.2.2", ttl = "1s" }, "198.51.100.1", '
      .. '"198.51.100.2", { "198.51.100.1", ttl = math.huge }, '
      .. '{ "198.51.100.2", ttl = math.huge }, '
      .. '{ "192.0.2.3", ttl = math.huge }, { "192.0.2.4", ttl = "2m" }, '
      .. '{ "192.0.2.5", ttl = "5m" }, { "198.51.100.1", ttl = "3m" }, '
      .. '{ "198.51.100.2", ttl = "3m" }, ttl = "1h", size = 20 }', dumped, 1, true)
    assert.equal(dumped, assert(tidegate.load_text(dumped)):dump())
    local wants = [[set "a": ttl: wants a time such as "500ms", "10s", "10m", "2h", "1d", or a ]]
      .. [[number of seconds, or math.huge for ever; got 0]]
    assert.equal(wants, wrong(function()
      set:add("192.0.2.1", 0)
    end))
    assert.equal(wants, wrong(function()
      set:load(path, { ttl = 0 })
    end))
    assert.equal('set "a": load: unknown option "replaces"; did you mean "replace"?',
      wrong(function()
        set:load(path, { replaces = true })
      end))
    assert.equal('set "a": load: replace: wants true or false; got 1', wrong(function()
      set:load(path, { replace = 1 })
    end))
  end)

  it("takes one form of elements everywhere", function() -- I6
    local set = gate:set "a" { { "192.0.2.1", ttl = math.huge }, ttl = "10m" }
    assert.equal('set "a" { { "192.0.2.1", ttl = math.huge }, ttl = "10m" }',
      (gate:dump():match "set [^\n]*"))
    assert(set:add { { "192.0.2.2", ttl = 59 }, "192.0.2.3" })
    assert(set:add { { "192.0.2.4", "192.0.2.5" }, "192.0.2.6", ttl = math.huge })
    local dumped = gate:dump()
    assert.matches('{ "192.0.2.2", ttl = "59s" }, "192.0.2.3", { "192.0.2.4", ttl = math.huge }, '
      .. '{ "192.0.2.5", ttl = math.huge }, { "192.0.2.6", ttl = math.huge }, ttl = "10m"', dumped,
      1, true)
    assert.equal(dumped, assert(tidegate.load_text(dumped)):dump())
  end)

  it("says what is wrong with elements, times and backends", function() -- I9, G7
    local function refused(text)
      local made, message = tidegate.load_text(text, "web.lua")
      assert.is_nil(made)
      return (message:gsub("^web.lua:1: ", ""))
    end
    for text, message in pairs {
      [ [[set "s" { "192.0.2.1", ttl = 1e12 }]] ] = 'set "s": ttl: wants at most 6570d, or '
        .. "math.huge for ever; got 1000000000000",
      [ [[set "s" { { "192.0.2.1", ttl = "6571d" } }]] ] = 'set "s": ttl: wants at most 6570d, or '
        .. 'math.huge for ever; got "6571d"',
      [ [[set "s" (file "x")]] ] = 'set "s": wants a table such as { "10.0.0.0/8", ttl = "10m" }; '
        .. 'got a file; write { file "x" }',
      [ [[set "s" "192.0.2.1"]] ] = 'set "s": wants a table such as { "10.0.0.0/8", ttl = "10m" }; '
        .. 'got "192.0.2.1"; write { "192.0.2.1" }',
      [ [[set "s" { "localhost" }]] ] = 'set "s": "localhost": names are not looked up here: write '
        .. "the address",
      [ [[set "s" { "192.0.2.1", "192.0.2.2", size = 1 }]] ] = 'set "s": 2 elements do not fit: it '
        .. "has room for 1: declare it with a larger size",
      [ [[services "v" { ["192.0.2.1:80/tcp"] = "localhost:80" }]] ] = 'services "v": '
        .. '"192.0.2.1:80/tcp": "localhost:80": names are not looked up here: write the address',
      [ [[services "v" { ["localhost:80/tcp"] = {} }]] ] = 'services "v": "localhost:80": names '
        .. "are not looked up here: write the address",
      [ [[balance { connect = "192.0.2.1", to = { { "192.0.2.2", weight = 0 } } }]] ] = 'balance '
        .. '"#1": to: "192.0.2.2": weight: wants a whole number from 1 to 65535; got 0; leave out '
        .. "a backend that gets no calls",
    } do
      assert.equal(message, refused(text))
    end
    local set = gate:set "a" { size = 2 }
    assert.matches('^set "a": ttl: wants .*; several elements are a list: '
      .. '{ "192.0.2.1", "192.0.2.2" }$', wrong(function()
      set:add("192.0.2.1", "192.0.2.2")
    end))
    local services = gate:services "b" {}
    assert.equal("services.name cannot be assigned to; svc[VIP] = BACKENDS changes them",
      wrong(function()
        services.name = "x"
      end))
  end)

  it("stages all of a change, or nothing", function() -- I5
    local set = gate:set "a" { "192.0.2.1", size = 2 }
    assert.same({ nil, 'set "a": 3 elements do not fit: it has room for 2: declare it with a '
      .. "larger size", 28 }, { set:add { "192.0.2.2", "192.0.2.3" } })
    assert.same({ nil, 'set "a": "192.0.2": an IPv4 address has four numbers, this one has 3', 22 },
      { set:add { "192.0.2.2", "192.0.2" } })
    assert.equal(1, #set)
    assert(set:add "192.0.2.2")
    local services = gate:services "b" { ["192.0.2.1:80/tcp"] = "192.0.2.9:80", size = 1 }
    local before = gate:dump()
    assert.is_nil(services:put("192.0.2.2:80/tcp", {}))
    assert.same({ nil, 'services "b": "192.0.2.1:80/tcp": "192.0.2": an IPv4 address has four '
      .. "numbers, this one has 3", 22 },
      { services:put("192.0.2.1:80/tcp", { "192.0.2.8:80", "192.0.2" }) })
    assert.is_nil(services:put_backend("192.0.2.1:80/tcp", "192.0.2"))
    assert.equal(before, gate:dump())
  end)

  it("stages changes of services, one backend at a time too", function()
    local services, vip = gate:services "b" {}, "10.96.0.10:80/tcp"
    assert.is_true(services:put(vip, "10.0.0.1:80"))
    assert.is_true(services:put_backend(vip, { "10.0.0.2:80", weight = 3 }))
    assert.is_true(services:put_backend(vip, { "10.0.0.2:80", state = "draining" }))
    assert.is_true(services:put_backend(vip, { "10.0.0.1:80", weight = 2 }))
    assert.equal('{ { address = "10.0.0.1:80", weight = 2, state = "up", picked = 0, share = 1 },\n'
      .. '  { address = "10.0.0.2:80", weight = 3, state = "draining", picked = 0, share = 0 } }',
      tostring(services[vip]))
    assert.is_true(services:remove_backend(vip, "10.0.0.1:80"))
    assert.is_false(services:remove_backend(vip, "10.0.0.1:80"))
    assert.is_false(services:remove_backend("10.96.0.11:80/tcp", "10.0.0.1:80"))
    assert.equal(1, #services[vip])
    assert.is_true(services:remove(vip))
    assert.is_false(services:remove(vip))
    assert.is_nil(services[vip])
    assert.equal([[services "b": "10.96.0.10:80/tcp": "10.0.0.1": weight: wants a whole number ]]
      .. [[from 1 to 65535; got 0; a backend that gets no new calls has state = "draining"]],
      wrong(function()
        services:put_backend(vip, { "10.0.0.1", weight = 0 })
      end))
  end)

  it("gives lists that cannot be assigned to, but that it takes back", function()
    local services, vip = gate:services "b" {}, "10.96.0.10:80/tcp"
    services[vip] = { "10.0.0.1:80", { "10.0.0.2:80", weight = 3 } }
    local list = services[vip]
    assert.equal("backend.state cannot be assigned to; "
      .. "svc:put_backend(VIP, { ADDRESS, state = … }) changes it", wrong(function()
      list[1].state = "draining"
    end))
    assert.equal("the list is a copy; svc[VIP] = { … } or svc:put_backend(VIP, BACKEND) changes it",
      wrong(function()
        list[#list + 1] = "10.0.0.3:80"
      end))
    services["10.96.0.11:80/tcp"] = list
    assert.equal(tostring(list), tostring(services["10.96.0.11:80/tcp"]))
    services["10.96.0.11:80/tcp"] = { list[2], "10.0.0.3:80" }
    assert.equal(3, services["10.96.0.11:80/tcp"][1].weight)
  end)

  it("cannot be declared under the name of another one, of either kind", function()
    gate:set "a" { "192.0.2.0/24" }
    assert.has_error(function() gate:services "a" {} end,
      'services "a": the name is taken by set "a"; choose another')
    assert.has_error(function() gate:set "a" {} end, ('set "a": is declared already at %s:%d')
      :format(debug.getinfo(1, "S").short_src, debug.getinfo(1, "l").currentline - 4))
  end)
end)

-- Live sets: the next call is judged by their contents.

local ffi = require "ffi"
local gates = require "tidegate.gate"
local library = require "tidegate.ffi"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"
local uv = require "luv"

sandbox.describe("a live set", function(here)
  local function refused(address)
    return socket.try("udp", address) == "EACCES"
  end

  local function banning(declaration, rest)
    local gate = here:enforce(([[
      local banned = set "banned" %s
      deny { egress = banned, errno = "EACCES" }
      %s]]):format(declaration or "{}", rest or ""))
    return gate:set "banned", gate
  end

  it("contains at first what the policy says", function()
    local banned = banning [[{ "192.0.2.1", "198.51.100.0/24", "2001:db8::/32", "2001:db9::1" }]]
    for _, address in ipairs { "192.0.2.1:80", "198.51.100.0:1", "198.51.100.255:1",
      "[2001:db8::1]:9",
      "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:9", "[2001:db9::1]:9", "[::ffff:192.0.2.1]:80" } do
      assert.is_true(refused(address), address)
    end
    for _, address in ipairs { "192.0.2.0:80", "192.0.2.2:80", "198.51.99.255:1", "198.51.101.0:1",
      "[2001:db7::1]:9", "[2001:db9::2]:9", "[::ffff:192.0.2.2]:80" } do
      assert.is_false(refused(address), address)
    end
    assert.equal(4, #banned)
  end)

  it("is seen by the next call", function()
    local banned = banning()
    assert.is_false(refused "192.0.2.1:80")
    assert.is_true(banned:add "192.0.2.1")
    assert.is_true(refused "192.0.2.1:80")
    assert.same({ "192.0.2.1", math.huge }, { banned:find "192.0.2.1" })
    assert.equal(1, banned:remove "192.0.2.1")
    assert.is_false(refused "192.0.2.1:80")
    assert.equal(0, banned:remove "192.0.2.1")
    assert.is_false(banned:find "192.0.2.1")
    assert.is_true(banned:add { "192.0.2.0/24", "2001:db8::1" })
    assert.is_true(refused "192.0.2.77:80")
    assert.is_true(refused "[2001:db8::1]:80")
    assert.equal(0, banned:remove "192.0.2.77")
    assert.is_true(banned:clear())
    assert.is_false(refused "192.0.2.77:80")
    assert.equal(0, #banned)
  end)

  it("treats 0.0.0.0 and :: as what the kernel takes them for", function()
    local banned = banning()
    assert(banned:add { "127.0.0.1", "::1" })
    assert.is_true(refused "0.0.0.0:9")
    assert.is_true(refused "[::]:9")
    assert.is_true(refused "[::ffff:127.0.0.1]:9")
  end)

  it("expires", function()
    local banned = banning [[{ { "192.0.2.9", ttl = "100ms" }, ttl = "150ms" }]]
    assert(banned:add "192.0.2.1")
    assert(banned:add("192.0.2.2", "10s"))
    assert(banned:add("192.0.2.3", math.huge))
    assert.is_true(refused "192.0.2.1:1")
    local start = uv.hrtime()
    repeat
      local was, now = refused "192.0.2.1:1", (uv.hrtime() - start) / 1e6
      assert(was or now > 140, "it expired too early")
      assert(not was or now < 160, "it expires too late")
    until not was
    assert.is_false(refused "192.0.2.9:1")
    assert.is_true(refused "192.0.2.2:1")
    assert.is_true(refused "192.0.2.3:1")
    assert.equal(2, #banned)
    local left = {}
    for item, seconds in banned:each() do
      left[item] = seconds
    end
    assert.equal(math.huge, left["192.0.2.3"])
    assert.is_true(left["192.0.2.2"] > 9 and left["192.0.2.2"] <= 10)
    -- An element that is there gets a new time to live.
    assert(banned:add("192.0.2.2", "50ms"))
    uv.sleep(60)
    assert.is_false(refused "192.0.2.2:1")
  end)

  it("works beside addresses, with ports, and negated", function()
    local gate = here:enforce [[
      local one, two = set "one" { "192.0.2.0/24" }, set "two" { "192.0.2.128/25", "203.0.113.7" }
      deny { "port", connect = { "@one:25", { addr = one, port = "100-200" }, "198.51.100.1" },
        errno = "EACCES" }
      deny { "both", connect = { one, "!@two", "!192.0.2.5" }, errno = "EPERM" }
      deny { "but", connect = { "203.0.113.0/24", "!@two" }, errno = "ENETUNREACH" }
      deny { "rest", connect = "!@one", errno = "EHOSTUNREACH" }
    ]]
    local function try(address)
      return socket.try("udp", address)
    end
    for address, errno in pairs {
      ["192.0.2.1:25"] = "EACCES", ["192.0.2.1:150"] = "EACCES", ["198.51.100.1:9"] = "EACCES",
      ["192.0.2.1:26"] = "EPERM", ["203.0.113.1:9"] = "ENETUNREACH",
      ["203.0.113.7:9"] = "EHOSTUNREACH",
      ["10.0.0.1:1"] = "EHOSTUNREACH" } do
      assert.equal(errno, try(address), address)
      local host, port = address:match "^(.*):(%d+)$"
      local decision = assert(gate:decide { connect = { addr = host, port = tonumber(port) },
        proto = "udp" })
      assert.equal(errno, decision.errno)
    end
    -- In one and in two, or left out of the list: no rule applies to it.
    assert.is_nil(gate:decide { connect = "192.0.2.200:26" }.rule)
    assert.is_nil(gate:decide { connect = "192.0.2.5:26" }.rule)
    assert(gate:set "two":add "192.0.2.1")
    assert.is_nil(gate:decide { connect = "192.0.2.1:26" }.rule)
    assert.not_equal("EPERM", try "192.0.2.1:26")
  end)

  -- 64 terms and more are matched in another way than few.
  for _, rules in ipairs { 20, 100 } do
    it(("is asked about own addresses, and others, among %d rules"):format(rules), function()
      netns.own_all_addresses()
      local lines = {}
      for number = 1, 12 do
        lines[number] = ('set "s%d" { "127.0.%d.0/24" }'):format(number, number)
      end
      for number = 1, rules do
        lines[#lines + 1] = ([[deny { "r%d",
          connect = { addr = set "s%d", port = "%d-65535" }, source = set "s%d",
          errno = "EACCES" }]]):format(number, number % 12 + 1, number, number % 5 + 1)
      end
      local gate = here:enforce(table.concat(lines, "\n"))
      for index, port in ipairs { 1, 5, 17, 63, 64, 99, 200 } do
        for net = 1, 12, 3 do
          for own = 1, 6 do
            local to = ("127.0.%d.1:%d"):format(net, port)
            local expected
            for number = 1, rules do
              local matches = number % 12 + 1 == net and number % 5 + 1 == own and port >= number
              expected = expected or (matches and "r" .. number) or nil
            end
            local bound = ("127.0.%d.9:%d"):format(own, 1024 + index)
            assert.equal(expected, gate:decide { connect = to, source = bound }.rule,
              bound .. " to " .. to)
            local client = socket.udp "inet"
            assert(client:bind(bound))
            local _, errno = client:connect(to)
            client:close()
            assert.equal(expected and "EACCES", errno, bound .. " to " .. to)
          end
        end
      end
    end)
  end

  for _, rules in ipairs { 30, 64, 65, 200 } do
    it(("is asked if %d rules may decide"):format(rules), function()
      local lines, sets = {}, 30
      for number = 1, sets do
        lines[number] = ('set "s%d" { "10.%d.0.0/16" }'):format(number, number)
      end
      for number = 1, rules do
        local name = number % 3 == 0 and ('"10.%d.0.0/16"'):format(number % 50)
          or ('set "s%d"'):format(number % sets + 1)
        lines[#lines + 1] = ([[deny { "r%d", connect = { addr = %s, port = "%d-65535" }, errno = ]]
          .. [["EACCES" }]])
          :format(number, name, number)
      end
      local gate = here:enforce(table.concat(lines, "\n"))
      for _, port in ipairs { 1, 2, 3, 29, 63, 64, 65, 101, 150, 300 } do
        for _, net in ipairs { 0, 1, 2, 17, 30, 31, 49 } do
          local address = ("10.%d.1.1:%d"):format(net, port)
          local expected
          for number = 1, rules do
            local at = number % 3 == 0 and number % 50 or number % sets + 1
            expected = expected or (port >= number and at == net and "r" .. number) or nil
          end
          assert.equal(expected, gate:decide { connect = address }.rule, address)
          assert.equal(expected ~= nil, refused(address), address)
        end
      end
    end)
  end

  --- The results of connecting, and sending, to a place from a socket that is bound.
  local function from(own, to)
    local client = socket.udp(own:sub(1, 1) == "[" and "inet6" or "inet")
    assert(client:bind(own))
    local sent, send_errno = client:sendto("x", to)
    local connected, connect_errno = client:connect(to)
    client:close()
    return connected and "ok" or connect_errno, sent and "ok" or send_errno
  end

  it("is asked about the address that a socket is bound to, in source", function()
    netns.own_all_addresses()
    netns.add_address "2001:db8::1"
    netns.add_address "2001:db8::2"
    local gate = here:enforce [[
      local mine, theirs = set "mine" { "192.0.2.0/24", "2001:db8::1", "0.0.0.0" },
        set "theirs" { "198.51.100.1" }
      deny { "port", egress = "*", source = { addr = mine, port = "1-1023" }, errno = "EACCES" }
      deny { "both", egress = theirs, source = mine, errno = "EBUSY" }
      deny { "but", egress = "203.0.113.0/24", source = { "192.0.2.0/24", "!@mine", "!10.0.0.0/8" },
        errno = "EPERM" }
      deny { "rest", egress = "203.0.113.9", source = "!@mine", errno = "EHOSTUNREACH" }
    ]]
    local mine = gate:set "mine"
    local function expect(errno, own, to)
      local connected, sent = from(own, to)
      assert.equal(errno, connected, own .. " connects to " .. to)
      assert.equal(errno, sent, own .. " sends to " .. to)
      local decision = assert(gate:decide { connect = to, proto = "udp",
        source = own })
      assert.equal(errno, decision.errno or "ok", own .. " to " .. to)
    end
    expect("EACCES", "192.0.2.7:7", "203.0.113.1:9")
    expect("EACCES", "[2001:db8::1]:7", "[2001:db8::2]:9")
    expect("EACCES", "[::ffff:192.0.2.7]:7", "[::ffff:203.0.113.1]:9")
    expect("ok", "192.0.2.7:2000", "203.0.113.1:9")
    expect("ok", "[2001:db8::2]:7", "[2001:db8::1]:9")
    expect("EBUSY", "192.0.2.7:2001", "198.51.100.1:9")
    expect("ok", "127.0.0.1:2002", "198.51.100.1:9")
    expect("EHOSTUNREACH", "127.0.0.1:2003", "203.0.113.9:9")
    expect("ok", "127.0.0.1:2004", "203.0.113.1:9")
    assert.equal("EBUSY", socket.try("udp", "198.51.100.1:9")) -- unbound: 0.0.0.0
    assert(mine:replace { "127.0.0.1" })
    expect("EPERM", "192.0.2.7:2005", "203.0.113.1:9")
    expect("EHOSTUNREACH", "192.0.3.7:2006", "203.0.113.9:9")
    expect("ok", "127.0.0.1:2007", "203.0.113.9:9")
    expect("EBUSY", "127.0.0.1:2008", "198.51.100.1:9")
    assert.equal("EHOSTUNREACH", socket.try("udp", "203.0.113.9:9"))
    local explained = gate:explain { connect = "198.51.100.1:9",
      source = "192.0.2.7:2001" }
    assert.equal("source differs", tostring(explained):match '"both"%s+([^\n]*)')
    explained = gate:explain { connect = "198.51.100.2:9", source = "192.0.2.7:2001" }
    assert.equal("address and source differ", tostring(explained):match '"both"%s+([^\n]*)')
  end)

  it("survives a publish, and goes with its declaration", function()
    local banned, gate = banning()
    assert(banned:add "192.0.2.1")
    gate:deny { "other", connect = "198.51.100.1", errno = "EPERM" }
    assert(gate:commit())
    assert.is_true(refused "192.0.2.1:1")
    assert.equal("EPERM", socket.try("udp", "198.51.100.1:1"))
    assert.equal(1, #banned)
  end)

  it("is replaced at once", function()
    local banned = banning [[{ "192.0.2.1", "192.0.2.2" }]]
    assert(banned:replace { "192.0.2.2", "192.0.2.3", "2001:db8::/64" })
    assert.is_false(refused "192.0.2.1:1")
    assert.is_true(refused "192.0.2.2:1")
    assert.is_true(refused "192.0.2.3:1")
    assert.is_true(refused "[2001:db8::7]:1")
    assert.equal(3, #banned)
  end)

  it("that is full says so, and keeps what it has", function()
    local banned = banning "{ size = 100 }"
    for number = 1, 100 do
      assert(banned:add("10.0.0." .. number))
    end
    local ok, message, errno = banned:add "10.0.0.101"
    assert.is_nil(ok)
    assert.equal('set "banned": is full: it has room for 100 elements: remove some, or declare it '
      .. 'with a larger size', message)
    assert.equal(28, errno)
    assert.is_true(banned:add "10.0.0.5") -- it is in the set already
    local many = {}
    for number = 1, 101 do
      many[number] = "10.1.0." .. number
    end
    assert.same({ nil, 'set "banned": 101 elements do not fit: it has room for 100: nothing was '
      .. "replaced: declare it with a larger size", 28 }, { banned:replace(many) })
    assert.equal(100, #banned)
    assert.is_true(refused "10.0.0.100:1")
    many[101] = nil
    assert(banned:replace(many))
    assert.is_true(refused "10.1.0.100:1")
    assert.is_false(refused "10.0.0.100:1")
    assert.equal(100, #banned)
  end)

  it("keeps its elements and their times to live if a replacement does not fit", function()
    local banned = banning [[{ "192.0.2.1", "192.0.2.2", size = 2 }]]
    local function left()
      local found = {}
      for item, seconds in banned:each() do
        found[item] = seconds
      end
      return found
    end
    local before = { ["192.0.2.1"] = math.huge, ["192.0.2.2"] = math.huge }
    assert.same(before, left())
    assert.equal(28, select(3, banned:replace({ "192.0.2.1", "192.0.2.3", "192.0.2.4" }, "1s")))
    assert.same(before, left())
    assert(banned:replace({ "192.0.2.1", "192.0.2.1", "192.0.2.3" }, "9s"))
    local after = left()
    assert.is_true(after["192.0.2.1"] < 10 and after["192.0.2.3"] < 10)
    assert.is_nil(after["192.0.2.2"])
  end)

  it("gets all elements of a list, or none", function() -- I5
    local banned = banning [[{ { "192.0.2.1", ttl = "1h" }, size = 3 }]]
    local message = 'set "banned": 4 elements do not fit: it has room for 2 more, and 3 in all: '
      .. "none was added: remove some, or declare it with a larger size"
    for _, items in ipairs {
      { "192.0.2.2", "192.0.2.3", "192.0.2.1", "192.0.2.4" },
      { { "192.0.2.1", ttl = "1s" }, "192.0.2.2", "192.0.2.3", "2001:db8::1" },
    } do
      assert.same({ nil, message, 28 }, { banned:add(items) })
      assert.is_false(refused "192.0.2.2:1")
      assert.equal(1, #banned)
      local _, left = banned:find "192.0.2.1"
      assert(left > 3000 and left < 3601)
    end
    assert.is_nil(banned:add { "192.0.2.2", "192.0.2.300" })
    assert.equal(1, #banned)
    assert(banned:add { "192.0.2.2", "192.0.2.2", "2001:db8::1", { "192.0.2.1", ttl = "1m" } })
    assert.equal(3, #banned)
    assert.is_true(refused "[2001:db8::1]:1")
    local _, left = banned:find "192.0.2.1"
    assert(left > 50 and left < 61)
    -- What expires makes room for a list.
    assert(banned:replace { { "192.0.2.1", "192.0.2.2", ttl = "20ms" }, "192.0.2.3" })
    uv.sleep(40)
    assert(banned:add { "192.0.2.4", "192.0.2.1" })
    assert.equal(3, #banned)
    assert.is_true(refused "192.0.2.1:1")
    assert.is_false(refused "192.0.2.2:1")
  end)

  it("tells which element contains an address, and how long it lives", function()
    local banned = banning [[{ "10.0.0.0/8", { "10.1.0.0/16", ttl = "1h" }, "10.1.2.3", "::/0",
      "2001:db8::/32", ttl = "1m" }]]
    local function found(address, element, most)
      local got, left = banned:find(address)
      assert.equal(element, got, address)
      assert(left > most - 10 and left < most + 1, address)
    end
    found("10.9.9.9", "10.0.0.0/8", 60)
    found("10.1.9.9", "10.1.0.0/16", 3600)
    found("10.1.2.3", "10.1.2.3", 60)
    found("::ffff:10.1.2.4", "10.1.0.0/16", 3600)
    found("2001:db8::7", "2001:db8::/32", 60)
    found("2001:db9::7", "::/0", 60)
    assert.is_false(banned:find "11.0.0.1")
    assert.same({ nil, 'set "banned": "10.0.0.0/8": wants one address', 22 },
      { banned:find "10.0.0.0/8" })
  end)

  it("is changed by lists and files, each element with its own time", function()
    local path = os.tmpname()
    local function write(text)
      local stream = assert(io.open(path, "w"))
      stream:write(text)
      stream:close()
    end
    local banned = banning [[{ "192.0.2.1", ttl = "1h" }]]
    local function left()
      local found = {}
      for item, seconds in banned:each() do
        found[item] = math.floor(seconds / 60 + 0.5)
      end
      return found
    end
    write "# two\n198.51.100.1\n198.51.100.2 # second\n"
    local list = tidegate.file(path)
    assert(banned:add({ list, { "192.0.2.2", ttl = "5m" } }, "2m"))
    assert.same({ ["192.0.2.1"] = 60, ["198.51.100.1"] = 2, ["198.51.100.2"] = 2,
      ["192.0.2.2"] = 5 }, left())
    assert(banned:load(path))
    assert.same({ 60, 60 }, { left()["198.51.100.1"], left()["198.51.100.2"] })
    assert.equal(3, banned:remove { list, "192.0.2.2", "203.0.113.1" })
    assert(banned:load(path, { ttl = math.huge, replace = true }))
    assert.same({ ["198.51.100.1"] = math.huge, ["198.51.100.2"] = math.huge }, left())
    assert(banned:replace { { list, ttl = "7m" }, "192.0.2.3" })
    assert.same({ ["198.51.100.1"] = 7, ["198.51.100.2"] = 7, ["192.0.2.3"] = 60 }, left())
    write "192.0.2.9\n192.0.2.300\n"
    assert.same({ nil, 'set "banned": ' .. path .. ':2: "192.0.2.300": 300 is over 255', 22 },
      { banned:load(path, { replace = true }) })
    assert.equal(3, #banned)
    os.remove(path)
    assert.equal(path .. ": No such file or directory",
      (select(2, banned:add { list, "192.0.2.1" })))
  end)

  it("keeps every time to live, or says that it is too long", function() -- I9
    local banned, gate = banning()
    for number, ttl in ipairs { 1, "1h", 1e7, "6570d" } do
      assert(banned:add("192.0.2." .. number, ttl))
      local _, left = banned:find("192.0.2." .. number)
      local seconds = ttl == "1h" and 3600 or ttl == "6570d" and 6570 * 86400 or ttl
      assert.is_true(left > seconds - 1 and left <= seconds + 0.1, left .. " of " .. seconds)
    end
    local entry = ffi.new "struct tg_set_entry"
    entry.size, entry.item = ffi.sizeof(entry), "192.0.2.9"
    entry.ttl_ms = 6570 * 86400 * 1000ULL + 1
    local slot, C = library.slot "set", library.C
    assert.equal(0, C.tg_gate_find_set(gates.state(gate).cdata, "banned", slot))
    assert.equal(-22, C.tg_set_add(slot[0], entry, 1))
    assert.equal('set "banned": a time to live of 567648000001 ms is over 18 years: '
      .. "TG_TTL_FOREVER is for ever", ffi.string(C.tg_error()))
  end)

  it("is found by its name, or says which name may be meant", function() -- E5
    local _, gate = banning("{}", [[balance { connect = services "svc" {} }]])
    local state, C = gates.state(gate), library.C
    local policy = library.make("policy", function(slot) return C.tg_policy_new(nil, slot) end)
    assert.equal(0, C.tg_policy_declare_set(policy, "banned", nil))
    local set, services = library.slot "set", library.slot "services"
    for message, call in pairs {
      ['set "bannde": the policy in force declares none of this name; did you mean "banned"?'] =
        function() return C.tg_gate_find_set(state.cdata, "bannde", set) end,
      ['set "none": the policy in force declares none of this name, or it was published after this '
        .. "process was forked"] =
        function() return C.tg_gate_find_set(state.cdata, "none", set) end,
      ['set "svc": this is a table of services'] =
        function() return C.tg_gate_find_set(state.cdata, "svc", set) end,
      ['services "sv": the policy in force declares none of this name; did you mean "svc"?'] =
        function() return C.tg_gate_find_services(state.cdata, "sv", services) end,
      ['set "Baned": is not declared; did you mean "banned"?'] =
        function() return C.tg_policy_set_add(policy, "Baned", nil, 0) end,
      ['services "banned": this is a set'] =
        function()
          return C.tg_policy_services_put(policy, "banned", "192.0.2.1:80/tcp", nil, 0)
        end,
    } do
      assert.equal(-2, call())
      assert.equal(message, ffi.string(C.tg_error()))
    end
  end)

  it("comes back with what each element has left", function() -- I6
    local banned, gate = banning [[{ "192.0.2.1", { "192.0.2.2", ttl = "1h" },
      { "2001:db8::/32", ttl = math.huge }, ttl = "10m" }]]
    assert(banned:add { { "192.0.2.3", ttl = 59 }, "192.0.2.4" })
    local saved, lefts = {}, {}
    for item, left in banned:each() do
      saved[#saved + 1], lefts[item] = { item, ttl = left }, left
    end
    local function check(set)
      local count = 0
      for item, left in set:each() do
        count = count + 1
        assert.is_true(left == lefts[item] or math.abs(left - lefts[item]) < 5, item)
      end
      assert.equal(5, count)
    end
    assert(banned:replace(saved))
    check(banned)
    assert(banned:clear())
    assert(banned:add(saved))
    check(banned)
    saved.ttl = "10m"
    gate:set "again"(saved)
    gate:deny { "again", connect = "@again" }
    assert(gate:commit())
    check(gate:set "again")
  end)

  it("asks no resolver, however long it may take to answer", function()
    local banned = banning()
    local message = 'set "banned": "localhost": names are not looked up here: write the address'
    assert.same({ nil, message, 22 }, { banned:add "localhost" })
    assert.same({ nil, message, 22 }, { banned:replace { "192.0.2.1", "localhost" } })
    assert.same({ nil, message, 22 }, { banned:remove "localhost" })
    assert.same({ nil, message, 22 }, { banned:find "localhost" })
    assert.equal(0, #banned)
  end)

  it("is changed by an unprivileged process that inherited the gate", function()
    local banned = banning()
    process.run(function()
      ffi.cdef "int setresuid(unsigned, unsigned, unsigned);"
      assert(ffi.C.setresuid(65534, 65534, 65534) == 0)
      assert(banned:add "192.0.2.1")
      assert(banned:replace { "192.0.2.1", "192.0.2.2" })
    end)
    assert.is_true(refused "192.0.2.1:1")
    assert.is_true(refused "192.0.2.2:1")
    assert.equal(2, #banned)
  end)
end)

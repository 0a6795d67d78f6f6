-- Live services: how the room of a table is shared, and one VIP in two tables.

local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("tables of live services", function(here)
  local function serve(kind, at)
    local server = here:keep(socket.serve(kind, at))
    return (at:gsub("0$", tostring(server:port())))
  end

  --- As many backends as a list may have: one that is up, and others.
  local function long(place)
    local list = {}
    for index = 1, 255 do
      list[index] = { ("127.9.9.9:%d"):format(index), weight = index,
        state = index % 2 == 0 and "down" or "draining" }
    end
    list[256] = place
    return list
  end

  local function vip(index) return ("10.96.0.%d:80/udp"):format(index) end

  local function reached(index) return socket.reached("udp", ("10.96.0.%d:80"):format(index)) end

  --- Put long lists, from VIP 1 on, until there is no room for another one.
  local function fill(svc, place)
    local count = 0
    while pcall(function() svc[vip(count + 1)] = long(place) end) do
      count = count + 1
    end
    return count
  end

  it("refuse a long list while they have no room for it, and keep what they have", function()
    local one, two = serve("udp", "127.0.0.1:0"), serve("udp", "127.0.0.2:0")
    local gate = here:enforce [[balance { connect = services "svc" { size = 64 }, reveal = true }]]
    local svc = gate:services "svc"
    local most = fill(svc, one)
    assert(most > 8 and most < 63, most)
    assert.equal(most, #svc)
    assert.is_nil(svc[vip(most + 1)])
    -- A list and its replacement are both there for a moment.
    local _, message = pcall(function() svc[vip(1)] = long(two) end)
    assert.matches('"10.96.0.1:80/udp": does not fit: they have room for 64 services of ten ',
      message, 1, true)
    assert.same({ one, 256 }, { svc[vip(1)][256].address, #svc[vip(1)] })
    assert.equal(one, reached(1))
    -- Short ones find room beside them, and free some.
    svc[vip(1)] = two
    svc[vip(2)] = long(two)
    for index = 1, most do
      assert.equal(index > 2 and one or two, reached(index))
    end
    svc[vip(most)] = nil
    svc[vip(most - 1)] = nil
    svc[vip(3)] = long(two)
    assert.equal(two, reached(3))
    for name in svc:each() do
      svc[name] = nil
    end
    assert.equal(most, fill(svc, two))
    assert.equal(two, reached(most))
  end)

  -- How a backend is chosen: at random, by a key, or by where a client went before.
  local ways = { "", [[by = "hash", key = "uid",]], [[sticky = "1m", key = "uid",]] }

  it("have the same room when a writer has died at long lists", function()
    local one, two = serve("udp", "127.0.0.1:0"), serve("udp", "127.0.0.2:0")
    for _, by in ipairs(ways) do
      local gate = here:enforce(([[balance { connect = services "svc" { size = 64 }, %s reveal = ]]
        .. [[true }]]):format(by))
      local svc = gate:services "svc"
      local most = fill(svc, one)
      svc[vip(most)], svc[vip(most - 1)] = nil, nil
      for _ = 1, 4 do
        local child = process.fork(function()
          while true do
            svc[vip(1)], svc[vip(2)] = long(two), { one, two }
            svc[vip(1)], svc[vip(2)] = { two, one }, long(one)
            svc[vip(most)] = long(two)
            svc[vip(most)] = nil
          end
        end)
        for _ = 1, 200 do
          local place = reached(1)
          assert(place == one or place == two, place)
        end
        child:kill()
      end
      for name in svc:each() do
        svc[name] = nil
      end
      assert.equal(most, fill(svc, two))
      for index = 1, most do
        assert.equal(two, reached(index))
      end
      gate:close()
    end
  end)

  it("redirect by their own lists, even if two tables have the VIP", function()
    local one, two = serve("tcp", "127.0.0.1:0"), serve("tcp", "127.0.0.2:0")
    local six = serve("tcp", "[::1]:0")
    local rest = {}
    for index = 1, 80 do
      rest[index] = ('deny { connect = "192.0.2.%d:%d", errno = "EACCES" }'):format(index, index)
    end
    for _, by in ipairs(ways) do
      for _, more in ipairs { "", table.concat(rest, "\n") } do
        local gate = here:enforce(([[
          local a = services "a" { ["10.96.0.9:80/tcp"] = "127.0.0.9:9", ["10.96.0.10:80/tcp"] = %q,
            ["[2001:db8::10]:80/tcp"] = %q }
          local b = services "b" { ["10.96.0.10:80/tcp"] = %q,
            ["[2001:db8::10]:80/tcp"] = "[::2]:2" }
          deny { connect = a, uid = 1, errno = "EPERM" }
          deny { connect = b, shadow = true }
          deny { connect = b, comm = "nobody", errno = "EACCES" }
          balance { connect = a, %s reveal = true }
          balance { connect = b }
          %s]]):format(one, six, two, by, more))
        for _ = 1, 3 do
          assert.equal(one, socket.reached("tcp", "10.96.0.10:80"))
          assert.equal(six, socket.reached("tcp", "[2001:db8::10]:80"))
          assert.equal("[::ffff:" .. one:gsub(":", "]:"),
            socket.reached("tcp", "[::ffff:10.96.0.10]:80"))
        end
        gate:close()
      end
    end
  end)
end)

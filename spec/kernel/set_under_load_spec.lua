-- Live sets under load: replaced while calls are judged, changed by several processes
-- at once, by some that are killed half-way, and while policies are published.

local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local uv = require "luv"

sandbox.describe("live sets under load", function(here)
  local function banning(declaration)
    local gate = here:enforce(([[
      local banned = set "banned" %s
      deny { connect = banned, errno = "EACCES" }]]):format(declaration or "{}"))
    return gate:set "banned", gate
  end

  --- A process that asks about addresses until it is told to stop: what must be
  --- refused at each call, and what at none.  It returns how many calls it made.
  local function asker(always, never)
    local stop = os.tmpname() -- the process goes on as long as this file exists
    local child = process.fork(function()
      local calls = 0
      while uv.fs_stat(stop) do
        for _, address in ipairs(always) do
          assert(socket.try("udp", address) == "EACCES", address .. " escaped")
        end
        for _, address in ipairs(never) do
          assert(socket.try("udp", address) ~= "EACCES", address .. " was refused")
        end
        calls = calls + #always + #never
      end
      return tostring(calls)
    end)
    return function()
      os.remove(stop)
      return tonumber(child:wait())
    end
  end

  local function list(net, count)
    local items = { "192.0.2.1", "198.51.100.0/24", "2001:db8::/32" }
    for number = 1, count do
      items[#items + 1] = ("10.%d.%d.%d"):format(net, number / 256, number % 256)
    end
    return items
  end

  it("a replaced set is never seen half replaced", function()
    local lists = { [0] = list(1, 3000), list(2, 2000) }
    local banned = banning()
    assert(banned:replace(lists[0]))
    local always = { "192.0.2.1:9", "198.51.100.7:9", "[2001:db8::7]:9" }
    local finish = { asker(always, { "192.0.2.2:9" }), asker(always, { "10.3.0.1:9" }) }
    for turn = 1, 400 do
      assert(banned:replace(lists[turn % 2]))
    end
    local calls = finish[1]() + finish[2]()
    assert.equal(3003, #banned)
    print(("    400 replacements during %d calls"):format(calls))
    assert(calls > 1000)
  end)

  it("processes change one set at once, and lose nothing", function()
    local banned = banning()
    local children = {}
    for number = 1, 4 do
      children[number] = process.fork(function()
        for index = 0, 1999 do
          assert(banned:add(("10.%d.%d.%d"):format(number, index / 256, index % 256)))
          if index % 2 == 1 then
            assert(banned:remove(("10.%d.%d.%d"):format(number, index / 256, index % 256)) == 1)
          end
        end
      end)
    end
    for _, child in ipairs(children) do
      child:wait()
    end
    assert.equal(4000, #banned)
    for number = 1, 4 do
      for index = 0, 1999, 7 do
        local address = ("10.%d.%d.%d"):format(number, index / 256, index % 256)
        assert.equal(index % 2 == 0 and address, (banned:find(address)), address)
      end
    end
  end)

  it("a process that is killed while it changes a set leaves it whole", function()
    local banned = banning "{ size = 20000 }"
    assert(banned:add { "192.0.2.1", "2001:db8::1" })
    local finish = asker({ "192.0.2.1:9", "[2001:db8::1]:9" }, { "192.0.2.2:9" })
    for round = 1, 60 do
      local child = process.fork(function()
        local items = list(round % 200, 4000)
        while true do
          assert(banned:replace(items))
          assert(banned:add { "10.250.0.1", "10.250.0.2", "2001:db9::1" })
          assert(banned:remove "10.250.0.1")
          assert(banned:replace { "192.0.2.1", "2001:db8::1", "10.251.0.1" })
        end
      end)
      uv.sleep(round % 17)
      child:kill()
      assert(banned:add(("172.16.0.%d"):format(round)))
      assert.equal("192.0.2.1", (banned:find "192.0.2.1"))
      assert(banned:find(("172.16.0.%d"):format(round)))
    end
    finish()
    local counted, seen = 0, {}
    for item in banned:each() do
      assert.is_nil(seen[item], item)
      seen[item], counted = true, counted + 1
    end
    assert.equal(#banned, counted)
    assert(banned:replace { "192.0.2.9" })
    assert.equal(1, #banned)
    assert.is_false(banned:find "192.0.2.1")
  end)

  it("a publish takes nothing from it, and no change is lost", function()
    local banned, gate = banning()
    local child = process.fork(function()
      for index = 0, 19999 do
        assert(banned:add(("10.%d.%d.%d"):format(index / 65536, index / 256 % 256, index % 256)))
      end
    end)
    local published = 0
    repeat
      local rule = gate:deny { "extra", connect = "203.0.113.1", errno = "EPERM" }
      assert(gate:commit())
      rule:remove()
      assert(gate:commit())
      published = published + 2
    until published > 10 and child:ended()
    assert.equal(20000, #banned)
  end)
end)

-- Live services under load: their lists change while calls are made and while they are read.

local live_services = require "spec.support.live_services"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local uv = require "luv"

sandbox.describe("live services under load", function(here)
  it("are read whole while they change: the old list or the new one", function()
    local svc = live_services.enforce(here)
    local vip, lists = "10.96.0.10:80/tcp", {}
    for index, port in ipairs { 1, 1001 } do
      lists[index] = {}
      for number = 0, 39 do
        lists[index][number + 1] = ("127.0.0.1:%d"):format(port + number)
      end
    end
    svc[vip] = lists[1]
    local writer = process.fork(function()
      while true do
        svc[vip], svc[vip] = lists[2], lists[1]
      end
    end)
    local seen, mixed, reads, deadline = {}, 0, 0, os.time() + 20
    while (reads < 3000 or not (seen[lists[1]] and seen[lists[2]])) and os.time() < deadline do
      local list = svc[vip]
      reads = reads + 1
      local whole = list[1].address == lists[1][1] and lists[1] or lists[2]
      seen[whole] = true
      mixed = mixed + (list[40].address == whole[40] and 0 or 1)
    end
    writer:kill()
    assert.equal(0, mixed)
    assert.same({ true, true }, { seen[lists[1]], seen[lists[2]] })
  end)

  -- Only a pick that was made and is not counted yet, when the list changes, counts nowhere.
  it("count what is picked while their lists change", function()
    local vip, lists = "10.96.0.10:80/udp", { {}, {} }
    for index = 1, 8 do
      lists[1][index] = ("127.0.0.%d:80"):format(index)
      lists[2][9 - index] = lists[1][index]
    end
    local svc = live_services.enforce(here, "{}")
    svc[vip] = lists[1]
    local stop = os.tmpname()
    local clients = {}
    for index = 1, 2 do
      clients[index] = process.fork(function()
        local client, calls = socket.udp "inet", 0
        while calls % 64 > 0 or uv.fs_stat(stop) do
          assert(client:connect "10.96.0.10:80")
          calls = calls + 1
        end
        return tostring(calls)
      end)
    end
    local changes = 0
    for _ = 1, 500 do
      for _ = 1, 20 do
        changes = changes + 1
        svc[vip] = lists[changes % 2 + 1]
      end
      uv.sleep(1)
    end
    os.remove(stop)
    local calls, picked = 0, 0
    for _, client in ipairs(clients) do
      calls = calls + tonumber(client:wait())
    end
    for _, backend in ipairs(svc[vip]) do
      picked = picked + backend.picked
    end
    assert(calls > changes, calls .. " calls are too few")
    assert(picked <= calls and calls - picked < changes / 100,
      ("%d changes, %d calls, %d picked"):format(changes, calls, picked))
  end)

  --- The backends of a VIP, as a set of their addresses with their weights.
  local function weights(svc, vip)
    local found = {}
    for _, backend in ipairs(svc[vip]) do
      found[backend.address] = backend.weight
    end
    return found
  end

  it("are changed by several processes at once, one backend each, and lose nothing", function()
    local svc, vip = live_services.enforce(here, "{ size = 64 }"), "10.96.0.10:80/udp"
    local _, place = here:serve("udp", "127.0.0.1:0")
    assert(svc:put_backend(vip, { place, weight = 7 }))
    local children, expected = {}, { [place] = 7 }
    for number = 1, 4 do
      for index = 1, 60, 2 do
        expected[("10.0.%d.%d:80"):format(number, index)] = index % 9 + 1
      end
      children[number] = process.fork(function()
        for round = 1, 8 do
          for index = 1, 60 do
            local address = ("10.0.%d.%d:80"):format(number, index)
            assert(svc:put_backend(vip, { address, state = "draining" }))
            assert(svc:put_backend(vip, { address, weight = index % 9 + 1 }))
            if round < 8 or index % 2 == 0 then
              assert(svc:remove_backend(vip, address))
            end
          end
        end
      end)
    end
    for _ = 1, 2000 do -- the one that is up is always there
      assert.equal(place, socket.reached("udp", "10.96.0.10:80"))
    end
    for _, child in ipairs(children) do
      child:wait()
    end
    assert.same(expected, weights(svc, vip))
    for _, backend in ipairs(svc[vip]) do
      assert.equal(backend.address == place and "up" or "draining", backend.state)
    end
  end)

  it("keep all backends but the one whose change is interrupted", function()
    local svc, vip = live_services.enforce(here, "{ size = 16 }"), "10.96.0.10:80/udp"
    local steady = {}
    for index = 1, 40 do
      steady[index] = { ("10.0.0.%d:80"):format(index), weight = index }
    end
    svc[vip] = steady
    for round = 1, 30 do
      local child = process.fork(function()
        while true do
          assert(svc:put_backend(vip, { "10.9.9.9:9", weight = 3 }))
          assert(svc:remove_backend(vip, "10.9.9.9:9"))
        end
      end)
      uv.sleep(round % 7)
      child:kill()
      local found = weights(svc, vip)
      found["10.9.9.9:9"] = nil
      for index = 1, 40 do
        assert.equal(index, found[("10.0.0.%d:80"):format(index)])
      end
      assert.equal(40, select(2, tostring(svc[vip]):gsub('address = "10%.0%.', "")))
    end
    assert(svc:put_backend(vip, "10.9.9.9:9"))
    assert(svc:remove_backend(vip, "10.9.9.9:9"))
    assert.equal(40, #svc[vip])
  end)

  --- Lists of several sizes that point to one of the two places; half of each is not up.
  local function lists(places)
    local made = {}
    for count = 1, 40 do
      local list = { { places[count % 2 + 1], weight = count } }
      for index = 1, count do
        list[index + 1] = { ("127.9.9.9:%d"):format(index),
          state = index % 2 == 0 and "down" or "draining" }
      end
      made[count] = list
    end
    return made
  end

  it("are never seen half changed, whichever process changes them and dies", function()
    local _, one = here:serve("udp", "127.0.0.1:0")
    local _, two = here:serve("udp", "127.0.0.2:0")
    local svc = live_services.enforce(here, "{ size = 16 }")
    local vip, made = "10.96.0.10:80/udp", lists { one, two }
    svc[vip] = one
    local seen, calls = {}, 0
    for _ = 1, 12 do
      local child = process.fork(function()
        local round = 0
        while true do
          round = round + 1
          svc[vip] = made[round % #made + 1]
          local other = ("10.96.1.%d:80/udp"):format(round % 12)
          svc[other] = round % 3 > 0 and made[round % 7 + 1] or nil
        end
      end)
      for _ = 1, 1000 do
        local place = socket.reached("udp", "10.96.0.10:80")
        seen[place], calls = (seen[place] or 0) + 1, calls + 1
      end
      child:kill()
    end
    assert.same({ [one] = true, [two] = true }, { [one] = seen[one] and true,
      [two] = seen[two] and true })
    assert.equal(calls, seen[one] + seen[two])
    -- The interrupted change is repaired: there is as much room as before.
    for name in svc:each() do
      svc[name] = nil
    end
    assert.equal(0, #svc)
    for index = 1, 16 do
      svc[("10.97.0.%d:80/udp"):format(index)] = made[9]
    end
    assert.equal(16, #svc)
    assert.equal(two, socket.reached("udp", "10.97.0.7:80"))
  end)

  it("are emptied and refilled under load, and no call goes to the VIP", function()
    local _, one = here:serve("udp", "127.0.0.1:0")
    local svc = live_services.enforce(here)
    local vip = "10.96.0.10:80/udp"
    svc[vip] = one
    local child = process.fork(function()
      while true do
        svc[vip] = {}
        svc[vip] = one
      end
    end)
    local seen = {}
    for _ = 1, 4000 do
      local place = socket.reached("udp", "10.96.0.10:80")
      seen[place] = (seen[place] or 0) + 1
    end
    child:kill()
    assert.equal(4000, (seen[one] or 0) + (seen.EHOSTUNREACH or 0))
    assert.is_true(seen[one] > 0 and seen.EHOSTUNREACH > 0)
  end)
end)

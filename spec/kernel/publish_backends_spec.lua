-- What a publish does to lists of backends: their counts continue as long as
-- their rule exists, and the memory that they took is given back.

local footprint = require "spec.support.footprint"
local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("a publish", function(here)
  before_each(netns.own_all_addresses)

  local A, B, C = "127.0.1.1:1001", "127.0.1.2:1002", "127.0.1.3:1003"

  --- Replace the rules by these and publish: name, destination, list, and so on.
  local function publish(gate, ...)
    for _, rule in ipairs(gate:rules()) do
      rule:remove()
    end
    local words = { ... }
    for index = 1, #words, 3 do
      gate:balance { words[index], connect = words[index + 1], to = words[index + 2],
        reveal = true }
    end
    assert(gate:commit())
  end

  --- Connect that often; the places where the connects were redirected are counted in `counts`.
  local function call(counts, to, times)
    for _ = 1, times do
      local client = socket.udp "inet"
      assert(client:connect(to))
      local peer = client:getpeername()
      counts[peer] = (counts[peer] or 0) + 1
      client:close()
    end
  end

  local function picked(gate, name)
    local counts = {}
    for _, backend in ipairs(gate:stats().rules[name].backends) do
      counts[backend.address] = backend.picked > 0 and backend.picked or nil
    end
    return counts
  end

  it("carries over the counts of a rule's backends, whatever changes beside it", function()
    local gate, api, other = here:enforce "", {}, {}
    local function ask(others)
      call(api, "10.96.0.10:80", 20)
      assert.same(api, picked(gate, "api"))
      if others then
        call(other, "10.96.0.11:80", 10)
        assert.same(other, picked(gate, "other"))
      end
    end
    for _ = 1, 2 do
      publish(gate, "api", "10.96.0.10", { A, B })
      ask()
      publish(gate, "other", "10.96.0.11", { C, A }, "api", "10.96.0.10", { A, B })
      ask(true)
      publish(gate, "api", "10.96.0.10", { C, B, A }, "more", "10.96.0.12", B, "other",
        "10.96.0.11", { A, C })
      ask(true)
      ask(true)
      other = {}
      publish(gate, "api", "10.96.0.10", { C, B, A })
      ask()
      api[A] = nil
      publish(gate, "api", "10.96.0.10", { B, C })
      ask()
      publish(gate, "other", "10.96.0.11", C, "api", "10.96.0.10", { A, B, C })
      ask(true)
      -- No backend, so no count is known any more.
      api, other = {}, {}
      publish(gate)
      call({}, "10.96.0.10:80", 1)
    end
  end)

  --- The maps that the process has open and that are not among `others`.
  local function maps_beside(others)
    local ids = footprint.maps()
    for id in pairs(others) do
      ids[id] = nil
    end
    return ids
  end

  local function assert_gone(ids)
    assert(next(ids))
    for id in pairs(ids) do
      assert(not footprint.map_exists(id), "a map is left behind")
    end
  end

  local function bytes_of_maps()
    return (select(2, footprint.maps()))
  end

  it("takes a list's memory once, and gives it back when there are no lists", function()
    local gate, took, seen = here:enforce "", {}, {}
    publish(gate, "api", "10.96.0.10", { A, B })
    publish(gate) -- the programs stay
    local before, bytes, descriptors = footprint.maps(), bytes_of_maps(), footprint.descriptors()
    for round = 1, 6 do
      publish(gate, "api", "10.96.0.10", { A, B })
      took[round] = bytes_of_maps()
      for id in pairs(maps_beside(before)) do
        seen[id] = true
      end
    end
    assert.equal(took[2], took[6])
    publish(gate)
    assert.equal(bytes, bytes_of_maps())
    assert.equal(descriptors, footprint.descriptors())
    assert_gone(seen)
  end)

  it("gives back at once what many long lists took", function()
    local gate, long, many = here:enforce "", {}, {}
    for index = 1, 256 do
      long[index] = ("127.0.2.%d:7"):format(index % 256)
    end
    for index = 1, 200 do
      many[3 * index - 2], many[3 * index - 1], many[3 * index] = "r" .. index, "10.97.0." .. index,
        long
    end
    publish(gate, unpack(many))
    publish(gate) -- the programs stay
    local before = footprint.maps()
    publish(gate, unpack(many))
    local large = maps_beside(before)
    publish(gate, "api", "10.96.0.10", { A, B })
    assert_gone(large)
    call({}, "10.96.0.10:80", 1)
  end)
end)

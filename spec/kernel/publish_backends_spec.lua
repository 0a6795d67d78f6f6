-- What a publish does to lists of backends: their counts continue as long as
-- their rule exists, and they take nothing beside their image.

local client = require "spec.support.client"
local footprint = require "spec.support.footprint"
local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local wider = require "spec.support.wider"

local IMAGES = 8 -- that a gate keeps

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
      local caller = socket.udp "inet"
      assert(caller:connect(to))
      local peer = caller:getpeername()
      counts[peer] = (counts[peer] or 0) + 1
      caller:close()
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

  it("takes no map, and keeps no more mappings than there are images, for lists", function()
    local gate = here:enforce ""
    publish(gate, "api", "10.96.0.10", { A, B })
    local maps, bytes = footprint.maps()
    local descriptors, mappings = footprint.descriptors(), footprint.mappings()
    for round = 1, 30 do
      publish(gate, "r" .. round, "10.96.0.10", { A, B }, "api", "10.96.0.11", { C, B, A })
      local now, took = footprint.maps()
      assert.same(maps, now)
      assert.equal(bytes, took)
      assert.equal(descriptors, footprint.descriptors())
      assert.is_true(footprint.mappings() < mappings + IMAGES)
    end
  end)

  it("counts each call, also if it ends when another image is in force", function()
    local gate = here:enforce [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }]]
    local lists = { { A, B, C }, { B, A, C }, { C, B, A } }
    local function list(index)
      for _, rule in ipairs(gate:rules()) do
        if rule.name == "api" then
          rule:remove()
        end
      end
      gate:balance { "api", connect = "192.0.2.2", to = lists[index % 3 + 1], reveal = true }
      assert(gate:commit())
    end
    list(1)
    local storm = client.storm("192.0.2.1", "192.0.2.2", 80)
    local sum = 0
    for index = 2, 200 do
      list(index)
      if index % 60 == 0 then
        gate:deny(wider.rule(index / 60))
      end
    end
    local answers = client.finish(storm)
    local rewritten = 0
    for answer, count in pairs(answers) do
      rewritten = rewritten + (answer:find "^rewritten" and count or 0)
    end
    for _, backend in ipairs(gate:stats().rules.api.backends) do
      sum = sum + backend.picked
    end
    assert.is_true(rewritten > 0)
    assert.equal(rewritten, gate:stats().rules.api.hits)
    assert.equal(rewritten, sum)
  end)
end)

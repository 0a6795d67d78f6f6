-- Shares and moves in the kernel: the picks follow the weights, and when a list changes, only
-- those clients move that must.

local env = require "spec.support.env"
local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

--- The value of chi-square that one run in a million exceeds (Wilson and Hilferty).
local function critical(freedom)
  local part = 2 / (9 * freedom)
  return freedom * (1 - part + 4.7534 * math.sqrt(part)) ^ 3
end

sandbox.describe("balance", function(here)
  setup(env.seed)
  before_each(netns.own_all_addresses)

  --- Where a new socket that connects there is redirected.
  local function reached(to)
    local client = socket.udp "inet"
    assert(client:connect(to))
    local peer = client:getpeername()
    client:close()
    return peer
  end

  --- A list of backends, all of which have these weights.
  local function list_of(weights)
    local list = {}
    for index, weight in ipairs(weights) do
      list[index] = { ("127.1.1.%d:%d"):format(index, 1000 + index), weight = weight }
    end
    return list
  end

  local CALLS = 30000

  for name, weights in pairs {
    ["equal weights"] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, ["other weights"] = { 1, 2, 5, 12, 30 },
  } do
    for _, by in ipairs { "random", "hash" } do
      it(("shares as the weights say, by chi-square: %s, by %s"):format(name, by), function()
        local gate, sum, square = here:gate "", 0, 0
        -- Each socket is a different key.
        gate:balance { "api", connect = "10.96.0.10:80", to = list_of(weights), by = by }
        assert(gate:attach(here.cgroup))
        for _ = 1, CALLS do
          local client = socket.udp "inet"
          assert(client:connect "10.96.0.10:80")
          client:close()
        end
        local backends = gate:rules()[1].backends
        for _, backend in ipairs(backends) do
          sum = sum + backend.weight
        end
        for _, backend in ipairs(backends) do
          local expected = CALLS * backend.weight / sum
          square = square + (backend.picked - expected) ^ 2 / expected
        end
        assert(square < critical(#weights - 1), ("chi-square is %.1f, more than %.1f")
          :format(square,
          critical(#weights - 1)))
      end)
    end
  end

  it("moves only the calls that must move when a backend goes, drains or comes", function()
    local gate = here:gate ""
    local svc, list, count = gate:services "svc", list_of { 1, 1, 1, 1, 1, 3 }, 1500
    local vips = {}
    for index = 1, count do
      vips[index] = ("10.96.%d.%d:80"):format(index / 250, index % 250 + 1)
    end
    svc { size = 2048 }
    gate:balance { connect = svc, by = "hash", key = "destination", reveal = true }
    assert(gate:attach(here.cgroup))

    --- Where each destination is redirected, now that all have this list.
    local function homes(backends)
      local found = {}
      for index, vip in ipairs(vips) do
        svc[vip .. "/udp"] = backends
        found[index] = reached(vip)
      end
      return found
    end

    --- How many destinations moved; each must have moved to `to`, or, by default, away from `from`.
    local function moved(before, after, from, to)
      local moves = 0
      for index in ipairs(vips) do
        if before[index] ~= after[index] then
          moves = moves + 1
          assert.equal(to or after[index], after[index])
          assert.equal(from or before[index], before[index])
        end
      end
      return moves
    end

    local function about(share, moves)
      local expected = count * share
      assert(math.abs(moves - expected) < 5 * math.sqrt(expected),
        ("%d moved, not %d"):format(moves, expected))
    end

    local all = homes(list)
    local third = table.remove(list, 3)
    local less = homes(list)
    about(1 / 8, moved(all, less, third[1]))
    list[#list + 1] = third
    assert.same(all, homes(list))
    list[5].state = "draining" -- has weight 3
    about(3 / 8, moved(all, homes(list), list[5][1]))
    list[5].state = nil
    list[#list + 1] = { "127.1.1.99:1099", weight = 2 }
    about(2 / 10, moved(all, homes(list), nil, "127.1.1.99:1099"))
  end)
end)

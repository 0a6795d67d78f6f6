-- Everything at once: two processes connect, one changes sets and
-- services a thousand times a second, and images are published twenty times a
-- second.  Every answer belongs to one whole policy and to one whole list of
-- backends; nothing leaks; every call is counted once.
--
-- TIDEGATE_SECONDS says for how long (default: 10).

local footprint = require "spec.support.footprint"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local uv = require "luv"

local SECONDS = tonumber(os.getenv "TIDEGATE_SECONDS") or 10
local PUBLISHES, CHANGES = 20, 1000 -- a second
local MEMORY_SLACK = 2 * 1024 * 1024
local WARM = 1000 -- rounds after which a process has compiled and allocated what it needs

-- The two policies differ in the errno of what they refuse, and in the source
-- address of the rest.
local sides = { { errno = "EXDEV", bind_source = "127.0.1.1" },
  { errno = "EUSERS", bind_source = "127.0.1.2" } }

-- Two lists of backends differ in both address and port.
local function backends(kind, list, count)
  local all = {}
  for index = 1, count do
    all[index] = ("127.%d.%d.%d:%d"):format(kind, list, index, 1000 * kind + 10 * list + index)
  end
  return all
end

local SERVICE, FIXED, LIVE = 2, 3, 4
local REWRITTEN = "127.5.5.5:5555"
local vip, quiet = "10.96.0.10:80/udp", "10.96.0.11:80/udp"
local lists = { backends(SERVICE, 1, 3), backends(SERVICE, 2, 4), {} }

-- What the clients ask for, and the rule that decides it; a rule that may let another one decide
-- has an "or".
local asked = {
  { to = "192.0.2.1:9", rule = "no" }, { to = "192.0.2.2:9", rule = "moved" },
  { to = "192.0.2.3:9", rule = "list" },
  { to = "192.0.2.4:9", rule = "same" }, { to = "10.96.0.10:80", rule = "service" },
  { to = "10.96.0.11:80", rule = "quiet" }, { to = "198.51.100.1:9", rule = "ban" },
  { to = "198.51.100.2:9" },
  { to = "198.51.100.3:9", rule = "ban", or_none = true },
}

--- The possible answers to each rule, by their text.
local function expected_answers()
  local answers = { none = { ok = true } }
  local function expect(rule, answer)
    answers[rule] = answers[rule] or {}
    answers[rule][answer] = true
  end
  for number, side in ipairs(sides) do
    local function expect_each(rule, list)
      for _, backend in ipairs(list) do
        expect(rule, backend .. " from " .. side.bind_source)
      end
    end
    expect("no", side.errno)
    expect("ban", side.errno)
    expect("service", side.errno) -- of the empty list
    expect("moved", REWRITTEN .. " from " .. side.bind_source)
    expect_each("list", backends(FIXED, number, 3))
    expect_each("same", backends(FIXED, 9, 5))
    expect_each("quiet", backends(LIVE, 1, 5))
    for _, list in ipairs(lists) do
      expect_each("service", list)
    end
  end
  return answers
end

--- Replace the rules of one side by those of the other.
local function stage(gate, number)
  local side, log = sides[number], "1/50"
  for _, rule in ipairs(gate:rules()) do
    rule:remove()
  end
  gate:deny { "ban", connect = gate:set "banned", errno = side.errno, log = log }
  gate:deny { "no", connect = "192.0.2.1", errno = side.errno, log = log }
  local function redirect(verb, name, to, list)
    gate[verb](gate, { name, connect = to, to = list, bind_source = side.bind_source, reveal = true,
      log = log,
      errno = verb == "balance" and side.errno or nil })
  end
  redirect("rewrite", "moved", "192.0.2.2", REWRITTEN)
  redirect("balance", "list", "192.0.2.3", backends(FIXED, number, 3))
  redirect("balance", "same", "192.0.2.4", backends(FIXED, 9, 5))
  redirect("balance", "service", gate:services "svc")
  redirect("balance", "quiet", gate:services "calm")
end

--- Wait until the next step is due, if `a_second` steps are due each second.
local function pace(start, done, a_second)
  local due = start + done / a_second * 1e9
  uv.sleep(math.max(0, math.floor((due - uv.hrtime()) / 1e6)))
end

--- What a new socket that connects there receives.
local function answer_of(to)
  local client = socket.udp "inet"
  local ok, errno = client:connect(to)
  local peer, own = ok and client:getpeername(), ok and client:getsockname()
  client:close()
  if not ok then
    return errno
  end
  return peer == to and "ok" or peer .. " from " .. own:match "^[%d.]+"
end

--- Ask for everything, again and again, until the file is gone: "count what answer", a line each.
local function connect(stop)
  local counts, rounds, before = {}, 0, nil
  -- Clients take all the time there is; the others keep to their rates.
  uv.os_setpriority(uv.os_getpid(), 10)
  while uv.fs_stat(stop) do
    rounds = rounds + 1
    before = before or rounds == WARM and footprint.memory() or nil
    for number, one in ipairs(asked) do
      local key = number .. " " .. answer_of(one.to)
      counts[key] = (counts[key] or 0) + 1
    end
  end
  local lines = { ("%d grew"):format(before and math.max(0, footprint.memory() - before) or 0) }
  for key, count in pairs(counts) do
    lines[#lines + 1] = count .. " " .. key
  end
  return table.concat(lines, "\n")
end

--- Change sets and services in every possible way; the rate that was reached.
local function change(stop, banned, svc)
  local start, done, before = uv.hrtime(), 0, nil
  local spare = {}
  for index = 1, 40 do
    spare[index] = ("203.0.113.%d"):format(index)
  end
  local ways = {
    function(round) assert(banned:add(spare[round % 40 + 1])) end,
    function(round) svc[vip] = lists[round % 3 + 1] end,
    function(round) banned:remove(spare[round % 40 + 1]) end,
    function(round) svc[("10.97.0.%d:80/tcp"):format(round % 50)] = lists[round % 3 + 1] end,
    function(round) assert(banned:add("198.51.100.3", round % 2 == 0 and 0.001 or nil)) end,
    function(round) svc[("10.97.0.%d:80/tcp"):format((round + 25) % 50)] = nil end,
    function(round)
      assert(svc:put_backend(("10.97.1.%d:80/tcp"):format(round % 5),
        { ("10.0.9.%d:80"):format(round % 9 + 1), weight = round % 7 + 1 }))
    end,
    function(round)
      svc:remove_backend(("10.97.1.%d:80/tcp"):format(round % 5),
        ("10.0.9.%d:80"):format(round % 4 + 1))
    end,
    function() banned:remove "198.51.100.3" end,
    function(round) assert(banned:replace { "198.51.100.1",
      round % 2 == 0 and "198.51.100.3" or "2001:db8::1" }) end,
  }
  while uv.fs_stat(stop) do
    for index, way in ipairs(ways) do
      way(math.floor(done / #ways) * 5 + index)
      done = done + 1
    end
    pace(start, done, CHANGES)
    before = before or (done > WARM and footprint.memory() or nil)
  end
  local rate = done / (uv.hrtime() - start) * 1e9
  return ("%d %d"):format(rate, footprint.memory() - (before or footprint.memory()))
end

sandbox.describe("a soak", function(here)
  before_each(netns.own_all_addresses)

  --- What is wrong with an event, given the side that its generation has; or nil.
  local function wrong(event, answers, number)
    local side = sides[number]
    if event.errno then
      return event.errno ~= side.errno
    end
    return not answers[event.rule][event.final .. " from " .. side.bind_source]
  end

  --- What this process takes; the maps that it has seen are added to `seen`.
  local function take_stock(seen)
    local ids, bytes = footprint.maps()
    for id in pairs(ids) do
      seen[id] = true
    end
    return { memory = footprint.memory(), descriptors = footprint.descriptors(), bytes = bytes }
  end

  --- Publish the two sides in turn, reading events, until the time is over; returns what the
  --- process took after a quarter of that, and at the end.
  local function publish(gate, answers)
    local side_of, maps, events = { [gate:status().generation] = 1 }, {}, 0
    local start, done, stock = uv.hrtime(), 0, {}
    local function read()
      for event in gate:events { timeout = 0 } do
        events = events + 1
        assert(not wrong(event, answers, side_of[event.generation]), tostring(event))
      end
    end
    while uv.hrtime() - start < SECONDS * 1e9 do
      local number = done % 2 + 1
      stage(gate, number)
      side_of[gate:status().generation + 1] = number
      assert(gate:commit())
      done = done + 1
      read()
      if done % 5 == 0 and uv.hrtime() - start > SECONDS * 1e9 / 4 then
        stock[#stock + 1] = take_stock(maps)
      end
      pace(start, done, PUBLISHES)
    end
    read()
    stock[#stock + 1] = take_stock(maps)
    return { done = done, rate = done / (uv.hrtime() - start) * 1e9, events = events, maps = maps,
      first = stock[1], last = stock[#stock] }
  end

  --- What the clients received, summed by rule: nil if an answer is one that no policy gives.
  local function sum_up(output, answers, sums)
    for line in output:gmatch "[^\n]+" do
      local count, number, answer = line:match "^(%d+) (%d+) (.+)$"
      if count then
        local one = asked[tonumber(number)]
        local rule = one.rule
        if one.or_none and answer == "ok" or not rule then
          rule = "none"
        end
        assert(answers[rule][answer], ("%s for %s"):format(answer, one.to))
        sums[rule] = (sums[rule] or 0) + tonumber(count)
        sums.answers[rule .. ": " .. answer] = true
      else
        assert(tonumber(line:match "^(%d+) grew$") < MEMORY_SLACK, line)
      end
    end
  end

  local function picked(list)
    local sum = 0
    for _, backend in ipairs(list) do
      sum = sum + backend.picked
    end
    return sum
  end

  it("mixes no answers, leaks nothing, and counts every call", function()
    local answers = expected_answers()
    local gate = here:gate ""
    gate:set "banned" { "198.51.100.1" }
    gate:services "svc" { [vip] = lists[1] }
    gate:services "calm" { [quiet] = backends(LIVE, 1, 5) }
    stage(gate, 1)
    assert(gate:attach(here.cgroup))
    local stop = os.tmpname() -- the children go on as long as this file exists
    local function client() return connect(stop) end
    local clients = { process.fork(client), process.fork(client) }
    local changer = process.fork(function() return change(stop, gate:set "banned",
      gate:services "svc") end)
    local ok, published = pcall(publish, gate, answers)
    os.remove(stop)
    local sums, outputs = { answers = {} }, { clients[1]:wait(), clients[2]:wait() }
    local rate, grew = changer:wait():match "^(%S+) (%S+)$"
    assert(ok, published)

    -- No mixed answer, and each answer that there should be.
    for _, output in ipairs(outputs) do
      sum_up(output, answers, sums)
    end
    for rule, texts in pairs(answers) do
      for text in pairs(texts) do
        assert(sums.answers[rule .. ": " .. text], ("nobody heard %s of %s"):format(text, rule))
      end
    end

    -- Counters.
    local stats, calls = gate:stats(), 0
    for rule in pairs(answers) do
      local hits = rule == "none" and stats.defaults.connect.hits or stats.rules[rule].hits
      assert.equal(sums[rule], hits, rule)
      calls = calls + hits
    end
    assert.equal(calls, stats.hooks.connect4.calls)
    assert.equal(0, stats.errors)
    assert.equal(sums.same, picked(stats.rules.same.backends))
    assert.equal(sums.quiet, picked(gate:services "calm"[quiet]))

    -- What all of it took.
    local first, last = published.first, published.last
    local grown, ids = last.memory - first.memory, footprint.maps()
    assert.equal(first.bytes, last.bytes)
    assert.equal(first.descriptors, last.descriptors)
    assert(grown < MEMORY_SLACK, ("%d bytes more"):format(grown))
    assert(tonumber(grew) < MEMORY_SLACK, ("%s bytes more where sets are changed"):format(grew))
    for id in pairs(published.maps) do
      assert(ids[id], "a publish has made or dropped a map")
    end
    print(("    %d calls, %d images (%.0f/s), %.0f changes/s, %d events checked, %d lost; %+d KiB")
      :format(calls,
      published.done, published.rate, rate, published.events, stats.lost, grown / 1024))
  end)
end)

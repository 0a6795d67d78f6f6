-- Publish under load: while two threads connect in a loop, a thousand images
-- are published that alternate between two whole policies.  Every answer
-- belongs to one of them; no call escapes; none goes uncounted.

local client = require "spec.support.client"
local ffi = require "ffi"
local netns = require "spec.support.netns"
local raw_gate = require "spec.support.raw_gate"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local wider = require "spec.support.wider"
local library = require "tidegate.ffi"

local GENERATIONS = tonumber(os.getenv "TIDEGATE_GENERATIONS") or 1000
local RING_BYTES = 4 * 1024 * 1024
local DENIED, REWRITTEN, PORT = "192.0.2.1", "192.0.2.2", 60000

-- What a policy says of the two addresses.
local sides = {
  [0] = { errno = "EACCES", to = "127.0.0.1:1001", bind_source = "127.0.1.1" },
  { errno = "EHOSTUNREACH", to = "127.0.0.2:1002", bind_source = "127.0.1.2" },
}

-- What makes an image need other programs than the one before.
local needs = {
  plain = "",
  hooks = [[deny { "extra", sendmsg = "198.51.100.1", comm = "nobody" }]],
  fields = [[deny { "extra", connect = { "198.51.100.1", "2001:db8::1" }, uid = 7, pid = 7, comm ]]
    .. [[= "nobody" }]],
  rules = {},
  peername = [[rewrite { "extra", connect = "198.51.100.1", to = "127.0.0.9:9" }]],
}
for index = 1, 100 do
  needs.rules[index] = ("deny { connect = '198.51.%d.0/24:%d' }"):format(index, index)
end
needs.rules = table.concat(needs.rules, "\n")
for number = 1, wider.of_connect do
  local parts = {}
  for field, value in pairs(wider.rule(number)) do
    local text = type(value) == "table" and '{ "' .. table.concat(value, '", "') .. '" }'
    parts[#parts + 1] = ("%s = %s"):format(field, text or ("%q"):format(value))
  end
  needs["wider" .. number] = "deny { " .. table.concat(parts, ", ") .. " }"
end

--- Which of these needs generation n has.  Programs only get wider, and wide ones take
--- long to load, so the widest needs come last.
local function need_of(generation)
  local at = generation % 50
  return at == 10 and "hooks" or at == 30 and "peername"
    or at == 20 and "wider" .. (math.floor(generation / 50) % wider.of_connect + 1)
    or generation > GENERATIONS * 0.5 and at == 40 and "fields"
    or generation > GENERATIONS * 0.9 and at == 46 and "rules" or "plain"
end

local function build_images()
  local images = {}
  for name, need in pairs(needs) do
    images[name] = {}
    for side, rule in pairs(sides) do
      images[name][side] = raw_gate.image(([[
        %s
        deny { "no", connect = %q, errno = %q, log = "1/10" }
        rewrite { "moved", connect = "%s:%d", to = %q, bind_source = %q, reveal = true,
                  log = "1/10" }
      ]]):format(need, DENIED, rule.errno, REWRITTEN, PORT, rule.to, rule.bind_source))
    end
  end
  return images
end

sandbox.describe("publish under load", function(here)
  local errno_number = {}
  for number = 1, 133 do
    local name = library.C.tg_errno_name(number)
    if name ~= nil then
      errno_number[ffi.string(name)] = number
    end
  end

  --- What is wrong with an event, given what its generation says.
  local function wrong(event)
    local side = sides[tonumber(event.generation) % 2]
    if event.verb == library.C.TG_VERB_DENY then
      return event.error ~= errno_number[side.errno] and "the other policy's errno"
    end
    local port = bit.bor(bit.rshift(event.final_port_be, 8),
      bit.lshift(bit.band(event.final_port_be, 255), 8))
    return library.endpoint(event.final_addr, port) ~= side.to and "the other policy's address"
  end

  it("shows each call one whole policy, and lets none escape", function()
    netns.own_all_addresses()
    local images = build_images()
    local gate = raw_gate.open(RING_BYTES)
    assert(gate:publish(images.plain[1]))
    assert(gate:attach(here.cgroup))
    local storm = client.storm(DENIED, REWRITTEN, PORT)
    local latest, read = {}, 0

    local function check_event(event)
      local tid, generation = event.tid, tonumber(event.generation)
      assert.is_nil(wrong(event) or nil)
      if generation < (latest[tid] or 0) then
        error(("thread %d saw generation %d after %d"):format(tid, generation, latest[tid]))
      end
      latest[tid] = generation
    end

    local own = { denied = 0, rewritten = 0 }
    for generation = 2, GENERATIONS do
      local side = generation % 2
      assert(gate:publish(images[need_of(generation)][side]))
      -- A call that starts now is not judged by the policy before.
      assert.equal(sides[side].errno, socket.try("udp", ("%s:%d"):format(DENIED, PORT)))
      own.denied = own.denied + 1
      if generation % 7 == 0 then
        local rewritten = socket.udp "inet"
        assert(rewritten:connect(("%s:%d"):format(REWRITTEN, PORT)))
        assert.equal(sides[side].to, rewritten:getpeername())
        rewritten:close()
        own.rewritten = own.rewritten + 1
      end
      read = read + gate:read(check_event)
    end
    local answers, calls = client.finish(storm)
    repeat
      local count = gate:read(check_event)
      read = read + count
    until count == 0

    local expected, counted = {}, { denied = own.denied, rewritten = own.rewritten }
    for _, side in pairs(sides) do
      expected["denied: " .. side.errno] = true
      expected[("rewritten: %s from %s"):format(side.to, side.bind_source)] = true
    end
    for answer, count in pairs(answers) do
      assert.is_true(expected[answer], answer)
      local what = answer:match "^%a+"
      counted[what] = counted[what] + count
    end
    for answer in pairs(expected) do
      assert.is_true((answers[answer] or 0) > 0, answer)
    end
    local rules = { (gate:counters(0)), (gate:counters(1)) }
    assert.same({ counted.denied, counted.rewritten }, rules)
    local stats = gate:stats()
    assert.equal(GENERATIONS, tonumber(gate:status().generation))
    assert.equal(0, tonumber(stats.errors))
    assert.equal(2, #calls)
    print(("    %d and %d calls during %d generations, %d events checked, %d lost")
      :format(calls[1], calls[2], GENERATIONS, read, tonumber(stats.lost)))
    gate:close()
  end)
end)

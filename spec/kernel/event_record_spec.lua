-- What an event contains, which events are emitted, and the ring that carries them.

local cgroup = require "spec.support.cgroup"
local ffi = require "ffi"
local libc = require "spec.support.libc"
local process = require "spec.support.process"
local raw_gate = require "spec.support.raw_gate"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local library = require "tidegate.ffi"

local RECORD_BYTES = 352

sandbox.describe("an event", function(here)
  local function only_event(gate)
    local pull = gate:events { timeout = 0 }
    local event = assert(pull()):copy()
    assert.is_nil(pull())
    return event:totable()
  end

  local function expected(fields)
    local all = {
      op = "connect", verb = "deny", cgroup = cgroup.id(here.cgroup), comm = "luajit", uid = 0,
      gid = 0,
      pid = libc.call.getpid(), tid = libc.call.getpid(), generation = 1, shadow = false,
      failed = false, refused_before = false,
    }
    for name, value in pairs(fields) do
      all[name] = value
    end
    return all
  end

  it("of a denial says who asked for what", function()
    local gate = here:enforce [[
      deny { "no", connect = "*:80", errno = "EHOSTUNREACH", log = true }
    ]]
    for _, case in ipairs {
      { "tcp", "inet", "192.0.2.1:80", "connect4", "192.0.2.1:80" },
      { "udp", "inet6", "[2001:db8::1]:80", "connect6", "[2001:db8::1]:80" },
      { "mptcp", "inet6", "[::ffff:192.0.2.1]:80", "connect6", "192.0.2.1:80" },
    } do
      local client = here:keep(socket.kinds[case[1]](case[2]))
      client:connect(case[3])
      local event = only_event(gate)
      assert.is_true(math.abs(event.time - os.time()) < 60)
      event.time = nil
      if case[1] == "mptcp" then -- the subflow's cookie, not that of the program's socket
        event.socket = client:cookie()
      end
      assert.same(expected {
        rule = "no", errno = "EHOSTUNREACH", hook = case[4], family = case[2], proto = case[1],
        asked = case[5], final = case[5], socket = client:cookie(), netns = client:netns_cookie(),
      }, event)
    end
  end)

  it("of a rewrite says where the call went", function()
    local gate = here:enforce [[
      rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", log = true }
    ]]
    local client = here:keep(socket.udp "inet6")
    client:connect "[::ffff:1.2.3.4]:60000"
    local event = only_event(gate)
    event.time = nil
    assert.same(expected {
      rule = "seed", verb = "rewrite", hook = "connect6", family = "inet6", proto = "udp",
      asked = "1.2.3.4:60000", final = "127.0.0.1:60123", socket = client:cookie(),
      netns = client:netns_cookie(),
    }, event)
  end)

  it("pads the task's name with NUL, whatever was there before", function()
    local gate = raw_gate.open(4096)
    assert(gate:publish(raw_gate.image [[deny { connect = "*", log = true }]]))
    assert(gate:attach(here.cgroup))
    local client = here:keep(socket.udp "inet")
    for _ = 1, 100 do -- round the ring, so that records overlap older ones at other offsets
      client:connect "192.0.2.1:80"
      gate:read(function(event)
        assert.equal("luajit" .. ("\0"):rep(10), ffi.string(event.comm, 16))
      end)
    end
    gate:close()
  end)

  it("names a child's process and cgroup", function()
    local gate = here:enforce [[deny { connect = "*", log = true }]]
    local below = here:another(here.cgroup)
    local child = process.fork(function()
      cgroup.enter(below)
      socket.try("tcp", "192.0.2.1:80")
    end)
    child:wait()
    local event = only_event(gate)
    assert.equal(child.pid, event.pid)
    assert.equal(cgroup.id(below), event.cgroup)
  end)

  it("comes in the order in which the calls were made", function()
    local gate = here:enforce [[deny { connect = "*", log = true }]]
    for port = 1, 500 do
      socket.try("udp", "192.0.2.1:" .. port)
    end
    local port = 0
    for event in gate:events { timeout = 0 } do
      port = port + 1
      assert.equal(port, event.asked_port)
    end
    assert.equal(500, port)
  end)

  describe("is emitted", function()
    --- The number of events and of suppressed events of 1,000 calls.
    local function emitted(log)
      local gate = here:enforce(([[deny { connect = "*", %s }]]):format(log))
      for _ = 1, 1000 do
        socket.try("udp", "192.0.2.1:80")
      end
      local count = 0
      for _ in gate:events { timeout = 0 } do
        count = count + 1
      end
      local rule = gate:rules()[1]
      assert.equal(1000, rule.hits)
      local suppressed = rule.suppressed
      assert.equal(0, gate:stats().lost)
      gate:close()
      return count, suppressed
    end

    it("for every call with log = true", function()
      assert.same({ 1000, 0 }, { emitted "log = true" })
    end)

    it("for none with log = false", function()
      assert.same({ 0, 0 }, { emitted "log = false" })
    end)

    it("for one call in a hundred with 1/100", function()
      assert.same({ 10, 0 }, { emitted [[log = "1/100"]] })
    end)

    -- A rate's burst is one second's worth; tokens also accrue while the test runs.
    it("at a rate, and the rest is counted as suppressed", function()
      local count, suppressed = emitted [[log = "10/h"]]
      assert.same({ 10, 990 }, { count, suppressed })
    end)

    it("for denials at 100/s by default", function()
      local count, suppressed = emitted ""
      assert.is_true(count >= 100)
      assert.equal(1000, count + suppressed)
    end)
  end)
end)

sandbox.describe("the ring", function(here)
  local image = raw_gate.image [[deny { connect = "*", log = true }]]

  local function open(bytes)
    local gate = raw_gate.open(bytes)
    assert(gate:publish(image))
    assert(gate:attach(here.cgroup))
    return gate
  end

  local function call(count, client)
    for _ = 1, count do
      client:connect "192.0.2.1:80"
    end
  end

  it("holds records of the size that we expect", function()
    assert.equal(RECORD_BYTES, ffi.sizeof "struct tg_event_record")
  end)

  it("counts what it has no room for, and goes on once there is room", function()
    local gate = open(4096)
    local room = math.floor(4095 / RECORD_BYTES)
    local client = here:keep(socket.udp "inet")
    call(room + 12, client)
    local seen = 0
    assert.equal(room, gate:read(function() seen = seen + 1 end))
    assert.equal(room, seen)
    assert.equal(12, tonumber(gate:stats().lost))
    call(1, client)
    assert.equal(1, gate:read(function() end))
    assert.equal(0, gate:read(function() end))
    assert.same({ room + 13, 0 }, { gate:counters(0) })
    gate:close()
  end)

  it("is read in batches, thousands of times round, in order and without loss", function()
    local gate = open(4096)
    local client = here:keep(socket.udp "inet")
    local expected, batches = 0, 0
    local function check(event)
      expected = expected + 1
      assert(event.asked_port_be == 0x5000 and event.verb == library.C.TG_VERB_DENY
        and event.socket_cookie == client:cookie() and event.asked_path_bytes == 0
        and event.final_path_bytes == 0
        and event.asked_path[0] == 0 and event.final_path[107] == 0 and event.zero[0] == 0
        and event.zero[5] == 0)
    end
    for batch = 1, 3000 do
      call(batch % 11 + 1, client)
      assert.equal(batch % 11 + 1, gate:read(check))
      batches = batches + 1
    end
    assert.equal(0, tonumber(gate:stats().lost))
    assert.equal((gate:counters(0)), expected)
    gate:close()
  end)

  it("refuses a size that the kernel would refuse", function()
    local options, slot = library.sized "struct tg_gate_options", library.slot "gate"
    options.ring_bytes = 5000
    assert.equal(-22, library.C.tg_gate_new(options, slot))
    assert.equal("ring_bytes: 5000 is not a power of two and a multiple of the page size",
      ffi.string(library.C.tg_error()))
  end)
end)

-- How a host in C takes events: copies in structs of its own size, the names of their rules, texts.

local ffi = require "ffi"
local foreign = require "spec.support.foreign"
local libc = require "spec.support.libc"
local library = require "tidegate.ffi"
local raw_gate = require "spec.support.raw_gate"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local C = library.C

local SIZE = ffi.sizeof "struct tg_event"

sandbox.describe("tg_gate_read_events()", function(here)
  local gate, client

  --- Publish a policy, or another one.
  local function publish(policy)
    assert(gate:publish(raw_gate.image(policy)))
  end

  before_each(function()
    gate = raw_gate.open(4096)
    client = here:keep(socket.udp "inet")
  end)
  after_each(function() gate:close() end)

  local function call(port)
    client:connect("192.0.2.1:" .. port)
  end

  --- Read up to `capacity` events into structs of `size` bytes.
  ---@return ffi.cdata*|nil bytes
  ---@return integer|string count, or the message
  local function read(capacity, size)
    local count = library.index()
    local bytes = ffi.new("uint8_t[?]", math.max(capacity, 1) * size)
    ffi.fill(bytes, math.max(capacity, 1) * size, 0xaa)
    ffi.cast("size_t *", bytes)[0] = size
    local result = C.tg_gate_read_events(gate.object, ffi.cast("struct tg_event *", bytes),
      capacity, count)
    if result ~= 0 then
      return nil, ffi.string(C.tg_error()), result
    end
    return bytes, count[0]
  end

  it("has nothing before the first publish", function()
    local events, message, errno = read(1, SIZE)
    assert.is_nil(events)
    assert.same({ "the gate has no events before its first publish", -2 }, { message, errno })
  end)

  -- F1
  it("loses nothing after more was given back than there was", function()
    C.tg_ring_consume(gate.object, 5) -- no ring yet
    publish [[deny { "no", connect = "*", errno = "EACCES", log = true }]]
    assert(gate:attach(here.cgroup))
    for port = 1, 3 do
      C.tg_ring_consume(gate.object, 5)
      call(port)
      local bytes, count = read(8, SIZE)
      assert.equal(1, count)
      assert.equal(port, ffi.cast("struct tg_event *", bytes).asked_port)
    end
  end)

  it("copies what waits, in order, and gives its room back", function()
    publish [[deny { "no", connect = "*", errno = "EACCES", log = true }]]
    assert(gate:attach(here.cgroup))
    for round = 1, 40 do -- round the ring
      for port = 1, 7 do
        call(round * 100 + port)
      end
      local port = 0
      for _, expected in ipairs { 3, 3, 1, 0 } do
        local bytes, count = read(3, SIZE)
        assert.equal(expected, count)
        for index = 0, count - 1 do
          local event = ffi.cast("struct tg_event *", bytes)[index]
          port = port + 1
          assert.same({ SIZE, round * 100 + port, round * 100 + port, 13, 0 }, {
            tonumber(event.size), event.asked_port, event.final_port, event.error, event.reserved,
          })
          assert.equal(client:cookie(), tonumber(event.socket_cookie))
        end
      end
    end
    assert.equal(0, tonumber(gate:stats().lost))
  end)

  it("writes no byte that the caller's struct does not have", function()
    publish [[deny { "no", connect = "*", log = true }]]
    assert(gate:attach(here.cgroup))
    local longer = SIZE + 24 -- of a newer header
    for port = 1, 3 do
      call(port)
    end
    local bytes, count = read(3, longer)
    assert.equal(3, count)
    for index = 0, 2 do
      local event = ffi.cast("struct tg_event *", bytes + index * longer)
      assert.equal(longer, tonumber(event.size))
      assert.equal(index + 1, event.asked_port)
      for at = SIZE, longer - 1 do
        assert.equal(0xaa, bytes[index * longer + at])
      end
    end
  end)

  it("refuses what cannot be a struct, and takes nothing", function()
    publish [[deny { "no", connect = "*", log = true }]]
    assert(gate:attach(here.cgroup))
    call(1)
    local _, message, errno = read(1, SIZE - 8)
    assert.equal(-22, errno)
    assert.matches("^struct tg_event: its size is " .. SIZE - 8 .. ": set it to sizeof", message)
    assert.equal(-22, C.tg_gate_read_events(gate.object, nil, 1, library.index()))
    assert.equal("struct tg_event: the pointer to it is NULL", ffi.string(C.tg_error()))
    assert.equal(-22, C.tg_gate_read_events(nil, nil, 1, library.index()))
    assert.equal("tg_gate_read_events: gate is NULL", ffi.string(C.tg_error()))
    assert.equal(0, select(2, read(0, SIZE)))
    assert.equal(0, C.tg_gate_read_events(gate.object, nil, 0, library.index()))
    assert.equal(1, select(2, read(1, SIZE)))
  end)

  it("tells the time by the clock of counters", function()
    publish [[deny { "no", connect = "*", log = true }]]
    assert(gate:attach(here.cgroup))
    call(1)
    local event = ffi.cast("struct tg_event *", (read(1, SIZE)))
    assert.is_true(math.abs(tonumber(C.tg_unix_ns(event.time_ns)) / 1e9 - os.time()) < 60)
    local counters = ffi.new "struct tg_counters"
    assert(C.tg_gate_rule_counters(gate.object, 0, counters) == 0)
    assert(C.tg_gate_rule_counters(gate.object, 0, nil) == 0)
    local apart = tonumber(event.time_ns) - tonumber(counters.last_ns)
    assert.is_true(apart >= 0 and apart < 1e9)
  end)

  describe("and the names of rules", function()
    local function policy(name)
      return ('allow { "first", connect = "192.0.2.9" } deny { "%s", connect = "*", log = true }')
        :format(name)
    end

    local function name_of(event)
      return library.text(C.tg_gate_rule_name(gate.object, event.generation, event.rule))
    end

    local function text_of(event)
      local text = ffi.new("char[?]", C.TG_EVENT_TEXT)
      assert(C.tg_event_format(gate.object, event, C.TG_FORMAT_TEXT, text, C.TG_EVENT_TEXT) == 0)
      return ffi.string(text):match "^%a+%s+(%S+)"
    end

    it("are those of the image that decided, for the last eight with other names", function()
      for generation = 1, 12 do
        publish(policy("rule" .. generation))
        if generation == 1 then
          assert(gate:attach(here.cgroup))
        end
        call(generation)
        publish(policy("rule" .. generation)) -- the same names are remembered once
      end
      local seen = {}
      repeat
        local bytes, count = read(1, SIZE)
        local event = ffi.cast("struct tg_event *", bytes)
        if count == 1 then
          seen[#seen + 1] = ("%s %s"):format(name_of(event), text_of(event))
        end
      until count == 0
      local expected = {}
      for generation = 1, 11 do -- the ring holds 11
        expected[generation] = generation > 4
          and ("rule%d rule%d"):format(generation, generation) or "nil #2"
      end
      assert.same(expected, seen)
      assert.equal("first", library.text(C.tg_gate_rule_name(gate.object, 24, 0)))
      assert.is_nil(library.text(C.tg_gate_rule_name(gate.object, 24, 2)))
      assert.is_nil(library.text(C.tg_gate_rule_name(gate.object, 25, 0)))
      assert.is_nil(library.text(C.tg_gate_rule_name(gate.object, 24, C.TG_RULE_DEFAULT)))
    end)

    it("come with their messages", function()
      local function message_of(generation)
        return library.text(C.tg_gate_rule_message(gate.object, generation, 0))
      end
      publish 'deny { "it", connect = "*", message = "first" }'
      publish 'deny { "it", connect = "*", message = "second" }'
      publish 'deny { "it", connect = "*" }'
      assert.same({ "first", "second" }, { message_of(1), message_of(2) })
      assert.is_nil(message_of(3))
      assert.is_nil(message_of(4))
      assert.is_nil(library.text(C.tg_gate_rule_message(gate.object, 1, 1)))
    end)

    it("of a publish that failed are forgotten", function()
      publish 'deny { "one", bind = "192.0.2.1" }'
      assert(gate:attach(here.cgroup))
      local program = foreign.load("alone", 1)
      foreign.attach(here.cgroup, program, 0)
      assert.is_nil((gate:publish(raw_gate.image(policy "two"))))
      foreign.detach(here.cgroup, program)
      libc.call.close(program)
      local function name_in(generation)
        return library.text(C.tg_gate_rule_name(gate.object, generation, 0))
      end
      assert.same({ "one" }, { name_in(1), name_in(2) })
      publish(policy "three")
      assert.same({ "one", "first" }, { name_in(1), name_in(2) })
    end)
  end)
end)

-- F5
describe("tg_event_format()", function()
  local event = ffi.new("struct tg_event", {
    size = SIZE, rule = 7, generation = 1, hook = C.TG_HOOK_CONNECT4, verb = C.TG_VERB_ALLOW,
    family = 2,
  })

  it("says what it needs", function()
    local text = ffi.new("char[?]", C.TG_EVENT_TEXT, 1)
    local function refused(of, size, format)
      assert.equal(-22, C.tg_event_format(nil, of, format or 0, size and text, size or 1))
      return ffi.string(C.tg_error())
    end
    assert.equal("struct tg_event: the pointer to it is NULL", refused(nil, 1))
    assert.equal("tg_event_format: text is NULL", refused(event))
    assert.equal("tg_event_format: there is no format 3", refused(event, 1, 3))
    assert.equal(0, C.tg_event_format(nil, event, C.TG_FORMAT_TEXT, text, C.TG_EVENT_TEXT))
    local line = ffi.string(text)
    assert.equal("allow   #8  connect [::]:0  [0] uid 0", line)
    ffi.fill(text, 1, 1)
    assert.equal(-28, C.tg_event_format(nil, event, C.TG_FORMAT_TEXT, text, #line))
    assert.equal(1, text[0])
    assert.equal(("tg_event_format: this event needs room for %d bytes; TG_EVENT_TEXT (8192) is "
      .. "enough for every event"):format(#line + 1), ffi.string(C.tg_error()))
    assert.equal(0, C.tg_event_format(nil, event, C.TG_FORMAT_TEXT, text, #line + 1))
  end)

  it("has room for the longest event, whatever is in it", function()
    local longest = ffi.new("struct tg_event", event)
    longest.family, longest.verb, longest.hook = 1, C.TG_VERB_REWRITE, C.TG_HOOK_CONNECT_UNIX
    longest.asked_path_bytes, longest.final_path_bytes = 65535, 65535
    for _, byte in ipairs { 1, 34, 92, 255 } do
      ffi.fill(longest.comm, 16, byte)
      ffi.fill(longest.asked_path, 108, byte)
      ffi.fill(longest.final_path, 108, byte)
      for format = C.TG_FORMAT_TEXT, C.TG_FORMAT_LOG do
        local text = ffi.new("char[?]", C.TG_EVENT_TEXT)
        assert.equal(0, C.tg_event_format(nil, longest, format, text, C.TG_EVENT_TEXT))
      end
    end
  end)

  it("goes on with what it does not know", function()
    local odd = ffi.new("struct tg_event", event)
    odd.hook, odd.verb, odd.family, odd.flags = 999, 999, 999, 0xfffffff8
    local text = ffi.new("char[?]", C.TG_EVENT_TEXT)
    assert.equal(0, C.tg_event_format(nil, odd, C.TG_FORMAT_TEXT, text, C.TG_EVENT_TEXT))
    assert.equal("?       #8  ? [::]:0  [0] uid 0", ffi.string(text))
    assert.equal(0, C.tg_event_format(nil, odd, C.TG_FORMAT_JSON, text, C.TG_EVENT_TEXT))
    assert.matches('"verb":"?","rule":"#8","message":null,"op":"?","hook":null', ffi.string(text),
      1, true)
  end)
end)

describe("tg_unix_ns()", function()
  it("keeps times as far apart as they are", function()
    for _ = 1, 10000 do
      local first, second = C.tg_unix_ns(1000), C.tg_unix_ns(1700)
      if second - first ~= 700 then -- the clock was set meanwhile
        assert.is_true(math.abs(tonumber(second - first)) > 1e5)
      end
    end
  end)
end)

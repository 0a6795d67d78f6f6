-- The C interface of gates: what it refuses, and structs of callers that are older or newer.  No
-- call of this spec needs privileges.

local ffi = require "ffi"
local library = require "tidegate.ffi"

local C = library.C

local E2BIG, EINVAL, ENOENT, EOPNOTSUPP = -7, -22, -2, -95

--- A struct in a buffer that is larger, filled with 0xee behind the struct.
local function padded(name, size)
  local buffer = ffi.new("uint8_t[?]", ffi.sizeof(name) + 16)
  ffi.fill(buffer, ffi.sizeof(name) + 16, 0xee)
  ffi.fill(buffer, ffi.sizeof(name))
  local struct = ffi.cast(name .. " *", buffer)
  struct.size = size or ffi.sizeof(name)
  return struct, buffer
end

local function said()
  return ffi.string(C.tg_error())
end

local function new(options)
  local slot = library.slot "gate"
  assert(C.tg_gate_new(options, slot) == 0, said())
  return library.own("gate", slot)
end

describe("tg_gate_new", function()
  local slot = library.slot "gate"

  it("takes no options, and options of any size that say nothing unknown", function()
    assert.truthy(new(nil))
    local options = padded "struct tg_gate_options"
    options.ring_bytes = 65536
    assert.truthy(new(options))
    local newer, bytes = padded("struct tg_gate_options", ffi.sizeof "struct tg_gate_options" + 8)
    assert.equal(E2BIG, C.tg_gate_new(newer, slot))
    assert.matches("^struct tg_gate_options: byte 40 is 238, ", said())
    ffi.fill(bytes + ffi.sizeof "struct tg_gate_options", 8)
    assert.truthy(new(newer))
    local older = padded("struct tg_gate_options", 8)
    assert.equal(EINVAL, C.tg_gate_new(older, slot))
    assert.equal("struct tg_gate_options: its size is 8: set it to sizeof(struct tg_gate_options), "
      .. "40", said())
  end)

  it("refuses what it does not know or cannot do yet", function()
    local function refusal(set)
      local options = padded "struct tg_gate_options"
      set(options)
      return C.tg_gate_new(options, slot), said()
    end
    local name = "web"
    assert.same({ EINVAL, "tg_gate_new: flags: 0x4 is not known to this library" },
      { refusal(function(options) options.flags = 4 end) })
    assert.same({ EOPNOTSUPP, "pin: pinned gates are not supported yet: leave it NULL, and keep "
      .. "the process that holds the gate running" },
      { refusal(function(options) options.pin = name end) })
    assert.same({ EINVAL, "share: the name is empty" },
      { refusal(function(options) options.share = "" end) })
    assert.same({ EINVAL, "tg_gate_new: gate is NULL" }, { C.tg_gate_new(nil, nil), said() })
    C.tg_gate_close(nil)
  end)
end)

describe("a gate that has not published anything", function()
  local gate
  before_each(function() gate = new(nil) end)

  it("has a status, of which a caller gets what it knows", function()
    local status, bytes = padded("struct tg_gate_status", ffi.sizeof "struct tg_gate_status" + 8)
    assert.equal(0, C.tg_gate_status(gate, status))
    assert.same({ 0, 0, 0 }, { tonumber(status.generation), status.hooks, status.attachments })
    assert.equal(ffi.sizeof "struct tg_gate_status" + 8, tonumber(status.size))
    assert.equal(0xee, bytes[ffi.sizeof "struct tg_gate_status"])
    assert.equal(EINVAL, C.tg_gate_status(gate, (padded("struct tg_gate_status", 8))))
    assert.equal(0, C.tg_gate_status(gate, nil)) -- a result that nobody wants
    assert.equal(EINVAL, C.tg_gate_status(nil, status))
    assert.equal("tg_gate_status: gate is NULL", said())
  end)

  it("counts nothing, and is attached to nothing", function()
    local stats = padded "struct tg_gate_stats"
    assert.equal(ENOENT, C.tg_gate_stats(gate, nil, 0, stats))
    assert.equal("the gate counts nothing before its first publish", said())
    assert.equal(EINVAL, C.tg_gate_stats(gate, nil, 1, stats))
    assert.equal(ENOENT, C.tg_gate_rule_counters(gate, 0, ffi.new "struct tg_counters"))
    local cursor = ffi.new "uint64_t[1]"
    assert.equal(0, C.tg_gate_attachment_next(gate, cursor, (padded "struct tg_attachment")))
    assert.equal(EINVAL, C.tg_gate_attachment_next(gate, nil, nil))
    assert.equal(ENOENT, C.tg_gate_detach(gate, "/sys/fs/cgroup/none"))
    assert.equal("/sys/fs/cgroup/none: this gate is not attached there", said())
    assert.equal(0, C.tg_gate_detach(gate, nil))
  end)

  it("refuses to attach, and says why", function()
    local options = padded "struct tg_attach_options"
    assert.equal(EINVAL, C.tg_gate_attach(gate, "self", options, nil))
    assert.equal("nothing to attach: publish an image first", said())
    options.flags = 4
    assert.equal(EINVAL, C.tg_gate_attach(gate, "self", options, nil))
    assert.equal("attach: flags: 0x4 is not known to this library", said())
    options.flags, options.existing = 0, 3
    assert.equal(EINVAL, C.tg_gate_attach(gate, "self", options, nil))
    assert.equal("attach: existing: 3 is no TG_EXISTING_*", said())
    assert.equal(EINVAL, C.tg_gate_attach(gate, nil, nil, nil))
    assert.equal("tg_gate_attach: target is NULL", said())
    assert.equal(EINVAL, C.tg_gate_attach(gate, "self", nil, (padded("struct tg_attachment", 8))))
    assert.equal(EINVAL, C.tg_gate_publish(gate, nil, nil))
  end)

  it("can be restricted, and only further", function()
    assert.equal(EINVAL, C.tg_gate_restrict(gate, 8))
    assert.equal("restrict: may: 0x8 is not known to this library", said())
    assert.equal(0, C.tg_gate_restrict(gate, C.TG_MAY_STATS))
    assert.equal(0, C.tg_gate_restrict(gate, C.TG_MAY_STATS + C.TG_MAY_EVENTS))
    assert.equal(-1, C.tg_gate_claim_events(gate))
    assert.equal(-1, C.tg_gate_detach(gate, nil))
    assert.equal(ENOENT, C.tg_gate_stats(gate, nil, 0, nil))
    assert.equal(0, C.tg_gate_restrict(gate, 0))
    assert.equal(-1, C.tg_gate_stats(gate, nil, 0, nil))
    assert.equal(0, C.tg_gate_status(gate, (padded "struct tg_gate_status")))
  end)
end)

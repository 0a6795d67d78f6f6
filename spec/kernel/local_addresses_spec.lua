-- @local: the addresses of this host, as they come and go.

local binding = require "tidegate.ffi"
local env = require "spec.support.env"
local gates = require "tidegate.gate"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"
local tidegate_uv = require "tidegate.uv"
local uv = require "luv"

local C = binding.C

sandbox.describe("@local", function(here)
  teardown(env.clean)

  local function change(command)
    assert.equal(0, os.execute(command))
  end

  local function refused(address)
    return socket.try("udp", address) == "EACCES"
  end

  local function local_set(gate)
    local object = binding.slot "set"
    assert.equal(0, C.tg_gate_find_set(gates.state(gate).cdata, "local", object))
    return object[0]
  end

  local POLICY = [[deny { "local", egress = "@local", errno = "EACCES", log = false }]]

  -- G, H1
  it("contains the addresses that this host has when the policy is put in force", function()
    change "ip addr add 203.0.113.7/32 dev lo"
    change "ip -6 addr add 2001:db8::7/128 dev lo nodad"
    here:enforce(POLICY)
    for _, address in ipairs { "127.0.0.1:9", "127.9.9.9:9", "[::1]:9", "0.0.0.0:9", "[::]:9",
      "203.0.113.7:9", "[::ffff:203.0.113.7]:9", "[2001:db8::7]:9", "[64:ff9b::203.0.113.7]:9",
      "[64:ff9b:1::203.0.113.7]:9", "[64:ff9b:1:cb00:71:700::]:9", "[2002:cb00:7107::1]:9",
      "[::203.0.113.7]:9", "[::ffff:0:203.0.113.7]:9" } do
      assert.is_true(refused(address), address)
    end
    for _, address in ipairs { "203.0.113.8:9", "[2001:db8::8]:9", "192.0.2.1:9" } do
      assert.is_false(refused(address), address)
    end
  end)

  it("follows them whenever the events are read", function()
    local gate = here:enforce(POLICY)
    assert.is_false(refused "203.0.113.9:9")
    assert.equal(0, gate:dispatch())
    change "ip addr add 203.0.113.9/32 dev lo"
    assert.equal(0, gate:dispatch())
    assert.is_true(refused "203.0.113.9:9")
    change "ip -6 addr add 2001:db8::9/128 dev lo nodad"
    change "ip addr del 203.0.113.9/32 dev lo"
    assert.equal(0, gate:dispatch())
    assert.is_false(refused "203.0.113.9:9")
    assert.is_true(refused "[2001:db8::9]:9")
    change "ip -6 addr del 2001:db8::9/128 dev lo"
    assert.equal(0, gate:dispatch())
    assert.is_false(refused "[2001:db8::9]:9")
  end)

  it("wakes a loop that waits for events", function()
    local running = assert(tidegate_uv.start(here:enforce(POLICY), uv))
    local late = false
    uv.update_time()
    local limit = uv.new_timer()
    limit:start(5000, 0, function() late = true end)
    uv.run "nowait"
    assert(uv.spawn("ip", { args = { "addr", "add", "203.0.113.10/32", "dev", "lo" } },
      function() end))
    while not refused "203.0.113.10:9" do
      assert.is_false(late)
      uv.run "once"
    end
    running:stop()
    limit:close()
    uv.run "nowait"
  end)

  it("is read again at each publish, and not before its first use", function()
    local gate = here:enforce [[allow { "other", egress = "192.0.2.1" }]]
    change "ip addr add 203.0.113.11/32 dev lo"
    gate:deny { "local", egress = "@local:9", errno = "EACCES" }
    assert(gate:commit())
    assert.is_true(refused "203.0.113.11:9")
    assert.is_false(refused "203.0.113.11:10")
    change "ip addr del 203.0.113.11/32 dev lo"
    gate:allow { "more", egress = "192.0.2.2" }
    assert(gate:commit())
    assert.is_false(refused "203.0.113.11:9")
  end)

  it("is read again when an image from a file is put in force", function()
    local path = env.folder() .. "/local.image"
    assert(assert(tidegate.load_text(POLICY, "local")):compile():save(path))
    change "ip addr add 203.0.113.12/32 dev lo"
    local gate = assert(tidegate.load(path))
    assert(gate:attach(here.cgroup))
    assert.is_true(refused "203.0.113.12:9")
    gate:close()
  end)

  it("can be left out of a list, and stands beside live sets", function()
    here:enforce [[
      set "own" { "127.0.0.5" }
      allow { "own", egress = "@own" }
      deny { "others", egress = { "127.0.0.0/8", "192.0.2.0/24", "!@local" }, errno = "EACCES" }
      deny { "source", connect = "192.0.2.1", source = "@local", errno = "EXDEV" }]]
    assert.is_false(refused "127.0.0.1:9")
    assert.is_true(refused "192.0.2.2:9")
  end)

  it("is no set that a policy or a host sees or changes", function()
    local gate = here:enforce [[set "s" {} deny { egress = { "@local", "@s" } }]]
    assert.equal(1, #gate:sets())
    assert.is_nil(gate:dump():find('set "local"', 1, true))
    local object = local_set(gate)
    local entries = binding.sized "struct tg_set_entry"
    entries.item = "192.0.2.1"
    for _, result in ipairs {
      C.tg_set_add(object, entries, 1), C.tg_set_replace(object, entries, 1),
      C.tg_set_load(object, "/dev/null", 0, 0), C.tg_set_remove(object, nil, 0, nil),
    } do
      assert.equal(-1, result)
      assert.equal('set "local": has the addresses of this host, as they come and go: it cannot be '
        .. "changed", binding.text(C.tg_error()))
    end
  end)

  it("goes on in a process that has restricted the gate, and reads its events", function()
    local gate = here:enforce(POLICY)
    assert(gate:restrict { "events", "tables" })
    local object = local_set(gate)
    assert.equal(0, C.tg_set_find(object, "203.0.113.13", nil))
    change "ip addr add 203.0.113.13/32 dev lo"
    assert.equal(0, gate:dispatch())
    assert.equal(1, C.tg_set_find(object, "203.0.113.13", nil))
  end)

  it("wakes a host that waits, but is no event", function()
    local gate = here:enforce(POLICY)
    local object, cdata = local_set(gate), gates.state(gate).cdata
    assert.equal(0, C.tg_gate_wait(cdata, 0))
    change "ip addr add 203.0.113.14/32 dev lo"
    assert.equal(1, C.tg_gate_wait(cdata, 0))
    local count = binding.index()
    assert.equal(0, C.tg_gate_read_events(cdata, binding.sized "struct tg_event", 1, count))
    assert.equal(0, count[0])
    assert.equal(1, C.tg_set_find(object, "203.0.113.14", nil))
    assert.equal(0, C.tg_gate_wait(cdata, 0))
  end)
end)

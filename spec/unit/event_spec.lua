local ffi = require "ffi"
local event = require "tidegate.event"
local library = require "tidegate.ffi"
local reader = require "tidegate.ring"

local C = library.C

local function port_be(port)
  return ffi.abi "le" and port % 256 * 256 + math.floor(port / 256) or port
end

local function mapped(a, b, c, d)
  return { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }
end

--- A record as the programs write it.
local function record(changes)
  local at = ffi.new("struct tg_event", {
    time_ns = 5000000000, generation = 3, cgroup_id = 17, netns_cookie = 4, socket_cookie = 99,
    pid = 1234, tid = 1235, uid = 33, gid = 34, rule = 1, hook = C.TG_HOOK_CONNECT4,
    verb = C.TG_VERB_DENY,
    family = 2, error = 111, protocol = 6, asked_port_be = port_be(80), final_port_be = port_be(80),
    asked_addr = mapped(169, 254, 169, 254), final_addr = mapped(169, 254, 169, 254),
  })
  ffi.copy(at.comm, "curl")
  for field, value in pairs(changes or {}) do
    if field == "comm" then
      ffi.fill(at.comm, 16)
      ffi.copy(at.comm, value, math.min(#value, 16))
    else
      at[field] = value
    end
  end
  return at
end

local function view(changes)
  local ring = reader.new(nil)
  ring.epoch = 1000
  ring:remember(3, { [0] = "first", [1] = "no-metadata" })
  return event.view(record(changes), ring), ring
end

describe("event", function()
  it("reads as plain fields", function()
    assert.same({
      time = 1005, verb = "deny", rule = "no-metadata", op = "connect", hook = "connect4",
      errno = "ECONNREFUSED",
      asked = "169.254.169.254:80", final = "169.254.169.254:80", family = "inet", proto = "tcp",
      comm = "curl",
      pid = 1234, tid = 1235, uid = 33, gid = 34, cgroup = 17, netns = 4, socket = 99,
      generation = 3,
    }, (view():totable()))
    assert.equal("169.254.169.254", view().asked_addr)
    assert.equal(80, view().final_port)
    assert.is_nil(view().no_such_field)
  end)

  it("prints as one line", function()
    assert.equal("deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED  curl[1234] uid 33",
      tostring(view()))
    assert.equal("rewrite first  connect 1.2.3.4:60000 -> 127.0.0.1:60123  curl[1234] uid 33",
      tostring(view {
        rule = 0, verb = C.TG_VERB_REWRITE, error = 0, asked_addr = mapped(1, 2, 3, 4),
        final_addr = mapped(127, 0, 0, 1),
        asked_port_be = port_be(60000), final_port_be = port_be(60123),
      }))
    local six = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }
    assert.equal("allow   (default)  sendmsg [2001:db8::1]:443  curl[1234] uid 33", tostring(view {
      rule = C.TG_RULE_DEFAULT, verb = C.TG_VERB_ALLOW, error = 0, hook = C.TG_HOOK_SENDMSG6,
      family = 10,
      asked_addr = six, final_addr = six, asked_port_be = port_be(443),
      final_port_be = port_be(443), protocol = 17,
    }))
  end)

  it("of a unix socket has paths, and neither ports nor a protocol", function()
    local function unix(asked, final, changes)
      local at = record { rule = 0, verb = C.TG_VERB_REWRITE, error = 0,
        hook = C.TG_HOOK_CONNECT_UNIX, family = 1,
        protocol = 0, asked_path_bytes = #asked, final_path_bytes = #final }
      ffi.copy(at.asked_path, asked, #asked)
      ffi.copy(at.final_path, final, #final)
      for field, value in pairs(changes or {}) do
        at[field] = value
      end
      local ring = reader.new(nil)
      ring:remember(3, { [0] = "docker" })
      return event.view(at, ring)
    end
    local got = unix("/run/x.sock", "\0proxy\0\0")
    assert.equal("rewrite docker  connect unix:/run/x.sock -> unix:@proxy  curl[1234] uid 33",
      tostring(got))
    assert.equal("unix:/run/x.sock", got.asked_addr)
    local plain = got:totable()
    assert.same({ "unix", "unix:/run/x.sock", "unix:@proxy", "connect_unix", "connect" },
      { plain.family, plain.asked, plain.final, plain.hook, plain.op })
    assert.is_nil(plain.proto)
    assert.is_nil(got.asked_port)
    assert.equal("unix:/" .. ("x"):rep(107), unix("/" .. ("x"):rep(107), "/y").asked)
    assert.matches("connect unix:@%\\x1b%\\x00b %->", tostring(unix("\0\27\0b", "/y")))
  end)

  it("cannot make a terminal do things", function()
    local got = view { comm = "\27[2Jx\n\255" }
    assert.equal("\27[2Jx\n\255", got.comm)
    assert.matches("  \\x1b%[2Jx\\x0a\\xff%[1234%] uid 33$", tostring(got))
  end)

  it("has a comm of up to 16 bytes and numbers without names", function()
    assert.equal("sixteen bytes li", view({ comm = "sixteen bytes li" }).comm)
    assert.equal("", view({ comm = "" }).comm)
    assert.equal("250", view({ protocol = 250 }).proto)
    assert.equal("mptcp", view({ protocol = 262 }).proto)
    assert.equal("4000", view({ error = 4000 }).errno)
    assert.is_nil(view({ error = 0 }).errno)
  end)

  it("knows the rules of the last generations, and numbers those of others", function()
    local got, ring = view()
    ring:remember(10, { [1] = "ten" })
    assert.equal("no-metadata", got.rule)
    ring:remember(11, { [1] = "eleven" })
    assert.equal("#2", got.rule)
    assert.equal("eleven", event.view(record { generation = 11 }, ring).rule)
    assert.is_nil(event.view(record { rule = C.TG_RULE_DEFAULT }, ring).rule)
  end)

  it("can be kept", function()
    local got, ring = view()
    local kept = got:copy()
    local line = tostring(got)
    got.at = nil
    for generation = 4, 20 do
      ring:remember(generation, {})
    end
    assert.equal(line, tostring(kept))
    assert.equal(1005, kept.time)
    assert.equal(line, tostring(kept:copy()))
    local function verb(over) return over.verb, 1 end
    local function copy(over) return over:copy(), 1 end
    for _, use in ipairs { tostring, verb, copy } do
      local ok, message = pcall(use, got)
      assert.is_false(ok)
      assert.matches("this event is no longer valid; use event:copy%(%) to keep an event$", message)
    end
  end)
end)

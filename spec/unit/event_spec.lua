-- Events as Lua shows them: fields, lines, JSON.

local cjson = require "cjson"
local ffi = require "ffi"
local event = require "tidegate.event"
local library = require "tidegate.ffi"

local C = library.C

local function port_be(port)
  return ffi.abi "le" and port % 256 * 256 + math.floor(port / 256) or port
end

local function mapped(a, b, c, d)
  return { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }
end

local BOOT_NS = 5000000000
local EPOCH = tonumber(C.tg_unix_ns(0)) / 1e9

--- A record as the programs write it.
local function record(changes)
  local at = ffi.new("struct tg_event_record", {
    time_ns = BOOT_NS, generation = 3, cgroup_id = 17, netns_cookie = 4, socket_cookie = 99,
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

--- A reader that knows the names and messages of some rules.
local function reader(names, messages)
  return {
    epoch = EPOCH,
    rule_name = function(_, index) return names[index] end,
    rule_message = function(_, index) return messages and messages[index] end,
  }
end

local function view(changes, names, messages)
  return event.view(record(changes), reader(names or { [0] = "first", [1] = "no-metadata" },
    messages)).event
end

local function unix(asked, final, changes)
  local at = record { rule = 0, verb = C.TG_VERB_REWRITE, error = 0,
    hook = C.TG_HOOK_CONNECT_UNIX, family = 1,
    protocol = 0, asked_path_bytes = #asked, final_path_bytes = #final }
  ffi.copy(at.asked_path, asked, #asked)
  ffi.copy(at.final_path, final, #final)
  for field, value in pairs(changes or {}) do
    at[field] = value
  end
  return event.view(at, reader { [0] = "docker" }).event
end

describe("event", function()
  it("reads as plain fields", function()
    assert.same({
      time = EPOCH + 5, verb = "deny", rule = "no-metadata", op = "connect", hook = "connect4",
      errno = "ECONNREFUSED",
      asked = "169.254.169.254:80", final = "169.254.169.254:80", family = "inet", proto = "tcp",
      comm = "curl",
      pid = 1234, tid = 1235, uid = 33, gid = 34, cgroup = 17, netns = 4, socket = 99,
      generation = 3, shadow = false, failed = false, refused_before = false,
    }, (view():totable()))
    assert.equal("169.254.169.254", view().asked_addr)
    assert.equal(80, view().final_port)
    assert.is_nil(view().no_such_field)
    assert.is_true(view({ flags = C.TG_EVENT_SHADOW }).shadow)
  end)

  it("has the message of its rule", function()
    local got = view({}, nil, { [1] = "use the \27 proxy, caf\195\169" })
    assert.equal("use the \27 proxy, caf\195\169", got.message)
    assert.equal("use the \27 proxy, caf\195\169", got:copy().message)
    assert.equal("deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED  curl[1234] uid 33"
      .. "  use the \\x1b proxy, caf\195\169", tostring(got))
    assert.equal(got.message, cjson.decode(got:tojson()).message)
    assert.equal(got.message, got:totable().message)
    assert.is_nil(view({ rule = C.TG_RULE_DEFAULT }).message)
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
    local got = view {
      rule = C.TG_RULE_DEFAULT, verb = C.TG_VERB_ALLOW, error = 0, hook = C.TG_HOOK_SENDMSG6,
      family = 10,
      asked_addr = six, final_addr = six, asked_port_be = port_be(443),
      final_port_be = port_be(443), protocol = 17,
    }
    assert.equal("allow   (default)  sendmsg [2001:db8::1]:443/udp  curl[1234] uid 33",
      tostring(got))
  end)

  it("prints a protocol that is not tcp", function() -- D3
    local names = { [0] = "", [6] = "", [17] = "/udp", [132] = "/sctp", [250] = "/250" }
    for protocol, written in pairs(names) do
      assert.equal(("deny    no-metadata  connect 169.254.169.254:80%s  ECONNREFUSED  curl[1234] "
        .. "uid 33"):format(written), tostring(view { protocol = protocol }))
    end
    assert.equal("rewrite first  connect 169.254.169.254:80/udp -> 169.254.169.254:80  "
      .. "curl[1234] uid 33",
      tostring(view { rule = 0, verb = C.TG_VERB_REWRITE, error = 0, protocol = 17 }))
  end)

  it("prints a line with its time for a log", function() -- D3
    local line = view():tolog()
    local date, hour, ms, sign, hours, minutes, rest =
      line:match "^(%d+%-%d%d%-%d%d)T(%d%d:%d%d:%d%d)%.(%d%d%d)([+-])(%d%d):(%d%d) (.*)$"
    assert.equal(tostring(view()), rest)
    local time = EPOCH + BOOT_NS / 1e9
    assert.equal(os.date("%Y-%m-%d %H:%M:%S", math.floor(time)), date .. " " .. hour)
    assert.near(time % 1, ms / 1000, 0.002)
    assert.equal(os.date("%z", math.floor(time)), sign .. hours .. minutes)
  end)

  it("of a unix socket has paths, and neither ports nor a protocol", function()
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
    got = unix("\0\27caf\195\169", "/y") -- D1
    assert.equal("unix:@\\x1bcaf\195\169", got.asked)
    assert.equal("unix:@\27caf\195\169", got.asked_addr)
  end)

  it("is safe to print", function()
    local got = view { comm = "\27[2Jx\n\255" }
    assert.equal("\\x1b[2Jx\\x0a\\xff", got.comm)
    assert.equal("\27[2Jx\n\255", got.comm_raw)
    assert.matches("  \\x1b%[2Jx\\x0a\\xff%[1234%] uid 33$", tostring(got))
    got = view({}, { [1] = "\27[2Jx\n\194\155\255 caf\195\169" })
    assert.matches("deny    \\x1b%[2Jx\\x0a\\xc2\\x9b\\xff caf\195\169  connect", tostring(got))
  end)

  it("has a comm of up to 16 bytes and numbers without names", function()
    assert.equal("sixteen bytes li", view({ comm = "sixteen bytes li" }).comm)
    assert.equal("sixteen bytes li", view({ comm = "sixteen bytes li" }).comm_raw)
    assert.equal("", view({ comm = "" }).comm)
    assert.equal("250", view({ protocol = 250 }).proto)
    assert.equal("mptcp", view({ protocol = 262 }).proto)
    assert.equal("4000", view({ error = 4000 }).errno)
    assert.is_nil(view({ error = 0 }).errno)
  end)

  describe("in JSON", function()
    it("has the fields of totable(), all of them, always in the same order", function()
      for _, got in ipairs {
        view(), view { rule = C.TG_RULE_DEFAULT, error = 0, flags = C.TG_EVENT_SHADOW },
        view { error = 4000, protocol = 250 }, unix("/run/x.sock", "\0proxy\0\0"),
      } do
        local json, keys = got:tojson(), {}
        local decoded, plain = cjson.decode(json), got:totable()
        assert.near(plain.time, decoded.time, 2e-6)
        for key in json:gmatch '[{,]"([%l_]+)":' do
          keys[#keys + 1] = key
          assert.equal(decoded[key] == cjson.null and "nil" or tostring(decoded[key]),
            key == "time" and tostring(decoded.time) or tostring(plain[key]), key)
        end
        assert.same(event.fields, keys)
      end
      assert.equal('{"time":TIME,"verb":"deny","rule":"no-metadata","message":null,'
        .. '"op":"connect",'
        .. '"hook":"connect4","errno":"ECONNREFUSED","asked":"169.254.169.254:80",'
        .. '"final":"169.254.169.254:80","family":"inet","proto":"tcp","comm":"curl","pid":1234,'
        .. '"tid":1235,"uid":33,"gid":34,"cgroup":17,"netns":4,"socket":99,"generation":3,'
        .. '"shadow":false,"failed":false,"refused_before":false}',
        (view():tojson():gsub("(%d+)%.%d%d%d%d%d%d,", "TIME,", 1)))
    end)

    it("is UTF-8 whatever is in a name or a path", function()
      local cases = {
        [""] = "", ["a\1b"] = "a\1b", ["say \"\\\""] = "say \"\\\"", ["\127"] = "\127",
        ["\195\169t\195\169"] = "\195\169t\195\169", ["\226\130\172"] = "\226\130\172",
        ["\240\159\140\138"] = "\240\159\140\138",
        ["\255\254 x"] = "\\xff\\xfe x",
        ["cut \195"] = "cut \\xc3", ["cut \226\130"] = "cut \\xe2\\x82",
        ["\195\169\169"] = "\195\169\\xa9",
        ["\192\175"] = "\\xc0\\xaf", -- too long a form
        ["\224\128\175"] = "\\xe0\\x80\\xaf", -- likewise
        ["\237\160\128"] = "\\xed\\xa0\\x80", -- a surrogate
        ["\244\144\128\128"] = "\\xf4\\x90\\x80\\x80", -- past the last
      }
      for text, written in pairs(cases) do
        assert.equal("unix:/" .. written, cjson.decode(unix("/" .. text, "/y"):tojson()).asked)
        assert.equal(written, cjson.decode(view({}, { [1] = text }):tojson()).rule)
      end
      assert.equal("\\x1b\\xc3", cjson.decode(view({ comm = "\27\195" }):tojson()).comm)
    end)
  end)

  it("can be kept", function()
    local shown = event.view(record(), reader { [1] = "no-metadata" })
    local got = shown.event
    local kept = got:copy()
    local line = tostring(got)
    shown.at = false
    assert.equal(line, tostring(kept))
    assert.equal(EPOCH + 5, kept.time)
    assert.equal(line, tostring(kept:copy()))
    local function verb(over) return over.verb, 1 end
    local function copy(over) return over:copy(), 1 end
    local function json(over) return over:tojson(), 1 end
    for _, use in ipairs { tostring, verb, copy, json } do
      local ok, message = pcall(use, got)
      assert.is_false(ok)
      assert.matches("this event is no longer valid; use event:copy%(%) to keep an event$", message)
    end
  end)

  it("cannot be changed", function()
    local got = view()
    assert.has_error(function() got.verb = "allow" end,
      "an event cannot be changed; verb = … has no effect")
    assert.equal("deny", got.verb)
    assert.is_false(getmetatable(got))
  end)

  it("leads from other words to its own", function() -- E1
    local got = view()
    assert.has_error(function() return got.verbb end,
      'an event has no "verbb"; did you mean "verb"?')
    assert.has_error(function() return got.port end,
      'an event has no "port"; write event.asked_port')
    assert.is_nil(got.anything)
  end)
end)

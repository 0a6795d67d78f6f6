-- The C interface beside policies: queries, and the names of operations, hooks and errnos.

local ffi = require "ffi"
local binding = require "tidegate.ffi"
local C = binding.C

local EINVAL = 22

local function outcome(result)
  if result == 0 then
    return true
  end
  return binding.failure(result)
end

describe("a query", function()
  local function query()
    return binding.sized "struct tg_query"
  end

  it("has one address, one port, and the family of the text", function()
    local cases = {
      { "1.2.3.4:80", 2, "1.2.3.4", 80 },
      { "[2001:db8::1]:443", 10, "2001:db8::1", 443 },
      { "[::ffff:1.2.3.4]:1", 10, "1.2.3.4", 1 }, { "0.0.0.0:0", 2, "0.0.0.0", 0 },
      { "localhost:https", nil, nil, 443 },
    }
    for _, case in ipairs(cases) do
      local asked = query()
      assert.equal(0, C.tg_query_endpoint(asked, case[1]))
      assert.equal(case[2] or asked.family, asked.family)
      assert.equal(case[3] or binding.address(asked.addr), binding.address(asked.addr))
      assert.equal(case[4], asked.port)
    end
  end)

  it("says what is missing or too much", function()
    local function check(message, endpoint)
      local _, text, code = outcome(C.tg_query_endpoint(query(), endpoint))
      assert.equal(message, text)
      assert.equal(EINVAL, code)
    end
    check('"1.2.3.4": a call has one port: write ADDRESS:80', "1.2.3.4")
    check('"::1": a call has one port: write [ADDRESS]:80', "::1")
    check('"1.2.3.4:1-2": a call has one port: write ADDRESS:80', "1.2.3.4:1-2")
    check('"1.2.3.0/24:80": a call has one address, such as 1.2.3.4:80', "1.2.3.0/24:80")
    check('"!1.2.3.4:80": a call has one address, such as 1.2.3.4:80', "!1.2.3.4:80")
    check('"*:80": a call has one address, such as 1.2.3.4:80', "*:80")
    check('"1.2.3.400:80": 400 is over 255', "1.2.3.400:80")
    local unset = ffi.new "struct tg_query"
    local _, message = outcome(C.tg_query_endpoint(unset, "1.2.3.4:80"))
    assert.equal(("struct tg_query: its size is 0: set it to sizeof(struct tg_query), %d")
      :format(ffi.sizeof(unset)), message)
  end)

  it("takes each field as text", function()
    local asked = query()
    local fields = { PROTO = "mptcp", FAMILY = "inet6", UID = "root", GID = "7", PID = "42",
      PORT = "https" }
    for field, text in pairs(fields) do
      assert.equal(0, C.tg_query_field(asked, C["TG_FIELD_" .. field], text))
    end
    assert.same({ 262, 10, 0, 7, 42, 443 },
      { asked.proto, asked.family, asked.uid, asked.gid, asked.pid, asked.port })
    assert.equal(0, C.tg_query_field(asked, C.TG_FIELD_COMM, "a-name-that-the-kernel-cuts"))
    assert.equal("a-name-that-the\0", ffi.string(asked.comm, 16))
    assert.equal(0, C.tg_query_field(asked, C.TG_FIELD_COMM, "curl"))
    assert.equal("curl" .. ("\0"):rep(12), ffi.string(asked.comm, 16))
    fields = { TYPE = "dgram", MARK = "0x10", DEVICE = "none", SOURCE = "127.0.0.1:5000",
      NETNS = "77" }
    asked.device = 9
    for field, text in pairs(fields) do
      assert.equal(0, C.tg_query_field(asked, C["TG_FIELD_" .. field], text), field)
    end
    assert.same({ 2, 16, 0, 5000, "127.0.0.1", 77 },
      { asked.sock_type, asked.mark, asked.device, asked.source_port,
      binding.address(asked.source), tonumber(asked.netns) })
    assert.equal(0, C.tg_query_field(asked, C.TG_FIELD_SOURCE, "::1"))
    assert.same({ 0, "::1" }, { asked.source_port, binding.address(asked.source) })
    assert.equal(0, C.tg_query_field(asked, C.TG_FIELD_EXE, "/bin/sh"))
    assert(asked.exe_inode > 0)
    local mistakes = {
      { "SOURCE", "10.0.0.0/8", '"10.0.0.0/8": a socket has one address, such as 127.0.0.1:5000' },
      { "SOURCE", "10.0.0.1:1-2", '"10.0.0.1:1-2": a socket has one port' },
      { "MARK", "0x10-0x11", '"0x10-0x11": a call has one value here' },
      { "NETNS", "*", '"*": a call has one value here' },
      { "EXE", "!/bin/sh", '"!/bin/sh": a call has one value here' },
    }
    for _, case in ipairs(mistakes) do
      assert.equal(case[3], select(2, outcome(C.tg_query_field(asked, C["TG_FIELD_" .. case[1]],
        case[2]))))
    end
    local _, message = outcome(C.tg_query_field(asked, C.TG_FIELD_UID, "1-2"))
    assert.equal('"1-2": a call has one value here', message)
    _, message = outcome(C.tg_query_field(asked, C.TG_FIELD_PROTO, "!tcp"))
    assert.equal('"!tcp": a call has one value here', message)
  end)
end)

describe("words", function()
  it("have names, and NULL for what has none", function()
    assert.equal("connect", binding.text(C.tg_op_name(C.TG_OP_CONNECT)))
    assert.equal("getsockname", binding.text(C.tg_op_name(C.TG_OP_GETSOCKNAME)))
    assert.equal("getpeername6", binding.text(C.tg_hook_name(C.TG_HOOK_GETPEERNAME6)))
    assert.equal("ECONNREFUSED", binding.text(C.tg_errno_name(111)))
    assert.equal("observe", binding.text(C.tg_verb_name(C.TG_VERB_OBSERVE)))
    assert.equal("endpoint", binding.text(C.tg_field_name(C.TG_FIELD_ENDPOINT)))
    assert.equal("draining", binding.text(C.tg_backend_state_name(C.TG_BACKEND_DRAINING)))
    for field = 0, tonumber(C.TG_FIELD_COUNT) - 1 do
      assert.matches("^%l+$", binding.text(C.tg_field_name(field)))
    end
    for _, nothing in ipairs { -1, 1000000 } do
      assert.is_nil(binding.text(C.tg_op_name(nothing)))
      assert.is_nil(binding.text(C.tg_hook_name(nothing)))
      assert.is_nil(binding.text(C.tg_errno_name(nothing)))
      assert.is_nil(binding.text(C.tg_verb_name(nothing)))
      assert.is_nil(binding.text(C.tg_field_name(nothing)))
      assert.is_nil(binding.text(C.tg_backend_state_name(nothing)))
    end
    assert.is_nil(binding.text(C.tg_verb_name(C.TG_VERB_NONE)))
    assert.is_nil(binding.text(C.tg_errno_name(0)))
  end)

  it("include addresses", function()
    local room = ffi.new "char[46]"
    local bytes = ffi.new "uint8_t[16]"
    bytes[15] = 1
    assert.equal(0, C.tg_addr_format(bytes, room, 46))
    assert.equal("::1", ffi.string(room))
    ffi.copy(bytes, ("\0"):rep(10) .. "\255\255\1\2\3\4", 16)
    assert.equal(0, C.tg_addr_format(bytes, room, 46))
    assert.equal("1.2.3.4", ffi.string(room))
    local _, message = outcome(C.tg_addr_format(bytes, room, 45))
    assert.equal("the text of an address needs room for 46 bytes", message)
    room = ffi.new "char[54]"
    assert.equal(0, C.tg_endpoint_format(bytes, 80, room, 54))
    assert.equal("1.2.3.4:80", ffi.string(room))
    ffi.fill(bytes, 16, 255)
    assert.equal(0, C.tg_endpoint_format(bytes, 65535, room, 54))
    assert.equal("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", ffi.string(room))
    assert.equal("the text of an endpoint needs room for 54 bytes",
      select(2, outcome(C.tg_endpoint_format(bytes, 80, room, 53))))
    assert.equal("port 65536 is over 65535",
      select(2, outcome(C.tg_endpoint_format(bytes, 65536, room, 54))))
    assert.equal("tg_endpoint_format: addr is NULL",
      select(2, outcome(C.tg_endpoint_format(nil, 80, room, 54))))
  end)

  it("writes a VIP as it is read", function()
    local room, vip = ffi.new "char[58]", binding.sized "struct tg_vip_info"
    local function text(bytes, port, proto, size)
      ffi.copy(vip.addr, bytes, 16)
      vip.port, vip.proto = port, proto
      local ok, message = outcome(C.tg_vip_format(vip, room, size or 58))
      return ok and ffi.string(room) or message
    end
    local v4 = ("\0"):rep(10) .. "\255\255\10\96\0\10"
    local v6 = ("\255"):rep(16)
    assert.equal("10.96.0.10:80/tcp", text(v4, 80, 6))
    assert.equal("10.96.0.10:*/udp", text(v4, 0, 17))
    assert.equal("10.96.0.10", text(v4, 0, 0))
    assert.equal("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535/tcp", text(v6, 65535, 6))
    assert.equal("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", text(v6, 0, 0))
    assert.equal("port 65536 is over 65535", text(v4, 65536, 6))
    assert.equal("protocol 132: a VIP with a port is tcp or udp", text(v4, 80, 132))
    assert.equal("protocol 0: a VIP with a port is tcp or udp", text(v4, 80, 0))
    assert.equal("the text of a VIP needs room for 58 bytes", text(v4, 80, 6, 57))
    assert.equal("tg_vip_format: vip is NULL", select(2, outcome(C.tg_vip_format(nil, room, 58))))
  end)
end)

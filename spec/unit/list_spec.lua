-- Lists: what is an item, what is not and why, and what lists mean.

local binding = require "tidegate.ffi"
local native = require "spec.support.native"
local C = binding.C

local ENOENT, EINVAL = 2, 22

local function new_list(field)
  local slot = binding.slot "list"
  assert(C.tg_list_new(C["TG_FIELD_" .. field], 0, slot) == 0)
  return binding.own("list", slot)
end

local function add(field, item)
  local result = C.tg_list_add(new_list(field), item)
  if result == 0 then
    return true
  end
  return binding.failure(result)
end

local function with_file(text, use)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  local ok, message = pcall(use, path)
  os.remove(path)
  assert(ok, message)
end

local good = {
  ENDPOINT = {
    "*", "*:443", "*:*", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "10.0.0.0/8:80-90",
    "[2001:db8::/32]:443", "[::1]:*", "2001:db8::1", "2001:db8::1-2001:db8::9", "localhost:https",
    "localhost", "!10.0.0.1", "!*:22", "::ffff:1.2.3.4", "::ffff:1.2.3.0/120", "0.0.0.0/0", "::/0",
    "::", "0.0.0.0", "255.255.255.255/32", "*:0-1023", "*:0", "*:65535",
    "unix:/run/x.sock", "unix:/run/*", "unix:*", "unix:@name", "unix:@*", "!unix:/run/x",
    "unix:/" .. ("x"):rep(107),
    "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "2001:DB8::A", "64:ff9b::1.2.3.4",
    "[::1-::9]:80",
    "@private", "!@metadata:80", "@global:https",
    "@banned", "!@banned", "@banned:25", "!@banned:80-90", "@banned:https", "@a.b_c-9:*", "@7",
  },
  PORT = { "443", "8000-8999", "https", "!22", "*", "0", "65535" },
  PROTO = { "tcp", "udp", "icmp", "icmpv6", "mptcp", "sctp", "udplite", "dccp", "raw", "17", "!6",
    "0-255" },
  FAMILY = { "inet", "inet6", "unix", "!inet" },
  UID = { "0", "root", "!root", "1000-1999", "4294967295" },
  GID = { "0", "root", "!root", "1000-1999" },
  PID = { "1", "100-200", "!1" },
  COMM = { "curl", "ngin*", "*", "!curl", "abcdefghijklmno", "abcdefghijklmno*", "Web Content" },
}

local long_path = "unix:/" .. ("x"):rep(108)

local bad = {
  ENDPOINT = {
    [""] = [[an empty item: write a value, or "*" for all]],
    ["!"] = [[nothing after '!': write what to leave out]],
    ["!!10.0.0.1"] = [[one '!' is enough]],
    [":443"] = [[no address before the ':': write "*:443"]],
    ["!:443"] = [[no address before the ':': write "!*:443"]],
    ["443"] = [[not an address: for a port write "*:443"]],
    ["80-90"] = [[not an address: for a port write "*:80-90"]],
    ["**"] = [['*' stands for a whole address: write "*" or "*:443"]],
    ["10.0.0.*"] = [['*' stands for a whole address, not for a part: write 10.0.0.0/24]],
    ["10.*.*"] = [['*' stands for a whole address, not for a part: write 10.0.0.0/8]],
    ["*.10"] = [['*' stands for a whole address: write "*" or "*:443"]],
    ["0/0"] = [[an IPv4 address has four numbers: write 0.0.0.0/0]],
    ["!10.1/16"] = [[an IPv4 address has four numbers: write 10.1.0.0/16]],
    ["10.0.0.0/255.255.0.0:80"] =
      [[masks are not supported: write a prefix length, 10.0.0.0/16:80]],
    ["10.0.0.0/255.0.255.0"] =
      [[masks are not supported: write a prefix length, such as 10.0.0.0/8]],
    ["80/tcp"] = [[for a port write "*:80", and the protocol as a condition: proto = "tcp"]],
    ["/run/x.sock"] = [[for a unix socket write "unix:/run/x.sock"]],
    ["example.com/index.html"] = [[an endpoint has no path: leave out "/index.html"]],
    ["*:80:90"] = [[a range of ports is written 80-90]],
    ["*:1024+"] = [[a range of ports is written 1024-65535]],
    ["*:<1024"] = [[a range of ports is written 0-1023, or 1024-65535]],
    ["a b"] = [[there is a space in it: leave it out, or write two items]],
    ["10.0.0.1 "] = [[there is a space in it: leave it out, or write two items]],
    ["!= 10.0.0.1"] = [['!' is enough: write "!10.0.0.1"]],
    ["tcp://10.0.0.1:80"] =
      [[a URL: write "HOST:PORT", and the protocol as a condition: proto = "tcp"]],
    ["10.0.0.1:80/tcp"] = [[a protocol is a condition of its own: proto = "tcp"]],
    ["*:22,80"] = [[a ',' in it: write each port as a separate item]],
    ["10.0.0.1,10.0.0.2"] = [[a ',' in it: write each endpoint as a separate item]],
    ["unix:"] = [[no path after the ':': write unix:/run/x.sock, unix:@abstract, or unix:* for ]]
      .. [[every unix socket]],
    ["unix:run/x.sock"] =
      [[a path starts with '/', and an abstract name with '@': paths are matched exactly as ]]
      .. [[programs give them]],
    ["unix:/run/*.sock"] = [['*' may only be at the end: write unix:/run/*]],
    ["!unix:/run/**"] = [['*' may only be at the end: write unix:/run/*]],
    [long_path] = [[109 bytes, a unix socket's path has at most 108]],
    -- live sets
    ["@"] = [[no name after the '@': write the name of a live set or a range; built-in ]]
      .. [[ranges are @private, @metadata, @loopback, @linklocal, @multicast, @global and @local]],
    ["!@:25"] = [[no name after the '@': write the name of a live set or a range; built-in ]]
      .. [[ranges are @private, @metadata, @loopback, @linklocal, @multicast, @global and @local]],
    ["@banned/24"] = [[after the '@' comes the name of a live set or a range: letters, digits, ]]
      .. [['_', '.' and '-', and perhaps a port: "@banned:25"]],
    ["@two words"] = [[after the '@' comes the name of a live set or a range: letters, digits, ]]
      .. [['_', '.' and '-', and perhaps a port: "@banned:25"]],
    ["@banned:"] = [[no port after the ':': write one, or leave the ':' out]],
    ["@banned:99999"] = [[port 99999 is over 65535]],
    ["@" .. ("x"):rep(256)] = [[the name has more than 255 characters]],
    ["-@banned"] = [[write "!@banned" to leave a live set out]],
    -- IPv4
    ["10.0.0.256"] = [[256 is over 255]],
    ["10.0.0"] = [[an IPv4 address has four numbers, this one has 3]],
    ["1.2.3.4.5"] = [[an IPv4 address has four numbers, this one has 5]],
    ["1..2"] = [[a number is missing between the dots]],
    ["010.0.0.1"] = [[010 begins with a zero, which may mean octal: write it without]],
    ["0x7f.1"] = [[neither an address nor a name]],
    ["0x7f000001"] = [[neither an address nor a name]],
    -- prefixes
    ["10.0.0.0/40"] = [[prefix length 40 is over 32]],
    ["::/129"] = [[prefix length 129 is over 128]],
    ["10.0.0.0/-1"] = [[a prefix length is not negative]],
    ["10.0.0.0/"] = [[no prefix length after the '/']],
    ["10.0.0.0/x"] = [[no prefix length after the '/']],
    ["10.0.0.0/8x"] = [["x" at its end makes no sense]],
    ["10.0.0.0/255.0.0.0"] = [[masks are not supported: write a prefix length, 10.0.0.0/8]],
    ["10.0.0.1/8"] = [[has bits set below /8: write 10.0.0.0/8, or 10.0.0.1 for the one address]],
    ["2001:db8::1/32"] =
      [[has bits set below /32: write 2001:db8::/32, or 2001:db8::1 for the one address]],
    ["example.com/8"] = [[a name has no prefix length]],
    -- ranges
    ["10.0.0.9-10.0.0.1"] = [[the range is upside down: write 10.0.0.1-10.0.0.9]],
    ["::9-::1"] = [[the range is upside down: write ::1-::9]],
    ["10.0.0.1-::1"] = [[a range from IPv4 to IPv6]],
    ["::1-10.0.0.1"] = [[a range from IPv6 to IPv4]],
    ["10.0.0.1-9"] =
      [[the range ends in "9", which is not an IPv4 address: write both ends in full]],
    ["10.0.0.1-10.0.0.2-10.0.0.3"] = [[two ranges in one: write them as two items]],
    ["10.0.0.0/8-10.1.0.0"] = [[a range cannot begin with a prefix]],
    ["10.0.0.1-10.0.0.0/8"] = [[the end of a range cannot have a prefix length]],
    ["::fffe:0:0-::ffff:1.2.3.4"] =
      [[one end is a v4-mapped address, which is IPv4: write the IPv4 range as a separate item]],
    -- ports
    ["10.0.0.1:"] = [[no port after the ':': write one, or leave the ':' out]],
    ["10.0.0.1:65536"] = [[port 65536 is over 65535]],
    ["10.0.0.1:90-80"] = [[the range is upside down: write 80-90]],
    ["10.0.0.1:80-"] = [[the range "80-" has no end]],
    ["10.0.0.1:1-2-3"] = [[two ranges in one: write them as two items]],
    ["10.0.0.1:80x"] = [["80x" is not a port]],
    ["10.0.0.1:80:90"] = [[a range of ports is written 80-90]],
    ["10.0.0.1:/x"] = [["/x" is not a port, such as 443, 80-90 or https]],
    ["10.0.0.1:-1"] = [[a port is not negative]],
    -- IPv6
    ["[::1"] = [[a ']' is missing]],
    ["::1]"] = [[a '[' is missing]],
    ["[::1]80"] = [["80" after the ']': a port is written ":443"]],
    ["[10.0.0.1]:80"] = [[brackets are for IPv6 addresses: write 10.0.0.1:80]],
    ["[x]:1"] = [["x" is not an IPv6 address]],
    ["[]"] = [["" is not an IPv6 address]],
    ["1::2::3"] = [[not an IPv6 address; one with a port is written "[2001:db8::1]:443"]],
    ["1:2:3"] = [[not an IPv6 address; one with a port is written "[2001:db8::1]:443"]],
    ["12345::"] = [[not an IPv6 address; one with a port is written "[2001:db8::1]:443"]],
    ["2001:db8::/32:443"] = [[IPv6 with a port needs brackets: write "[2001:db8::/32]:443"]],
    ["::1:80-90"] = [[the range ends in "90", which is not an IPv6 address: write both ends in ]]
      .. [[full, and an IPv6 address with a port in brackets]],
    ["fe80::1%eth0"] = [[leave out the zone: it is not part of the address]],
    ["[fe80::1%eth0]:1"] = [[leave out the zone: it is not part of the address]],
  },
  PORT = {
    [""] = [[an empty item: write a value, or "*" for all]],
    ["65536"] = [[port 65536 is over 65535]],
    ["99999999999999999999"] = [[port 99999999999999999999 is over 65535]],
    ["80,90"] = [[a ',' in it: write each port as a separate item]],
    ["80 "] = [["80 " is not a port]],
    ["@banned"] = [[names addresses: only an operation, or source, can have it]],
  },
  PROTO = {
    ["TCP"] = [[protocols are in lower case: write tcp]],
    ["tpc"] = [[not a protocol: write tcp, udp, icmp, icmpv6, sctp, mptcp, udplite, dccp, raw, or ]]
      .. [[a number]],
    ["any"] = [[leave proto out: a rule is about all protocols]],
    ["udp6"] = [[not a protocol: write udp, and family = "inet6"]],
    ["tcp,udp"] = [[a ',' in it: write each as a separate item]],
    ["70000"] = [[protocol number 70000 is over 255; the only larger one is 262, of mptcp]],
    ["-1"] = [[a protocol number is not negative]],
  },
  FAMILY = {
    ["ipv4"] = [[not a family: write inet]],
    ["AF_INET6"] = [[not a family: write inet6]],
    ["Unix"] = [[not a family: write unix]],
    ["2"] = [[not a family: write inet (for IPv4), inet6 (for IPv6) or unix]],
  },
  UID = {
    ["-1"] = [[a user ID is not negative]],
    ["4294967296"] = [[user ID 4294967296 is over 4294967295]],
    ["9-1"] = [[the range is upside down: write 1-9]],
    ["10x"] = [["10x" is not a user ID]],
    ["root,daemon"] = [[a ',' in it: write each as a separate item]],
    ["!@banned"] = [[names addresses: only an operation, or source, can have it]],
  },
  GID = { ["1-"] = [[the range "1-" has no end]] },
  PID = { ["init"] = [[not a process ID, such as 42 or 100-200]] },
  TYPE = {
    ["datagram"] = [[not a socket type: write dgram]],
    ["SOCK_STREAM"] = [[not a socket type: write stream]],
    ["2"] = [[not a socket type: write stream, dgram, seqpacket or raw]],
  },
  MARK = {
    ["red"] = [[not a mark, such as 16, 0x10 or 0x10-0x1f]],
    ["0x"] = [["0x" is not a mark]],
    ["0x10g"] = [["0x10g" is not a mark]],
    ["0x10-"] = [[the range "0x10-" has no end]],
    ["0x100000000"] = [[mark 0x100000000 is over 4294967295]],
    ["0x20-0x10"] = [[the range is upside down: write 16-32]],
  },
  DEVICE = {
    ["1-x"] = [[the range "1-x" has no end]],
    ["4294967296"] = [[device number 4294967296 is over 4294967295]],
  },
  EXE = {
    ["curl"] = [[write the whole path of the program, such as /usr/bin/curl]],
    ["/etc/passwd"] = [[is not a program: it cannot be executed]],
    ["/usr/bin"] = [[is not a program: it cannot be executed]],
  },
  NETNS = {
    ["other"] =
      [[not a network namespace: write self, a path such as /run/netns/NAME, or a cookie]],
    ["/etc/passwd"] = [[is not a network namespace, such as /run/netns/NAME or /proc/PID/ns/net]],
    ["/proc/self/ns/uts"] =
      [[is not a network namespace, such as /run/netns/NAME or /proc/PID/ns/net]],
    ["12x"] = [[a cookie is a number]],
    ["0"] = [[no network namespace has this cookie]],
    ["18446744073709551616"] = [[no network namespace has this cookie]],
  },
  SOURCE = { ["10.0.0.1:x:y"] = [["x:y" is not a port, such as 443, 80-90 or https]] },
  COMM = {
    ["/bin/sh"] = [[is a path, and comm is the name of a thread: write exe]],
    ["a*b"] = [['*' may only be at the end]],
    ["abcdefghijklmnop"] =
      [[the kernel cuts a command's name at 15 characters: write "abcdefghijklmno"]],
  },
}

local unknown = {
  ENDPOINT = {
    ["10.0.0.1:nosuch"] = [[service "nosuch" is not in /etc/services: write its number]],
  },
  PORT = { ["nosuch"] = [[service "nosuch" is not in /etc/services: write its number]] },
  UID = { ["nosuch"] = [[user "nosuch" is not known on this machine]] },
  GID = { ["nosuch"] = [[group "nosuch" is not known on this machine]] },
  DEVICE = { ["nosuch0"] = [[there is no network device "nosuch0" here: make it first, or write ]]
    .. [[its number]] },
  EXE = { ["/nosuch/program"] = [[no program is found there: No such file or directory]] },
  NETNS = { ["/run/netns/nosuch"] = [[no network namespace is found there: No such file or ]]
    .. [[directory]] },
}

local function check_refused(cases, errno)
  for field, items in pairs(cases) do
    for item, reason in pairs(items) do
      local ok, message, code = add(field, item)
      assert.is_nil(ok, field .. " took " .. item)
      assert.equal(('"%s": %s'):format(item, reason), message)
      assert.equal(errno, code, item)
    end
  end
end

describe("a list", function()
  it("takes every form of item", function()
    for field, items in pairs(good) do
      for _, item in ipairs(items) do
        local ok, message = add(field, item)
        assert.is_true(ok, message)
      end
    end
  end)

  it("says what is wrong with what is not an item", function()
    check_refused(bad, EINVAL)
  end)

  it("names the name that it does not know", function()
    check_refused(unknown, ENOENT)
    local ok, message, code = add("ENDPOINT", "nosuch.invalid:80")
    assert.is_nil(ok)
    assert.equal('"nosuch.invalid:80": host "nosuch.invalid": ',
      message:match '^"nosuch.invalid:80": host "[^"]*": ')
    assert.equal(ENOENT, code)
  end)

  it("cuts an item that is too long for a message", function()
    local _, message = add("ENDPOINT", ("1"):rep(1000))
    assert.equal('"11111111111111111111…": 1000 characters are too many for one item', message)
  end)

  it("takes no line break, which is easily left at the end of a line that was read", function()
    for field, item in pairs {
      ENDPOINT = "10.0.0.0/8", PORT = "443", UID = "root", PROTO = "tcp", DEVICE = "lo",
    } do
      for _, shown in ipairs { "\\n", "\\r" } do
        local _, message, code = add(field, item .. (shown == "\\n" and "\n" or "\r\n"))
        assert.equal(('"%s%s": there is a line break in it: leave it out'):format(item, shown),
          message)
        assert.equal(EINVAL, code)
      end
    end
    assert.equal([["@s\n": there is a line break in it: leave it out]],
      (select(2, add("ENDPOINT", "@s\n"))))
  end)

  it("takes no control characters", function()
    for item, reason in pairs {
      ["\27[2Jx"] = [["\x1b[2Jx": there is a control character in it: leave it out]],
      ["10.0.0.1\127"] = [["10.0.0.1\x7f": there is a control character in it: leave it out]],
      ["\194\155\255é b"] =
        [["\xc2\x9b\xffé b": there is a space in it: leave it out, or write two items]],
    } do
      assert.equal(reason, (select(2, add("ENDPOINT", item))))
    end
  end)

  it("excludes at most 32 live sets", function()
    local list = new_list "ENDPOINT"
    for number = 1, 32 do
      assert.equal(0, C.tg_list_add(list, "!@s" .. number))
    end
    local message = select(2, binding.failure(C.tg_list_add(list, "!@s33")))
    assert.equal('"!@s33": a list excludes at most 32 live sets', message)
    assert.equal(0, C.tg_list_add(list, "!@s32:80"))
  end)

  it("belongs to a known field", function()
    local slot = binding.slot "list"
    assert.equal(-EINVAL, C.tg_list_new(99, 0, slot))
    assert.equal("tg_list_new: 99 is not a field", (select(2, binding.failure(-EINVAL))))
    assert.is_true(slot[0] == nil)
  end)

  it("with TG_LIST_NUMERIC takes no name that has to be looked up", function()
    local function numeric(field, item)
      local slot = binding.slot "list"
      assert.equal(0, C.tg_list_new(C["TG_FIELD_" .. field], C.TG_LIST_NUMERIC, slot))
      local result = C.tg_list_add(binding.own("list", slot), item)
      return result == 0 or select(2, binding.failure(result))
    end
    for field, refused in pairs {
      ENDPOINT = { ["localhost"] = "address", ["localhost:80"] = "address",
        ["10.0.0.1:https"] = "port's number", ["@banned:https"] = "port's number",
        ["!nowhere.example:https"] = "port's number" },
      PORT = { ["https"] = "port's number" }, SOURCE = { ["localhost"] = "address" },
      UID = { ["root"] = "user ID", ["!root"] = "user ID" }, GID = { ["root"] = "group ID" },
    } do
      for item, what in pairs(refused) do
        assert.equal(('"%s": names are not looked up here: write the %s'):format(item, what),
          numeric(field, item))
      end
    end
    for field, items in pairs {
      ENDPOINT = { "*", "10.0.0.0/8:80-90", "[::1]:1", "!10.0.0.1", "@banned", "!@banned:25",
        "unix:/run/x.sock" },
      PORT = { "443", "1-1023", "*" }, UID = { "0", "1-9", "!0", "*" }, GID = { "0" },
      PROTO = { "tcp", "17" }, FAMILY = { "inet6" }, TYPE = { "stream" }, DEVICE = { "lo" },
      COMM = { "curl" }, EXE = { "/bin/sh" }, NETNS = { "self" }, CGROUP = { "/" },
    } do
      for _, item in ipairs(items) do
        assert.is_true(numeric(field, item))
      end
    end
    assert.equal("tg_list_new: flags: 0x2 is not known to this library",
      select(2, binding.failure(C.tg_list_new(C.TG_FIELD_UID, 2, binding.slot "list"))))
  end)

  it("stays numeric when it is loaded from a file", function()
    local slot = binding.slot "list"
    assert.equal(0, C.tg_list_new(C.TG_FIELD_UID, C.TG_LIST_NUMERIC, slot))
    local list = binding.own("list", slot)
    with_file("1\nroot\n", function(path)
      assert.equal(path .. ':2: "root": names are not looked up here: write the user ID',
        select(2, binding.failure(C.tg_list_load(list, path))))
    end)
    with_file("1\n", function(path) assert.equal(0, C.tg_list_load(list, path)) end)
    assert.equal(-EINVAL, C.tg_list_add(list, "root"))
  end)

  it("takes ports for a product only from a list of ports", function()
    local endpoints, ports = new_list "ENDPOINT", new_list "PORT"
    local function refused(message, ...)
      local result = C.tg_list_add_product(...)
      assert.equal(-EINVAL, result)
      assert.equal(message, (select(2, binding.failure(result))))
    end
    refused("only a list of endpoints has addresses and ports", ports, endpoints, ports)
    refused("addr: not a list of addresses", endpoints, ports, nil)
    refused("port: not a list of ports", endpoints, nil, endpoints)
    local with_port = new_list "ENDPOINT"
    assert.equal(0, C.tg_list_add(with_port, "10.0.0.1:80"))
    refused("addr: an address here has no port: write it as port = …", endpoints, with_port, ports)
    local set_with_port = new_list "ENDPOINT"
    assert.equal(0, C.tg_list_add(set_with_port, "!@banned:80"))
    refused("addr: an address here has no port: write it as port = …", endpoints, set_with_port,
      ports)
    assert.equal(0, C.tg_list_add_product(endpoints, nil, nil))
  end)
end)

describe("a list from a file", function()
  local function load_text(text, field)
    local result, message, code
    with_file(text, function(path)
      local number = C.tg_list_load(new_list(field or "ENDPOINT"), path)
      if number == 0 then
        result = true
      else
        result, message, code = binding.failure(number)
        message = message:gsub(path, "FILE", 1)
      end
    end)
    return result, message, code
  end

  it("may have comments, blank lines, spaces and CRLF", function()
    assert.is_true(load_text "# all\n\n 10.0.0.0/8 # ours\r\n\t::1\t\r\n   \n!10.0.0.1")
    assert.is_true(load_text "")
    assert.is_true(load_text("root\n1000-1999\n", "UID"))
  end)

  it("names the line of the mistake", function()
    local ok, message, code = load_text "10.0.0.0/8\n\n# x\n10.0.0.0/40\n"
    assert.is_nil(ok)
    assert.equal('FILE:4: "10.0.0.0/40": prefix length 40 is over 32', message)
    assert.equal(EINVAL, code)
    assert.equal("FILE:1: there is a NUL byte in it: is this a text file?",
      (select(2, load_text "10.0\0.0.0\n")))
    assert.equal("FILE:2: there is a NUL byte in it: is this a text file?",
      (select(2, load_text "10.0.0.0\n# a comment\0\n")))
  end)

  it("is not read for ever, and not without a limit", function()
    local list = new_list "ENDPOINT"
    local _, message, code = binding.failure(C.tg_list_load(list, "/dev/zero"))
    assert.equal("/dev/zero:1: there is a NUL byte in it: is this a text file?", message)
    assert.equal(EINVAL, code)
    with_file("", function(path)
      local file = assert(io.open(path, "w"))
      assert(file:seek("set", 256 * 2 ^ 20))
      file:write "\n"
      file:close()
      _, message, code = binding.failure(C.tg_list_load(list, path))
      assert.equal(path .. ": over the limit of 256 MiB: is this a list of items?", message)
      assert.equal(27, code) -- EFBIG
    end)
  end)

  it("says why it cannot be read", function()
    local list = new_list "ENDPOINT"
    local _, message, code = binding.failure(C.tg_list_load(list, "/nosuch/file"))
    assert.equal("/nosuch/file: No such file or directory", message)
    assert.equal(ENOENT, code)
    _, message = binding.failure(C.tg_list_load(list, "/"))
    assert.equal("/: Is a directory", message)
  end)
end)

describe("the sets of a list", function()
  local seed = tonumber(os.getenv "TIDEGATE_SEED") or os.time() % 100000

  it("contain addresses as inet_pton reads them", function()
    assert.equal("ok\n", native.run("address", seed))
  end)

  it("agree with a slow and obvious model", function()
    print("seed " .. seed)
    assert.equal("ok\n", native.run("sets", seed))
  end)

  it("are what the items mean one by one", function()
    assert.equal("ok\n", native.run("list_sets", seed))
  end)
end)

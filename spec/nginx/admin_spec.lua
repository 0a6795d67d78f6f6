-- tidegate.nginx.admin: the API for live tables, for whom it is, and what it refuses.  H4

local cjson = require "cjson"
local http = require "spec.support.http"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

if nginx.reason then
  return pending(nginx.reason)
end

local TOKEN = "0123456789abcdef"
local VIP = "/services/svc/10.96.0.10:80/tcp"
local ONE, TWO = "10.0.1.1:8080", "10.0.1.2:8080"

local POLICY = [[
  policy { name = "web" }
  local banned = set "banned" { "192.0.2.1", size = 8, ttl = "1h" }
  local many = set "many" {}
  deny { "many", connect = many }
  local fixed = set "fixed" { "192.0.2.7", readonly = true }
  local svc = services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.1:8080" },
    ["[fd00::1]:443/udp"] = {} }
  deny { "ban", connect = banned }
  deny { "fix", connect = fixed }
  balance { "app", connect = svc }
]]
local INIT = nginx.INIT .. [[ require("tidegate.nginx.admin").init { token = "]] .. TOKEN
  .. [[", hosts = { "admin.test" } }]]
local LOCATIONS = [[
  location /admin { client_max_body_size 0;
    content_by_lua_block { require("tidegate.nginx.admin").serve "/admin" } }
]]

describe("the API for live tables", function()
  local server

  setup(function()
    nginx.enter()
    server = nginx.start { policy = POLICY, init = INIT, locations = LOCATIONS }
  end)
  teardown(nginx.leave)

  --- What it answers: status, JSON (or the text of an error) and head.
  local function ask(method, path, body, headers)
    local sent = {
      Host = "127.0.0.1:8080", Authorization = "Bearer " .. TOKEN,
      ["Content-Type"] = body and "application/json",
    }
    for name, value in pairs(headers or {}) do
      sent[name] = value
    end
    if type(body) == "table" then
      body = cjson.encode(body)
    end
    local status, text, head = http.request(method, server.endpoint, "/admin" .. path, body, sent)
    if text ~= "" then
      assert.truthy(head:find("Content-Type: application/json\r\n", 1, true), head)
      assert.truthy(head:find("Cache-Control: no-store\r\n", 1, true), head)
    end
    local said = text ~= "" and cjson.decode(text) or nil
    return status, said and said.error or said, head
  end

  local function ok(...)
    local status, said, head = ask(...)
    assert.is_true(status == 200 or status == 201, cjson.encode { status, said })
    return said, head
  end

  local function refused(status, message, ...)
    local got, said, head = ask(...)
    assert.same({ status, message }, { got, said })
    return head
  end

  local function tag(head)
    return assert(head:match '\nETag: ("%x+")\r')
  end

  local function elements()
    local items = {}
    for position, element in ipairs((ok("GET", "/sets/banned"))) do
      items[position] = element.item or element
    end
    return items
  end

  local function backends()
    local found = ok("GET", VIP)
    for _, backend in pairs(found) do
      backend.share, backend.picked = nil, nil
    end
    return found
  end

  before_each(function()
    ok("PUT", "/sets/banned", { "192.0.2.1" })
    ok("PUT", VIP, { [ONE] = { weight = 2 } })
  end)

  describe("is for whom has the token", function()
    it("and for nobody else", function()
      local wants = "wants the token, as Authorization: Bearer TOKEN"
      for _, path in ipairs { "", "/sets/banned", "/nothing" } do
        local head = refused(401, wants, "GET", path, nil, { Authorization = false })
        assert.truthy(head:find('WWW-Authenticate: Bearer realm="tidegate"\r\n', 1, true), head)
      end
      refused(401, wants, "DELETE", "/sets/banned", nil, { Authorization = "Basic " .. TOKEN })
      refused(401, wants, "GET", "", nil, { Authorization = "Bearer" })
      for _, token in ipairs { TOKEN:sub(1, -2), TOKEN .. "0", TOKEN:upper(), "x" } do
        local head = refused(401, "this is not the token", "DELETE", "/sets/banned", nil,
          { Authorization = "Bearer " .. token })
        assert.truthy(head:find('error="invalid_token"', 1, true), head)
      end
      assert.same({ "192.0.2.1" }, elements())
    end)

    it("under a name of this server, which a page from elsewhere cannot take", function()
      for _, host in ipairs { "127.0.0.1:8080", "localhost", "LOCALHOST:8080", "[::1]:8080",
        "10.0.0.1", "admin.test", "Admin.Test:8080" } do
        ok("GET", "", nil, { Host = host })
      end
      for _, host in ipairs { "evil.test", "localhost.evil.test", "127.0.0.1.evil.test:8080" } do
        refused(403, ('Host: "%s" is no name of this server; init can take it as one of its hosts')
          :format(host), "GET", "", nil, { Host = host })
      end
      refused(403, "Host: nil is no name of this server; init can take it as one of its hosts",
        "GET", "", nil, { Host = false })
    end)

    it("and not for pages of another origin", function()
      ok("GET", "", nil, { Origin = "http://127.0.0.1:8080" })
      for _, origin in ipairs { "http://evil.test", "null", "https://127.0.0.1:8080",
        "http://127.0.0.1:8081" } do
        refused(403, ('Origin: pages of "%s" may not use this'):format(origin), "DELETE",
          "/sets/banned", nil, { Origin = origin })
      end
    end)
  end)

  it("lists what there is", function()
    assert.same({ name = "web",
      sets = {
        banned = { count = 1, size = 8, ttl = 3600, readonly = false },
        fixed = { count = 1, size = 65536, readonly = true },
        many = { count = 0, size = 65536, readonly = false },
      },
      services = { svc = { count = 2, size = 1024, readonly = false } },
    }, (ok("GET", "/")))
    assert.same({ svc = { count = 2, size = 1024, readonly = false } }, (ok("GET", "/services")))
    assert.equal(8, ok("GET", "/sets").banned.size)
    assert.same({}, ok("GET", "/services/svc")["[fd00::1]:443/udp"])
    refused(404, 'the policy has no set "baned"; did you mean "banned"?', "GET", "/sets/baned")
    refused(404, 'the policy has no services "scv"; did you mean "svc"?', "GET", "/services/scv")
    refused(404, "there is nothing here; /sets and /services list what there is", "GET", "/x")
    assert.same({ 404 }, { (http.request("GET", server.endpoint, "/adminsets", nil,
      { Host = "localhost", Authorization = "Bearer " .. TOKEN })) })
  end)

  describe("changes sets:", function()
    it("all elements, some, or one", function()
      assert.equal(2, ok("PUT", "/sets/banned", { "192.0.2.9", { item = "10.0.0.0/8", ttl = 60 } })
        .count)
      assert.same({ "10.0.0.0/8", "192.0.2.9" }, elements())
      assert.equal(3, ok("POST", "/sets/banned", { { item = "2001:db8::/32", ttl = "10m" } }).count)
      assert.equal(3, ok("PATCH", "/sets/banned", { add = { "192.0.2.2" },
        remove = { "192.0.2.9", "192.0.2.200" } }).count)
      assert.equal(4, ok("PUT", "/sets/banned/192.0.2.3").count)
      assert.equal(5, ok("PUT", "/sets/banned/172.16.0.0/12", { ttl = "30s" }).count)
      local found = ok("GET", "/sets/banned/172.16.5.5")
      assert.equal("172.16.0.0/12", found.item)
      assert.is_true(found.ttl > 25 and found.ttl < 32)
      assert.equal(4, ok("DELETE", "/sets/banned/172.16.0.0/12").count)
      refused(404, 'set "banned" does not contain "172.16.5.5"', "GET", "/sets/banned/172.16.5.5")
      refused(404, 'set "banned" has no element "172.16.0.0/12"', "DELETE",
        "/sets/banned/172.16.0.0/12")
      assert.equal(0, ok("DELETE", "/sets/banned").count)
      local _, text = http.request("GET", server.endpoint, "/admin/sets/banned", nil,
        { Host = "localhost", Authorization = "Bearer " .. TOKEN })
      assert.equal("[]\n", text)
    end)

    it("what GET answers can be PUT", function()
      ok("PUT", "/sets/banned", { { item = "192.0.2.9", ttl = 90 }, "10.0.0.0/8" })
      local before = ok("GET", "/sets/banned")
      ok("PUT", "/sets/banned", before)
      assert.same({ "10.0.0.0/8", "192.0.2.9" }, elements())
    end)

    it("what does not expire in a set whose elements do has the time to live null", function()
      local forever = { item = "192.0.2.9", ttl = cjson.null }
      ok("PUT", "/sets/banned", { forever })
      assert.same({ forever }, (ok("GET", "/sets/banned")))
      assert.same(forever, (ok("GET", "/sets/banned/192.0.2.9")))
      ok("PUT", "/sets/banned", (ok("GET", "/sets/banned")))
      assert.same({ forever }, (ok("GET", "/sets/banned")))
      ok("POST", "/sets/banned", { "192.0.2.9" })
      assert.is_number(ok("GET", "/sets/banned/192.0.2.9").ttl)
      ok("PUT", "/sets/banned/192.0.2.9", { ttl = cjson.null })
      assert.same({ forever }, (ok("GET", "/sets/banned")))
      ok("PUT", "/sets/many", { "192.0.2.9", { item = "192.0.2.10", ttl = cjson.null } })
      local plain = ok("GET", "/sets/many")
      table.sort(plain)
      assert.same({ "192.0.2.10", "192.0.2.9" }, plain)
      assert.same({ item = "192.0.2.9" }, (ok("GET", "/sets/many/192.0.2.9")))
      ok("DELETE", "/sets/many")
    end)

    it("an empty list does not empty one by accident", function()
      for _, body in ipairs { "[]", "{}" } do
        refused(400, "an empty list would remove all elements; DELETE does that", "PUT",
          "/sets/banned", body)
      end
      assert.same({ "192.0.2.1" }, elements())
    end)

    it("what is wrong changes nothing, and says what is right", function()
      local wants = 'wants a list such as ["192.0.2.1", { "item": "10.0.0.0/8", "ttl": "10m" }]; '
        .. "got "
      for body, got in pairs {
        ["7"] = "7", ["null"] = "null", ['"192.0.2.9"'] = '"192.0.2.9"', ["[7]"] = "7 in it",
        ["[null]"] = "null in it", ['[{ "ttl": 3 }]'] = "an element without an item",
        ['[{ "item": ["192.0.2.9"] }]'] = "the item a list", ['[["192.0.2.9"]]'] = "a field 1",
        ['{ "add": ["192.0.2.9"] }'] = 'a field "add"',
        ['[{ "address": "192.0.2.9" }]'] = 'a field "address"',
      } do
        refused(400, wants .. got, "POST", "/sets/banned", body)
      end
      refused(400, 'set "banned": "192.0.2.300": 300 is over 255', "PUT", "/sets/banned",
        { "192.0.2.9", "192.0.2.300" })
      refused(400, 'wants { "add": […], "remove": […] }; got "delete"', "PATCH", "/sets/banned",
        { delete = { "192.0.2.1" } })
      refused(400, 'wants { "ttl": "10m" }, or no body', "PUT", "/sets/banned/192.0.2.9",
        { tll = 3 })
      assert.same({ 400 }, { (ask("PUT", "/sets/banned/evil.test")) })
      local bad, why = ask("PUT", "/sets/banned/192.0.2.9", { ttl = "soon" })
      assert.equal(400, bad)
      assert.matches('^set "banned": ttl: wants a time such as "500ms", .*, or null for ever; got '
        .. '"soon"$', why)
      local many = {}
      for number = 1, 9 do
        many[number] = "192.0.2." .. number
      end
      local status, said = ask("PUT", "/sets/banned", many)
      assert.equal(507, status)
      assert.matches('^set "banned"', said)
      status, said = ask("POST", "/sets/fixed", { "192.0.2.9" })
      assert.equal(403, status, said)
      assert.matches('^set "fixed"', said)
      assert.same({ "192.0.2.1" }, elements())
    end)
  end)

  it("lists many elements", function()
    local items = {}
    for number = 1, 60000 do
      items[number] = ("10.%d.%d.%d"):format(number / 65536, number / 256 % 256, number % 256)
    end
    assert.equal(60000, ok("PUT", "/sets/many", items).count)
    local found = ok("GET", "/sets/many")
    assert.equal(60000, #found)
    ok("DELETE", "/sets/many")
  end)

  describe("changes services:", function()
    it("a VIP with its backends, or one of them", function()
      assert.same({ [ONE] = { weight = 2, state = "up" } }, backends())
      local made, head = ok("PUT", "/services/svc/10.96.0.11:80/tcp", { [TWO] = {} })
      assert.same({ weight = 1, state = "up", picked = 0, share = 1 }, made[TWO])
      assert.matches("^HTTP/1.%d 201 ", head)
      assert.equal(204, (ask("DELETE", "/services/svc/10.96.0.11:80/tcp")))
      refused(404, 'services "svc": there is no VIP "10.96.0.11:80/tcp"', "DELETE",
        "/services/svc/10.96.0.11:80/tcp")
      refused(404, 'services "svc": there is no VIP "10.96.0.11:80/tcp"', "GET",
        "/services/svc/10.96.0.11:80/tcp")
      ok("PUT", VIP .. "/" .. TWO, { weight = 3, state = "draining" })
      ok("PATCH", VIP .. "/" .. TWO, { state = "up" })
      assert.same({ [ONE] = { weight = 2, state = "up" }, [TWO] = { weight = 3, state = "up" } },
        backends())
      ok("PUT", VIP .. "/" .. TWO) -- what is not said is as for a new one
      assert.equal(1, ok("GET", VIP .. "/" .. TWO).weight)
      ok("DELETE", VIP .. "/" .. ONE)
      assert.same({ [TWO] = { weight = 1, state = "up" } }, backends())
      refused(404, ('services "svc": %q is no backend of "10.96.0.10:80/tcp"'):format(ONE),
        "DELETE", VIP .. "/" .. ONE)
      ok("PUT", "/services/svc/[fd00::1]:443/udp/[fd00::2]:443")
      assert.is_table(ok("GET", "/services/svc/[fd00::1]:443/udp")["[fd00::2]:443"])
      -- G8
      for _, vip in ipairs { "fd00::1", "[fd00::1]:*/udp" } do
        ok("PUT", ("/services/svc/%s/fd00::2"):format(vip))
        assert.is_table(ok("GET", ("/services/svc/%s"):format(vip))["fd00::2"])
        ok("DELETE", ("/services/svc/%s/fd00::2"):format(vip))
        assert.equal(204, (ask("DELETE", ("/services/svc/%s"):format(vip))))
      end
    end)

    it("several backends in one step, as a merge patch says", function()
      ok("PUT", VIP .. "/" .. TWO, { weight = 3 })
      ok("PATCH", VIP, ('{ "%s": null, "%s": { "state": "down" }, "10.0.1.3:8080": {} }')
        :format(ONE, TWO), { ["Content-Type"] = "application/merge-patch+json" })
      assert.same({ [TWO] = { weight = 3, state = "down" },
        ["10.0.1.3:8080"] = { weight = 1, state = "up" } }, backends())
      assert.equal(400, (ask("PATCH", VIP, { ["10.0.1.4:8080"] = {}, [TWO] = { weight = 0 } })))
      assert.is_nil(backends()["10.0.1.4:8080"])
    end)

    it("what GET answers can be PUT", function()
      ok("PUT", VIP, (ok("GET", VIP)))
      assert.same({ [ONE] = { weight = 2, state = "up" } }, backends())
    end)

    it("an empty list lets no VIP fail by accident", function()
      for _, body in ipairs { "[]", "{}" } do
        refused(400, "an empty list would let all calls fail; if you mean that, add ?empty=true; "
          .. "DELETE removes the VIP", "PUT", VIP, body)
      end
      assert.is_table(backends()[ONE])
      assert.same({}, (ok("PUT", VIP .. "?empty=true", "{}")))
      refused(400, "unknown argument emtpy=true; the only one is empty=true", "PUT",
        VIP .. "?emtpy=true", "{}")
    end)

    it("what is wrong changes nothing, and says what is right", function()
      local of = 'services "svc": "10.96.0.10:80/tcp": '
      local function wrong(message, address, body)
        refused(400, of .. message, "PUT", VIP .. "/" .. address, body)
      end
      wrong('"10.0.1.500:80": 500 is over 255', "10.0.1.500:80")
      wrong('"app.test:80": names are not looked up here: write the address', "app.test:80")
      wrong('"[::1]:80": is IPv6, but the first backend is IPv4: the backends of one list must be '
        .. "of one family", "[::1]:80")
      wrong('"10.0.1.2:8080": weight: wants a whole number from 1 to 65535; got "much"', TWO,
        { weight = "much" })
      wrong('"10.0.1.2:8080": weight: wants a whole number from 1 to 65535; got 0; a backend that '
        .. 'gets no new calls has state = "draining"', TWO, { weight = 0 })
      wrong('"10.0.1.2:8080": state: wants "up", "draining" or "down"; got "off"', TWO,
        { state = "off" })
      wrong('"10.0.1.2:8080": unknown field "wieght" of a backend; did you mean "weight"?', TWO,
        { wieght = 2 })
      local wants = 'wants backends such as { "10.0.1.5:8080": { "weight": 3 }, '
        .. '"10.0.1.6:8080": {} }; got '
      for body, got in pairs {
        ["7"] = "7", ['"10.0.1.2:80"'] = '"10.0.1.2:80"', ['["10.0.1.2:80"]'] = "a list",
        ['{ "10.0.1.2:80": 3 }'] = '3 for "10.0.1.2:80"',
        ['{ "10.0.1.2:80": null }'] = 'null for "10.0.1.2:80"',
      } do
        refused(400, wants .. got, "PUT", VIP, body)
      end
      refused(400, wants .. "null", "PATCH", VIP, "null")
      assert.equal(400, (ask("PUT", "/services/svc/10.96.0.10:80", { [ONE] = {} })))
      for _, member in ipairs { "name", "size", "readonly", "put", "each" } do -- of the handle
        local no_vip = ('services "svc": %q: names are not looked up here: write the address')
          :format(member)
        refused(400, no_vip, "GET", "/services/svc/" .. member)
        refused(400, no_vip, "DELETE", "/services/svc/" .. member)
        refused(400, no_vip, "PATCH", "/services/svc/" .. member, {})
        refused(400, no_vip, "GET", ("/services/svc/%s/%s"):format(member, ONE))
      end
      local many = {}
      for number = 1, 257 do
        many["10.0.3.1:" .. number] = {}
      end
      local status, said = ask("PUT", VIP, many)
      assert.equal(400, status)
      assert.matches("256", said)
      assert.same({ [ONE] = { weight = 2, state = "up" } }, backends())
    end)
  end)

  describe("makes a change only to what the client has seen", function()
    for _, path in ipairs { "/sets/banned", VIP } do
      it("of " .. path, function()
        local one, other = { "192.0.2.9" }, { "192.0.2.10" }
        if path == VIP then
          one, other = { [TWO] = {} }, { ["10.0.1.9:80"] = {} }
        end
        local seen = tag(select(2, ok("GET", path)))
        assert.equal(seen, tag(select(2, ok("GET", path))))
        assert.equal(304, (ask("GET", path, nil, { ["If-None-Match"] = seen })))
        ok("PUT", path, one, { ["If-Match"] = seen })
        local now = tag(select(2, ok("GET", path)))
        assert.is_true(now ~= seen)
        local head = refused(412, "If-Match: it has changed meanwhile; read it again", "PUT", path,
          other, { ["If-Match"] = seen })
        assert.equal(now, tag(head))
        refused(412, "If-Match: it has changed meanwhile; read it again", "DELETE", path, nil,
          { ["If-Match"] = seen })
        ok("PUT", path, other, { ["If-Match"] = ('"x", %s'):format(now) })
        ok("PUT", path, one, { ["If-Match"] = "*" })
        refused(412, "If-None-Match: it is there already", "PUT", path, one,
          { ["If-None-Match"] = "*" })
      end)
    end

    it("and makes one that is not there yet", function()
      local path = "/services/svc/10.96.0.12:80/tcp"
      refused(412, "If-Match: it has changed meanwhile; read it again", "PUT", path, { [ONE] = {} },
        { ["If-Match"] = "*" })
      ok("PUT", path, { [ONE] = {} }, { ["If-None-Match"] = "*" })
      assert.equal(204, (ask("DELETE", path)))
    end)

    it("and loses no change of several clients", function()
      local clients = {}
      for number = 1, 4 do
        clients[number] = process.fork(function()
          for port = 1, 10 do
            ok("PATCH", VIP, { [("10.0.2.%d:%d"):format(number, port)] = {} })
          end
          local again = 0
          for _ = 1, 25 do -- read, add one, write
            local status
            repeat
              local found, head = ok("GET", VIP)
              found[ONE].weight = found[ONE].weight + 1
              status = ask("PUT", VIP, found, { ["If-Match"] = tag(head) })
              again = again + (status == 412 and 1 or 0)
            until status == 200
          end
          return tostring(again)
        end)
      end
      for _, client in ipairs(clients) do
        client:wait()
      end
      local found, count = backends(), 0
      for _ in pairs(found) do
        count = count + 1
      end
      assert.same({ 41, 2 + 4 * 25 }, { count, found[ONE].weight })
    end)
  end)

  describe("refuses", function()
    it("methods that an address does not have", function()
      local function allow(path)
        local status, said, head = ask("POST", path)
        local methods = head:match "\nAllow: ([^\r]*)"
        assert.equal(("POST is not for this address; %s are"):format(methods), said)
        return status, methods
      end
      assert.same({ 405, "GET, HEAD, OPTIONS" }, { allow "/" })
      assert.same({ 405, "GET, HEAD, OPTIONS" }, { allow "/sets" })
      assert.same({ 405, "GET, HEAD, OPTIONS" }, { allow "/services/svc" })
      assert.same({ 405, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT" }, { allow(VIP) })
      assert.same({ 405, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT" }, { allow(VIP .. "/" .. ONE) })
      assert.same({ 405, "DELETE, GET, HEAD, OPTIONS, PUT" }, { allow "/sets/banned/192.0.2.1" })
      local status, _, head = ask("OPTIONS", "/sets/banned")
      assert.same({ 204, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT" },
        { status, head:match "\nAllow: ([^\r]*)" })
      assert.same({ 200 }, { (ask("HEAD", "/sets/banned")) })
    end)

    it("bodies that it does not take", function()
      refused(415, "Content-Type: wants application/json; got none", "POST", "/sets/banned",
        '["192.0.2.9"]', { ["Content-Type"] = false })
      refused(415, 'Content-Type: wants application/json; got "text/plain"', "POST", "/sets/banned",
        '["192.0.2.9"]', { ["Content-Type"] = "text/plain" })
      refused(415, "Content-Encoding: wants none", "POST", "/sets/banned", '["192.0.2.9"]',
        { ["Content-Encoding"] = "gzip" })
      ok("POST", "/sets/banned", '["192.0.2.1"]',
        { ["Content-Type"] = "Application/JSON; charset=utf-8" })
      refused(400, "wants a body", "POST", "/sets/banned")
      local status, said = ask("POST", "/sets/banned", "[")
      assert.equal(400, status)
      assert.matches("^the body is no JSON: ", said)
      refused(413, "the body has 4194305 bytes, and 4194304 are the most; send a part at a time",
        "POST", "/sets/banned", '["192.0.2.9"' .. (" "):rep(4 * 1024 * 1024 - 12) .. "]")
      -- nginx keeps one as long as this in a file.
      assert.equal(2, ok("POST", "/sets/banned", '["192.0.2.9"' .. (" "):rep(1024 * 1024) .. "]")
        .count)
    end)
  end)

  it("logs who changes what", function()
    ok("PUT", "/sets/banned/192.0.2.77")
    server:wait_for "tidegate: admin: PUT /admin/sets/banned/192.0.2.77 by 127.0.0.1"
    assert.is_nil(server:log():find(TOKEN, 1, true))
  end)
end)

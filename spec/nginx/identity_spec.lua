-- A policy for each location: what it is known by is the address that its sockets are bound to.
-- H7

local netns = require "spec.support.netns"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

local POLICY = [[
  allow { "reports", connect = "10.0.5.20:80", source = "10.0.0.101" }
  allow { "images", connect = "10.0.5.21:80", source = "127.0.0.102" }
  allow { "six", connect = "[fd00::20]:80", source = "fd00::101" }
  deny { "images only", connect = "*", source = "127.0.0.102", errno = "ECONNREFUSED" }
  deny { "others", connect = { "10.0.5.0/24", "fd00::/64" }, errno = "ECONNREFUSED" }
]]

describe("a location", function()
  local server

  setup(function()
    nginx.enter()
    netns.own_all_addresses()
    netns.add_address "fd00::101"
    nginx.start { init = "", worker = "", http = [[
      server { listen 80; listen [::]:80; location / { return 200 "$server_addr $remote_addr"; } }
    ]] }
    server = nginx.start { policy = POLICY, workers = 1, listen = "127.0.0.1:8081", locations = [[
      location = /reports { proxy_bind 10.0.0.101; set $source 10.0.0.101;
        proxy_pass http://$arg_a; error_page 502 = @failed; }
      location = /images { proxy_bind 127.0.0.102; set $source 127.0.0.102;
        proxy_pass http://$arg_a; error_page 502 = @failed; }
      location = /six { proxy_bind fd00::101; set $source fd00::101;
        proxy_pass http://$arg_a; error_page 502 = @failed; }
      location = /other { set $source ""; proxy_pass http://$arg_a; error_page 502 = @failed; }
      location @failed { content_by_lua_block {
        local source = ngx.var.source
        local refusal = require("tidegate.nginx").refusal(nil, source ~= "" and source or nil)
        ngx.print(refusal and refusal.rule or "none")
      } }
      location = /cosocket { content_by_lua_block {
        local socket = ngx.socket.tcp()
        assert(socket:bind("10.0.0.101"))
        local ok, message = socket:connect(ngx.var.arg_a, 80)
        local refusal = not ok
          and require("tidegate.nginx").refusal(ngx.var.arg_a .. ":80", "10.0.0.101")
        ngx.print(ok and "connected" or refusal and refusal.rule or message)
      } }
      location = /wrong { content_by_lua_block {
        ngx.print((select(2, pcall(require("tidegate.nginx").refusal, "10.0.0.1:80", "nowhere"))))
      } }
    ]] }
  end)
  teardown(nginx.leave)

  local function said(path, address)
    return (select(2, server:get(path .. "?a=" .. address)))
  end

  it("reaches what a rule allows its source, and no other location does", function()
    assert.equal("10.0.5.20 10.0.0.101", said("/reports", "10.0.5.20"))
    assert.equal("10.0.5.21 127.0.0.102", said("/images", "10.0.5.21"))
    assert.equal("fd00::20 fd00::101", said("/six", "[fd00::20]"))
    assert.equal("others", said("/reports", "10.0.5.21"))
    assert.equal("others", said("/other", "10.0.5.20"))
    assert.equal("others", said("/six", "[fd00::21]"))
    assert.equal("192.0.2.1", said("/other", "192.0.2.1"):match "^%S+")
  end)

  it("is refused by a rule for its source alone, and refusal() names that rule", function()
    assert.equal("images only", said("/images", "192.0.2.1"))
    assert.equal("images only", said("/images", "10.0.5.20"))
    assert.equal("10.0.5.20 10.0.0.101", said("/reports", "10.0.5.20"))
  end)

  it("may use a cosocket, which is bound in the same way", function()
    assert.equal("connected", said("/cosocket", "10.0.5.20"))
    assert.equal("others", said("/cosocket", "10.0.5.21"))
  end)

  it("learns that refusal() was given no address", function()
    assert.equal('refusal: source: wants an address such as "127.0.0.101" or "::1"; got "nowhere"',
      said("/wrong", ""))
  end)
end)

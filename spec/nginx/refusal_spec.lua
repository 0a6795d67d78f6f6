-- refusal(): which rule kept a request from its upstream.

local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

describe("the refusal of an upstream", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  local FAILED = [[
    location @failed { content_by_lua_block {
      local refusal = require("tidegate.nginx").refusal()
      ngx.print(
        refusal and refusal.rule .. " " .. refusal.asked .. " " .. refusal.errno or "none", " ",
        ngx.var.upstream_addr)
    } }
  ]]

  --- A server whose "/" proxies to a group of servers, "/to?a=" to an address.
  local function start(policy, servers)
    return nginx.start { policy = policy, workers = 1,
      http = ("upstream group { %s }"):format(servers),
      locations = FAILED .. [[
        location / { proxy_pass http://group; error_page 502 = @failed; }
        location = /to { proxy_pass http://$arg_a; error_page 502 = @failed; }
        location = /none {
          content_by_lua_block { ngx.print(tostring(require("tidegate.nginx").refusal())) }
        }
      ]] }
  end

  local function said(server, path)
    return (select(2, server:get(path)))
  end

  it("is the first denial among the addresses that nginx tried", function()
    local server = start([[
      deny { "second", connect = "127.0.0.1:82", errno = "EACCES" }
      deny { "third", connect = "127.0.0.1:83" }
    ]], "server 127.0.0.1:81; server 127.0.0.1:82; server 127.0.0.1:83;")
    assert.equal("second 127.0.0.1:82 EACCES 127.0.0.1:81, 127.0.0.1:82, 127.0.0.1:83",
      said(server, "/"))
  end)

  it("is a balance that has no backend, while it has none", function()
    local server = start([[
      local svc = services "svc" { ["10.96.0.10:80/tcp"] = { { "127.0.0.1:81",
        state = "draining" } } }
      balance { "app", connect = svc }
    ]], "server 127.0.0.1:81;")
    assert.equal("app 10.96.0.10:80 EHOSTUNREACH 10.96.0.10:80",
      said(server, "/to?a=10.96.0.10:80"))
    server:write("web.lua", [[balance { "fixed", connect = "10.96.0.10:80", to = "127.0.0.1:81" }]])
    server:reload()
    assert.equal("none 10.96.0.10:80", said(server, "/to?a=10.96.0.10:80"))
  end)

  it("is none if no rule took part", function()
    local server = start([[deny { "other", connect = "127.0.0.1:82" }]], "server 127.0.0.1:81;")
    assert.equal("none 127.0.0.1:81", said(server, "/"))
    assert.equal("nil", said(server, "/none"))
  end)

  it("looks up no name if an upstream has no peer left", function()
    local server = start([[deny { "all", connect = "*" }]],
      "server 127.0.0.1:81 fail_timeout=60s; server 127.0.0.1:82 fail_timeout=60s;")
    assert.equal("all 127.0.0.1:81 EPERM 127.0.0.1:81, 127.0.0.1:82", said(server, "/"))
    assert.equal("none group", said(server, "/"))
  end)

  it("is told for an address that a cosocket could not connect to, too", function()
    local server = nginx.start { policy = [[deny { "no", connect = "127.0.0.1:82" }]],
      locations = [[
        location = /of { content_by_lua_block {
          local addr = ngx.unescape_uri(ngx.var.arg_a)
          local _, refusal = pcall(require("tidegate.nginx").refusal, addr)
          ngx.print(tostring(refusal))
        } }
      ]] }
    assert.matches('^deny "no" %([^)]*%): EPERM$', said(server, "/of?a=127.0.0.1:82"))
    assert.equal("nil", said(server, "/of?a=127.0.0.1:81"))
    assert.equal('refusal: wants an address such as "10.0.0.1:80", "[::1]:80" or '
      .. '"unix:/run/x.sock"; got "localhost:82"', said(server, "/of?a=localhost:82"))
  end)

  it("is told for the source of a socket, of which no name is looked up", function()
    local server = nginx.start {
      policy = [[deny { "no", connect = "*:82", source = { "127.0.0.9", "::1" } }]],
      locations = [[
        location = /of { content_by_lua_block {
          local nginx, source = require "tidegate.nginx", ngx.unescape_uri(ngx.var.arg_s)
          local addr = source:find "::" and "[fd00::9]:82" or "127.0.0.1:82"
          local _, refusal = pcall(nginx.refusal, addr, source)
          ngx.print(tostring(refusal))
        } }
        location = /unset { set $source ""; content_by_lua_block {
          ngx.print(tostring(require("tidegate.nginx").refusal("127.0.0.1:82", ngx.var.source)))
        } }
      ]] }
    for _, source in ipairs { "127.0.0.9", "127.0.0.9:5000", "::1", "[::1]", "[::1]:5000" } do
      assert.matches('^deny "no"', said(server, "/of?s=" .. source), source)
    end
    for _, source in ipairs { "127.0.0.8", "fd00::1" } do
      assert.equal("nil", said(server, "/of?s=" .. source))
    end
    assert.equal("nil", said(server, "/unset"))
    for _, source in ipairs { "localhost", "ab.de", "abc:80", "evil.test:80", "unix:/x" } do
      assert.equal('refusal: source: wants an address such as "127.0.0.101" or "::1"; got "'
        .. source .. '"', said(server, "/of?s=" .. source))
    end
  end)

  it("queries as the worker's process", function()
    local server = start(("deny { 'who', connect = '127.0.0.1:81', uid = 'www-data', gid = "
      .. "'www-data', comm = 'nginx', exe = '/usr/sbin/nginx', netns = 'self' } deny { 'not', "
      .. "connect = '127.0.0.1:82', uid = '!www-data' }"),
      "server 127.0.0.1:81;")
    assert.equal("who 127.0.0.1:81 EPERM 127.0.0.1:81", said(server, "/"))
    assert.equal("none 127.0.0.1:82", said(server, "/to?a=127.0.0.1:82"))
  end)

  it("queries as a process of nginx's cgroup", function()
    local server = nginx.prepare { policy = "", workers = 1, locations = FAILED
      .. "location / { proxy_pass http://127.0.0.1:81; error_page 502 = @failed; }" }
    server:write("web.lua", ("deny { 'here', connect = '127.0.0.1', cgroup = %q }")
      :format(server.cgroup))
    server:begin()
    assert.equal("here 127.0.0.1:81 EPERM 127.0.0.1:81", said(server, "/"))
  end)

  it("works for IPv6 and unix sockets", function()
    local server = start([[deny { "six", connect = "[::1]:81" } deny { "unix", connect = ]]
      .. [["unix:/run/x.sock" }]],
      "server [::1]:81; server unix:/run/x.sock;")
    assert.equal("six [::1]:81 EPERM [::1]:81, unix:/run/x.sock", said(server, "/"))
    assert.equal("unix unix:/run/x.sock EPERM unix:/run/x.sock",
      said(server, "/to?a=unix:/run/x.sock:/"))
  end)
end)

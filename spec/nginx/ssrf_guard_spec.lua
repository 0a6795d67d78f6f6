-- examples/nginx/ssrf-guard: what it fetches, and what it answers if it does not.

local dns = require "spec.support.dns"
local env = require "spec.support.env"
local netns = require "spec.support.netns"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

describe("the SSRF guard", function()
  local names, path, guard

  -- Every address is this machine's, and on each of them a server answers.
  setup(function()
    nginx.enter()
    netns.own_all_addresses()
    names = dns.serve("127.0.0.1:53", {
      ["public.test"] = { "203.0.113.7" },
      ["inside.test"] = { "10.1.2.3" },
      ["changing.test"] = { "203.0.113.7", "169.254.169.254" },
      ["reports.test"] = { "10.0.5.20" },
    })
    path = env.folder() .. "/inside.sock"
    nginx.start { init = "", worker = "", http = [[
      server {
        listen 80; listen [::]:80; listen 10.0.5.20:8080; listen 10.0.5.21:8080;
        listen unix:]] .. path .. [[;
        location / { return 200 "$server_addr $request_uri"; }
        location = /accel { add_header X-Accel-Redirect /stats; return 200 "not redirected"; }
      }
    ]] }
    guard = nginx.example("examples/nginx/ssrf-guard", "127.0.0.1:8088")
  end)
  teardown(function()
    names:kill()
    nginx.leave()
  end)

  local function fetch(url)
    local escaped = url:gsub("[^%w]", function(char) return ("%%%02X"):format(char:byte()) end)
    return guard:get("/fetch?url=" .. escaped)
  end

  local function fetched(url, body)
    local status, said = fetch(url)
    assert.same({ 200, body }, { status, said })
  end

  local function refused(url, rule, address)
    local status, said, head = fetch(url)
    assert.same({ 403, ("refused by %s: %s\n"):format(rule, address) }, { status, said })
    assert.truthy(head:find("\nX-Tidegate-Rule: " .. rule .. "\r", 1, true), head)
  end

  it("fetches what is public", function()
    fetched("http://203.0.113.7/a?b=c&d", "203.0.113.7 /a?b=c&d")
    fetched("http://203.0.113.7", "203.0.113.7 /")
    fetched("http://[2001:db8::7]:80/", "2001:db8::7 /")
    fetched("http://public.test/x", "203.0.113.7 /x")
  end)

  it("names the rule that refuses an address", function()
    refused("http://169.254.169.254/latest/meta-data/", "no-metadata", "169.254.169.254:80")
    refused("http://[fd00:ec2::254]/", "no-metadata", "[fd00:ec2::254]:80")
    refused("http://[::ffff:169.254.169.254]/", "no-metadata", "169.254.169.254:80")
    refused("http://10.1.2.3:8080/", "no-private", "10.1.2.3:8080")
    refused("http://127.0.0.1:8088/stats", "no-private", "127.0.0.1:8088")
    refused("http://0.0.0.0/", "no-private", "0.0.0.0:80")
    refused("http://[::1]/", "no-private", "[::1]:80")
    refused("http://[::]/", "no-private", "[::]:80")
    refused("http://[64:ff9b::a9fe:a9fe]/", "no-private", "[64:ff9b::a9fe:a9fe]:80")
  end)

  it("judges the address that a name has now", function()
    refused("http://inside.test/", "no-private", "10.1.2.3:80")
    -- A check beforehand sees a good address.
    assert.equal("203.0.113.7", dns.ask("127.0.0.1:53", "changing.test"))
    refused("http://changing.test/", "no-metadata", "169.254.169.254:80")
  end)

  it("reaches the upstreams that are named, on their port only", function()
    fetched("http://10.0.5.20:8080/r", "10.0.5.20 /r")
    fetched("http://reports.test:8080/r", "10.0.5.20 /r")
    refused("http://10.0.5.20/", "no-private", "10.0.5.20:80")
    refused("http://10.0.5.21:8080/", "no-private", "10.0.5.21:8080")
  end)

  it("refuses unix sockets", function()
    refused("http://unix:" .. path .. ":/", "no-unix", "unix:" .. path)
  end)

  it("does not obey an X-Accel-Redirect of the answer", function()
    fetched("http://203.0.113.7/accel", "not redirected")
  end)

  it("names no rule if the network fails", function()
    assert.equal(502, (fetch "http://203.0.113.7:81/"))
    assert.equal(502, (fetch "http://nowhere.test/"))
  end)

  it("refuses what is no http URL", function()
    for _, url in ipairs { "", "ftp://203.0.113.7/", "http://", "http:///etc", "http://a@10.0.0.1/",
      "203.0.113.7", "http://203.0.113.7/ HTTP/1.1\r\nX: y", "file:///etc/passwd" } do
      local status, said = fetch(url)
      assert.same({ 400, "url must be an http:// URL\n" }, { status, said }, url)
    end
  end)

  it("counts, logs and exposes the refusals", function()
    refused("http://169.254.169.254/x", "no-metadata", "169.254.169.254:80")
    guard:wait_for "refused 169.254.169.254:80 by no-metadata"
    local _, metrics, head = guard:get "/metrics"
    assert.truthy(head:find("Content-Type: text/plain; version=0.0.4", 1, true))
    local hits = metrics:match('tidegate_rule_hits_total{gate="ssrf%-guard",'
      .. 'rule="no%-metadata",verb="deny"} (%d+)\n')
    assert.is_true(tonumber(hits) >= 1, metrics)
  end)
end)

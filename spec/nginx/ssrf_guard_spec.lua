-- examples/nginx/ssrf-guard: what it fetches, and what it answers if it does not.  H1

local command = require "spec.support.command"
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
    command.run { "ip", "addr", "add", "198.41.0.4/32", "dev", "lo" }
    names = dns.serve("127.0.0.1:53", {
      ["public.test"] = { "93.184.216.34" },
      ["inside.test"] = { "10.1.2.3" },
      ["changing.test"] = { "93.184.216.34", "169.254.169.254" },
      ["reports.test"] = { "10.0.5.20" },
    })
    path = env.folder() .. "/inside.sock"
    nginx.start { init = "", worker = "", http = [[
      server {
        listen 80; listen [::]:80; listen 10.0.5.20:8080; listen 10.0.5.21:8080;
        listen unix:]] .. path .. [[;
        location / { return 200 "$server_addr $request_uri"; }
        location = /moved { return 302 http://169.254.169.254/; }
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
    fetched("http://93.184.216.34/a?b=c&d", "93.184.216.34 /a?b=c&d")
    fetched("http://93.184.216.34", "93.184.216.34 /")
    fetched("http://[2606:2800::7]:80/", "2606:2800::7 /")
    fetched("http://public.test/x", "93.184.216.34 /x")
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
    refused("http://[64:ff9b::a9fe:a9fe]/", "no-metadata", "[64:ff9b::a9fe:a9fe]:80")
  end)

  it("lets no form of an address get by", function()
    for address, rule in pairs {
      ["100.100.100.200"] = "no-metadata", ["168.63.129.16"] = "no-metadata",
      ["192.168.1.1"] = "no-private", ["172.31.255.255"] = "no-private",
      ["100.64.0.1"] = "no-private", ["198.18.0.1"] = "no-private",
      ["192.0.2.1"] = "no-private", ["240.0.0.1"] = "no-private",
      ["[::ffff:10.0.0.1]"] = "no-private", ["[::127.0.0.1]"] = "no-private",
      ["[fec0::1]"] = "no-private", ["[fe80::1]"] = "no-private", ["[fc00::1]"] = "no-private",
      ["[2001:0:4136:e378::1]"] = "no-private", ["[2002:7f00:1::1]"] = "no-private",
      ["[64:ff9b::7f00:1]"] = "no-private", ["[64:ff9b:1::a00:1]"] = "no-private",
      ["[::ffff:0:a9fe:a9fe]"] = "no-metadata", ["[2001:db8::1]"] = "no-private",
      ["[100::1]"] = "no-private", ["[4000::1]"] = "no-private", ["[5f00::1]"] = "no-private",
    } do
      local status, _, head = fetch(("http://%s/"):format(address))
      assert.same({ 403, rule }, { status, head:match "\nX%-Tidegate%-Rule: ([^\r]*)" }, address)
    end
    -- nginx takes these for names, which the resolver does not know, or for decimal numbers.
    for _, host in ipairs { "2130706433", "0x7f000001", "0x7f.1", "127.1", "127.0.0.1." } do
      assert.equal(502, (fetch(("http://%s/"):format(host))), host)
    end
    fetched("http://0177.0.0.1/", "177.0.0.1 /")
  end)

  it("reaches no other port, and the resolver by UDP alone", function()
    refused("http://93.184.216.34:22/", "no-port", "93.184.216.34:22")
    refused("http://93.184.216.34:8080/", "no-port", "93.184.216.34:8080")
    refused("http://[2606:2800::7]:6379/", "no-port", "[2606:2800::7]:6379")
    refused("http://127.0.0.1:53/", "no-private", "127.0.0.1:53")
  end)

  it("reaches no address of its own machine, also none that comes later", function()
    refused("http://198.41.0.4/", "no-own", "198.41.0.4:80")
    fetched("http://199.7.83.42/", "199.7.83.42 /")
    command.run { "ip", "addr", "add", "199.7.83.42/32", "dev", "lo" }
    command.wait_until(function() return fetch "http://199.7.83.42/" == 403 end, "a refusal")
    refused("http://199.7.83.42/", "no-own", "199.7.83.42:80")
  end)

  it("passes a redirect on, and does not follow it", function()
    local status, _, head = fetch "http://93.184.216.34/moved"
    assert.equal(302, status)
    assert.truthy(head:find("\nLocation: http://169.254.169.254/\r", 1, true), head)
  end)

  it("judges the address that a name has now", function()
    refused("http://inside.test/", "no-private", "10.1.2.3:80")
    -- A check beforehand sees a good address.
    assert.equal("93.184.216.34", dns.ask("127.0.0.1:53", "changing.test"))
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
    fetched("http://93.184.216.34/accel", "not redirected")
  end)

  it("names no rule if the network fails", function()
    assert.equal(502, (fetch "http://93.184.216.34:443/"))
    assert.equal(502, (fetch "http://nowhere.test/"))
  end)

  -- H6
  it("refuses what is no http URL, or has no port that exists", function()
    for _, url in ipairs { "http://93.184.216.34:0/", "http://93.184.216.34:65536/",
      "http://93.184.216.34:99999999999999999999/", "http://[2606:2800::7]:0/",
      "http://public.test:00/", "http://[::1%25lo]/", "http://[::g]/", "http://a:80:90/",
      "http://[10.0.0.1]/", "", "ftp://93.184.216.34/", "http://", "http:///etc",
      "http://a@10.0.0.1/", "93.184.216.34", "http://93.184.216.34/ HTTP/1.1\r\nX: y",
      "file:///etc/passwd" } do
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

-- The stats of a gate in nginx, and what a host's own code may do with it.

local cjson = require "cjson"
local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local env = require "spec.support.env"
local exposition = require "spec.support.exposition"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

describe("the stats of a gate in nginx", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  local POLICY = [[
    policy { name = "web" }
    deny { 'a "quoted\\" name', connect = "192.0.2.1", errno = "ECONNREFUSED", log = false }
    allow { "all", connect = "192.0.2.2" }
  ]]
  local LOCATIONS = [[
    location = /metrics {
      content_by_lua_block { require("tidegate.nginx").send_stats "prometheus" }
    }
    location = /xml { content_by_lua_block {
      ngx.print(select(2, pcall(require("tidegate.nginx").send_stats, "xml")))
    } }
    location = /version { content_by_lua_block {
      ngx.print(require("tidegate.nginx")._VERSION)
    } }
    location / { proxy_pass http://192.0.2.1; }
  ]]

  it("come from a module with a version", function() -- I8
    local server = nginx.start { policy = POLICY, locations = LOCATIONS }
    assert.equal(require("tidegate")._VERSION, (select(2, server:get "/version")))
  end)

  it("are the same in all workers, as JSON and for Prometheus", function()
    local server = nginx.start { policy = POLICY, locations = LOCATIONS }
    for _ = 1, 3 do
      assert.equal(502, server:get "/")
    end
    for _ = 1, 10 do
      local _, text, head = server:get "/stats"
      assert.truthy(head:find("Content-Type: application/json\r\n", 1, true), head)
      local stats = cjson.decode(text)
      local hit = stats.rules['a "quoted\\" name']
      assert.is_true(math.abs(hit.last - os.time()) < 60)
      hit.last = nil
      assert.same({
        ['a "quoted\\" name'] = { verb = "deny", hits = 3, suppressed = 0 },
        all = { verb = "allow", hits = 0, suppressed = 0 },
      }, stats.rules)
      assert.same({ "web", 1, 0, 0 }, { stats.name, stats.generation, stats.lost, stats.errors })
      assert.same({ hits = 0, suppressed = 0 }, stats.defaults.connect)
    end
    local _, text, head = server:get "/metrics"
    assert.truthy(head:find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n", 1, true),
      head)
    assert.truthy(text:find([[
# HELP tidegate_rule_hits_total Calls that a rule decided.
# TYPE tidegate_rule_hits_total counter
tidegate_rule_hits_total{gate="web",rule="a \"quoted\\\" name",verb="deny"} 3
tidegate_rule_hits_total{gate="web",rule="all",verb="allow"} 0
]], 1, true), text)
    assert.truthy(text:find('\ntidegate_default_hits_total{gate="web",op="connect"} 0\n', 1, true),
      text)
    assert.truthy(text:find([[
tidegate_calls_total{gate="web",hook="connect4",outcome="passed"} 0
tidegate_calls_total{gate="web",hook="connect4",outcome="denied"} 3
tidegate_calls_total{gate="web",hook="connect4",outcome="rewritten"} 0
tidegate_calls_total{gate="web",hook="connect4",outcome="error"} 0
tidegate_calls_total{gate="web",hook="connect4",outcome="refused_before"} 0
]], 1, true), text)
    assert.truthy(text:find('\ntidegate_generation{gate="web"} 1\n', 1, true), text)
    assert.equal(3, exposition.parse(text).tidegate_rule_hits_total
      ['gate=web,rule=a "quoted\\" name,verb=deny'])
    assert.is_nil(text:find("backend", 1, true) or text:find("service", 1, true))
    assert.matches('stats: wants "json" or "prometheus"; got "xml"', select(2, server:get "/xml"),
      1, true)
  end)

  it("have no rules if the policy has none", function()
    local server = nginx.start { policy = "", locations = LOCATIONS }
    assert.truthy(select(2, server:get "/stats"):find('"rules":{}', 1, true))
    assert.equal("", server:attached())
  end)

  it("report how often each backend was picked, and its share", function()
    local server = nginx.start { policy = [[
      policy { name = "web" }
      local svc = services "svc" { size = 8,
        ["192.0.2.9:80/tcp"] = { "127.0.0.1:9", { "127.0.0.2:9", weight = 2 },
          { "127.0.0.3:9", state = "draining" } },
        ["192.0.2.8:80/tcp"] = {} }
      balance { "api", connect = "192.0.2.1", to = { "127.0.0.1:9",
        { "127.0.0.2:9", weight = 3 } } }
      balance { "live", connect = svc }
    ]], locations = LOCATIONS .. [[
      location /live { proxy_pass http://192.0.2.9; }
      location /more { content_by_lua_block {
        local svc = require("tidegate.nginx").gate():services "many"
        for index = 1, 1001 do svc[("192.0.2.7:%d/tcp"):format(index)] = "127.0.0.1:9" end
      } }
    ]], init = [[
      local gate = require("tidegate.nginx").init { policy = "web.lua", attach = "self" }
      gate:balance { "many", connect = gate:services "many" { size = 2000 } }
      assert(gate:commit())
    ]] }
    for _ = 1, 12 do
      assert.equal(502, server:get "/")
    end
    for _ = 1, 3 do
      assert.equal(502, server:get "/live")
    end
    local stats = cjson.decode((select(2, server:get "/stats")))
    local one, two = stats.rules.api.backends["127.0.0.1:9"],
      stats.rules.api.backends["127.0.0.2:9"]
    assert.equal(12, one.picked + two.picked)
    assert.same({ weight = 1, state = "up", picked = one.picked, share = 0.25 }, one)
    assert.same({ weight = 3, state = "up", picked = two.picked, share = 0.75 }, two)
    assert.is_nil(stats.rules.live.backends)
    local live = stats.services.svc
    assert.same({ 2, 8, {} }, { live.count, live.size, live.vips["192.0.2.8:80/tcp"] })
    live = live.vips["192.0.2.9:80/tcp"]
    assert.equal(3, live["127.0.0.1:9"].picked + live["127.0.0.2:9"].picked)
    assert.same({ weight = 1, state = "draining", picked = 0, share = 0 }, live["127.0.0.3:9"])
    assert.same({ count = 0, size = 2000, vips = {} }, stats.services.many)

    local text = select(2, server:get "/metrics")
    for _, line in ipairs {
      "# TYPE tidegate_backend_picked_total counter",
      ('tidegate_backend_picked_total{gate="web",rule="api",backend="127.0.0.1:9"} %d')
      :format(one.picked), "# TYPE tidegate_backend_share gauge",
      'tidegate_backend_share{gate="web",rule="api",backend="127.0.0.2:9"} 0.75',
      'tidegate_services{gate="web",services="svc"} 2',
      'tidegate_services_capacity{gate="web",services="many"} 2000',
      ('tidegate_service_backend_picked_total{gate="web",services="svc",vip="192.0.2.9:80/tcp",'
        .. 'backend="127.0.0.1:9"} %d'):format(live["127.0.0.1:9"].picked),
      'tidegate_service_backend_share{gate="web",services="svc",vip="192.0.2.9:80/tcp",'
        .. 'backend="127.0.0.3:9"} 0',
    } do
      assert.truthy(text:find("\n" .. line .. "\n", 1, true), line .. " is not in\n" .. text)
    end

    -- If there are too many backends, only their number is reported.
    assert.equal(200, (server:get "/more"))
    stats = cjson.decode((select(2, server:get "/stats")))
    assert.same({ count = 1001, size = 2000 }, stats.services.many)
    text = select(2, server:get "/metrics")
    assert.truthy(text:find('\ntidegate_services{gate="web",services="many"} 1001\n', 1, true))
    assert.is_nil(text:find("192.0.2.7", 1, true))
  end)

  --- The page for Prometheus, which promtool must like, too, if it is here.
  local function metrics_of(server)
    local page = select(2, server:get "/metrics")
    local path = env.folder() .. "/metrics"
    env.write(path, page)
    local checked = command.run { "sh", "-c",
      [[! command -v promtool > /dev/null || promtool check metrics < "$0"]], path }
    assert.same({ 0, "", "" }, { checked.status, checked.out, checked.err })
    return exposition.parse(page)
  end

  -- H3
  it("tell the same in both formats, also of sets and attachments", function()
    local server = nginx.start { workers = 1, policy = [[
      policy { name = "w{e},b" }
      local banned = set "banned" { "192.0.2.9", "198.51.100.0/24", size = 3, ttl = "1h" }
      local svc = services "svc" { ["192.0.2.8:80/tcp"] = { "127.0.0.1:9",
        { "127.0.0.2:9", weight = 4, state = "draining" } } }
      deny { "ban\"{}", connect = banned, log = true }
      balance { "svc", connect = svc }
      balance { "two", connect = "192.0.2.7:80", to = { "127.0.0.1:9", "127.0.0.2:9" } }
      deny { "often", connect = "192.0.2.6", over = "1/h", per = "address" }
    ]], locations = LOCATIONS .. [[
      location = /to { proxy_pass http://$arg_a; }
      location = /fill { content_by_lua_block {
        local banned = require("tidegate.nginx").gate():set "banned"
        banned:add "192.0.2.1"
        ngx.print((select(2, banned:add "192.0.2.2")))
      } }
    ]] }
    for _, address in ipairs { "192.0.2.9", "192.0.2.8", "192.0.2.7", "127.0.0.1:9" } do
      assert.equal(502, (server:get("/to?a=" .. address)))
    end
    assert.matches("full", select(2, server:get "/fill"))
    local stats, metrics = cjson.decode((select(2, server:get "/stats"))), metrics_of(server)
    local function told(name, value, labels)
      labels.gate = stats.name
      local series = metrics["tidegate_" .. name]
      assert.is_table(series, name)
      local given = series[exposition.key(labels)] or -1
      assert.equal(("%.3f"):format(value), ("%.3f"):format(given), name)
    end
    local function backends(prefix, list, labels)
      for address, member in pairs(list) do
        labels.backend = address
        told(prefix .. "_picked_total", member.picked, labels)
        told(prefix .. "_share", member.share, labels)
        told(prefix .. "_weight", member.weight, labels)
        if labels.vip then
          for _, state in ipairs { "up", "draining", "down" } do
            labels.state = state
            told(prefix .. "_state", state == member.state and 1 or 0, labels)
          end
          labels.state = nil
        end
      end
    end
    assert.same({ count = 3, size = 3, refused = 1 }, stats.sets.banned)
    told("set_refused_total", 1, { set = "banned" })
    told("set_elements", 3, { set = "banned" })
    told("set_capacity", 3, { set = "banned" })
    told("services", stats.services.svc.count, { services = "svc" })
    told("services_capacity", stats.services.svc.size, { services = "svc" })
    backends("service_backend", stats.services.svc.vips["192.0.2.8:80/tcp"],
      { services = "svc", vip = "192.0.2.8:80/tcp" })
    backends("backend", stats.rules.two.backends, { rule = "two" })
    for name, rule in pairs(stats.rules) do
      local labels = { rule = name, verb = rule.verb }
      told("rule_hits_total", rule.hits, labels)
      told("rule_suppressed_total", rule.suppressed, labels)
      if rule.last then
        told("rule_last_hit_timestamp_seconds", rule.last, labels)
      end
    end
    assert.equal(1, stats.rules['ban"{}'].hits)
    for op, counted in pairs(stats.defaults) do
      told("default_hits_total", counted.hits, { op = op })
      told("default_suppressed_total", counted.suppressed, { op = op })
      if counted.last then
        told("default_last_hit_timestamp_seconds", counted.last, { op = op })
      end
    end
    assert.is_number(stats.defaults.connect.last)
    for _, hook in ipairs { "connect4", "connect6" } do -- a request has the others called, too
      local counted = stats.hooks[hook]
      told("hook_events_lost_total", counted.lost, { hook = hook })
      told("calls_total", counted.denied, { hook = hook, outcome = "denied" })
      told("calls_total", counted.rewritten, { hook = hook, outcome = "rewritten" })
      told("calls_total", counted.errors, { hook = hook, outcome = "error" })
      told("calls_total", counted.calls - counted.denied - counted.rewritten - counted.errors,
        { hook = hook, outcome = "passed" })
    end
    for _, key in ipairs { "rates_evicted", "clients_evicted", "errors" } do
      told(key .. "_total", stats[key], {})
    end
    told("events_lost_total", stats.lost, {})
    told("generation", stats.generation, {})
    told("image_bytes", stats.image_bytes, {})
    told("shadow", stats.shadow and 1 or 0, {})
    told("build_info", 1, { version = stats.version })
    told("health", 1, { state = stats.health })
    told("attachment_processes", stats.attachments[server.cgroup].processes,
      { cgroup = server.cgroup })
    told("attachment_state", 1, { cgroup = server.cgroup, state = "unknown" })
    assert.same({ state = "unknown", processes = 2 }, stats.attachments[server.cgroup])

    local manual = env.read("docs/nginx.md"):match "\n## Metrics\n(.-)\n## "
    for name in pairs(metrics) do
      local short = name:gsub("^tidegate_", "")
      assert.truthy(manual:find("`" .. short, 1, true)
        or manual:find("`…" .. short:gsub("^service_backend", ""), 1, true), short)
    end
    for labels in pairs(metrics.tidegate_calls_total) do
      local outcome = labels:match "outcome=([%l_]+)"
      assert.truthy(manual:find("`" .. outcome .. "`", 1, true), outcome)
    end
  end)

  it("say that a cgroup is gone, as far as a worker sees it", function()
    local other = cgroup.make()
    local server = nginx.start { workers = 1, policy = POLICY, locations = LOCATIONS, init =
      ([[require("tidegate.nginx").init { policy = "web.lua", attach = %q }]]):format(other) }
    local function seen()
      local stats = cjson.decode((select(2, server:get "/stats")))
      return { stats.health, stats.attachments[other].state }
    end
    assert.same({ "unknown", "unknown" }, seen())
    cgroup.remove(other)
    assert.same({ "degraded", "gone" }, seen())
    command.run { "mkdir", other }
    assert.same({ "degraded", "gone" }, seen())
    assert.equal(1, metrics_of(server).tidegate_health["gate=web,state=degraded"])
    cgroup.remove(other)
  end)

  it("see all of an attachment if nginx is a single process", function()
    local server = nginx.prepare { policy = POLICY, workers = 1 }
    local process = server:run("-g", "master_process off;")
    command.wait_until(function() return server:get "/pid" end, "an answer")
    local stats = cjson.decode((select(2, server:get "/stats")))
    assert.same({ "ok", { state = "attached", processes = 1 } },
      { stats.health, stats.attachments[server.cgroup] })
    process:kill "sigterm"
    process:wait()
  end)

  it("of 10,000 rules leave other requests their turn, and take some ms", function()
    local server = nginx.start { workers = 1, init = nginx.TRUSTING, policy = [[
      for number = 1, 10000 do
        deny { ("rule %d"):format(number), connect = ("10.%d.%d.1"):format(number / 256,
          number % 256) }
      end
    ]], locations = [[
      location = /metrics { content_by_lua_block {
        local turns, ended = 0, false
        local other = ngx.thread.spawn(function()
          while not ended do turns = turns + 1 ngx.sleep(0) end
        end)
        local function cpu() return os.clock() * 1000 end
        local began = cpu()
        require("tidegate.nginx").send_stats(ngx.var.arg_as)
        ngx.log(ngx.NOTICE, "page: ", cpu() - began, " ms, ", turns, " turns")
        ended = true
      } }
    ]] }
    for _, format in ipairs { "prometheus", "json" } do
      local page
      for _ = 1, 3 do
        page = select(2, server:get("/metrics?as=" .. format))
      end
      if format == "json" then
        assert.equal(0, cjson.decode(page).rules["rule 10000"].hits)
      else
        assert.equal(0, exposition.parse(page).tidegate_rule_hits_total
          ["gate=,rule=rule 10000,verb=deny"])
      end
    end
    local took = {}
    for ms, turns in server:log():gmatch "page: ([%d.]+) ms, (%d+) turns" do
      took[#took + 1] = ms
      assert.is_true(tonumber(turns) >= 8, turns .. " turns")
    end
    assert.equal(6, #took)
    print(("    10,000 rules, ms of CPU: %s"):format(table.concat(took, " ")))
  end)

  it("include the rules that nginx's own configuration adds", function()
    local server = nginx.start { policy = POLICY, http = "lua_shared_dict heard 64k;", init = [[
      local gate = require("tidegate.nginx").init { policy = "web.lua", attach = "self" }
      gate:deny { "late", connect = "192.0.2.3", log = true }
      gate:on("late", function(event) ngx.shared.heard:incr(event.asked, 1, 0) end)
      assert(gate:commit())
    ]], locations = [[
      location / { proxy_pass http://192.0.2.3; }
      location = /heard { content_by_lua_block { ngx.print(ngx.shared.heard:get "192.0.2.3:80") } }
    ]] }
    for _ = 1, 3 do
      assert.equal(502, server:get "/")
    end
    command.wait_until(function() return select(2, server:get "/heard") == "3" end, "the events")
    local _, text = server:get "/stats"
    local stats = cjson.decode(text)
    stats.rules.late.last = nil
    assert.same({ verb = "deny", hits = 3, suppressed = 0 }, stats.rules.late)
    assert.equal(2, stats.generation)
  end)
end)

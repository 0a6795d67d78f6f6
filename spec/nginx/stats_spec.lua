-- The stats of a gate in nginx, and what a host's own code may do with it.

local cjson = require "cjson"
local command = require "spec.support.command"
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
    location = /metrics { content_by_lua_block { require("tidegate.nginx").stats "prometheus" } }
    location = /xml { content_by_lua_block {
      ngx.print(select(2, pcall(require("tidegate.nginx").stats, "xml")))
    } }
    location / { proxy_pass http://192.0.2.1; }
  ]]

  it("are the same in all workers, as JSON and for Prometheus", function()
    local server = nginx.start { policy = POLICY, locations = LOCATIONS }
    for _ = 1, 3 do
      assert.equal(502, server:get "/")
    end
    for _ = 1, 10 do
      local _, text, head = server:get "/stats"
      assert.truthy(head:find("Content-Type: application/json\r\n", 1, true), head)
      local stats = cjson.decode(text)
      assert.same({
        ['a "quoted\\" name'] = { verb = "deny", hits = 3, suppressed = 0 },
        all = { verb = "allow", hits = 0, suppressed = 0 },
      }, stats.rules)
      assert.same({ "web", 1, 0, 0 }, { stats.name, stats.generation, stats.lost, stats.errors })
      assert.same({ hits = 0, suppressed = 0 }, stats.default.connect)
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
]], 1, true), text)
    assert.truthy(text:find('\ntidegate_generation{gate="web"} 1\n', 1, true), text)
    for line in text:gmatch "[^\n]+" do
      assert.truthy(line:find "^# HELP tidegate_[%w_]+ ."
        or line:find "^# TYPE tidegate_[%w_]+ %a+$"
        or line:find "^tidegate_[%w_]+{.*} %d+$", line)
    end
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
        local svc = require("tidegate.nginx").gate():service "many"
        for index = 1, 1001 do svc[("192.0.2.7:%d/tcp"):format(index)] = "127.0.0.1:9" end
      } }
    ]], init = [[
      local gate = require("tidegate.nginx").init { policy = "web.lua", attach = "self" }
      gate:balance { "many", connect = gate:service "many" { size = 2000 } }
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
      'tidegate_services_size{gate="web",services="many"} 2000',
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
    assert.same({ verb = "deny", hits = 3, suppressed = 0 }, stats.rules.late)
    assert.equal(2, stats.generation)
  end)
end)

-- The README's page about nginx is what it says.

local command = require "spec.support.command"
local env = require "spec.support.env"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

describe("the README's nginx", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  it("answers as shown", function()
    local text = env.read "README.md"
    local page = text:match "\n## In nginx\n(.-)\n## "
    local conf = page:match "```nginx\n(.-)```"
    local url, answer = page:match "```console\n%$ curl '([^']+)'\n(.-)```"
    local server = nginx.prepare { policy = text:match "```lua\n(.-)```" }
    server:write("nginx.conf", ([[
      load_module /usr/lib/nginx/modules/ndk_http_module.so;
      load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
      daemon off; pid nginx.pid; error_log error.log; events { }
    ]]) .. conf:gsub("/etc/nginx/", server.folder .. "/"))
    local process = server:run()
    command.wait_until(function() return process.status or server:get "/stats" end, "an answer")
    local got = command.run { "curl", "-sS", url }
    assert.equal("", got.err)
    assert.equal(answer, (got.out:gsub("%(/.*/web.lua", "(/etc/nginx/web.lua")))
    local _, stats = server:get "/stats"
    local hits = '\ntidegate_rule_hits_total{gate="web",rule="no-metadata",verb="deny"} 1\n'
    assert.truthy(stats:find(hits, 1, true), stats)
  end)
end)

-- tidegate.nginx.admin: what init() makes, and the misuse that it reports.  H4

local command = require "spec.support.command"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

local POLICY = [[deny { "ban", connect = set "banned" { "192.0.2.1" } }]]
local INIT = nginx.INIT
  .. [[ require("tidegate.nginx.admin").init { token = "0123456789abcdef" }]]

describe("the init of the API", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  it("makes one lock, which workers before and after a reload share", function()
    local server = nginx.start { policy = POLICY, init = INIT, workers = 1 }
    local function locks(pid)
      return command.run({ "sh", "-c",
        [[ls -l --time-style=+ "/proc/$0/fd" | grep -o 'memfd:tidegate-admin.*']], tostring(pid) })
        .out
    end
    assert.equal("memfd:tidegate-admin (deleted)\n", locks(server.process.pid))
    server:reload()
    server:reload()
    assert.equal("memfd:tidegate-admin (deleted)\n", locks(server.process.pid))
    assert.equal("memfd:tidegate-admin (deleted)\n", locks(server:workers()[1]))
  end)

  it("reports misuse", function()
    local calls = {}
    local cases = {
      [""] = 'init: wants options such as { token_file = "token" }; got nil',
      ["{}"] = 'init: wants either token = "…" or token_file = "/etc/tidegate/token"',
      ["{ token = 'x', token_file = 'x' }"] = "init: wants either token",
      ["{ token = 'short' }"] = "init: token: wants at least 16 letters, digits and -._~+/=; make "
        .. "one with: openssl rand -hex 24",
      ["{ token_file = 'none' }"] = "init: token_file: /",
      ["{ tokn = 'x' }"] = 'init: unknown option "tokn"; did you mean "token"?',
      ["{ token = '0123456789abcdef', hosts = 'x' }"] = "init: hosts: wants names such as { "
        .. '"admin.example.com" }; got "x"',
      ["{ token = '0123456789abcdef', hosts = { 'http://x' } }"] = "init: hosts: wants names such "
        .. 'as "admin.example.com"; got "http://x"',
    }
    for options in pairs(cases) do
      calls[#calls + 1] = ("print(select(2, pcall(admin.init, %s)))"):format(options == "" and "nil"
        or options)
    end
    local server = nginx.start { policy = "", workers = 1,
      init = nginx.INIT .. ' local admin = require "tidegate.nginx.admin" '
        .. table.concat(calls, " "),
      locations = [[location = /serve { content_by_lua_block {
        local admin = require "tidegate.nginx.admin"
        ngx.say(select(2, pcall(admin.serve, "admin/")))
        ngx.say(select(2, pcall(admin.serve)))
        ngx.say(select(2, pcall(function() return admin.server end)))
      } }]] }
    for _, said in pairs(cases) do
      assert.truthy(server:log():find(said, 1, true), said .. " is not in " .. server:log())
    end
    local said = select(2, server:get "/serve")
    assert.matches('serve: wants what the addresses begin with, such as "/admin"; got "admin/"',
      said, 1, true)
    assert.matches("serve: there is no token; call init in init_by_lua first", said, 1, true)
    assert.matches('did you mean "serve"?', said, 1, true)
  end)
end)

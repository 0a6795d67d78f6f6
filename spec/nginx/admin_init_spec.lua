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
      ["{ token_file = 'none' }"] = "/none: No such file or directory; make it with: (umask 077; "
        .. "openssl rand -hex 24 > /",
      ["{ 'x' }"] = 'init: got "x" without a name; options are written NAME = VALUE',
      ["admin"] = "init: call it with a dot, as in tidegate.nginx.admin.init()",
      ["{ token = '0123456789abcdef', hosts = { x = 'admin.test' } }"] = "init: hosts: wants names "
        .. 'such as "admin.example.com"; got "x"',
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
    assert.matches("serve: there is no token: call tidegate.nginx.admin.init() in init_by_lua",
      said, 1, true)
    assert.matches('did you mean "serve"?', said, 1, true)
  end)

  it("belongs in init_by_lua, because another worker's lock would be another one", function()
    local admin = [[require("tidegate.nginx.admin")]]
    local server = nginx.start { policy = POLICY, workers = 1,
      worker = [[require("tidegate.nginx").init_worker() ]] .. admin
        .. [[.init { token = "0123456789abcdef" }]],
      locations = ("location = /serve { content_by_lua_block { %s.serve() } }"):format(admin) }
    server:wait_for("init: belongs in init_by_lua, where the lock is made that all workers share; "
      .. "this is init_worker")
    assert.equal(500, (server:get "/serve"))
  end)

  it("does not make up for a gate that is missing", function()
    local admin = [[require("tidegate.nginx.admin")]]
    local server = nginx.start { worker = "", workers = 1,
      init = admin .. [[.init { token = "0123456789abcdef" }]],
      locations = ([[location = /serve { content_by_lua_block {
        ngx.print(select(2, pcall(%s.serve)))
      } }]]):format(admin) }
    assert.equal("serve: there is no gate: call tidegate.nginx.init() in init_by_lua",
      (select(2, server:get "/serve")))
  end)
end)

-- Policies for nginx are checked without nginx: with --trust, they get a stand-in for `ngx`.  H2

local command = require "spec.support.command"
local env = require "spec.support.env"

describe("a policy that requires ngx", function()
  teardown(env.clean)

  --- What a command says of a policy.
  local function said(text, ...)
    local path = env.folder() .. "/web.lua"
    env.write(path, text)
    local arguments = { ... }
    for position, argument in ipairs(arguments) do
      arguments[position] = argument:gsub("POLICY", path)
    end
    local got = command.tidegate(unpack(arguments))
    return got.status, (got.out:gsub("[^ \n]*/web.lua", "web.lua")),
      (got.err:gsub("[^ \n]*/web.lua", "web.lua"))
  end

  it("is checked, explained and compiled if it is trusted", function()
    local policy = [[
      local ngx = require "ngx"
      local process, lock = require "ngx.process", require "resty.lock"
      local port = ngx.config.subsystem == "http" and 80 or 81
      assert(ngx.get_phase() == "init" and ngx.shared.seen:incr("loads", 1, 0) == 1)
      assert(ngx.unescape_uri(ngx.escape_uri "a/b c") == "a/b c" and ngx.now() > 0)
      deny { "web", connect = "192.0.2.1:" .. port }
      on("deny", function(event)
        ngx.log(ngx.WARN, event, process.type())
        ngx.timer.at(0, function() lock:new("x") end)
      end)
    ]]
    assert.equal(0, (said(policy, "check", "--trust", "POLICY")))
    local _, out = said(policy, "explain", "--trust", "POLICY", "connect", "192.0.2.1:80")
    assert.matches('deny "web"', out)
    assert.equal(0, (said(policy, "compile", "--trust", "POLICY", "-o", "/dev/null")))
    local got = command.tidegate("check", "--trust", "examples/nginx/ssrf-guard/policy.lua")
    assert.same({ 0, "" }, { got.status, got.err })
  end)

  it("is told that it needs trust", function()
    local status, _, err = said('local ngx = require "ngx"', "check", "POLICY")
    assert.equal(1, status)
    assert.matches('require: there is no module "ngx"', err, 1, true)
    assert.matches("with --trust", err, 1, true)
  end)

  it("fails as in nginx if its own code is wrong, and says which line", function()
    local status, _, err = said('local ngx = require "ngx"\nngx.logg(ngx.ERR, "x")', "check",
      "--trust", "POLICY")
    assert.equal(1, status)
    assert.matches("web.lua:2: attempt to call field 'logg'", err, 1, true)
  end)

  it("logs to standard error", function()
    local _, _, err = said('local ngx = require "ngx" ngx.log(ngx.WARN, "a", 1, nil)', "check",
      "--trust", "POLICY")
    assert.equal("ngx.log: warn: a1nil\n", err)
  end)

  it("is told what the stand-in cannot answer", function()
    for _, call in ipairs { "ngx.md5('x')", "ngx.var.host()", "ngx.socket.tcp()",
      "require('ngx.process').type()" } do
      local status, _, err = said('local ngx = require "ngx"\nprint(' .. call .. ")", "check",
        "--trust", "POLICY")
      assert.equal(1, status)
      assert.matches("^web.lua:2: ngx.[%w._]+: this command has only a stand%-in for nginx", err)
    end
  end)
end)

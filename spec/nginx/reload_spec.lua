-- A reload of nginx: the policy is replaced in one step, or stays.

local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

if nginx.reason then
  return pending(nginx.reason)
end

local FIRST = [[
  policy { name = "first" }
  deny { "no-metadata", connect = "169.254.169.254", errno = "ECONNREFUSED", log = true }
  deny { "no-bind", bind = "*:1" }
  on("*", function(event)
    print(("%s by %s of %d"):format(event.rule, event.comm, event.generation))
  end)
]]
local SECOND = [[
  policy { name = "second" }
  deny { "other", connect = "192.0.2.1" }
  deny { "no-metadata", connect = "169.254.169.254", errno = "EACCES", log = true }
]]
local TO_METADATA = [[location / { proxy_pass http://169.254.169.254; }]]

describe("a reload of nginx", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  local function stats(server)
    return select(2, server:get "/stats")
  end

  local function has(text, part)
    assert.truthy(text:find(part, 1, true), text)
  end

  it("publishes the new policy into the gate that is there, counters and all", function()
    local server = nginx.start { policy = FIRST, locations = TO_METADATA }
    assert.equal(502, server:get "/")
    assert.equal("bind4 bind6 connect4 connect6", server:attached())
    server:write("web.lua", SECOND)
    server:reload()
    assert.equal("connect4 connect6", server:attached())
    assert.equal(502, server:get "/")
    has(server:log(), "169.254.169.254:80 failed (13: Permission denied)")
    has(stats(server), '"generation":2')
    has(stats(server), '"name":"second"')
    has(stats(server):match '"no%-metadata":(%b{})', '"hits":2')
  end)

  it("keeps the old policy and the old workers if the new policy has errors", function()
    local server = nginx.start { policy = FIRST, locations = TO_METADATA }
    local workers = server:workers()
    server:write("web.lua", SECOND .. "deny { 'x', connect = '300.1.1.1' }")
    server:reload_in_vain([[web.lua:4: deny "x": connect: "300.1.1.1"]])
    assert.same(workers, server:workers())
    assert.equal(502, server:get "/")
    has(server:log(), "169.254.169.254:80 failed (111: Connection refused)")
    has(stats(server), '"generation":1')
    server:write("web.lua", SECOND)
    server:reload()
    has(stats(server), '"generation":2')
  end)

  it("keeps the gate if nginx gives the configuration up after init", function()
    local server = nginx.start { policy = FIRST, locations = TO_METADATA }
    local workers = server:workers()
    server:write("nginx.conf", nginx.conf { http = "server { listen 203.0.113.1:80; }" })
    server:reload_in_vain "bind() to 203.0.113.1:80 failed"
    assert.same(workers, server:workers())
    assert.equal("bind4 bind6 connect4 connect6", server:attached())
    assert.equal(502, server:get "/")
    server:reload { locations = TO_METADATA }
    assert.equal(502, server:get "/")
    has(stats(server), '"generation":3')
  end)

  it("leaves nothing of the old policy in a worker that goes on", function()
    local server = nginx.start { policy = FIRST, locations = [[
      location = /slow { content_by_lua_block { ngx.sleep(2) ngx.print "done" } }
    ]] }
    local request = process.fork(function() return select(2, server:get "/slow") end)
    command.wait_until(function() return stats(server):find '"generation":1' end, "a worker")
    os.execute "sleep 0.2"
    server:write("web.lua", [[deny { "no-bind", bind = "*:1" }]])
    server.process:kill "sighup"
    server:wait_for "gracefully shutting down"
    command.wait_until(function() return server:attached() == "bind4 bind6" end,
      "the end of connect")
    assert.is_false(request:ended())
    assert.equal("done", request:wait())
  end)

  it("detaches if the new configuration has no gate, and takes a new one later", function()
    local server = nginx.start { policy = FIRST }
    server:reload { init = "", worker = "" }
    assert.equal("", server:attached())
    server:reload {}
    assert.equal("bind4 bind6 connect4 connect6", server:attached())
    has(stats(server), '"generation":1')
  end)

  it("moves the gate if attach names another cgroup", function()
    local server = nginx.start { policy = FIRST }
    local other = cgroup.make()
    server:reload { init = ([[require("tidegate.nginx").init { policy = "web.lua", attach = %q }]])
      :format(other) }
    assert.equal("", server:attached())
    assert.equal("bind4 bind6 connect4 connect6", server.attached { cgroup = other })
    server:stop()
    cgroup.remove(other)
  end)

  it("reports the events of the policy before by their names", function()
    local server = nginx.start { policy = FIRST, workers = 1 }
    local reader = server:reader()
    command.run { "kill", "-STOP", tostring(reader) }
    server:try "169.254.169.254"
    server:write("web.lua", [[on("*", function(event)
      print(("%s by %s of %d"):format(event.rule, event.comm, event.generation))
    end)]])
    server.process:kill "sighup"
    command.wait_until(function() return #server:workers() == 2 end, "a new worker")
    command.run { "kill", "-KILL", tostring(reader) }
    server:wait_for "no-metadata by nc of 1"
  end)

  it("leaves no gap while one binary takes over from another", function()
    local server = nginx.prepare { policy = FIRST, locations = TO_METADATA, daemon = true }
    assert.equal(0, server:run():wait().status)
    local old = server:master()
    command.wait_until(function() return server:get "/pid" end, "an answer")
    command.run { "kill", "-USR2", old }
    command.wait_until(function() return server:master() ~= old and #server:attached() > 40 end,
      "a second gate")
    command.run { "kill", "-QUIT", old }
    command.wait_until(function() return #server:attached() < 40 end, "the end of the first one")
    assert.equal("bind4 bind6 connect4 connect6", server:attached())
    assert.equal(502, server:get "/")
    has(stats(server), '"generation":1')
  end)
end)

-- Live sets in nginx: any worker changes them, without privileges, and all see the change.

local command = require "spec.support.command"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

if nginx.reason then
  return pending(nginx.reason)
end

describe("a live set in nginx", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  local POLICY = [[
    policy { name = "web" }
    local banned = set "banned" { "192.0.2.200" }
    deny { "ban", connect = banned, errno = "ECONNREFUSED" }
  ]]
  local LOCATIONS = [[
    location = /ban { content_by_lua_block {
      local added, message = require("tidegate.nginx").gate():set("banned"):add(ngx.var.arg_addr)
      ngx.print(ngx.worker.pid(), " ", added and "added" or message)
    } }
    location / {
      proxy_connect_timeout 50ms; proxy_pass http://$arg_addr; error_page 502 504 = @failed;
    }
    location @failed { content_by_lua_block {
      local refusal = require("tidegate.nginx").refusal()
      ngx.print(refusal and refusal.rule or "no rule")
    } }
  ]]

  local function ask(server, address)
    return select(2, server:get("/?addr=" .. address))
  end

  it("is changed by two workers at once, and outlives a reload", function()
    local server = nginx.start { policy = POLICY, locations = LOCATIONS }
    assert.equal("ban", (ask(server, "192.0.2.200")))
    assert.equal("no rule", (ask(server, "192.0.2.1")))
    local function ban(from, to)
      return process.fork(function()
        local said = {}
        for number = from, to do
          said[#said + 1] = select(2, server:get("/ban?addr=192.0.2." .. number))
        end
        return table.concat(said, "\n")
      end)
    end
    local workers, count, rounds = {}, 0, 0
    repeat -- again, if one of them is quick enough to answer all
      for _, client in ipairs { ban(1, 50), ban(51, 100) } do
        for pid, said in client:wait():gmatch "(%d+) ([^\n]*)" do
          assert.equal("added", said)
          count = count + (workers[pid] and 0 or 1)
          workers[pid] = true
        end
      end
      rounds = rounds + 1
    until count == 2 or rounds == 20
    assert.equal(2, count)
    for number = 1, 100 do
      assert.equal("ban", (ask(server, "192.0.2." .. number)))
    end
    server:reload()
    assert.equal("ban", (ask(server, "192.0.2.1")))
    assert.equal("no rule", (ask(server, "192.0.2.101")))
  end)

  -- H5
  it("begins with what the policy says after a restart and after a binary upgrade", function()
    local server = nginx.prepare { policy = POLICY, locations = LOCATIONS, daemon = true }
    local function begin()
      assert.equal(0, server:run():wait().status)
      command.wait_until(function() return server:get "/pid" end, "an answer")
    end
    local function ban()
      assert.matches("added", (select(2, server:get "/ban?addr=192.0.2.1")))
      assert.equal("ban", (ask(server, "192.0.2.1")))
    end
    local function began_anew()
      assert.equal("no rule", (ask(server, "192.0.2.1")))
      assert.equal("ban", (ask(server, "192.0.2.200")))
    end
    begin()
    ban()
    command.run { "kill", "-QUIT", server:master() }
    command.wait_until(function() return server:attached() == "" end, "the end of nginx")
    begin()
    began_anew()
    ban()
    local old = server:master()
    command.run { "kill", "-USR2", old }
    command.wait_until(function()
      local new = server:master()
      return new and new ~= old
    end, "another master")
    command.run { "kill", "-QUIT", old }
    command.wait_until(function()
      return command.run({ "kill", "-0", old }).status ~= 0
    end, "the end of the old one")
    began_anew()
  end)
end)

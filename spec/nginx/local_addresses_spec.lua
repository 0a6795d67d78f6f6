-- "@local" under nginx: it follows the addresses of the host, without a reload.  H1

local command = require "spec.support.command"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

local POLICY = [[deny { "here", egress = { "@local", "!127.0.0.1" }, errno = "EXDEV" }]]
local LOCATIONS = [[
  location = /to { proxy_pass http://$arg_a; error_page 502 = @failed; }
  location @failed { content_by_lua_block {
    local refusal = require("tidegate.nginx").refusal()
    ngx.print(refusal and refusal.rule or "none")
  } }
]]

describe("@local in the policy of nginx", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  local function address(verb, text)
    assert.equal(0, command.run({ "ip", "address", verb, text .. "/32", "dev", "lo" }).status)
  end

  for _, events in ipairs { "socket", "timer" } do
    it("follows an address that comes and goes, with events by " .. events, function()
      local server = nginx.start { policy = POLICY, locations = LOCATIONS, workers = 2,
        init = nginx.INIT:gsub("}$", (", events = %q }"):format(events)) }
      local function rule(of)
        return (select(2, server:get("/to?a=" .. of)))
      end
      assert.equal("here", rule "127.0.0.2")
      assert.equal("none", rule "203.0.113.50")
      address("add", "203.0.113.50")
      command.wait_until(function() return rule "203.0.113.50" == "here" end, "the new address")
      assert.truthy(server:log():find("connect() to 203.0.113.50:80 failed (18: ", 1, true))
      address("del", "203.0.113.50")
      command.wait_until(function() return rule "203.0.113.50" == "none" end, "the end of it")
    end)
  end

  it("goes on if the worker that follows it is killed, and after a reload", function()
    local server = nginx.start { policy = POLICY, locations = LOCATIONS, workers = 2 }
    local function rule(of)
      return (select(2, server:get("/to?a=" .. of)))
    end
    command.wait_until(function() return server:reader() end, "a reader")
    command.run { "kill", "-9", tostring(server:reader()) }
    address("add", "203.0.113.51")
    command.wait_until(function() return rule "203.0.113.51" == "here" end, "the new address")
    server:reload()
    address("add", "203.0.113.52")
    command.wait_until(function() return rule "203.0.113.52" == "here" end, "the next address")
    assert.equal("here", rule "203.0.113.51")
  end)
end)

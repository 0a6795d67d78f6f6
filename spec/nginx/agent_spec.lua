-- OpenResty's privileged agent: it has the events, and the workers have not.
--
-- Debian's nginx has no such process.  Its second worker plays it here, through a stand-in for
-- `ngx.process`; what OpenResty's own would do beside (being root, listening to nothing) is not
-- tested.

local command = require "spec.support.command"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

local STAND_IN = [[
  local process = require "ngx.process"
  local type_of = process.type
  local M = setmetatable({}, { __index = process })
  function M.type()
    local kind = type_of()
    return kind == "worker" and ngx.worker.id() == 1 and "privileged agent" or kind
  end
  function M.enable_privileged_agent() return true end
  package.loaded["ngx.process"] = M
]]

describe("with a privileged agent", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  local function start(policy)
    return nginx.start { workers = 2, init = STAND_IN .. nginx.TRUSTING,
      policy = [[
        local ngx = require "ngx"
        deny { "no-metadata", connect = "169.254.169.254", log = true }
      ]] .. policy,
      locations = [[location = /id { content_by_lua_block { ngx.print(ngx.worker.id(), " ",
        tostring(require("tidegate.nginx").gate():status().health)) } }]] }
  end

  it("it alone reads the events and calls the timers", function()
    local server = start [[
      on("deny", function() print("heard by ", ngx.worker.id()) end)
      after("1ms", function() print("timer of ", ngx.worker.id()) end)
    ]]
    server:wait_for "timer of \t1"
    for round = 1, 3 do
      server:try "169.254.169.254"
      server:wait_for("heard by \t1", round)
    end
    assert.is_nil(server:log():find("heard by \t0", 1, true))
    assert.is_nil(server:log():find("timer of \t0", 1, true))
    local readers = select(2, server:log():gsub("tidegate: reads the events", ""))
    assert.equal(1, readers)
  end)

  it("a worker does not take over if it ends; its successor does", function()
    local server = start [[on("deny", function() print("heard by ", ngx.worker.id()) end)]]
    local reader = server:reader()
    command.run { "kill", "-KILL", tostring(reader) }
    command.wait_until(function() return server:reader() ~= reader end, "another reader")
    server:try "169.254.169.254"
    server:wait_for "heard by \t1"
    assert.is_nil(server:log():find("heard by \t0", 1, true))
  end)

  it("it has given up control of the gate, as the workers have", function()
    local server = start ""
    local seen = {}
    command.wait_until(function()
      local id, health = select(2, server:get "/id"):match "^(%d) (%w+)$"
      seen[id] = health
      return seen["0"] and seen["1"]
    end, "an answer of both")
    assert.same({ ["0"] = "unknown", ["1"] = "unknown" }, seen)
  end)
end)

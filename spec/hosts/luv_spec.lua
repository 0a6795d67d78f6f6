-- The example of a host with a loop of luv.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local nginx = require "spec.support.nginx"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local POLICY = [[
  local banned = set "banned" { ttl = "1h" }
  deny { "ban", connect = banned, errno = "EACCES" }
  deny { "no-metadata", egress = "169.254.169.254", errno = "ECONNREFUSED" }
  every("5ms", function() print "tick" end)
  on("no-metadata", function() error "a handler may fail" end)
]]

local function start(...)
  return command.start({ "luajit", "examples/luv/host.lua", ... },
    { env = { LUA_PATH = nginx.lua_path } })
end

describe("the luv host", function()
  teardown(env.clean)

  it("says what it wants, and what is wrong with a policy", function()
    local got = start():wait()
    assert.same({ 2, "wants a policy and a cgroup: a path, self, pid:42 or unit:nginx.service\n" },
      { got.status, got.err })
    got = start("/none.lua", "self"):wait()
    assert.same({ 1, "host: /none.lua: No such file or directory\n" }, { got.status, got.err })
  end)

  sandbox.describe("with a cgroup", function(here)
    local program
    after_each(function()
      if program and not program.status then
        program:kill "sigkill"
        program:wait()
      end
    end)

    it("enforces, prints, runs handlers and timers, and changes a set, until a signal", function()
      local policy = env.write(env.folder() .. "/web.lua", POLICY)
      program = start(policy, here.cgroup)
      program:wait_for "is enforced; Ctrl-C ends it\n"
      program:wait_for "tick\ntick\n"
      local function say(line, answer)
        program.err = ""
        program:write(line .. "\n")
        program:wait_for("host: " .. answer)
      end
      say("ban 192.0.2.1", "192.0.2.1 is banned\n")
      assert.equal("EACCES", socket.try("tcp", "192.0.2.1:80"))
      say("unban 192.0.2.1", "192.0.2.1 is no longer banned\n")
      assert.equal("ENETUNREACH", socket.try("tcp", "192.0.2.1:80"))
      say("ban 192.0.2.300", 'set "banned": "192.0.2.300": 300 is over 255')
      say("forbid 192.0.2.1", "wants ban ADDRESS or unban ADDRESS\n")
      program.err = ""
      assert.equal("ECONNREFUSED", socket.try("tcp", "169.254.169.254:80"))
      program:wait_for ": a handler may fail\nstack traceback:"
      program:kill "sigterm"
      assert.equal(0, program:wait().status)
      assert.equal("ENETUNREACH", socket.try("tcp", "169.254.169.254:80"))
      local rules = {}
      for line in program.out:gmatch "[^\n]+" do
        local event = line ~= "tick" and cjson.decode(line) or nil
        rules[#rules + 1] = event and event.rule .. " " .. event.asked
      end
      assert.same({ "ban 192.0.2.1:80", "no-metadata 169.254.169.254:80" }, rules)
    end)
  end)
end)

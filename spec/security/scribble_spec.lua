-- What processes share is hostile input to everyone who reads it: spec/c/scribble.c.

local env = require "spec.support.env"
local native = require "spec.support.native"
local sandbox = require "spec.support.sandbox"
local soak = require "spec.support.soak"
local tidegate = require "tidegate"

local POLICY = [[
  set "s" { { "10.0.0.9", ttl = "1s" }, size = 300 }
  services "v" { ["10.96.0.10:80/tcp"] = { "127.0.0.2:8080" }, size = 40 }
  deny { "in the set", connect = "@s", errno = "EXDEV", log = true }
  balance { "live", connect = "@v", sticky = "1m", key = "socket" }
  balance { "fixed", connect = "198.51.100.1:80", to = {
    "127.0.0.2:8080", { "127.0.0.3:8080", weight = 3 }, "127.0.0.4:8080" } }
  deny { "often", connect = "203.0.113.0/24", over = "5/s", per = "address" }
]]

sandbox.describe("shared memory", function(here)
  teardown(env.clean)

  local function image()
    local path = env.folder() .. "/policy.image"
    assert(assert(assert(tidegate.load_text(POLICY, "policy.lua")):compile()):save(path))
    return path
  end

  -- A2
  it("full of anything lets no privileged call crash, hang or write outside", function()
    local seed = env.seed()
    local items = env.write(env.folder() .. "/items",
      "10.1.0.0/16\n2001:db8:1::/48\n# none\n192.0.2.1\n")
    local text = native.run("scribble", ("%d %d %s %s %s")
      :format(seed, soak.rounds(10000), here.cgroup, image(), items), { "draw" })
    assert.truthy(text:find "^%d+ rounds, the longest took %d+ ms\n$", text)
    print("    " .. text:gsub("\n$", ""))
  end)

  -- A3
  it("is changed by threads of two processes; a lock that is never given back is told", function()
    assert.equal('set "s": another process has had it locked for 5 seconds: end the process that '
      .. "hangs, or try again\n", native.run("table_sharing", image(), { "draw" }))
  end)
end)

-- Names of hosts in to, bind_source and balance: which of their addresses are used.

local command = require "spec.support.command"
local env = require "spec.support.env"

local HOSTS = [[
::1        localhost both.test
127.0.0.1  localhost both.test
192.0.2.1  two.test
192.0.2.2  two.test
2001:db8::1  two.test
2001:db8::2  six.test
]]

describe("the name of a host", function()
  local folder

  setup(function()
    folder = env.folder()
    env.write(folder .. "/hosts", HOSTS)
  end)
  teardown(env.clean)

  --- What a command says of a policy, with a hosts file of our own.
  local function tidegate(policy, arguments)
    env.write(folder .. "/web.lua", policy)
    return command.run { "unshare", "-m", "sh", "-c",
      ("mount --bind %s/hosts /etc/hosts && cd %s && exec %s %s"):format(folder, folder,
        command.path, arguments) }
  end

  --- The last line of `explain connect ADDRESS`.
  local function explained(policy, address)
    local got = tidegate(policy, ("explain web.lua connect '%s'"):format(address))
    return got.out:match "([^\n]*)\n$" or got.err
  end

  -- G1
  for _, case in ipairs {
    { [[rewrite { "r", connect = "1.2.3.4:80", to = "localhost:8080" }]], "1.2.3.4:80",
      "1.2.3.4:80 -> 127.0.0.1:8080" },
    { [[rewrite { "r", connect = "1.2.3.4:80", to = "both.test:8080" }]], "1.2.3.4:80",
      "1.2.3.4:80 -> 127.0.0.1:8080" },
    { [[rewrite { "r", connect = "[2001:db8::9]:80", to = "two.test:8080" }]], "[2001:db8::9]:80",
      "[2001:db8::9]:80 -> [2001:db8::1]:8080" },
    { [[rewrite { "r", connect = "*:80", to = "both.test:8080" }]], "[2001:db8::9]:80",
      "[2001:db8::9]:80 -> 127.0.0.1:8080" },
    { [[rewrite { "r", connect = "*:80", family = "inet6", to = "both.test:8080" }]],
      "[2001:db8::9]:80", "[2001:db8::9]:80 -> [::1]:8080" },
    { [[allow { "r", connect = "127.0.0.1:80", bind_source = "both.test" }]], "127.0.0.1:80",
      "127.0.0.1:80 from 127.0.0.1" },
    { [[allow { "r", connect = "[::1]:80", bind_source = "both.test:99" }]], "[::1]:80",
      "[::1]:80 from [::1]:99" },
    { [[rewrite { "r", connect = "1.2.3.4:80", to = "both.test:8080", bind_source = "localhost" }]],
      "1.2.3.4:80", "1.2.3.4:80 -> 127.0.0.1:8080 from 127.0.0.1" },
  } do
    it("is an address of the family that the rule needs: " .. case[1], function()
      local line = explained(case[1], case[2])
      assert.equal(case[3], line:match "%(web%.lua:1%): (.*)$" or line)
    end)
  end

  --- The backends in what explain says, as a set.
  local function backends(line)
    local found = {}
    for backend in line:gmatch "[^ ,]+:8080" do
      found[backend] = true
    end
    return found
  end

  it("is all its addresses of that family in balance", function()
    local list = backends(explained(
      [[balance { "b", connect = "1.2.3.4:80", to = { "two.test:8080" } }]], "1.2.3.4:80"))
    assert.is_true(list["192.0.2.1:8080"] and list["192.0.2.2:8080"])
    assert.is_nil(list["[2001:db8::1]:8080"])
    assert.matches("[2001:db8::9]:80 -> [2001:db8::1]:8080", explained(
      [[balance { "b", connect = "[2001:db8::9]:80", to = { "two.test:8080" } }]],
      "[2001:db8::9]:80"), 1, true)
  end)

  it("decides with the other backends of a list which family they have", function()
    local line = explained([[balance { "b", connect = "*:80", family = "inet6",
      to = { "two.test:8080", "six.test:8080" } }]], "[2001:db8::9]:80")
    assert.is_true(backends(line)["[2001:db8::1]:8080"])
    assert.is_true(backends(line)["[2001:db8::2]:8080"])
    line = explained([[balance { "b", connect = "1.2.3.4:80",
      to = { "192.0.2.9:8080", "six.test:8080" } }]], "1.2.3.4:80")
    assert.matches('"six.test:8080": is IPv6, but the first backend is IPv4', line, 1, true)
  end)

  it("gets a warning where one of several addresses is used", function()
    local got = tidegate([[rewrite { "r", connect = "1.2.3.4:80", to = "two.test:8080" }]],
      "check web.lua")
    assert.equal(0, got.status)
    assert.equal('web.lua:1: rewrite "r": to: the name has several addresses, and all calls go to '
      .. "the first: write its address, or balance to use them all\n", got.err)
    got = tidegate([[allow { "r", connect = "10.0.0.1", bind_source = "two.test" }]],
      "check web.lua")
    assert.equal('web.lua:1: allow "r": bind_source: the name has several addresses, and the first '
      .. "is taken: write its address\n", got.err)
    got = tidegate([[rewrite { "r", connect = "1.2.3.4:80", to = "both.test:8080" }]],
      "check web.lua")
    assert.equal("", got.err)
  end)
end)

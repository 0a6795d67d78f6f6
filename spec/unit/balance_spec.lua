-- Balance without a kernel: what a policy may say, and the choice itself.

local native = require "spec.support.native"
local tidegate = require "tidegate"

describe("balance", function()
  it("shares by weight, and moves only the keys that must move: spec/c/balance.c", function()
    -- With a random seed one run in a few hundred would fail, so the seed is fixed.
    for seed = 1, 3 do
      assert.equal("ok\n", native.run("balance", seed))
    end
  end)

  local function complaint(rule)
    local gate, message = tidegate.load_text(rule, "web.lua")
    assert.is_nil(gate)
    return message
  end

  local wants = [[backends such as { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3 } }]]

  it("says what is wrong with it", function()
    local many = {}
    for index = 1, 257 do
      many[index] = ('"10.0.0.1:%d"'):format(index)
    end
    for rule, message in pairs {
      [ [[balance { "x", connect = "1.2.3.4:80" }]] ] =
        [[says no "to"; add backends, such as to = { "10.0.1.5:8080", "10.0.1.6:8080" }]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = {} }]] ] = [[to: wants ]] .. wants
      .. "; got none",
      [ [[balance { "x", connect = "1.2.3.4:80", to = 5 }]] ] = [[to: wants ]] .. wants
      .. "; got 5",
      [ [[balance { "x", connect = "1.2.3.4:80", to = { weight = 3, "10.0.0.1" } }]] ] =
        [[to: wants ]] .. wants .. [[; got a field "weight"]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = { true } }]] ] = [[to: wants ]] .. wants
      .. "; got true in it",
      [ [[balance { "x", connect = "1.2.3.4:80", to = { { "10.0.0.1", wieght = 3 } } }]] ] =
        [[to: "10.0.0.1": unknown field "wieght" of a backend; did you mean "weight"?]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = { { "10.0.0.1", weight = 0 } } }]] ] =
        [[to: "10.0.0.1": weight: wants a whole number from 1 to 65535; got 0; ]]
          .. [[leave out a backend that gets no calls]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = "*:80" }]] ] =
        [[to: "*:80": a backend has an address: write one, such as "10.0.1.5:8080"]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = "10.0.0.0/8" }]] ] =
        [[to: "10.0.0.0/8": must be one address, not a prefix or a range]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = "unix:/run/x" }]] ] =
        [[to: "unix:/run/x": a backend is an address, not a unix socket]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = { "10.0.0.1", "10.0.0.1" } }]] ] =
        [[to: "10.0.0.1": is there twice: for a larger share give it a weight]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = { "10.0.0.1", "::1" } }]] ] =
        [[to: "::1": is IPv6, but the first backend is IPv4: the backends of one list must ]]
          .. [[be of one family]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = { ]] .. table.concat(many, ",")
        .. [[ } }]] ] =
        [[to: "10.0.0.1:257": a list has at most 256 backends]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = "::1" }]] ] =
        [[to: an IPv4 socket cannot connect to an IPv6 address: match IPv6 addresses only, or add ]]
          .. [[family = "inet6"]],
      [ [[balance { "x", bind = "1.2.3.4:80", to = "10.0.0.1" }]] ] =
        [[bind: cannot be balanced: write connect, sendmsg or egress]],
      [ [[balance { "x", connect = "unix:/run/x", to = "10.0.0.1" }]] ] =
        [[to: a unix socket cannot be redirected to an IP address: match no unix: endpoints, ]]
        .. [[or write a path: to = "unix:/run/x.sock"]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = "10.0.0.1", by = "hsh" }]] ] =
        [[by: "hsh": write "random" or "hash"]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = "10.0.0.1", key = "uid" }]] ] =
        [[key: a random choice has none: add by = "hash" or sticky]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = "10.0.0.1", sticky = "10m" }]] ] =
        [[sticky: needs a key, which says whose calls stay together: add key = "pid", ]]
          .. [["uid", "cgroup" or another]],
      [ [[balance { "x", connect = "*:80", to = "10.0.0.1", sticky = "31d", key = "uid" }]] ] =
        [[sticky: 2678400000 ms are over 30 days, the limit]],
      [ [[balance { "x", connect = "*:80", to = "10.0.0.1", sticky = "soon", key = "uid" }]] ] =
        [[sticky: wants a time such as "500ms", "10s", "10m", "2h", "1d", or a number of seconds; ]]
          .. [[got "soon"]],
      [ [[deny { "x", connect = "1.2.3.4:80", sticky = "10m" }]] ] = [["sticky" is for balance]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = "10.0.0.1", by = "hash", key = "gid" }]] ] =
        [[key: "gid": write "socket", "pid", "uid", "cgroup", "netns" or "destination"]],
      [ [[rewrite { "x", connect = "1.2.3.4:80", to = { "10.0.0.1" } }]] ] =
        [[to: wants an endpoint such as "127.0.0.1:80", "127.0.0.1", "*:80" or ]]
          .. [["unix:/run/x.sock"; got a table; rewrite has one, as a text; balance has several]],
      [ [[deny { "x", connect = "1.2.3.4:80", by = "hash" }]] ] = [["by" is for balance]],
      [ [[allow { "x", connect = "1.2.3.4:80", errno = "EPERM" }]] ] =
        [["errno" is for deny and balance]],
    } do
      local verb = rule:match "^%a+"
      local glue = message:find "^says" and " " or ": "
      assert.equal(('web.lua:1: %s "x"%s%s'):format(verb, glue, message), complaint(rule))
    end
  end)

  it("says what is wrong with services", function()
    local wanted = [[wants a table such as { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" } }]]
    for policy, message in pairs {
      [ [[services "s" "x"]] ] = [[services "s": ]] .. wanted .. [[; got "x"]],
      [ [[services "s" { "10.0.0.1" }]] ] =
        [[services "s": wants VIPs such as ["10.96.0.10:80/tcp"] = { … }; got the value ]]
          .. [["10.0.0.1" without one]],
      [ [[services "s" { sise = 5 }]] ] =
        [[services "s": unknown option "sise"; did you mean "size"?]],
      [ [[services "s" { size = 0 }]] ] =
        [[services "s": size: wants a whole number of services, 1 or more; got 0]],
      [ [[services "s" { size = 1e6 }]] ] =
        [[services "s": size: 1000000 is over the limit of 262144]],
      [ [[services "s" { ["1.2.3.4:80"] = {} }]] ] =
        [[services "s": "1.2.3.4:80": a service is an address, a port and tcp or udp, such as ]]
        .. [["10.96.0.10:80/tcp" or "[2001:db8::1]:53/udp"]],
      [ [[services "s" { ["1.2.3.4:80/tcp"] = { { "10.0.0.1", state = "gone" } } }]] ] =
        [[services "s": "1.2.3.4:80/tcp": "10.0.0.1": state: wants "up", "draining" or "down"; ]]
          .. [[got "gone"]],
      [ [[services "s" { ["1.2.3.4:80/tcp"] = "::1" }]] ] =
        [[services "s": "1.2.3.4:80/tcp": backend 1 is IPv6, but the service is IPv4: they ]]
          .. [[must be of one family]],
      [ [[local a = services "s" {} services "s" {}]] ] =
        [[services "s": are declared already at web.lua:1]],
      [ [[local a, b = set "s" {}, services "s" {}]] ] =
        [[services "s": the name is taken by set "s"; choose another]],
      [ [[balance { "x", connect = services "s" {}, to = "10.0.0.1" }]] ] =
        [[balance "x": to: the services that it matches have backends of their own: ]]
        .. [[leave it out, or match no services]],
      [ [[balance { "x", connect = { services "s" {}, "1.2.3.4" } }]] ] =
        [[balance "x": to: missing: write the backends, or match services only, which have their ]]
          .. [[own]],
      [ [[balance { "x", connect = "1.2.3.4:80", to = { { "10.0.0.1", state = "down" } } }]] ] =
        [[balance "x": to: "10.0.0.1": state: only backends of live services have one]],
    } do
      assert.matches(message, complaint(policy), 1, true)
    end
  end)

  it("is unchanged by a dump", function()
    local text = 'balance { "api", connect = "10.96.0.10:80", to = { "10.0.1.5:8080", '
      .. '{ "10.0.1.6", weight = 3 } }, by = "hash" }\n'
    local gate = assert(tidegate.load_text(text))
    assert.matches(text, gate:dump(), 1, true)
    assert.equal(gate:dump(), assert(tidegate.load_text(gate:dump())):dump())
  end)

  it("names the backends if chance decides", function()
    local gate = assert(tidegate.load_text [[
      balance { "a", connect = "10.96.0.1:80", to = { "10.0.1.5:8080",
        { "10.0.1.6:8080", weight = 3 } } }
      balance { "b", connect = "10.96.0.2:80", to = { "10.0.1.5", "10.0.1.6" }, by = "hash" }
      balance { "c", connect = "10.96.0.3:80", to = { "10.0.1.5" } }
      balance { "d", connect = "10.96.0.4:80", to = { "10.0.1.5:1", "10.0.1.5:2" }, by = "hash",
        key = "uid" }
    ]])
    local function outcome(address, uid)
      return assert(gate:decide { connect = address, uid = uid }):outcome()
    end
    assert.equal("10.96.0.1:80 -> 10.0.1.5:8080 (1 of 4) or 10.0.1.6:8080 (3 of 4)",
      outcome "10.96.0.1:80")
    assert.equal("10.96.0.2:80 -> 10.0.1.5 or 10.0.1.6", outcome "10.96.0.2:80")
    assert.equal("10.96.0.3:80 -> 10.0.1.5:80", outcome "10.96.0.3:80")
    local seen = {}
    for uid = 1, 40 do
      seen[outcome("10.96.0.4:80", uid)] = true
      assert.equal(outcome("10.96.0.4:80", uid), outcome("10.96.0.4:80", uid))
    end
    assert.is_true(seen["10.96.0.4:80 -> 10.0.1.5:1"] and seen["10.96.0.4:80 -> 10.0.1.5:2"])
  end)
end)

-- Rewrites and balances whose calls come back to where they began: the exact words, and no finding
-- if nothing is wrong.

local findings = require "spec.support.findings"

local LOOP = " matches it again: what listens there is sent round in a loop when it connects "
  .. "onward, if the policy applies to it, too; put a rule before this one that lets its own calls "
  .. "through, such as "
  .. 'allow { connect = "*", uid = "proxy" }'

describe("a loop", function()
  it("is found if a rewrite's target is its own", function()
    assert.equal('web.lua:1: rewrite "a": its target 127.0.0.1:3128' .. LOOP,
      findings 'rewrite { "a", connect = "*", to = "127.0.0.1:3128" }')
    assert.equal('web.lua:1: rewrite "a": its target [::1]:80' .. LOOP,
      findings 'rewrite { "a", connect = "[::/0]:80", to = "[::1]:80" }')
    assert.equal('web.lua:1: rewrite "a": its target 127.0.0.1' .. LOOP,
      findings 'rewrite { "a", connect = "*:80", family = "inet", to = "127.0.0.1" }')
    assert.equal('web.lua:1: rewrite "a": its target port 80' .. LOOP,
      findings 'rewrite { "a", connect = "*:80-90", to = "*:80" }')
  end)

  it("is found if several rewrites form a circle", function()
    assert.equal('web.lua:1: rewrite "a": its target 192.0.2.2:2 is sent on by rewrite "b" '
      .. '(web.lua:2) to 192.0.2.3, '
      .. 'by rewrite "c" (web.lua:3) to port 1, which' .. LOOP, findings [[
rewrite { "a", connect = "192.0.2.0/24:1", to = "192.0.2.2:2" }
rewrite { "b", connect = "192.0.2.2", to = "192.0.2.3" }
rewrite { "c", connect = "192.0.2.3:2", to = "*:1" }]])
  end)

  it("is found between unix sockets", function()
    local function loop(rule, target)
      return ("web.lua:%s: its target %s matches it again: what listens there is sent round in a "
        .. "loop when it connects onward, if the policy applies to it, too; put a rule before this "
        .. "one that lets its own calls through, such as "
        .. 'allow { connect = "unix:*", uid = "proxy" }'):format(rule, target)
    end
    assert.equal(loop('1: rewrite "a"', "unix:/run/proxy.sock"),
      findings 'rewrite { "a", connect = "unix:/run/*", to = "unix:/run/proxy.sock" }')
    assert.equal(
      loop('1: rewrite "a"', 'unix:@b is sent on by rewrite "b" (web.lua:2) to unix:@a, which'),
      findings [[
rewrite { "a", connect = "unix:@a", to = "unix:@b" }
rewrite { "b", connect = "unix:@b", to = "unix:@a" }]])
    assert.equal("",
      findings 'rewrite { "a", connect = "unix:/run/docker.sock", to = "unix:/run/proxy.sock" }')
  end)

  it("is found if a backend is balanced again", function()
    assert.equal('web.lua:1: balance "a": its backend 10.96.0.10:80' .. LOOP,
      findings [[
balance { "a", connect = "10.96.0.10:80", to = { "10.0.0.1:80", "10.96.0.10:80" } }]])
    assert.equal('web.lua:1: balance "a": its backend 10.96.0.10' .. LOOP,
      findings [[
balance { "a", connect = "10.96.0.10:80", to = "10.96.0.10", by = "hash", key = "uid" }]])
    assert.equal('web.lua:1: balance "a": its backend [2001:db8::1]:80' .. LOOP,
      findings [[
balance { "a", connect = "[2001:db8::/32]:80", to = { "[2001:db9::1]:80", "[2001:db8::1]:80" } }]])
    assert.equal('web.lua:1: balance "a": its backend 10.0.0.2:80 is sent on by rewrite "b" '
      .. '(web.lua:2) to 10.96.0.10, which' .. LOOP, findings [[
balance { "a", connect = "10.96.0.10:80", to = { "10.0.0.1:80", "10.0.0.2:80" } }
rewrite { "b", connect = "10.0.0.2", to = "10.96.0.10" }]])
    assert.equal('web.lua:1: rewrite "a": its target 10.96.0.10:80 is sent on by balance "b" '
      .. '(web.lua:2) to 10.0.0.3:1, which' .. LOOP, findings [[
rewrite { "a", connect = "10.0.0.3", to = "10.96.0.10:80" }
balance { "b", connect = "10.96.0.10", to = { "10.0.0.9", "10.0.0.3:1" } }]])
    assert.equal("", findings [[
allow { connect = "10.96.0.10:80", uid = "root" }
balance { "a", connect = "10.96.0.10:80", to = { "10.0.0.1:80", "10.96.0.10:8080" } }
rewrite { "b", connect = "10.0.0.1:81", to = "10.96.0.10:80" }]])
  end)

  it("is found among the services that a policy has at first", function()
    local function services(list, rest)
      return ('local svc = services "svc" { %s }\nbalance { "a", connect = svc }\n%s')
        :format(list, rest or "")
    end
    local own = 'web.lua:2: balance "a": its backend 10.96.0.10:80 for 10.96.0.10:80/tcp' .. LOOP
    assert.equal(own,
      findings(services [=[["10.96.0.10:80/tcp"] = { "10.0.0.1:80", "10.96.0.10:80" }]=]))
    assert.equal(own:gsub(":80 for", " for"),
      findings(services [=[["10.96.0.10:80/tcp"] = "10.96.0.10"]=]))
    assert.equal('web.lua:2: balance "a": its backend [2001:db8::1]:53 for [2001:db8::1]:53/udp'
      .. LOOP,
      findings(services [=[["[2001:db8::1]:53/udp"] = "[2001:db8::1]:53"]=]))
    assert.equal('web.lua:2: balance "a": its backend 10.96.0.11:80 for 10.96.0.10:80/tcp '
      .. 'is sent on by balance "a" (web.lua:2) to 10.96.0.10:80, which' .. LOOP,
      findings(services [=[
      ["10.96.0.10:80/tcp"] = { "10.96.0.11:80" }, ["10.96.0.11:80/tcp"] = "10.96.0.10:80"]=]))
    assert.equal('web.lua:2: balance "a": its backend 10.0.0.1:80 for 10.96.0.10:80/tcp '
      .. 'is sent on by rewrite "b" (web.lua:3) to 10.96.0.10, which' .. LOOP,
      findings(services([=[["10.96.0.10:80/tcp"] = "10.0.0.1:80"]=],
      'rewrite { "b", connect = "10.0.0.1", to = "10.96.0.10" }')))
    -- G8
    for _, vip in ipairs { "10.96.0.10", "10.96.0.10:*/udp", "fd00::1", "[fd00::1]:*/tcp" } do
      local backend = vip:match "%[(.*)%]" or vip:match "^10.96.0.10" or vip
      assert.equal(('web.lua:2: balance "a": its backend %s for %s'):format(backend, vip) .. LOOP,
        findings(services(("[%q] = %q"):format(vip, backend))))
    end
    assert.equal('web.lua:2: balance "a": its backend 10.96.0.11 for 10.96.0.10 '
      .. 'is sent on by balance "a" (web.lua:2) to 10.96.0.10, which' .. LOOP,
      findings(services [=[
      ["10.96.0.10"] = { "10.96.0.11" }, ["10.96.0.11:*/tcp"] = "10.96.0.10"]=]))
    -- One that says more takes what would go round.
    assert.equal("", findings(services [=[
      ["10.96.0.10"] = "10.96.0.10:80", ["10.96.0.10:*/tcp"] = "10.0.0.1",
      ["10.96.0.10:80/udp"] = "10.0.0.1"]=]))
    assert.equal("", findings(services [=[["10.96.0.10:*/tcp"] = "10.96.0.11"]=]))
    -- A backend that no call goes to: of another protocol, of another port, of another service.
    assert.equal("",
      findings(services [=[["10.96.0.10:80/tcp"] = { { "10.96.0.10:80", state = "down" } }]=]))
    assert.equal("", findings(services [=[["10.96.0.10:80/tcp"] = { "10.96.0.10:81" }]=]))
    assert.equal("", findings(services [=[
      ["10.96.0.10:80/tcp"] = "10.96.0.11:80", ["10.96.0.11:80/udp"] = "10.96.0.10:80"]=]))
    assert.equal("", findings(services [=[
      ["10.96.0.10:80/tcp"] = "10.96.0.11:80", ["10.96.0.11:80/tcp"] = "10.0.0.1:80"]=]))
    assert.equal("",
      findings('local svc = services "svc" { ["10.96.0.10:80/tcp"] = "10.96.0.10:80" }\n'
      .. 'allow { connect = "10.96.0.10:80" }\nbalance { connect = svc }'))
  end)

  it("is looked for in a limited number of steps if many services point to each other", function()
    local lines = {}
    for index = 1, 200 do
      local backends = {}
      for other = 1, 200 do
        backends[other] = other ~= index and ('"10.97.0.%d:80"'):format(other) or '"10.0.0.1:80"'
      end
      lines[index] = ('["10.96.%d.1:80/tcp"] = { %s }'):format(index, table.concat(backends, ","))
      lines[200 + index] = ('["10.97.0.%d:80/tcp"] = '
        .. '{ "10.97.0.%d:80", "10.97.0.%d:80", "10.97.0.%d:80" }')
        :format(index, index % 200 + 1, (index + 3) % 200 + 1, (index + 7) % 200 + 1)
    end
    assert.equal("",
      findings('balance { connect = services "svc" { ' .. table.concat(lines, ",\n") .. " } }"))
  end)

  it("is not reported if the target is let through before, or is elsewhere", function()
    assert.equal("", findings [[
allow { "proxy", connect = "127.0.0.1:3128" }
rewrite { "a", connect = "*", to = "127.0.0.1:3128" }]])
    assert.equal("", findings 'rewrite { "a", connect = "*:80", to = "127.0.0.1:3128" }')
    assert.equal("",
      findings 'rewrite { "a", connect = { "*", "!127.0.0.1" }, to = "127.0.0.1:3128" }')
  end)
end)

-- Several gates, or one gate several times, on cgroups above one another: a call is judged once a
-- gate, and what one gate has refused, the others tell, and do nothing about.

local cgroup = require "spec.support.cgroup"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("one gate on a cgroup and on one below it", function(here) -- I1
  local below

  before_each(function()
    netns.own_all_addresses()
    below = here:another(here.cgroup)
  end)

  local function in_below(work)
    return process.run(function()
      cgroup.enter(below)
      return work()
    end)
  end

  --- A gate on both cgroups; `order`: which comes first.
  local function both(policy, order)
    local gate = here:gate(policy)
    local cgroups = { here.cgroup, below }
    for _, index in ipairs(order or { 1, 2 }) do
      assert(gate:attach(cgroups[index]))
    end
    return gate
  end

  local function events_of(gate)
    local count = 0
    for _ in gate:events { timeout = 0 } do
      count = count + 1
    end
    return count
  end

  for name, order in pairs { ["from above"] = { 1, 2 }, ["from below"] = { 2, 1 } } do
    it("denies a call with one hit and one event, attached " .. name, function()
      local gate = both([[
        deny { "no", egress = "192.0.2.1", log = true }
        deny { "no port", bind = "127.0.0.1:7", log = true }
        observe { "seen", connect = "192.0.2.1" }
      ]], order)
      local rules = gate:rules()
      assert.equal("EPERM EPERM EPERM", in_below(function()
        local client = socket.udp "inet"
        return ("%s %s %s"):format(select(2, client:connect "192.0.2.1:9"),
          select(2, client:sendto("x", "192.0.2.1:9")), (select(2, client:bind "127.0.0.1:7")))
      end))
      assert.same({ 2, 1, 0, 3 },
        { rules[1].hits, rules[2].hits, rules[3].hits, events_of(gate) })
      assert.equal("EPERM", socket.try("udp", "192.0.2.1:9")) -- only the cgroup above
      assert.same({ 3, 1 }, { rules[1].hits, events_of(gate) })
      assert.equal(2, gate:stats().hooks.connect4.calls)
    end)
  end

  it("takes one token of a rate", function()
    both [[deny { connect = "192.0.2.1", over = "4/m burst 4" }]]
    assert.equal("ok ok ok ok EPERM", in_below(function()
      local answers = {}
      for index = 1, 5 do
        answers[index] = socket.try("udp", "192.0.2.1:9")
      end
      return table.concat(answers, " ")
    end))
  end)

  it("shows the program what it asked for", function()
    local gate = both [[rewrite { "r", egress = "203.0.113.9:80", to = "127.0.0.6:8080" }]]
    local server = here:serve("udp", "127.0.0.6:8080")
    assert.equal("203.0.113.9:80 203.0.113.9:80", in_below(function()
      local client, sender = socket.udp "inet", socket.udp "inet"
      assert(client:connect "203.0.113.9:80")
      assert(sender:sendto("ping", "203.0.113.9:80"))
      local _, from = server:receive()
      assert(server:sendto("pong", from))
      return client:getpeername() .. " " .. select(2, sender:receive())
    end))
    assert.equal(2, gate:rules()[1].hits)
  end)

  it("judges on, whichever of the two is detached", function()
    for _, index in ipairs { 1, 2 } do
      local gate = both [[deny { "no", connect = "192.0.2.1" }]]
      assert(gate:detach(({ here.cgroup, below })[index]))
      assert.equal("EPERM", in_below(function() return socket.try("udp", "192.0.2.1:9") end))
      assert.equal(index == 1 and "ok" or "EPERM", socket.try("udp", "192.0.2.1:9"))
      assert.equal(index == 1 and 1 or 2, gate:rules()[1].hits)
      gate:close()
    end
  end)

  it("judges once after a publish that needs other programs, too", function()
    local gate = both [[deny { "no", connect = "192.0.2.1" }]]
    gate:add("rewrite", { connect = "192.0.2.2", to = "127.0.0.1", log = true })
    gate:add("deny", { sendmsg = "192.0.2.1", over = "2/m" })
    assert(gate:commit())
    assert.equal("EPERM", in_below(function() return socket.try("udp", "192.0.2.1:9") end))
    assert.equal(1, gate:rules()[1].hits)
  end)
end)

sandbox.describe("a gate above another", function(here)
  local below

  before_each(function()
    netns.own_all_addresses()
    below = here:another(here.cgroup)
  end)

  --- A gate below and one above; what a connect in the cgroup below ends with.
  local function try(inner, outer, work)
    local gates = { here:gate(inner), here:enforce(outer) }
    assert(gates[1]:attach(below))
    local answer = process.run(function()
      cgroup.enter(below)
      return (work or function() return socket.try("udp", "192.0.2.1:9") end)()
    end)
    return answer, gates[2], gates[1]
  end

  for name, case in pairs { -- I3
    ["by default"] = { [[deny { connect = "*" }]], "EHOSTUNREACH" },
    ["by its default"] = { [[policy { default = "deny" }]], "EHOSTUNREACH" },
    ["with an errno"] = { [[deny { connect = "*", errno = "EACCES" }]], "EACCES" },
    ["with EPERM"] = { [[deny { connect = "*", errno = "EPERM" }]], "EPERM" },
  } do
    it("leaves the errno of a denial, unless it names one: it denies " .. name, function()
      assert.equal(case[2], try([[deny { connect = "*", errno = "EHOSTUNREACH" }]], case[1]))
    end)
  end

  it("denies with EPERM where nothing has set an errno", function() -- I3
    assert.equal("EPERM", try([[allow { connect = "*" }]], [[deny { connect = "*" }]]))
    assert.equal("EPERM", try([[deny { connect = "*" }]], [[deny { connect = "*" }]]))
  end)

  it("tells that a call was refused before, and counts it as nothing else", function()
    for _, rule in ipairs { -- I4
      [[allow { "it", connect = "*", log = true }]],
      [[rewrite { "it", connect = "*", to = "127.0.0.9", log = true }]],
      [[balance { "it", connect = "*", to = { "127.0.0.9" }, log = true }]],
      [[observe { "it", connect = "*" }]],
      [[deny { "it", connect = "*", shadow = true }]],
      [[policy { shadow = true } deny { "it", connect = "*" }]],
    } do
      local answer, outer, inner = try([[deny { connect = "*", errno = "EHOSTUNREACH" }]], rule)
      assert.equal("EHOSTUNREACH", answer)
      local event = assert(outer:events { timeout = 0 }()):copy()
      assert.is_true(event.refused_before)
      assert.equal("192.0.2.1:9", event.final)
      assert.truthy(tostring(event)
        :find("it [%(%a%) ]*%(refused before%)  connect 192.0.2.1:9/udp  "))
      assert.equal(0, outer:rules()[1].hits, rule)
      local hook = outer:stats().hooks.connect4
      assert.same({ 1, 1, 0, 0 }, { hook.calls, hook.refused_before, hook.rewritten, hook.denied })
      inner:close()
      outer:close()
    end
  end)

  it("that denies a refused call, too, counts it as a denial", function() -- I4
    local _, outer = try([[deny { connect = "*" }]], [[deny { "it", connect = "*" }]])
    local event = assert(outer:events { timeout = 0 }())
    assert.same({ true, "EPERM" }, { event.refused_before, event.errno })
    assert.equal(1, outer:rules()[1].hits)
    assert.equal(1, outer:stats().hooks.connect4.denied)
  end)

  it("takes no token of a rate for a refused call", function() -- I4
    for _, rules in ipairs { 0, 100 } do -- more than 64 terms are matched in another way
      local lines = { [[deny { "fast", connect = "192.0.2.0/24", over = "2/m burst 2" }]] }
      for number = 1, rules do
        lines[#lines + 1] = ([[deny { connect = "127.1.1.%d" }]]):format(number)
      end
      local answers, outer, inner = try([[deny { connect = "192.0.2.1", errno = "EACCES" }]],
        table.concat(lines, "\n"), function()
          local answers = {}
          for index, host in ipairs { 1, 1, 1, 2, 2, 2 } do
            answers[index] = socket.try("udp", ("192.0.2.%d:9"):format(host))
          end
          return table.concat(answers, " ")
        end)
      assert.equal("EACCES EACCES EACCES ok ok EPERM", answers)
      outer:close()
      inner:close()
    end
  end)

  it("picks no backend for a refused call, and lets no client stay", function() -- I4
    local _, outer = try([[deny { connect = "*" }]], [[
      balance { "b", connect = "*", to = { "127.0.0.3", "127.0.0.4" }, sticky = "1h", key = "uid" }
    ]])
    for _, backend in ipairs(outer:rules()[1].backends) do
      assert.equal(0, backend.picked)
    end
  end)

  it("does nothing else to a refused call: the socket stays as it was", function() -- I4
    local answer = try([[deny { connect = "*" }]], [[
      allow { connect = "*", bind_source = "127.0.0.7", sockopt = { mark = 9 } }
      deny { bind = "*", shadow = true }
    ]], function()
      local client = socket.udp "inet"
      client:connect "192.0.2.1:9"
      return client:getsockname()
    end)
    assert.equal("0.0.0.0:0", answer)
  end)

  it("hears of a refusal by default at no rule of its own", function() -- I4
    local answer, outer = try([[deny { connect = "*" }]], [[deny { connect = "10.0.0.1" }]])
    assert.equal("EPERM", answer)
    assert.equal(1, outer:stats().hooks.connect4.refused_before)
  end)
end)

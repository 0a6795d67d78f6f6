-- observe: reports a call, and the walk goes on.

local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("observe", function(here)
  local function seen(gate)
    local list = {}
    for event in gate:events { timeout = 0 } do
      list[#list + 1] = { event.rule, event.verb, event.op, event.errno, event.shadow, event.asked,
        event.final }
    end
    return list
  end

  it("reports each call, and lets the rules after it decide", function()
    local gate = here:enforce [[
      observe { "watch", connect = "127.0.0.0/8" }
      deny { "denies", connect = "127.0.0.1:10", errno = "EXDEV" }
      rewrite { "rewrites", connect = "127.0.0.1:9", to = "127.0.0.1:99" }
      observe { "too late", connect = "127.0.0.1:9" }
    ]]
    local client = here:keep(socket.udp "inet")
    assert(client:connect "127.0.0.1:9")
    assert.equal("EXDEV", socket.try("udp", "127.0.0.1:10"))
    assert.same({
      { "watch", "observe", "connect", nil, false, "127.0.0.1:9", "127.0.0.1:9" },
      { "watch", "observe", "connect", nil, false, "127.0.0.1:10", "127.0.0.1:10" },
      { "denies", "deny", "connect", "EXDEV", false, "127.0.0.1:10", "127.0.0.1:10" },
    }, seen(gate))
    local hits = {}
    for index, rule in ipairs(gate:rules()) do
      hits[index] = rule.hits
    end
    assert.same({ 2, 1, 1, 0 }, hits)
  end)

  it("reports as often as its log says", function()
    local gate = here:enforce [[
      observe { "some", connect = "127.0.0.0/8", log = "1/10" }
      observe { "few", connect = "127.0.0.0/8", log = "2/h" }
    ]]
    for _ = 1, 100 do
      assert.equal("ok", socket.try("udp", "127.0.0.1:9"))
    end
    local times = {}
    for event in gate:events { timeout = 0 } do
      times[event.rule] = (times[event.rule] or 0) + 1
    end
    assert.same({ some = 10, few = 2 }, times)
    assert.same({ 100, 100 }, { gate:rules()[1].hits, gate:rules()[2].hits })
  end)

  it("works for every operation, the reporting ones too", function()
    local gate = here:enforce [[
      observe { "c", connect = "127.0.0.1:9" }
      observe { "b", bind = "127.0.0.1" }
      observe { "s", sendmsg = "127.0.0.1" }
      observe { "r", recvmsg = "127.0.0.1" }
      observe { "p", getpeername = "127.0.0.1:9" }
      observe { "n", getsockname = "127.0.0.1" }
    ]]
    local client = here:keep(socket.udp "inet")
    assert(client:bind "127.0.0.1:0")
    local port = client:getsockname()
    assert(client:sendto("x", port))
    assert(client:receive())
    assert(client:connect "127.0.0.1:9")
    assert.equal("127.0.0.1:9", client:getpeername())
    local order = {}
    for index, event in ipairs(seen(gate)) do
      order[index] = event[1] .. " " .. event[3]
    end
    assert.same({ "b bind", "n getsockname", "s sendmsg", "r recvmsg", "c connect",
      "p getpeername" }, order)
  end)

  it("lets later rules decide, among many rules", function()
    local rules = { [[observe { "all", connect = "127.0.0.0/8" }]] }
    for number = 1, 500 do
      rules[#rules + 1] = ([[%s { connect = "127.0.0.%d:%d" }]])
        :format(number % 2 == 1 and "observe" or "deny",
        number % 250 + 1, 1000 + number)
    end
    local gate = here:enforce(table.concat(rules, "\n"))
    assert.equal("ok", socket.try("udp", "127.0.0.52:1051"))
    assert.equal("EPERM", socket.try("udp", "127.0.0.53:1052"))
    local names = {}
    for index, event in ipairs(seen(gate)) do
      names[index] = event[1]
    end
    assert.same({ "all", "#52", "all", "#53" }, names)
  end)
end)

-- shadow: a rule that is counted and reported, and does nothing.

local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("shadow", function(here)
  local function hits(gate)
    local counts = {}
    for _, rule in ipairs(gate:rules()) do
      counts[#counts + 1] = rule.hits
    end
    return counts
  end

  it("lets a call proceed as if the rule were not there, but counts and reports it", function()
    local gate = here:enforce [[
      deny { "would deny", connect = "127.0.0.1:9", errno = "EXDEV", shadow = true }
      rewrite { "would rewrite", connect = "127.0.0.1:9", to = "127.0.0.1:99", shadow = true,
        log = true }
      deny { "denies", connect = "127.0.0.1:10" }
    ]]
    local client = here:keep(socket.udp "inet")
    assert(client:connect "127.0.0.1:9")
    assert.equal("127.0.0.1:9", client:getpeername())
    assert.equal("EPERM", socket.try("udp", "127.0.0.1:10"))
    assert.same({ 1, 1, 1 }, hits(gate))
    local seen = {}
    for event in gate:events { timeout = 0 } do
      seen[#seen + 1] = { event.rule, event.verb, event.errno, event.shadow, event.asked,
        event.final }
    end
    assert.same({
      { "would deny", "deny", "EXDEV", true, "127.0.0.1:9", "127.0.0.1:9" },
      { "would rewrite", "rewrite", nil, true, "127.0.0.1:9", "127.0.0.1:9" },
      { "denies", "deny", "EPERM", nil, "127.0.0.1:10", "127.0.0.1:10" },
    }, seen)
  end)

  it("counts a rule once that matches in several ways", function()
    local gate = here:enforce [[
      deny { connect = { "127.0.0.0/8:1-20", "127.0.0.1:5-9", "127.0.0.1:9" }, shadow = true }
    ]]
    assert.equal("ok", socket.try("udp", "127.0.0.1:9"))
    assert.same({ 1 }, hits(gate))
  end)

  for _, count in ipairs { 3, 100, 1000 } do
    it(("has no effect among %d rules, however they are matched"):format(count), function()
      local rules = { [[deny { "shadow of all", connect = "127.0.0.0/8", shadow = true, log = ]]
        .. [[false }]] }
      for number = 1, count do
        rules[#rules + 1] = ([[deny { connect = "127.0.0.%d-127.0.0.255:%d", errno = "EXDEV", ]]
          .. [[shadow = %s }]])
          :format(number % 250 + 1, 1000 + number, number % 2 == 1)
      end
      rules[#rules + 1] = [[deny { "last", connect = "127.0.0.255:1-65535", errno = "ECHILD" }]]
      local gate = here:enforce(table.concat(rules, "\n"))
      for number = 1, count, math.ceil(count / 40) do
        assert.equal(number % 2 == 1 and "ECHILD" or "EXDEV",
          socket.try("udp", "127.0.0.255:" .. 1000 + number))
      end
      local counted = gate:rules()
      assert.is_true(counted[1].hits > 0)
    end)
  end
end)

-- A call that fails because the kernel refuses what its rule does is told as failed. -- D5

local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("a call whose rule cannot do what it says", function(here)
  local cases = { -- D5
    ["a device that does not exist"] = {
      [[rewrite { "it", connect = "*", to = "127.0.0.1:8080", sockopt = { device = "eth9" } }]],
      "ENODEV", "rewrite", "127.0.0.1:8080",
    },
    ["a source that is not this machine's"] = {
      [[allow { "it", connect = "*", bind_source = "203.0.113.7" }]], "EADDRNOTAVAIL", "allow",
      "192.0.2.1:9",
    },
    ["a source of the other family"] = {
      [[allow { "it", egress = "*", bind_source = "::1" }]], "EAFNOSUPPORT", "allow", "192.0.2.1:9",
    },
  }

  local function only_event(gate)
    local pull = gate:events { timeout = 0 }
    local event = assert(pull(), "no event"):copy()
    assert.is_nil(pull())
    return event
  end

  for name, case in pairs(cases) do
    it("is told as failed, though its rule logs nothing: " .. name, function()
      local gate = here:enforce(case[1])
      assert.equal(case[2], socket.try("udp", "192.0.2.1:9"))
      local event = only_event(gate)
      assert.same({ true, case[2], case[3], case[4], false },
        { event.failed, event.errno, event.verb, event.final, event.refused_before })
      assert.truthy(tostring(event):find(
        ("^failed  it %%(%s%%)  connect 192.0.2.1:9/udp  %s  luajit"):format(case[3], case[2])))
      assert.truthy(event:tojson():find('"errno":"' .. case[2] .. '".*"failed":true'))
      assert.equal(1, gate:stats().errors)
    end)
  end

  it("is passed to the handlers for what failed", function()
    local heard = {}
    local gate = here:enforce [[
      allow { "it", connect = "192.0.2.1", sockopt = { device = "eth9" } }
      allow { "fine", connect = "192.0.2.2", log = true }
      deny { "no", connect = "192.0.2.3" }
    ]]
    gate:on("failed", function(event) heard[#heard + 1] = "failed " .. event.errno end)
    gate:on("allow", function(event) heard[#heard + 1] = "allow " .. event.rule end)
    for host = 1, 3 do
      socket.try("udp", ("192.0.2.%d:9"):format(host))
    end
    assert.equal(3, gate:dispatch())
    assert.same({ "allow it", "failed ENODEV", "allow fine" }, heard)
  end)

  it("is not told if its rule says so", function()
    local gate = here:enforce [[
      allow { "it", connect = "*", sockopt = { device = "eth9" }, log = false }
    ]]
    assert.equal("ENODEV", socket.try("udp", "192.0.2.1:9"))
    assert.is_nil(gate:events { timeout = 0 }())
    assert.equal(1, gate:stats().errors)
  end)

  it("fails for want of option memory, too", function()
    local gate = here:enforce [[rewrite { "it", connect = "*", to = "127.0.0.1" }]]
    local client = here:keep(socket.udp "inet")
    client:fill_option_memory()
    assert.equal("ENOMEM", (select(2, client:connect "192.0.2.1:9")))
    local event = only_event(gate)
    assert.same({ true, "ENOMEM", "rewrite" }, { event.failed, event.errno, event.verb })
  end)

  it("a balance without a backend is a refusal, not a failure", function()
    local gate = here:enforce [[
      balance { "it", connect = services "svc" {
        ["192.0.2.1:9/udp"] = { { "127.0.0.3:9", state = "down" } },
      } }
    ]]
    assert.equal("EHOSTUNREACH", socket.try("udp", "192.0.2.1:9"))
    local event = only_event(gate)
    assert.same({ false, "EHOSTUNREACH", "balance" }, { event.failed, event.errno, event.verb })
  end)
end)

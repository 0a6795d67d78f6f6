-- shadow: a rule, or a whole policy, that is counted and reported, and does nothing.

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
      { "denies", "deny", "EPERM", false, "127.0.0.1:10", "127.0.0.1:10" },
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

local SOL_SOCKET, SO_MARK = 1, 36

sandbox.describe("a policy that is a shadow", function(here)
  local POLICY = [[
    policy { default = "deny", shadow = %s }
    deny { "deny it", egress = "127.0.0.2", errno = "EXDEV" }
    rewrite { "send away", connect = "127.0.0.3:9", to = "127.0.0.1:99", bind_source = "127.0.0.4",
      log = true }
    balance { "share", connect = "127.0.0.5:9", to = "127.0.0.6:99", log = true }
    allow { "mark it", connect = "127.0.0.7:9", sockopt = { mark = 7 } }
    rewrite { "move it", bind = "127.0.0.8:5000", to = "127.0.0.9:5001", log = true }
    deny { "too fast", connect = "127.0.0.10", over = "1/h" }
    observe { "see it", connect = "127.0.0.11" }
  ]]

  --- Where a connected socket is, and where it goes.
  local function connected(to)
    local one = here:keep(socket.udp "inet")
    local ok, errno = one:connect(to)
    return ok and one:getpeername() or errno,
      ok and one:getsockname():match "^(.*):" or nil, ok and one:number(SOL_SOCKET, SO_MARK) or nil
  end

  it("leaves every call as it is, and counts and reports what it would do", function()
    local gate = here:enforce(POLICY:format "true")
    assert.is_true(gate:status().shadow)
    assert.equal("127.0.0.2:9", (connected "127.0.0.2:9"))
    assert(here:keep(socket.udp "inet"):sendto("x", "127.0.0.2:9"))
    assert.same({ "127.0.0.3:9", "127.0.0.1", 0 }, { connected "127.0.0.3:9" })
    assert.equal("127.0.0.5:9", (connected "127.0.0.5:9"))
    assert.equal(0, select(3, connected "127.0.0.7:9"))
    local bound = here:keep(socket.udp "inet")
    assert(bound:bind "127.0.0.8:5000")
    assert.equal("127.0.0.8:5000", bound:getsockname())
    for _ = 1, 3 do
      assert.equal("127.0.0.10:9", (connected "127.0.0.10:9"))
    end
    assert.equal("127.0.0.11:9", (connected "127.0.0.11:9"))

    local hits, seen = {}, {}
    for index, rule in ipairs(gate:rules()) do
      hits[index] = rule.hits
    end
    assert.same({ 2, 1, 1, 1, 1, 2, 1 }, hits)
    for event in gate:events { timeout = 0 } do
      seen[#seen + 1] = table.concat({ event.rule or "default", event.verb, event.errno or "-",
        tostring(event.shadow), event.final }, " ")
    end
    assert.same({
      "deny it deny EXDEV true 127.0.0.2:9", "deny it deny EXDEV true 127.0.0.2:9",
      "send away rewrite - true 127.0.0.3:9", "share balance - true 127.0.0.5:9",
      "move it rewrite - true 127.0.0.8:5000",
      "default deny EPERM true 127.0.0.10:9", "too fast deny EPERM true 127.0.0.10:9",
      "too fast deny EPERM true 127.0.0.10:9", "see it observe - false 127.0.0.11:9",
      "default deny EPERM true 127.0.0.11:9",
    }, seen)
    local hooks = gate:stats().hooks
    assert.same({ 0, 0, 0 }, { hooks.connect4.denied, hooks.connect4.rewritten,
      hooks.sendmsg4.denied })
    assert.is_nil(hooks.getpeername4)
  end)

  it("can be put in force, and be taken back", function()
    local gate = here:enforce(POLICY:format "true")
    assert.equal("127.0.0.3:9", (connected "127.0.0.3:9"))
    gate:policy { shadow = false }
    assert(gate:commit())
    assert.is_false(gate:status().shadow)
    assert.equal("EXDEV", (connected "127.0.0.2:9"))
    local kept = here:keep(socket.udp "inet")
    assert(kept:connect "127.0.0.3:9")
    assert.equal("127.0.0.4", kept:getsockname():match "^(.*):")
    gate:policy { shadow = true }
    assert(gate:commit())
    assert.equal("127.0.0.2:9", (connected "127.0.0.2:9"))
    -- What was redirected stays redirected until the socket connects again, but is shown now.
    assert.equal("127.0.0.1:99", kept:getpeername())
    assert(kept:connect "127.0.0.5:9")
    assert.equal("127.0.0.5:9", kept:getpeername())
  end)
end)

sandbox.describe("a policy of unix sockets that is a shadow", function(here)
  if sandbox.no_unix() then
    return pending(sandbox.no_unix())
  end

  it("leaves every call as it is", function()
    local gate = here:enforce [[
      policy { shadow = true }
      deny { "docker", connect = "unix:@docker", log = false }
      rewrite { "log", connect = "unix:@log", to = "unix:@other" }
    ]]
    for name, rule in pairs { docker = 1, log = 2 } do
      here:serve("unix_datagram", "unix:@" .. name)
      assert.equal("ok", socket.try("unix_datagram", "unix:@" .. name))
      assert.equal(1, gate:rules()[rule].hits)
    end
  end)
end)

-- The gate of the Lua module on the real kernel: what it publishes, counts and reports.

local footprint = require "spec.support.footprint"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"

sandbox.describe("a gate on the kernel", function(here)
  local gate

  local function attached(text, options)
    gate = here:enforce(text, options)
    return gate
  end

  local function connect(address, port)
    return socket.try("tcp", address .. ":" .. port)
  end

  --- The lines of the events that are there now, without their pids.
  local function lines()
    local found = {}
    for event in gate:events { timeout = 0 } do
      found[#found + 1] = tostring(event):gsub("%[%d+%]", "[]")
    end
    return found
  end

  local policy = [[
    deny { "refused", egress = "192.0.2.1", errno = "ECONNREFUSED", log = true }
    deny { "unreachable", egress = "192.0.2.2", errno = "EHOSTUNREACH", log = true }
    rewrite { "seed", connect = "192.0.2.3:60000", to = "127.0.0.1:9", log = true }
    allow { "quiet", connect = "127.0.0.1" }
  ]]

  it("enforces, counts and reports in order", function()
    attached(policy)
    assert.equal("ECONNREFUSED", connect("192.0.2.1", 80))
    assert.equal("EHOSTUNREACH", connect("192.0.2.2", 80))
    assert.equal("ECONNREFUSED", connect("192.0.2.3", 60000))
    connect("127.0.0.1", 9)
    assert.same({
      "deny    refused  connect 192.0.2.1:80  ECONNREFUSED  luajit[] uid 0",
      "deny    unreachable  connect 192.0.2.2:80  EHOSTUNREACH  luajit[] uid 0",
      "rewrite seed  connect 192.0.2.3:60000 -> 127.0.0.1:9  luajit[] uid 0",
    }, lines())
    assert.same({}, lines())
    local hits = {}
    for position, rule in ipairs(gate:rules()) do
      hits[position] = rule.hits
    end
    assert.same({ 1, 1, 1, 1 }, hits)
    local seed = gate:stats().rules.seed
    assert.same({ 1, 0 }, { seed.hits, seed.suppressed })
    assert.is_true(math.abs(seed.last - os.time()) < 60)
    local status, stats = gate:status(), gate:stats()
    assert.same({ 1, false, 1, "ok", 0, 0 }, { status.generation, status.staged,
      #status.attachments, status.health, stats.lost, stats.errors })
  end)

  it("ends the life of an event with the next dispatch, even if that finds nothing", function()
    attached(policy)
    local kept
    gate:on("*", function(event) kept = event end)
    connect("192.0.2.1", 80)
    assert.has_error(function() gate:dispatch "1" end,
      'dispatch: wants a number of events; got "1"')
    assert.equal(1, gate:dispatch(1))
    assert.equal("refused", kept.rule)
    assert.equal(0, gate:dispatch(1))
    assert.has_error(function() return kept.rule end)
  end)

  it("goes on after an event where a loop was left", function()
    attached(policy)
    for _ = 1, 3 do
      connect("192.0.2.1", 80)
    end
    local first
    for event in gate:events { timeout = 0 } do -- luacheck: ignore 512
      first = event:copy()
      break
    end
    assert.equal("refused", first.rule)
    assert.equal(2, #lines())
    assert.is_true(math.abs(first.time - os.time()) < 60)
  end)

  it("waits for events, and no longer than it is asked to", function()
    attached(policy)
    local child = process.fork(function()
      os.execute "sleep 0.2"
      return connect("192.0.2.1", 80)
    end)
    local rules = {}
    for event in gate:events { timeout = 30 } do -- luacheck: ignore 512
      rules[#rules + 1] = event.rule
      break
    end
    assert.equal("ECONNREFUSED", child:wait())
    assert.same({ "refused" }, rules)
    assert.same({}, lines())
  end)

  it("publishes what is staged, and keeps the names of the image before", function()
    attached(policy)
    connect("192.0.2.1", 80)
    local added = gate:deny { "later", connect = "127.0.0.1:9", errno = "EACCES", log = true }
    assert.is_true(gate:status().staged)
    assert.equal("ECONNREFUSED", connect("127.0.0.1", 9))
    gate:rules()[4]:remove()
    gate:rules()[1]:remove()
    assert(gate:commit())
    assert.is_false(gate:status().staged)
    assert.equal("EACCES", connect("127.0.0.1", 9))
    assert.same({
      "deny    refused  connect 192.0.2.1:80  ECONNREFUSED  luajit[] uid 0",
      "deny    later  connect 127.0.0.1:9  EACCES  luajit[] uid 0",
    }, lines())
    assert.equal(1, added.hits)
    assert.equal(2, gate:status().generation)
    assert(gate:commit())
    assert.equal(2, gate:status().generation)
  end)

  it("changes nothing if a commit fails", function()
    local path = os.tmpname()
    local handle = assert(io.open(path, "w"))
    handle:write "192.0.2.1\n"
    handle:close()
    attached(("deny { connect = file %q, errno = 'ECONNREFUSED' }"):format(path), { trust = true })
    handle = assert(io.open(path, "w"))
    handle:write "192.0.2.1\n192.0.2\n"
    handle:close()
    local ok, message = gate:commit()
    assert.is_nil(ok)
    assert.equal(([[policy:1: deny "#1": connect: %s:2: "192.0.2": an IPv4 address has four ]]
      .. [[numbers, this one has 3]])
      :format(path), message)
    assert.equal("ECONNREFUSED", connect("192.0.2.1", 80))
    assert.equal(1, gate:status().generation)
    os.remove(path)
  end)

  it("hands events to handlers, even if one of them fails", function()
    local heard, errors = {}, {}
    attached(policy .. [[on("deny", function(event) error(event.rule .. " failed") end)]])
    gate:on("error", function(message) errors[#errors + 1] = message end)
    gate:on("*", function(event) heard[#heard + 1] = "* " .. event.rule end)
    gate:on("deny", function(event) heard[#heard + 1] = "deny " .. event.rule end)
    gate:on("seed", function(event) heard[#heard + 1] = "seed " .. event.final end)
    connect("192.0.2.1", 80)
    connect("192.0.2.3", 60000)
    assert.equal(2, gate:dispatch())
    assert.equal(0, gate:dispatch())
    assert.same({ "* refused", "deny refused", "* seed", "seed 127.0.0.1:9" }, heard)
    assert.equal(1, #errors)
    assert.matches("^policy:%d+: refused failed\nstack traceback:\n", errors[1])
  end)

  it("may be closed by a handler, and in a loop", function()
    attached(policy)
    connect("192.0.2.1", 80)
    connect("192.0.2.1", 80)
    gate:on("*", function() gate:close() end)
    assert.equal(1, gate:dispatch())
    attached(policy)
    connect("192.0.2.1", 80)
    connect("192.0.2.1", 80)
    local rounds = 0
    for _ in gate:events() do
      rounds = rounds + 1
      gate:close()
    end
    assert.equal(1, rounds)
  end)

  it("is freed when it is dropped, with its sets, services and handlers", function() -- E4
    local function use()
      local dropped = assert(tidegate.load_text [[
        local banned = set "banned" { "192.0.2.1" }
        local svc = services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" } }
        local rule = deny { "ban", connect = "@banned" }
        balance { "svc", connect = "@svc" }
        on("ban", function() banned:add "192.0.2.2" return rule.hits, #svc end)
      ]])
      local set, services = dropped:set "banned", dropped:services "svc"
      dropped:on("ban", function() return dropped, set, services end)
      dropped:every("1h", function() return dropped, set, services end)
      assert(dropped:commit())
      assert(set:add "192.0.2.3")
      assert.equal(2, #set)
      assert.equal(1, #services)
      assert.is_string(set:each()())
    end
    collectgarbage()
    collectgarbage()
    local before = footprint.descriptors()
    use()
    local each = footprint.descriptors() - before
    for _ = 1, 4 do
      use()
    end
    collectgarbage()
    collectgarbage()
    -- A slot of the stack may hold the last one.
    assert.is_true(footprint.descriptors() - before <= each, each .. " each")
  end)

  it("may be closed while its tables are walked", function() -- E4
    gate = here:gate [[
      set "banned" { "192.0.2.1", "192.0.2.2" }
      services "svc" { ["10.96.0.10:80/tcp"] = {}, ["10.96.0.11:80/tcp"] = {} }
      deny { connect = "@banned" }
      balance { connect = "@svc" }
    ]]
    assert(gate:commit())
    local next_item, next_vip = gate:set "banned":each(), gate:services "svc":each()
    assert.is_string(next_item())
    assert.is_string(next_vip())
    gate:close()
    assert.matches('set "banned": its gate is closed$', (select(2, pcall(next_item))))
    assert.matches('services "svc": their gate is closed$', (select(2, pcall(next_vip))))
  end)

  it("ends its enforcement when it detaches, and can attach again", function()
    attached(policy)
    assert.equal("EHOSTUNREACH", connect("192.0.2.2", 80))
    assert(gate:detach())
    assert.equal("ENETUNREACH", connect("192.0.2.2", 80))
    assert(gate:attach(here.cgroup))
    assert.equal("EHOSTUNREACH", connect("192.0.2.2", 80))
    local ok, message, errno = gate:attach(here.cgroup)
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal(17, errno)
    assert.is_number(gate:event_fd())
  end)

  it("runs an image file", function()
    local path = os.tmpname()
    assert(assert(tidegate.load_text(policy, "web.lua")):compile():save(path))
    gate = assert(tidegate.load(path))
    os.remove(path)
    assert(gate:attach(here.cgroup))
    connect("192.0.2.1", 80)
    assert.same({ "deny    refused  connect 192.0.2.1:80  ECONNREFUSED  luajit[] uid 0" }, lines())
    assert.equal(1, gate:rules()[1].hits)
    assert.equal(1, gate:stats().rules.refused.hits)
  end)
end)

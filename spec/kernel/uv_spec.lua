-- A gate in a loop of luv: handlers, timers, published changes, and the end.

local command = require "spec.support.command"
local env = require "spec.support.env"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local tidegate_uv = require "tidegate.uv"
local uv = require "luv"

sandbox.describe("a gate in a loop of luv", function(here)
  local running

  teardown(env.clean)
  after_each(function()
    if running then
      running:stop()
    end
    uv.run "nowait" -- closes the handles
  end)

  local function start(gate)
    running = assert(tidegate_uv.start(gate, uv))
    return running
  end

  --- Run the loop until a condition holds.
  local function run_until(holds)
    local late = false
    local limit = uv.new_timer()
    limit:start(5000, 0, function() late = true end)
    while not holds() do
      assert.is_false(late)
      uv.run "once"
    end
    limit:close()
  end

  it("has its handlers called for events, and its timers", function()
    local gate = here:enforce [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }]]
    local seen, ticks = {}, 0
    gate:on("deny", function(event) seen[#seen + 1] = event.asked_port end)
    gate:every("5ms", function() ticks = ticks + 1 end)
    start(gate)
    for port = 1, 3 do
      assert.equal("EACCES", socket.try("tcp", "192.0.2.1:" .. port))
    end
    run_until(function() return #seen == 3 and ticks >= 3 end)
    assert.same({ 1, 2, 3 }, seen)
  end)

  it("has its rules published after any callback that changed them", function()
    local gate = here:enforce [[allow { "first", connect = "192.0.2.9" }]]
    start(gate)
    local timer = uv.new_timer()
    timer:start(1, 0, function() gate:deny { connect = "192.0.2.1", errno = "EXDEV" } end)
    run_until(function() return gate:status().generation == 2 end)
    assert.equal("EXDEV", socket.try("tcp", "192.0.2.1:80"))
    timer:close()
  end)

  it("tells its handlers of errors why changes are not published, once", function()
    local list = env.write(env.folder() .. "/list.txt", "192.0.2.9\n")
    local gate = here:gate(("deny { connect = file %q }"):format(list), { trust = true })
    assert(gate:attach(here.cgroup))
    local errors, turns = {}, 0
    gate:on("error", function(message) errors[#errors + 1] = message end)
    start(gate)
    local timer = uv.new_timer()
    timer:start(1, 1, function()
      turns = turns + 1
      if turns == 1 then
        env.write(list, "192.0.2.9\n192.0.2\n")
        gate:deny { connect = "192.0.2.1" }
      end
    end)
    run_until(function() return turns >= 5 end)
    timer:close()
    assert.equal(1, #errors)
    assert.matches("^the changes that handlers made to the rules are not in force: ", errors[1])
  end)

  it("lets the loop end once it is stopped, and the policy in force", function()
    local gate = here:enforce [[deny { connect = "192.0.2.1", errno = "EACCES" }]]
    local handle = start(gate)
    uv.new_timer():start(5, 0, function() handle:stop() end)
    local limit = uv.new_timer()
    limit:start(5000, 0, function() uv.stop() end)
    limit:unref()
    uv.run()
    assert.is_true(limit:is_active())
    limit:close()
    handle:stop()
    assert.equal("EACCES", socket.try("tcp", "192.0.2.1:80"))
  end)

  it("is taken out of the loop when a handler closes it", function()
    local gate = here:enforce [[deny { connect = "192.0.2.1", errno = "EACCES" }]]
    gate:on("*", function() gate:close() end)
    start(gate)
    socket.try("tcp", "192.0.2.1:80")
    uv.run()
    assert.is_true(gate.closed)
  end)

  it("is run by one loop at a time", function()
    local gate = here:enforce [[deny { connect = "192.0.2.1", errno = "EACCES" }]]
    local handle = start(gate)
    assert.same({ nil, "start: a loop runs this gate already; call stop() of what start() "
      .. "returned first", 17 }, { tidegate_uv.start(gate, uv) })
    handle:stop()
    handle = start(gate)
    assert.matches("^running gate", tostring(handle))
    assert.has_error(function() handle.x = 1 end)
    assert.has_error(function() return handle.close end)
    handle:stop()
    assert.matches(": stopped$", tostring(handle))
    uv.run()
    assert.is_nil(gate:status().running)
  end)

  it("may be stopped at the very end of a program, and again and again", function()
    for _, rest in ipairs {
      "running:stop()", "uv.run 'nowait' running:stop()",
      "uv.run 'nowait' running:stop() gate:close()",
      "running:stop() running = nil collectgarbage() collectgarbage()",
      [[for _ = 1, 100 do
          running:stop()
          running = assert(require("tidegate.uv").start(gate, uv))
          collectgarbage()
        end
        gate:after("20ms", function() running:stop() end)
        uv.run()]],
    } do
      local got = command.run({ "luajit", "-e", ([[
        local uv = require "luv"
        local gate = assert(require("tidegate").load_text("policy { name = 'x' }", "x.lua"))
        assert(gate:commit())
        local running = assert(require("tidegate.uv").start(gate, uv))
        %s
        io.write "ended"]]):format(rest) }, { env = { LUA_PATH = package.path } })
      assert.same({ "ended", "", 0 }, { got.out, got.err, got.status }, rest)
    end
  end)

  it("has to be in force", function()
    local gate = here:gate [[deny { connect = "192.0.2.1" }]]
    assert.has_error(function() tidegate_uv.start(gate, uv) end,
      "start: nothing is published yet; attach or commit first")
    assert.has_error(function() tidegate_uv.start(gate) end,
      "start: wants a gate and the module luv; got a gate and nil")
    assert.has_error(function() tidegate_uv.start(nil, uv) end,
      "start: wants a gate and the module luv; got nil and a table")
  end)
end)

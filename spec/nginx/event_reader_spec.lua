-- The worker that receives events: which one it is, and how soon it gets them.

local command = require "spec.support.command"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

local POLICY = [[
  local ffi = require "ffi"
  ffi.cdef "struct spec_now { long seconds, nanoseconds; };"
  ffi.cdef "int clock_gettime(int, struct spec_now *);"
  local now = ffi.new "struct spec_now"
  deny { "no-metadata", connect = "169.254.169.254", errno = "ECONNREFUSED", log = true }
  on("*", function(event)
    ffi.C.clock_gettime(0, now)
    local late = tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9 - event.time
    print(("heard %s after %.0f us"):format(event.rule, late * 1e6))
  end)
]]
local TIMER = nginx.TRUSTING:gsub("}$", [[, events = "timer" }]])
local EVENTS = 50

describe("the reader of events", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  local TO_METADATA = [[location / { proxy_pass http://169.254.169.254; }]]

  --- The median delay of events, in us; printed, not asserted.
  local function report(server, how)
    for _ = 1, EVENTS do
      server:get "/"
      os.execute "sleep 0.013"
    end
    server:wait_for("heard no-metadata", EVENTS)
    local took = {}
    for us in server:log():gmatch "heard no%-metadata after (%d+) us" do
      took[#took + 1] = tonumber(us)
    end
    table.sort(took)
    assert.equal(EVENTS, #took)
    print(("    delivery by %s: median %d us, 9 of 10 within %d us, all within %d us"):format(how,
      took[EVENTS / 2], took[EVENTS * 0.9], took[EVENTS]))
  end

  it("receives each event once by timer", function()
    local server = nginx.start { policy = POLICY, locations = TO_METADATA, init = TIMER }
    report(server, "timer")
  end)

  it("receives each event once by wake-up", function()
    local server = nginx.start { init = nginx.TRUSTING, policy = POLICY, locations = TO_METADATA }
    report(server, "wake-up")
    server:stop()
    assert.equal(0, server.process.status)
  end)

  for how, init in pairs { timer = TIMER, ["wake-up"] = nginx.TRUSTING } do
    it("is followed by another one when it is killed: " .. how, function()
      local server = nginx.start { policy = POLICY, locations = TO_METADATA, init = init }
      for round = 1, 3 do
        local reader = server:reader()
        assert.is_number(reader)
        command.run { "kill", "-KILL", tostring(reader) }
        command.wait_until(function() return server:reader() ~= reader end, "another reader")
        server:try "169.254.169.254"
        server:wait_for("heard no-metadata", round)
      end
      assert.equal("connect4 connect6", server:attached())
    end)

    it("is a new one after a reload: " .. how, function()
      local server = nginx.start { policy = POLICY, locations = TO_METADATA, init = init }
      local reader = server:reader()
      server:reload()
      command.wait_until(function() return server:reader() ~= reader end, "another reader")
      server:try "169.254.169.254"
      server:wait_for "heard no-metadata"
    end)
  end

  it("falls back to a timer if the policy denies the socket that would wake it", function()
    local server = nginx.start { init = nginx.TRUSTING,
      policy = POLICY .. "deny { connect = 'unix:*', errno = 'EACCES' }",
    }
    server:wait_for("cannot be woken by a socket: permission denied; polling for events every "
      .. "10 ms (a policy that denies unix sockets has to allow "
      .. "connect = \"unix:/tmp/tidegate-*\")")
    server:try "169.254.169.254"
    server:wait_for "heard no-metadata"
  end)

  it("is woken if the policy allows that socket", function()
    local server = nginx.start { init = nginx.TRUSTING, policy = "allow { connect = "
      .. "'unix:/tmp/tidegate-*' } " .. POLICY .. "deny { connect = 'unix:*' }" }
    server:try "169.254.169.254"
    server:wait_for "heard no-metadata"
    assert.is_nil(server:log():find("cannot be woken", 1, true))
  end)

  it("logs a handler's error, and goes on", function()
    local server = nginx.start { init = nginx.TRUSTING, policy = POLICY
      .. [[on("deny", function(event) error("no " .. event.rule) end)]] }
    server:try "169.254.169.254"
    server:try "169.254.169.254"
    server:wait_for("web.lua:11: no no-metadata\nstack traceback:", 2)
  end)

  for how, init in pairs { timer = TIMER, ["wake-up"] = nginx.TRUSTING } do
    it("lets a handler wait, and serves requests meanwhile: " .. how, function()
      local server = nginx.start { workers = 1, init = init, locations = TO_METADATA, policy = [[
        local ngx = require "ngx"
        deny { "no-metadata", connect = "169.254.169.254", log = true }
        on("*", function(event) ngx.sleep(0.2) print("slept over " .. event.rule) end)
      ]] }
      for _ = 1, 3 do
        assert.equal(502, server:get "/")
      end
      assert.is_nil(server:log():find("slept over", 1, true))
      server:wait_for("slept over no-metadata", 3)
    end)
  end

  for how, init in pairs { timer = TIMER, ["wake-up"] = nginx.TRUSTING } do
    it("handles what it received before another one follows: " .. how, function()
      local server = nginx.start { workers = 1, init = init, policy = [[
        local ngx = require "ngx"
        deny { "no-metadata", connect = "169.254.169.254", log = true }
        on("*", function(event) ngx.sleep(0.2) print("heard port " .. event.asked_port) end)
      ]], locations = [[location / { proxy_pass http://169.254.169.254:$arg_port; }]] }
      for port = 1, 4 do
        assert.equal(502, server:get("/?port=" .. port))
      end
      server.process:kill "sighup"
      server:wait_for "gracefully shutting down"
      for port = 5, 8 do
        assert.equal(502, server:get("/?port=" .. port))
      end
      server:wait_for("heard port", 8)
      os.execute "sleep 0.3"
      local heard = {}
      for port in server:log():gmatch "heard port (%d+)" do
        heard[#heard + 1] = port
      end
      table.sort(heard)
      assert.equal("1 2 3 4 5 6 7 8", table.concat(heard, " "))
    end)
  end

  it("receives more events than fit into one batch", function()
    local count = 600
    local server = nginx.start { workers = 1, locations = TO_METADATA, policy = [[
      local heard = 0
      deny { "no-metadata", connect = "169.254.169.254", log = true }
      on("*", function()
        heard = heard + 1
        if heard == ]] .. count .. [[ then print "heard them all" end
      end)
    ]] }
    command.run { "bash", "-c", [[kill -STOP "$1"; echo 0 > "$0/cgroup.procs"; i=0
      while [ $i -lt 600 ]; do
        (exec 3<> /dev/tcp/169.254.169.254/80); i=$((i + 1))
      done 2> /dev/null
      kill -CONT "$1"]], server.cgroup, tostring(server:reader()) }
    server:wait_for "heard them all"
  end)
end)

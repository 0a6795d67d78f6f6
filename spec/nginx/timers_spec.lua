-- every() and after() of a policy in nginx: which worker calls them, and when.

local command = require "spec.support.command"
local env = require "spec.support.env"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

local TIMER = nginx.TRUSTING:gsub("}$", [[, events = "timer" }]])
local DENY = [[
  local ngx = require "ngx"
  deny { "no-metadata", connect = "169.254.169.254", log = true }
]]

describe("in nginx", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  --- The lines that `say` of a policy has logged, each with the worker and the time since the
  --- first.
  local SAY = [[
    local ngx = require "ngx"
    local function say(what) print(("say %s %d %.3f"):format(what, ngx.worker.pid(), ngx.now())) end
  ]]
  local function said(server, what)
    local list, first = {}, nil
    for name, pid, time in server:log():gmatch "say (%S+) (%d+) ([%d.]+)" do
      if name == what then
        first = first or tonumber(time)
        list[#list + 1] = { pid = tonumber(pid), at = tonumber(time) - first }
      end
    end
    return list
  end

  local function wait_for(server, what, count)
    command.wait_until(function() return #said(server, what) >= count end,
      what .. " in: " .. server:log())
  end

  local function cpu_s(pid)
    return tonumber(env.read(("/proc/%d/schedstat"):format(pid)):match "^%d+") / 1e9
  end

  -- H6
  it("print() of a policy puts tabs between its arguments, and logs its line", function()
    local server = nginx.start { policy = [[
      print("loaded", nil, 7)
      after("10ms", function() print("tick", 1, setmetatable({}, { __tostring = function()
        return "text"
      end })) print() end)
    ]] }
    server:wait_for "web.lua:2: tick\t1\ttext"
    assert.truthy(server:log():find("web.lua:1: loaded\tnil\t7", 1, true), server:log())
  end)

  for how, init in pairs { ["on a timer"] = TIMER, ["when woken"] = nginx.TRUSTING } do
    describe("with a reader that looks " .. how, function()
      local function start(policy, options)
        options = options or {}
        options.policy, options.init = SAY .. policy, init
        return nginx.start(options)
      end

      it("every() is called by the reader alone, once each time, and after() once", function()
        local server = start([[
          every("100ms", function() say "tick" end)
          after("250ms", function() say "once" end)
        ]], { workers = 4 })
        wait_for(server, "tick", 8)
        local ticks, apart = said(server, "tick"), {}
        for number, tick in ipairs(ticks) do
          assert.equal(server:reader(), tick.pid)
          assert.is_true(tick.at > (number - 1) * 0.1 - 0.09, "two calls at one time")
          apart[number] = ("%.0f"):format((tick.at - (ticks[number - 1] or tick).at) * 1000)
        end
        print(("    %s, ms between calls that should be 100 apart: %s")
          :format(how, table.concat(apart, " ", 2)))
        assert.equal(1, #said(server, "once"))
        assert.equal(server:reader(), said(server, "once")[1].pid)
      end)

      it("a reader that is killed is followed by one that continues its schedule", function()
        local server = start [[
          every("100ms", function() say "tick" end)
          after("50ms", function() say "early" end)
          after("1500ms", function() say "late" end)
        ]]
        wait_for(server, "early", 1)
        for _ = 1, 3 do
          local reader, count = server:reader(), #said(server, "tick")
          command.run { "kill", "-KILL", tostring(reader) }
          command.wait_until(function() return server:reader() ~= reader end, "another reader")
          wait_for(server, "tick", count + 2)
          local ticks = said(server, "tick")
          assert.is_true(ticks[#ticks].pid ~= reader)
        end
        wait_for(server, "late", 1)
        wait_for(server, "tick", #said(server, "tick") + 2)
        assert.same({ 1, 1 }, { #said(server, "early"), #said(server, "late") })
        local ticks = said(server, "tick")
        for number = 2, #ticks do -- a late call is followed by one on time
          local from, to = math.floor(ticks[number - 1].at / 0.1 + 0.5),
            math.floor(ticks[number].at / 0.1 + 0.5)
          assert.is_true(to >= from, "one time was called twice")
        end
      end)

      it("those of a policy end when a reload brings another one, whose own begin", function()
        local server = start [[
          every("20ms", function() say "old" end)
          after("1200ms", function() say "never" end)
        ]]
        wait_for(server, "old", 3)
        server:write("web.lua", SAY .. [[
          every("20ms", function() say "new" end)
          after("50ms", function() say "once" end)
        ]])
        server:reload()
        local count = #said(server, "old")
        wait_for(server, "new", 70)
        assert.equal(count, #said(server, "old"))
        assert.same({ 0, 1 }, { #said(server, "never"), #said(server, "once") })
        server:write("web.lua", SAY .. "nonsense {}")
        server:reload_in_vain "nonsense"
        count = #said(server, "new")
        wait_for(server, "new", count + 5)
      end)

      it("a handler may add and stop them", function()
        local server = start(DENY .. [[
          on("deny", function(event)
            local ticks, timer = 0
            timer = every("30ms", function()
              ticks = ticks + 1
              say("tick")
              if ticks == 3 then timer:stop() end
            end)
            after("10ms", function() say "after" end)
          end)
        ]])
        server:try "169.254.169.254"
        wait_for(server, "tick", 3)
        wait_for(server, "after", 1)
        os.execute "sleep 0.1"
        assert.same({ 3, 1 }, { #said(server, "tick"), #said(server, "after") })
      end)

      it("one that fails is logged, and called again", function()
        local server = start [[every("20ms", function() error "broken" end)]]
        server:wait_for("web.lua:3: broken\nstack traceback:", 3)
      end)

      it("one may wait, while requests and other processors go on", function()
        local server = start(DENY .. [[
          after("50ms", function() say "begun" ngx.sleep(1) say "done" end)
          on("deny", function() say "heard" end)
        ]], { workers = 1 })
        wait_for(server, "begun", 1)
        server:try "169.254.169.254"
        local worker = server:workers()[1]
        local before = cpu_s(worker)
        assert.is_string(select(2, server:get "/pid"))
        wait_for(server, "done", 1)
        assert.is_true(cpu_s(worker) - before < 0.5, "it was busy all the while")
        wait_for(server, "heard", 1)
      end)

      it("one that waits delays the next reader, and no event is delivered twice", function()
        local heard = DENY .. [[on("deny", function() say "heard" end)]]
        local server = start(heard .. [[ after("50ms", function() say "begun" ngx.sleep(1) end)]],
          { workers = 1 })
        wait_for(server, "begun", 1)
        server:try "169.254.169.254"
        server:write("web.lua", SAY .. heard)
        server:reload_in_vain "gracefully shutting down"
        server:try "169.254.169.254"
        wait_for(server, "heard", 2)
        server:try "169.254.169.254"
        wait_for(server, "heard", 3)
        os.execute "sleep 0.1"
        local events = said(server, "heard")
        assert.equal(3, #events)
        assert.is_true(events[3].pid ~= said(server, "begun")[1].pid)
      end)

      it("nginx's own configuration may add some", function()
        local server = nginx.start { init = "local gate = " .. init .. [[
          gate:after("20ms", function() print "say after 1 1" end)
          gate:every("20ms", function() print "say every 1 1" end)
        ]] }
        wait_for(server, "every", 3)
        assert.equal(1, #said(server, "after"))
      end)

      it("one changes sets, as the worker that it is", function()
        local server = start([[
          local banned = set "banned" {}
          deny { "ban", connect = banned, errno = "ECONNREFUSED" }
          after("50ms", function() banned:add "192.0.2.7" say "banned" end)
        ]], { locations = [[location / { proxy_pass http://192.0.2.7; error_page 502 = @failed; }
          location @failed {
            content_by_lua_block { ngx.print(tostring(require("tidegate.nginx").refusal())) }
          }]] })
        wait_for(server, "banned", 1)
        assert.matches('deny "ban"', (select(2, server:get "/")))
      end)

      it("none changes rules, which workers may not, and the log says so", function()
        local server = start [[
          after("10ms", function() deny { "late", connect = "192.0.2.1" } end)
        ]]
        server:wait_for("tidegate: the changes that handlers made to the rules are not in force: "
          .. "publish: this process has restricted the gate, and has no control of it any more: do "
          .. "this in the process that made it")
        assert.equal("", server:attached())
      end)

      it("none keeps a worker from exiting", function()
        local server = start [[
          every("1h", function() end) every("10ms", function() say "tick" end)
        ]]
        wait_for(server, "tick", 2)
        server:stop()
        assert.equal(0, server.process.status)
      end)
    end)
  end
end)

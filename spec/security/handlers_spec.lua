-- No function of a policy ends the gate, or keeps it: not by an error, not by not returning.

local command = require "spec.support.command"
local env = require "spec.support.env"
local uv = require "luv"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("a function of a policy", function()
  local own

  setup(function() own = command.enter_cgroup() end)
  teardown(function()
    command.leave_cgroup()
    env.clean()
  end)

  --- Start a command under a policy which denies it port 22.
  local function start(policy, script)
    local path = env.write(env.folder() .. "/web.lua", policy
      .. '\ndeny { "ssh", connect = "127.0.0.1:22" }')
    return command.start({ "unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh",
      command.path, "run", "-q", "--trust", path, "--", "sh", "-c", script },
      { session = true }), path
  end

  local TRY = "nc -z 127.0.0.1 22; "

  -- Functions that do not return, with what a policy may try against its end.
  local ENDLESS = {
    "while true do end",
    "while true do pcall(function() while true do end end) end",
    "local function f() return f() end f()",
    "while true do xpcall(error, function() while true do end end) end",
    "xpcall(function() while true do end end, function() while true do end end)",
    "while true do xpcall(function() while true do end end, function() pcall(error) end) end",
    "coroutine.wrap(function() xpcall(function() while true do end end, function() "
      .. "while true do end end) end)()",
    'require "_G".xpcall(function() while true do end end, function() while true do end end)',
    "coroutine.wrap(function() while true do end end)()",
    "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    "('x'):rep(9):gsub('.', function() while true do end end)",
    "table.sort({ 1, 2, 3 }, function() while true do end end)",
    "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    "for i = 1, math.huge do local s = 'x' .. i end",
  }

  it("is ended when its time is over, and the others are called", function() -- B2
    for _, body in ipairs(ENDLESS) do
      local process, path = start(('policy { handler_timeout = "20ms" }\n'
        .. 'on("deny", function() %s end) on("deny", function() print "next" end)'):format(body),
        TRY .. "sleep 0.1; exit 7")
      assert.equal(7, process:wait().status, body)
      assert.truthy(("\n" .. process.err):find("\nnext\n", 1, true), body .. process.err)
      assert.truthy(process.err:find(("tidegate: %s:2: ended, because it has run for 20ms; policy "
        .. "{ handler_timeout = … } allows more\nstack traceback:\n\t%s:2: "):format(path, path), 1,
        true), body .. process.err)
    end
  end)

  it("calls xpcall() as ever", function()
    local process = start([[print(xpcall(function(a, b) error(a .. b, 0) end,
      function(message) return message .. "!" end, "x", "y"))
      print(xpcall(function(...) return select("#", ...), ... end, print, nil, 1))
      print(pcall(xpcall, print))]], "exit 7")
    assert.equal(7, process:wait().status, process.err)
    assert.equal("false\txy!\ntrue\t2\tnil\t1\nfalse\t", process.err:match "^.*\nfalse\t")
  end)

  it("has a second, if the policy says nothing", function() -- B2
    local process = start('on("deny", function() while true do end end)',
      TRY .. "sleep 1.3; exit 7")
    assert.equal(7, process:wait().status)
    assert.matches("ended, because it has run for 1s;", process.err)
  end)

  it("may take longer than its time in C, or in the host, without harm", function() -- B2
    local process = start([[policy { handler_timeout = "10ms" }
      on("deny", function() os.execute "sleep 0.1" print "over" end)]], TRY .. "sleep 0.3; exit 7")
    assert.equal(7, process:wait().status)
  end)

  it("is ended by a signal, which reaches the command", function() -- B2
    for name, status in pairs { sigterm = 143, sigint = 130, sighup = 129 } do
      local process = start(('policy { handler_timeout = "1h" } on("deny", function() '
        .. 'print "in it" io.stdout:flush() %s end)'):format(ENDLESS[status % 5 + 1]),
        TRY .. "exec sleep 1000")
      process:wait_for "in it"
      process:kill(name)
      assert.equal(status, process:wait().status, name)
      assert.matches("tidegate: ended by a signal\nstack traceback:", process.err)
    end
  end)

  it("ends with the command if no hook can end it, at the third Ctrl-C", function() -- B2
    local process = start('on("deny", function() print "in it" io.stdout:flush() '
      .. '(("a"):rep(40)):find(("a-"):rep(40) .. "b") end)', TRY .. "echo pid $$; exec sleep 1000")
    process:wait_for "in it"
    process:wait_for "pid "
    for _ = 1, 20 do
      if process.status then
        break
      end
      pcall(process.kill, process, "sigint")
      os.execute "sleep 0.05"
      uv.run "nowait"
    end
    assert.equal(130, process:wait().status)
    local pid = tonumber(process.out:match "pid (%d+)")
    command.wait_until(function() return not io.open(("/proc/%d/stat"):format(pid)) end, "its end")
    command.wait_until(function() return command.cgroups(own) == own .. "\n" end,
      "the end of its cgroup")
  end)

  it("may fail in a callback of luv, and the gate goes on", function() -- B11
    for _, body in ipairs {
      'uv.new_timer():start(10, 0, function() error "broken" end)',
      'uv.fs_stat("/", function() error "broken" end)',
      'local p = uv.new_prepare() p:start(function() p:stop() error "broken" end)',
      'local i = uv.new_idle() uv.idle_start(i, function() i:stop() error "broken" end)',
      'uv.new_async(function() error "broken" end):send()',
      'uv.spawn("true", {}, function() error "broken" end)',
      'uv.getaddrinfo("127.0.0.1", nil, nil, function() error "broken" end)',
      'uv.new_work(function() end, function() error "broken" end):queue()',
      'uv.new_timer():start(10, 0, setmetatable({}, { __call = function() error "broken" end }))',
      'uv.new_timer():start(10, 0, coroutine.wrap(function() error "broken" end))',
      'local t = uv.new_timer() t:close(function() error "broken" end)',
      'after("10ms", function() error "broken" end)',
    } do
      local process, path = start("local uv = require 'luv'\n" .. body, "sleep 0.05; " .. TRY
        .. "exit 7")
      assert.equal(7, process:wait().status, body .. process.err)
      assert.truthy(process.err:find(("tidegate: %s:2: broken\n"):format(path), 1,
        true), body .. process.err)
    end
  end)

  it("may fail in a finalizer, or raise what is no text", function() -- B11
    for _, body in ipairs {
      [[local ffi = require "ffi"
        every("5ms", function() ffi.gc(ffi.new "int[1]", function() error "broken" end) end)
        every("10ms", function() require "_G".collectgarbage() end)]],
      'after("5ms", function() error(setmetatable({}, { __tostring = error })) end)',
      'after("5ms", function() error(setmetatable({}, { __tostring = function() end })) end)',
      [[policy { handler_timeout = "50ms" } after("5ms", function()
        error(setmetatable({}, { __tostring = function() while true do end end })) end)]],
      'after("5ms", function() error() end)', 'after("5ms", function() error {} end)',
      'on("error", function() error "again" end) after("5ms", function() error "broken" end)',
      'after("5ms", function() local function f() return 1 + f() end f() end)',
      'after("5ms", function() coroutine.yield() end)',
    } do
      local process = start(body, "sleep 0.05; " .. TRY .. "exit 7")
      assert.equal(7, process:wait().status, body .. process.err)
    end
  end)

  it("is ended in a callback of luv, too", function() -- B2
    local process = start([[local uv = require "luv"
      uv.new_timer():start(5, 0, function() while true do end end)
      policy { handler_timeout = "50ms" }]], "sleep 0.3; " .. TRY .. "exit 7")
    assert.equal(7, process:wait().status)
    assert.matches("ended, because it has run for 50ms", process.err)
  end)

  it("is ended at the prompt, and in serve", function() -- B2
    local path = env.write(env.folder() .. "/web.lua", [[policy { handler_timeout = "50ms" }
      after("1ms", function() while true do end end)
      after("100ms", function() print "next" io.stdout:flush() end)]])
    local process = command.start { command.path, "repl", "--trust", path, "-e", 'sh "sleep 0.3"' }
    assert.equal(0, process:wait().status)
    assert.matches("ended, because it has run for 50ms", process.err)
    assert.matches("\nnext\n", process.err)
    local target = own .. "/served"
    assert(uv.fs_mkdir(target, 493))
    process = command.start { command.path, "serve", "-q", "--trust", path, target }
    process:wait_for "next"
    assert.matches("ended, because it has run for 50ms", process.err)
    process:kill "sigterm"
    assert.equal(0, process:wait().status)
    assert(uv.fs_rmdir(target))
  end)
end)

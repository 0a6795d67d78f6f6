-- Signals that tidegate run gets, and the command that it runs.

local command = require "spec.support.command"
local env = require "spec.support.env"
local uv = require "luv"

local POLICY = "examples/01-first-light.lua"

-- Reports each signal that it gets, and exits with 9 on SIGTERM.
local TELLER = [[
for signal in HUP INT QUIT USR1 USR2 WINCH; do trap "echo got $signal" $signal; done
trap 'echo got TERM; exit 9' TERM
echo ready
while :; do sleep 0.02; done
]]

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("signals", function()
  local own

  setup(function() own = command.enter_cgroup() end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)

  --- Start in a new session, so never from our terminal, wherever the specs are started.
  local function start(script)
    local process = command.start({ command.path, "run", POLICY, "--", "sh", "-c", script },
      { session = true })
    process:wait_for "ready"
    return process
  end

  local function assert_no_cgroup()
    assert.equal(own .. "\n", command.cgroups(own))
  end

  it("reach the command, once each", function()
    local process = start(TELLER)
    for _, name in ipairs { "HUP", "USR1", "USR2", "WINCH", "QUIT", "INT", "TERM" } do
      process:kill("sig" .. name:lower())
      process:wait_for("got " .. name)
    end
    process:wait()
    assert.equal("ready\ngot HUP\ngot USR1\ngot USR2\ngot WINCH\ngot QUIT\ngot INT\ngot TERM\n",
      process.out)
    assert.equal(9, process.status)
    assert_no_cgroup()
  end)

  it("end the command, and with it tidegate, by the same number", function()
    for name, status in pairs { sigterm = 143, sighup = 129, sigint = 130, sigusr1 = 138 } do
      local process = start "echo ready; exec sleep 1000"
      process:kill(name)
      assert.equal(status, process:wait().status)
      assert_no_cgroup()
    end
  end)

  it("a hangup ends nothing that nohup started", function()
    local process = command.start({ "nohup", command.path, "run", POLICY, "--", "sh", "-c",
      "echo ready; read line; exit 5" }, { session = true })
    process:wait_for "ready"
    uv.kill(-process.pid, "sighup") -- the whole process group, as a terminal's end does
    process:write "go on\n"
    process.input:close()
    assert.equal(5, process:wait().status)
  end)

  it("a second SIGINT ends everything at once", function()
    local process = start('trap "" INT TERM; setsid sh -c "trap \\"\\" INT TERM; while :; do '
      .. 'sleep 1; done" & '
      .. "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.02; done")
    process:kill "sigint"
    process:wait_for "interrupted"
    assert.is_nil(process.status)
    process:kill "sigint"
    assert.equal(130, process:wait().status)
    assert_no_cgroup()
  end)

  it("a SIGINT while leftovers are being ended does not wait for them", function()
    local process = start [[
      setsid sh -c "trap '' TERM; echo ready; while :; do sleep 1; done" & sleep 0.2]]
    process:wait_for "left running"
    process:kill "sigint"
    assert.equal(130, process:wait().status)
    assert_no_cgroup()
  end)

  it("Ctrl-C at a terminal reaches the command once, a second one ends it", function()
    -- The script counts signals for a while, so that one sent twice is seen.
    local counter = env.write(env.folder() .. "/counter.lua", [[
local uv = require "luv"
local count = 0
local signal, timer = uv.new_signal(), uv.new_timer()
signal:start("sigint", function()
  count = count + 1
  timer:start(500, 0, function() print("counted " .. count) end)
end)
print "ready"
uv.run()
]])
    -- The shell gets every Ctrl-C too; without the trap it would end instead of printing the
    -- status.
    local process = command.start({ "script", "-qefc",
      ("trap : INT; %s run %s -- luajit %s; echo status $?"):format(command.path, POLICY, counter),
      "/dev/null" },
      { session = true })
    process:wait_for "ready"
    process:write "\3"
    process:wait_for "counted 1"
    process:write "\3"
    process:wait_for "status 130"
    process:wait()
  end)

  it("a closed standard error does not end tidegate before its command", function()
    local got = command.run { "unshare", "-n", "sh", "-c", "ip link set lo up; exec 3>&1; "
      .. '{ "$1" run "$2" -- sh -c "sleep 0.1; nc 169.254.169.254 80; nc 169.254.169.254 81; echo '
      .. 'end >&3"; echo $? >&3; } 2>&1 > /dev/null | true', "sh", command.path, POLICY }
    assert.equal("end\n0\n", got.out)
    assert_no_cgroup()
  end)
end)

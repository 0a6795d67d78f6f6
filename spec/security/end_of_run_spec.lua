-- Whatever ends `tidegate run`, its command stays confined or dies; and what ends nothing, goes on.

local command = require "spec.support.command"
local env = require "spec.support.env"
local soak = require "spec.support.soak"
local uv = require "luv"

local MAKERS, ROUNDS = 4, soak.rounds(2000)
local POLICY = "examples/01-first-light.lua"
local SIGKILL, SIGSTOP = uv.constants.SIGKILL, uv.constants.SIGSTOP

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("the end of tidegate run", function()
  local own

  setup(function() own = command.enter_cgroup() end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)

  local function read(path)
    local file = assert(io.open(path))
    local text = file:read "*a"
    file:close()
    return text
  end

  local function start(script, before)
    local process = command.start({ "sh", "-c", (before or "") .. ' exec "$@"', "sh", command.path,
      "run", "-q", POLICY, "--", "sh", "-c", script }, { session = true })
    process:wait_for "ready"
    return process
  end

  --- The guard of a run: its child that is no command.
  local function guard_of(process)
    local path = ("/proc/%d/task/%d/children"):format(process.pid, process.pid)
    for pid in read(path):gmatch "%d+" do
      if read("/proc/" .. pid .. "/comm") == "tidegate-guard\n" then
        return tonumber(pid)
      end
    end
  end

  local function assert_no_cgroup()
    command.wait_until(function() return command.cgroups(own) == own .. "\n" end,
      "the end of the cgroups")
  end

  -- B1
  it("ends a command and all that it has started, with its cgroup", function()
    local process = start "setsid -f sleep 1000 > /dev/null 2>&1; echo ready; exec sleep 1000"
    process:kill(SIGKILL)
    assert.equal(137, process:wait().status)
    assert_no_cgroup()
  end)

  -- B1: cgroup.kill misses such a process.
  it("ends a process whose first thread has ended", function()
    local process = start([[setsid -f luajit -e '
      local ffi = require "ffi"
      ffi.cdef "int pthread_create(long *, void *, void *, void *); void pthread_exit(void *);\
        void *signal(int, long); int pause(void);"
      for number = 1, 31 do
        ffi.C.signal(number, 1)
      end
      ffi.C.pthread_create(ffi.new "long[1]", nil, ffi.cast("void *", ffi.C.pause), nil)
      ffi.C.pthread_exit(nil)' > /dev/null 2>&1; sleep 0.3; echo ready; exec sleep 1000]])
    process:kill(SIGKILL)
    assert.equal(137, process:wait().status)
    assert_no_cgroup()
  end)

  -- B1
  it("passes on what would end it: every signal that can be caught", function()
    local numbers = { 5, 6, 10, 12, 14, 16, 24, 26, 27, 29, 30, 31 }
    for number = 34, 64 do
      numbers[#numbers + 1] = number
    end
    -- Like most shells, sh traps none above 31.
    local teller = env.write(env.folder() .. "/teller.lua", [[
local uv = require "luv"
for number in arg[1]:gmatch "%d+" do
  uv.new_signal():start(tonumber(number), function() print("got " .. number .. ".") end)
end
io.stdout:setvbuf "no"
print "ready"
uv.run()
]])
    local process = command.start({ command.path, "run", "-q", POLICY, "--", "luajit", teller,
      table.concat(numbers, " ") }, { session = true })
    process:wait_for "ready"
    for _, number in ipairs(numbers) do
      process:kill(number)
      process:wait_for("got " .. number .. ".")
    end
    process:kill "sigterm"
    assert.equal(143, process:wait().status)
    assert_no_cgroup()
  end)

  -- B1
  it("is brought about neither by a full disk nor by a limit of the size of files", function()
    local log = env.folder() .. "/log"
    for _, case in ipairs { { "ulimit -f 1;", log }, { "", "/dev/full" } } do
      local got = command.run { "unshare", "-n", "sh", "-c", "ip link set lo up;" .. case[1]
        .. ' "$@"', "sh", command.path, "run", "-q", "--log", case[2], POLICY, "--", "sh", "-c",
        "for i in $(seq 40); do nc 169.254.169.254 80; done; echo end" }
      assert.same({ "end\n", 0 }, { got.out, got.status }, got.err)
    end
    assert_no_cgroup()
  end)

  -- B1
  it("comes with the CPU time that it may take, and ends the command", function()
    local process = start("echo ready; exec sleep 1000", "ulimit -t 1;")
    -- The limit counts what it took to start, too; SIGXCPU comes each second from then on.
    process:kill "sigxcpu"
    assert.equal(128 + uv.constants.SIGXCPU, process:wait().status)
    assert_no_cgroup()
  end)

  -- B1
  it("comes with that of its guard, and ends the command", function()
    local process = start "echo ready; exec sleep 1000"
    assert(uv.kill(guard_of(process), SIGKILL))
    assert.equal(137, process:wait().status)
    assert.truthy(process.err:find("^tidegate: the guard of [^ ]*/tidegate%-%x+ was killed; "
      .. "ending sh\n$"), process.err)
    assert_no_cgroup()
  end)

  -- B1
  it("together with that of its guard leaves the command confined, until the next run", function()
    local process = start("trap 'nc -v 169.254.169.254 80; echo tried' USR1; echo pid $$ ready; "
      .. "while :; do sleep 0.02; done")
    local pid = tonumber(process.out:match "pid (%d+)")
    local guard = guard_of(process)
    process:kill(SIGSTOP)
    assert(uv.kill(guard, SIGKILL))
    process:kill(SIGKILL)
    command.wait_until(function() return process.status end, "the end of tidegate")
    uv.sleep(50)
    assert(uv.kill(pid, "sigusr1"))
    command.wait_until(function() return process.out:find "tried" end, "the command's try")
    assert.truthy(process.err:find("Connection refused", 1, true)
      or process.err:find("Operation not permitted", 1, true), process.err)
    assert.equal(0, command.tidegate("run", "-q", POLICY, "--", "true").status)
    process:wait()
    assert_no_cgroup()
  end)

  -- B1
  it("is refused at the start if the guard cannot be started", function()
    local capabilities = "+bpf,+net_admin,+perfmon"
    assert(uv.fs_chown(own, 65533, 65533))
    local got = command.run { "setpriv", "--reuid=65533", "--clear-groups", "--inh-caps",
      capabilities, "--ambient-caps", capabilities, "prlimit", "--nproc=1", command.path, "run",
      "-q", POLICY, "--", "echo", "started" }
    assert.same({ "", 125 }, { got.out, got.status }, got.err)
    assert.truthy(got.err:find("^tidegate: the guard of tidegate%-%x+ cannot be started: Resource "
      .. "temporarily unavailable\n"), got.err)
    assert_no_cgroup()
  end)

  it("is refused at the start if another process removes its cgroup meanwhile", function()
    local remove = ('os.execute "rmdir %s/tidegate-*"'):format(own)
    local policy = env.write(env.folder() .. "/remove.lua", remove
      .. ' deny { connect = "192.0.2.1" }')
    local got = command.tidegate("run", "-q", "--trust", policy, "--", "echo", "started")
    assert.same({ "", 125 }, { got.out, got.status }, got.err)
    local message = "/tidegate%-%x+: another process has removed this cgroup; start tidegate "
      .. "again\n"
    assert.truthy(got.err:find("^tidegate: [^ ]*" .. message .. "$"), got.err)
    got = command.tidegate("repl", "--trust", POLICY, "-e", remove, "-e", 'sh "echo started"')
    assert.falsy(got.out:find("started\n", 1, true), got.out)
    assert.truthy((got.out .. got.err):find(message), got.out .. got.err)
    assert_no_cgroup()
  end)

  -- B5
  it("leaves a cgroup that another run's sweep finds, and none that is in use", function()
    local process = start "echo ready; read line"
    local got = command.run { "unshare", "--pid", "--fork", "--mount-proc", command.path, "run",
      "-q", POLICY, "--", "sh", "-c", "cat /proc/self/cgroup" }
    assert.equal(0, got.status, got.err)
    assert.is_nil(process.status)
    assert.equal(2, select(2, command.cgroups(own):gsub("\n", "")))
    local stale, other = own .. "/tidegate-0123456789abcdef", own .. "/tidegate-0123456789abcdeg"
    assert(uv.fs_mkdir(stale, 493) and uv.fs_mkdir(other, 493))
    assert(uv.fs_mkdir(stale .. "/below", 493))
    assert.equal(0, command.tidegate("run", "-q", POLICY, "--", "true").status)
    assert.is_nil(uv.fs_stat(stale))
    assert(uv.fs_rmdir(other))
    process:write "\n"
    assert.equal(0, process:wait().status)
    assert_no_cgroup()
  end)

  -- B5
  it("comes from no sweep of another run, however many start at once", function()
    local makers = {}
    for number = 1, MAKERS do
      makers[number] = command.start({ "luajit", "spec/support/make_cgroups.lua", own,
        tostring(number), tostring(ROUNDS) }, { slow = true })
    end
    for _, maker in ipairs(makers) do
      maker:wait()
    end
    for _, maker in ipairs(makers) do
      assert.same({ "", "", 0 }, { maker.out, maker.err, maker.status })
    end
    assert.equal(0, command.tidegate("run", "-q", POLICY, "--", "true").status)
    assert_no_cgroup()
  end)

  -- B6
  it("is not brought about by closed descriptors; nor does the command get one of ours", function()
    for _, closed in ipairs { "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-",
      "<&- >&- 2>&-" } do
      local list = env.folder() .. "/list"
      local got = command.run { "sh", "-c", '"$@" ' .. closed, "sh", command.path, "run", "-q",
        POLICY, "--", "sh", "-c", 'ls -l /proc/$$/fd > "$0"', list }
      assert.equal(0, got.status, closed .. got.err)
      local text = read(list)
      assert.falsy(text:find "anon_inode" or text:find "cgroup", text)
      local nulls = 0
      for number = 0, 2 do
        local target = text:match(" " .. number .. " %-> (%S+)")
        assert(target, text)
        nulls = nulls + (target == "/dev/null" and 1 or 0)
      end
      -- The shell has replaced descriptor 1 by the list.
      assert.equal(select(2, closed:gsub("<&%-", "")) + select(2, closed:gsub("2>&%-", "")), nulls,
        closed .. text)
    end
    assert.equal(0, command.run({ "sh", "-c", '"$@" <&- >&- 2>&-', "sh", command.path, "check",
      POLICY }).status)
  end)

  -- B6
  it("the command gets what our caller passes on, and nothing that the policy opens", function()
    local policy = env.write(env.folder() .. "/open.lua", [[
local kept = assert(io.open("/etc/hostname"))
on("deny", function() return kept end)
deny { connect = "192.0.2.1" }
]])
    local got = command.run { "sh", "-c", 'exec 7< /etc/passwd; exec "$@"', "sh", command.path,
      "run", "-q", "--trust", policy, "--", "sh", "-c", "ls -l /proc/$$/fd" }
    assert.truthy(got.out:find(" 7 -> /etc/passwd", 1, true), got.out .. got.err)
    assert.falsy(got.out:find("hostname", 1, true), got.out)
    assert.falsy(got.out:find("anon_inode", 1, true), got.out)
  end)

  -- B1
  it("of serve comes in order with each signal that would end it", function()
    for _, number in ipairs { 5, 6, 10, 12, 14, 16, 24, 26, 27, 29, 30, 31, 34, 64 } do
      local process = command.start({ command.path, "serve", POLICY, own }, { session = true })
      process:wait_for "is enforced on"
      process:kill(number)
      assert.equal(0, process:wait().status, number .. process.err)
    end
  end)
end)

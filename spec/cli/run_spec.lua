-- tidegate run: on real cgroups, with real programs and connections.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local uv = require "luv"

local POLICY = "examples/01-first-light.lua"

--- No network but a loopback device: no packet leaves.
local function isolated(...)
  return { "unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", command.path, ... }
end

local function leftovers(own)
  return command.run({ "find", own, "-type", "d", "-name", "tidegate-[0-9]*" }).out
end

local function exists(path)
  return uv.fs_stat(path) ~= nil
end

describe("tidegate run with a wrong policy", function()
  teardown(env.clean)

  it("does not start the command of a policy that is wrong", function()
    local bad = env.write(env.folder() .. "/bad.lua", 'deny { connect = "1.2.3.400" }')
    local got = command.tidegate("run", bad, "--", "echo", "started")
    assert.equal(bad .. ':1: deny "#1": connect: "1.2.3.400": 400 is over 255\n', got.err)
    assert.equal("", got.out)
    assert.equal(1, got.status)
  end)
end)

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("tidegate run POLICY -- CMD", function()
  local own

  setup(function() own = command.enter_cgroup() end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)

  --- A test after which no cgroup may be left.
  local function leaving_none(name, body)
    it(name, function()
      body()
      assert.equal("", leftovers(own))
    end)
  end

  leaving_none("runs the command in its own cgroup, with our input and output", function()
    local process = command.start { command.path, "run", POLICY, "--",
      "sh", "-c", "cat; grep ^0:: /proc/self/cgroup >&2" }
    process:write "through\n"
    process.input:close()
    process:wait()
    assert.equal("through\n", process.out)
    assert.equal(("/tidegate-%d\n"):format(process.pid), process.err:match "/tidegate%-%d+\n$")
    assert.equal(0, process.status)
  end)

  leaving_none("returns the command's status", function()
    for _, status in ipairs { 0, 1, 3, 77, 255 } do
      assert.equal(status, command.tidegate("run", POLICY, "--", "sh", "-c",
        "exit " .. status).status)
    end
    assert.equal(143, command.tidegate("run", POLICY, "--", "sh", "-c", "kill -TERM $$").status)
    assert.equal(137, command.tidegate("run", POLICY, "--", "sh", "-c", "kill -KILL $$").status)
  end)

  leaving_none("gives the command everything after --, as it is", function()
    local got = command.tidegate("run", POLICY, "--", "printf", "%s|", "--json", "--", "a b", "")
    assert.equal("--json|--|a b||", got.out)
  end)

  local function refusal(status, text, ...)
    local got = command.tidegate("run", POLICY, "--", ...)
    assert.equal("tidegate: " .. text .. "\n", got.err)
    assert.equal(status, got.status)
  end

  leaving_none("says why a command does not start", function()
    local plain = env.write(env.folder() .. "/plain", "")
    local script = env.write(env.folder() .. "/script", "#!/none/such\n")
    assert(uv.fs_chmod(script, 493))
    refusal(127, "no-such-command: there is no such command", "no-such-command", "x")
    refusal(127, "/none/such: there is no such file", "/none/such")
    refusal(126, plain .. " cannot be run: permission denied", plain)
    refusal(126, script .. " cannot be run: the interpreter in its first line is missing", script)
  end)

  leaving_none("sends the connection where the rule says, and prints the event", function()
    local got = command.run(isolated("run", POLICY, "--", "sh", "-c",
      "luajit examples/demo-server.lua 60123 & until nc -z 127.0.0.1 60123; do sleep 0.02; done; "
      .. "curl -sS http://1.2.3.4:60000/; kill $!; wait"))
    assert.equal("Hello from the server on 127.0.0.1:60123.\n", got.out)
    local line = got.err:gsub("%[%d+%]", "[PID]")
    assert.equal("rewrite seed  connect 1.2.3.4:60000 -> 127.0.0.1:60123  curl[PID] uid 0\n", line)
    assert.equal(0, got.status)
  end)

  leaving_none("fails a connection with the errno of the rule", function()
    local got = command.run(isolated("run", POLICY, "--", "stdbuf", "-eL", "nc", "-v",
      "169.254.169.254", "80"))
    assert.truthy(got.err:find("deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED  nc[",
      1, true), got.err)
    assert.truthy(got.err:find("nc: connect to 169.254.169.254 port 80 (tcp) failed: Connection "
      .. "refused\n", 1, true))
    assert.equal(1, got.status)
  end)

  leaving_none("prints every event of a short-lived command before it ends", function()
    local policy = env.write(env.folder() .. "/all.lua",
      'deny { "all", connect = "*", log = true }')
    local got = command.run(isolated("run", policy, "--", "sh", "-c",
      "for i in 1 2 3 4 5 6 7 8 9; do nc 192.0.2.1 $i; done"))
    local _, lines = got.err:gsub("deny    all  connect 192%.0%.2%.1:%d  EPERM  nc", "")
    assert.equal(9, lines)
  end)

  leaving_none("prints JSON, one object a line", function()
    local got = command.run(isolated("run", "--json", POLICY, "--", "nc", "169.254.169.254", "80"))
    local event = cjson.decode((got.err:match "^([^\n]*)\n$"))
    assert.equal("deny", event.verb)
    assert.equal("no-metadata", event.rule)
    assert.equal("ECONNREFUSED", event.errno)
    assert.equal("169.254.169.254:80", event.asked)
    assert.equal("connect4", event.hook)
    assert.equal("nc", event.comm)
    assert.equal(0, event.uid)
  end)

  leaving_none("appends events to a log", function()
    local log = env.write(env.folder() .. "/log", "before\n")
    local got = command.run(isolated("run", POLICY, "--log", log, "--", "nc", "169.254.169.254",
      "80"))
    assert.equal("", got.err)
    local file = assert(io.open(log))
    assert.truthy(file:read("*a"):match "^before\ndeny    no%-metadata  connect 169[^\n]*\n$")
    file:close()
    got = command.tidegate("run", POLICY, "--log", "/none/such/log", "--", "true")
    assert.equal("tidegate: /none/such/log: no such file or directory\n", got.err)
    assert.equal(2, got.status)
  end)

  leaving_none("calls the policy's own handlers, and reports their errors", function()
    local policy = env.write(env.folder() .. "/on.lua", [[
deny { "no", connect = "169.254.169.254" }
on("deny", function(event) print("handled " .. event.asked) end)
on("no", function() error "broken handler" end)
]])
    local got = command.run(isolated("run", policy, "--", "nc", "169.254.169.254", "80"))
    assert.equal("handled 169.254.169.254:80\n", got.out)
    assert.truthy(got.err:find("tidegate: " .. policy .. ":3: broken handler", 1, true), got.err)
  end)

  leaving_none("reports how many events were lost", function()
    local policy = env.write(env.folder() .. "/flood.lua",
      'deny { "all", connect = "192.0.2.1", log = true }')
    local flood = env.write(env.folder() .. "/flood-client.lua", [[
local uv = require "luv"
for _ = 1, 20000 do
  local socket = uv.new_udp()
  assert(not socket:connect("192.0.2.1", 9))
  socket:close()
  uv.run "nowait"
end
]])
    for _, json in ipairs { false, true } do
      local log = env.folder() .. "/log"
      local line = { "run", policy, "--log", log, "--", "sh", "-c",
        "kill -STOP $PPID; luajit " .. flood .. "; kill -CONT $PPID" }
      if json then
        table.insert(line, 2, "--json")
      end
      local got = command.run(isolated(unpack(line)))
      assert.equal(0, got.status, got.err)
      local count, last = 0, nil
      for each in io.lines(log) do
        count, last = count + 1, each
      end
      local lost = tonumber(json and cjson.decode(last).lost
        or last:match "^tidegate: (%d+) events were lost: the ring was full$")
      assert.equal(20000, count - 1 + lost)
    end
  end)

  leaving_none("takes an image", function()
    local image = env.folder() .. "/image"
    assert.equal(0, command.tidegate("compile", POLICY, "-o", image).status)
    local got = command.run(isolated("run", image, "--", "nc", "169.254.169.254", "80"))
    assert.truthy(got.err:find("deny    no-metadata  connect", 1, true), got.err)
  end)

  leaving_none("nests: the inner policy's cgroup is inside the outer one's", function()
    local got = command.tidegate("run", POLICY, "--", command.path, "run", POLICY, "--",
      "grep", "^0::", "/proc/self/cgroup")
    assert.truthy(got.out:match "/tidegate%-%d+/tidegate%-%d+\n$", got.out)
  end)

  leaving_none("ends what the command leaves running, and says so", function()
    local got = command.tidegate("run", POLICY, "--", "sh", "-c",
      "sleep 1000 > /dev/null 2>&1 & echo $!; "
      .. "until grep -q sleep /proc/$!/comm; do :; done; exit 4")
    local pid = tonumber(got.out)
    assert.equal(("tidegate: sh left running: sleep (pid %d); ending it\n"):format(pid), got.err)
    assert.equal(4, got.status)
    -- It is gone, or waits to be reaped by its new parent.
    assert.is_true(not exists("/proc/" .. pid)
      or command.run({ "grep", "State:.Z", ("/proc/%d/status"):format(pid) }).status == 0)
  end)

  leaving_none("ends processes that ignore SIGTERM, too, even in cgroups below", function()
    local flag = env.folder() .. "/flag"
    local got = command.tidegate("run", POLICY, "--", "sh", "-c",
      'own=' .. own
      .. '$(sed -n "s/^0::\\(.*\\)/\\1/p" /proc/self/cgroup | sed "s|.*/|/|"); mkdir $own/below; '
      .. '{ echo 0 > $own/below/cgroup.procs; trap "" TERM; echo ready; : > "$0"; while :; do '
      .. 'sleep 1; done; } & until [ -e "$0" ]; do sleep 0.02; done', flag)
    assert.equal("ready\n", got.out)
    assert.truthy(got.err:match "^tidegate: sh left running: .*sh %(pid %d+%).*; ending .+\n$",
      got.err)
    assert.equal(0, got.status)
  end)

  leaving_none("removes the cgroup that an earlier run could not, once it is empty", function()
    local process = command.start { command.path, "run", POLICY, "--", "sh", "-c",
      "echo pid $$; exec sleep 1000" }
    process:wait_for "\n"
    local path = ("%s/tidegate-%d"):format(own, process.pid)
    local child = tonumber(process.out:match "^pid (%d+)\n$")
    process:kill "sigkill"
    command.wait_until(function() return process.status end, "the end of tidegate")
    assert.equal(0, command.tidegate("run", POLICY, "--", "true").status)
    assert.is_true(exists(path)) -- it still holds the command
    uv.kill(child, "sigkill")
    process:wait()
    assert.equal(0, command.tidegate("run", POLICY, "--", "true").status)
    assert.is_false(exists(path))
  end)

  leaving_none("leaves alone what is not in the cgroup", function()
    local got = command.run(isolated("run", POLICY, "--", "true"))
    assert.equal(0, got.status)
    local outside = command.run { "unshare", "-n", "sh", "-c",
      'ip link set lo up; "$1" run "$2" -- sleep 1000 & '
      .. 'while ! grep -q . "$3"/tidegate-$!/cgroup.procs 2> /dev/null; do sleep 0.02; done; '
      .. 'nc -v 169.254.169.254 80; kill $!; wait', "sh", command.path, POLICY, own }
    assert.equal("nc: connect to 169.254.169.254 port 80 (tcp) failed: Network is unreachable\n",
      outside.err)
  end)

  it("tells a user without privileges what is missing and how to get it", function()
    local got = command.run { "setpriv", "--reuid=65534", "--clear-groups",
      command.path, "run", POLICY, "--", "true" }
    assert.equal(("tidegate: no cgroup can be made below %s: permission denied\n"
      .. "tidegate: capabilities: user 65534 lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON; run as "
      .. "root, or, in a systemd unit, with AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON\n"
      .. "tidegate: to see every check, run: tidegate doctor; to see what the policy does, "
      .. "without privileges, run: "
      .. "tidegate explain %s connect 1.2.3.4:80\n"):format(own, POLICY), got.err)
    assert.equal(3, got.status)
  end)

  it("says how to mount cgroup2 if it is not mounted", function()
    local got = command.run { "unshare", "-m", "sh", "-c",
      command.UMOUNT_CGROUP2 .. 'exec "$0" run "$1" -- true', command.path, POLICY }
    assert.truthy(got.err:match("^tidegate: cgroup2 is not mounted; mount it with: "
      .. "mkdir %-p %S+ && mount %-t cgroup2 cgroup2 %S+\ntidegate: to see every check, run: "
      .. "tidegate doctor; "), got.err)
    assert.equal(3, got.status)
  end)
end)

describe("tidegate run POLICY --cgroup", function()
  local path

  setup(function() path = command.enter_cgroup() .. "/target" end)
  teardown(command.leave_cgroup)
  before_each(function() assert(uv.fs_mkdir(path, 493)) end)
  after_each(function() assert(uv.fs_rmdir(path)) end)

  --- Try the connection of the "no-metadata" rule from inside the cgroup.
  local function connect()
    return command.run({ "unshare", "-n", "sh", "-c",
      'ip link set lo up; echo 0 > "$1/cgroup.procs"; exec nc -v 169.254.169.254 80', "sh",
      path }).err
  end

  local function enforce(signal, status, ...)
    local process = command.start { command.path, "run", POLICY, ... }
    process:wait_for "Ctrl-C ends it"
    assert.equal(("tidegate: %s is enforced on %s; Ctrl-C ends it\n"):format(POLICY, path),
      process.err)
    assert.truthy(connect():find("Connection refused", 1, true))
    process:wait_for "deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED"
    process:kill(signal)
    assert.equal(status, process:wait().status)
    assert.truthy(connect():find("Network is unreachable", 1, true))
  end

  it("enforces until a signal, then detaches", function()
    enforce("sigint", 130, "--cgroup", path)
    enforce("sigterm", 143, "--cgroup", path)
    enforce("sighup", 129, "--cgroup", path)
  end)

  for _, again in ipairs { false, true } do
    local what = again and ", even if it is made again at once" or ""
    it("ends when the cgroup is removed" .. what, function()
      local process = command.start { command.path, "run", POLICY, "--cgroup", path }
      process:wait_for "Ctrl-C ends it"
      assert(uv.fs_rmdir(path))
      if again then
        assert(uv.fs_mkdir(path, 493))
      end
      local got = process:wait()
      assert.equal(("tidegate: %s is enforced on %s; Ctrl-C ends it\n"
        .. "tidegate: %s was removed, and nothing is enforced on it any more\n")
        :format(POLICY, path, path), got.err)
      assert.equal(3, got.status)
      uv.fs_mkdir(path, 493)
    end)
  end

  it("finds the cgroup of a process", function()
    local sleeper = command.start { "sh", "-c",
      'echo 0 > "$1/cgroup.procs"; echo there; exec sleep 1000', "sh", path }
    sleeper:wait_for "there"
    enforce("sigint", 130, "--pid", tostring(sleeper.pid))
    sleeper:kill "sigkill"
    sleeper:wait()
    command.wait_until(function()
      return command.run({ "grep", "-q", "populated 0", path .. "/cgroup.events" }).status == 0
    end, "an empty cgroup")
  end)

  local mistakes = {
    { "--cgroup", "/none/such", "/none/such: there is no such folder; cgroups are below " },
    { "--cgroup", "/usr", "/usr is not a cgroup; cgroup2 is mounted at " },
    { "--pid", "x", '"pid:x" is not the number of a process, as in "pid:42"' },
    { "--pid", "2147483647", "pid 2147483647: there is no such process" },
    { "--unit", "none-such", "unit none-such.service: no cgroup below " },
  }
  for _, case in ipairs(mistakes) do
    it(("refuses: %s %s"):format(case[1], case[2]), function()
      local got = command.tidegate("run", POLICY, case[1], case[2])
      assert.equal("tidegate run: " .. case[3], got.err:sub(1, #case[3] + 14))
      assert.truthy(got.err:find("\nSee: tidegate run --help\n", 1, true))
      assert.equal(2, got.status)
    end)
  end
end)

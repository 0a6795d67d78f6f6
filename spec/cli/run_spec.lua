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

--- What run says, before all else, of a command that runs as root.
local function as_root(name)
  return ("tidegate: as root, %s can leave the policy: use --user NAME, or --confine\n")
    :format(name)
end

--- What run says at its end, if a call was refused.
local REFUSED = "tidegate: 1 call was refused\n"

local function leftovers(own)
  return command.run({ "find", own, "-type", "d", "-name", "tidegate-[0-9a-f]*" }).out
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
    assert.equal(125, got.status)
  end)

  it("says with --json what kind of failure it is", function()
    local bad = env.write(env.folder() .. "/bad.lua", 'deny { connect = "1.2.3.400" }')
    local cases = {
      { { bad, "--", "true" }, "policy", 125,
        bad .. ':1: deny "#1": connect: "1.2.3.400": 400 is over 255' },
      { { "--" }, "usage", 125, "give a policy before the command: tidegate run POLICY -- CMD" },
      { { "--bogus", POLICY, "--", "true" }, "usage", 125, 'unknown option "--bogus"' },
      { { POLICY, "-u", "no-such-user", "--", "true" }, "usage", 125,
        'there is no user "no-such-user"' },
    }
    for _, case in ipairs(cases) do
      local got = command.tidegate("run", "--json", unpack(case[1]))
      assert.same({ failure = case[2], status = case[3], message = case[4] },
        cjson.decode((got.err:match "^([^\n]*)\n$")))
      assert.equal("", got.out)
      assert.equal(case[3], got.status)
    end
  end)
end)

describe("tidegate run -n", function()
  teardown(env.clean)

  it("shows the policy as Lua, and where it would be enforced, and changes nothing", function()
    local path = env.write(env.folder() .. "/web.lua",
      'for port = 1, 2 do deny { connect = "*:" .. port } end')
    local got = command.tidegate("run", "-n", "-u", "root", path, "--", "touch", path .. ".made")
    assert.equal("", got.err)
    local where, rest = got.out:match("^%-%- " .. path:gsub("%p", "%%%0")
      .. ", 2 rules, would be enforced in a new cgroup below (/%S*), on: (.*)$")
    assert.truthy(where, got.out)
    local hooks, policy = rest:match("^touch " .. path:gsub("%p", "%%%0")
      .. "%.made %(as root%)\n%-%- hooks: (.-); nothing was changed\n(.*)$")
    assert.equal("connect4 connect6", hooks)
    assert.equal(policy, command.tidegate("run", "-n",
      env.write(path .. ".2", policy), "--", "true").out:gsub("^%-%-[^\n]*\n%-%-[^\n]*\n", ""))
    assert.is_nil(uv.fs_stat(path .. ".made"))
    assert.equal(0, got.status)
    local json = cjson.decode(command.tidegate("run", "-n", "--json", path, "--", "true").out)
    assert.same({ policy = path, rules = 2, hooks = { "connect4", "connect6" }, below = where,
      command = { "true" }, user = cjson.null, confined = false, text = policy }, json)
  end)

  it("fails as run does if the policy is wrong", function()
    assert.equal(125, command.tidegate("run", "-n", "/none/such", "--", "true").status)
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
    assert.truthy(process.err:match "/tidegate%-%x+\n$", process.err)
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

  local function refusal(status, text, as, ...)
    local got = command.tidegate("run", "-q", POLICY, "-u", as, "--", ...)
    assert.equal("tidegate: " .. text .. "\n", got.err)
    assert.equal(status, got.status)
  end

  leaving_none("says why a command does not start", function()
    local plain = env.write(env.folder() .. "/plain", "")
    local script = env.write(env.folder() .. "/script", "#!/none/such\n")
    assert(uv.fs_chmod(script, 493))
    refusal(127, "no-such-command: there is no such command", "root", "no-such-command", "x")
    refusal(127, "/none/such: there is no such file", "root", "/none/such")
    refusal(126, plain .. " cannot be run: permission denied", "root", plain)
    refusal(126, script .. " cannot be run: the interpreter in its first line is missing",
      "root", script)
  end)

  leaving_none("sends the connection where the rule says, and prints the event", function()
    local got = command.run(isolated("run", POLICY, "--", "sh", "-c",
      "luajit examples/demo-server.lua 60123 & until nc -z 127.0.0.1 60123; do sleep 0.02; done; "
      .. "curl -sS http://1.2.3.4:60000/; kill $!; wait"))
    assert.equal("Hello from the server on 127.0.0.1:60123.\n", got.out)
    local line = got.err:gsub("%[%d+%]", "[PID]")
    assert.equal(as_root "sh" .. "rewrite seed  connect 1.2.3.4:60000 -> 127.0.0.1:60123  "
      .. "curl[PID] uid 0\n", line)
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

  leaving_none("says of a policy that is a shadow that it changes nothing", function()
    local policy = env.write(env.folder() .. "/shadow.lua",
      'policy { default = "deny", shadow = true }')
    local got = command.run(isolated("run", policy, "--", "nc", "-z", "127.0.0.1", "9"))
    assert.equal(("tidegate: %s is a shadow: it counts and reports, and every call proceeds as it "
      .. "is\n"):format(policy) .. as_root "nc", got.err:match "^[^\n]*\n[^\n]*\n")
    assert.matches("deny    %(default%) %(shadow%)  connect 127%.0%.0%.1:9  EPERM  nc", got.err)
    assert.equal(1, got.status)
  end)

  leaving_none("prints JSON, one object a line", function()
    local got = command.run(isolated("run", "--json", POLICY, "--", "nc", "169.254.169.254", "80"))
    local remark, event, summary = got.err:match "^([^\n]*)\n([^\n]*)\n([^\n]*)\n$"
    assert.same({ summary = { refused = 1, suppressed = 0, lost = 0, unwritten = 0 } },
      cjson.decode(summary)) -- D4
    assert.equal(as_root "nc", ("tidegate: %s\n"):format(cjson.decode(remark).remark))
    event = cjson.decode(event)
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
    local before = os.date "%Y-%m-%dT%H:%M:%S"
    local got = command.run(isolated("run", POLICY, "--log", log, "--", "nc", "169.254.169.254",
      "80"))
    assert.equal(as_root "nc" .. REFUSED, got.err)
    local time = env.read(log):match( -- D3
      "^before\n(%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d)%.%d%d%d[+-]%d%d:%d%d "
      .. "deny    no%-metadata  connect 169[^\n]*\n$")
    assert.is_true(before <= time and time <= os.date "%Y-%m-%dT%H:%M:%S")
    got = command.tidegate("run", POLICY, "--log", "/none/such/log", "--", "true")
    assert.equal("tidegate: /none/such/log: no such file or directory\n", got.err)
    assert.equal(125, got.status)
  end)

  leaving_none("prints events to standard output with --log -, and none with -q", function()
    local got = command.run(isolated("run", POLICY, "--log", "-", "--", "nc", "169.254.169.254",
      "80"))
    assert.equal(as_root "nc" .. REFUSED, got.err)
    assert.matches("^%d+%-%S+ deny    no%-metadata  connect 169.254.169.254:80  [^\n]+\n$", got.out)
    local log = env.folder() .. "/quiet-log"
    local leaves = "nc 169.254.169.254 80; sleep 1000 > /dev/null 2>&1 & "
      .. "until grep -q sleep /proc/$!/comm; do :; done"
    got = command.run(isolated("run", "-q", POLICY, "--", "sh", "-c", leaves))
    assert.equal("", got.out .. got.err)
    got = command.run(isolated("run", "--quiet", POLICY, "--log", log, "--", "sh", "-c", leaves))
    assert.equal("", got.out .. got.err)
    assert.truthy(env.read(log):find "no%-metadata")
    assert.truthy(command.tidegate("run", "-q", POLICY, "--", "no-such-command").err
      :find "there is no such command")
  end)

  leaving_none("runs the command as another user, with the groups and the home of that user",
    function()
      local got = command.tidegate("run", POLICY, "-u", "nobody", "--", "sh", "-c",
        'id -un; id -G; echo "$USER $LOGNAME $HOME"; grep -E "^(Uid|CapPrm)" /proc/self/status')
      local groups = command.run({ "id", "-G", "nobody" }).out
      local id = command.run({ "id", "-u", "nobody" }).out:match "%d+"
      local home = command.run({ "getent", "passwd", "nobody" }).out:match "([^:]*):[^:]*\n$"
      assert.equal("", got.err)
      assert.equal(("nobody\n%snobody nobody %s\nUid:\t%s\t%s\t%s\t%s\nCapPrm:\t%s\n"):format(
        groups, home, id, id, id, id, ("0"):rep(16)), got.out)
      assert.equal(id .. "\n", command.tidegate("run", POLICY, "--user", id, "--", "id", "-u").out)
      local secret = env.write(env.folder() .. "/secret", "#!/bin/sh\n")
      assert(uv.fs_chmod(secret, 448)) -- 0700
      refusal(126, secret .. " cannot be run: permission denied", "nobody", secret)
    end)

  leaving_none("calls the policy's own handlers, and reports their errors", function()
    local policy = env.write(env.folder() .. "/on.lua", [[
deny { "no", connect = "169.254.169.254" }
on("deny", function(event) print("handled " .. event.asked) end)
on("no", function() error "broken handler" end)
]])
    local got = command.run(isolated("run", policy, "--", "nc", "169.254.169.254", "80"))
    assert.equal("", got.out) -- D6
    assert.truthy(got.err:find("handled 169.254.169.254:80\n", 1, true), got.err)
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
      local count = select(2, env.read(log):gsub("\n", ""))
      local last = got.err:match "([^\n]*)\n$" -- D4
      local lost = tonumber(json and cjson.decode(last).summary.lost or last:match(
        "^tidegate: 20000 calls were refused; (%d+) events were lost, because nobody read them in "
        .. "time$"))
      assert.equal(20000, count + lost)
    end
  end)

  leaving_none("says what its log rates held back, and what it could not write", function() -- D4
    local flood = [[
local uv = require "luv"
for _ = 1, 300 do
  local socket = uv.new_udp()
  assert(not socket:connect("192.0.2.1", 9))
  socket:close()
  uv.run "nowait"
end
]]
    local rate = env.write(env.folder() .. "/rate.lua",
      'deny { "all", connect = "*", log = "10/m" }')
    local got = command.run(isolated("run", "-u", "nobody", rate, "--", "luajit", "-e", flood))
    local held = got.err:match(
      "\ntidegate: 300 calls were refused; (%d+) events were held back by log rates\n$")
    assert.equal(300, select(2, got.err:gsub("deny    all", "")) + tonumber(held))
    assert.matches("connect 192.0.2.1:9/udp  EPERM", got.err)
    assert.equal("", command.run(isolated("run", "-q", rate, "--", "luajit", "-e", flood)).err)
    local all = env.write(env.folder() .. "/all.lua", 'deny { "all", connect = "*", log = true }')
    got = command.run(isolated("run", "-u", "nobody", "--log", "/dev/full", all, "--", "luajit",
      "-e", flood))
    assert.equal("tidegate: 300 calls were refused; 300 events were not written to /dev/full: no "
      .. "space left on device\n", got.err)
    got = command.run(isolated("run", "-u", "nobody", "--log", "-", all, "--", "luajit", "-e",
      flood))
    local lines = select(2, got.out:gsub("\n", ""))
    assert.equal(300, lines)
    assert.equal("tidegate: 300 calls were refused\n", got.err)
    -- Nothing to say.
    assert.equal("", command.tidegate("run", "-u", "nobody", all, "--", "true").err)
  end)

  leaving_none("does not wait for the reader of a FIFO", function() -- D4
    local fifo = env.folder() .. "/fifo"
    command.run { "mkfifo", fifo }
    local got = command.tidegate("run", POLICY, "--log", fifo, "--", "true")
    assert.equal(("tidegate: %s: nobody reads this FIFO; start its reader first\n"):format(fifo),
      got.err)
    assert.equal(125, got.status)
    local reader = command.start { "sh", "-c", 'exec 3<> "$0"; echo ready >&2; exec cat <&3', fifo }
    reader:wait_for "ready"
    assert.equal(as_root "nc" .. REFUSED, command.run(isolated("run", POLICY, "--log", fifo, "--",
      "nc", "169.254.169.254", "80")).err)
    reader:wait_for "no-metadata"
    reader:kill "sigterm"
    reader:wait()
  end)

  leaving_none("goes on if nobody reads its standard error, and counts what is lost", function()
    local all = env.write(env.folder() .. "/all.lua", 'deny { "all", connect = "*", log = true }')
    -- perl makes the pipe not block, and reads it only when the command of run has ended.
    local script = [[
pipe(my $read, my $write); fcntl($write, 4, 04001); fcntl($read, 1031, 4096);
my $pid = fork;
if (!$pid) { open(STDERR, ">&", $write); close $read; exec @ARGV; }
close $write; my $mark = pop @ARGV;
select(undef, undef, undef, 0.01) until -e $mark;
my $text = do { local $/; <$read> }; waitpid($pid, 0); print $text; exit($? >> 8)]]
    local flood = "import socket, sys, time\nfor i in range(500):\n  s = socket.socket()\n"
      .. "  s.connect_ex(('192.0.2.1', 9))\ntime.sleep(0.3)\nopen(sys.argv[1], 'w')\n"
    local mark = env.folder() .. "/mark"
    local got = command.run { "unshare", "-n", "perl", "-e", script, command.path, "run", all, "--",
      "python3", "-c", flood, mark }
    assert.equal(0, got.status)
    local written = select(2, got.out:gsub("deny    all  connect 192.0.2.1:9  EPERM  python3", ""))
    local unwritten = got.out:match("\ntidegate: 500 calls were refused; (%d+) events were not "
      .. "written: its reader stands still\n$") -- D4
    assert.equal(500, written + tonumber(unwritten), got.out)
  end)

  leaving_none("starts no command if signals cannot be caught", function()
    local got = command.run { "prlimit", "--sigpending=0", command.path, "run", "-q", POLICY, "--",
      "echo", "started" }
    assert.equal("tidegate: signals cannot be caught: the limit of pending signals leaves no room "
      .. "for a timer: raise it with ulimit -i\n", got.err)
    assert.same({ "", 125 }, { got.out, got.status })
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
    assert.truthy(got.out:match "/tidegate%-%x+/tidegate%-%x+\n$", got.out)
  end)

  leaving_none("ends what the command leaves running, and says so", function()
    local got = command.tidegate("run", POLICY, "--", "sh", "-c",
      "sleep 1000 > /dev/null 2>&1 & echo $!; "
      .. "until grep -q sleep /proc/$!/comm; do :; done; exit 4")
    local pid = tonumber(got.out)
    assert.equal(as_root "sh"
      .. ("tidegate: sh left running: sleep (pid %d); ending it\n"):format(pid), got.err)
    assert.equal(4, got.status)
    -- It is gone, or waits to be reaped by its new parent.
    assert.is_true(not exists("/proc/" .. pid)
      or command.run({ "grep", "State:.Z", ("/proc/%d/status"):format(pid) }).status == 0)
  end)

  it("shows the name of a process without what a terminal would obey", function()
    local script = [[luajit -e 'local name = io.open("/proc/self/comm", "w")
      name:write "a\27[2J" name:close() os.execute "sleep 9"' > /dev/null 2>&1 & sleep 0.3]]
    local got = command.tidegate("run", POLICY, "--", "sh", "-c", script)
    assert.truthy(got.err:find("a\\x1b[2J (pid ", 1, true), got.err)
  end)

  leaving_none("ends processes that ignore SIGTERM, too, even in cgroups below", function()
    local flag = env.folder() .. "/flag"
    local got = command.tidegate("run", POLICY, "--", "sh", "-c",
      'own=' .. own
      .. '$(sed -n "s/^0::\\(.*\\)/\\1/p" /proc/self/cgroup | sed "s|.*/|/|"); mkdir $own/below; '
      .. '{ echo 0 > $own/below/cgroup.procs; trap "" TERM; echo ready; : > "$0"; while :; do '
      .. 'sleep 1; done; } & until [ -e "$0" ]; do sleep 0.02; done', flag)
    assert.equal("ready\n", got.out)
    assert.truthy(got.err:match "\ntidegate: sh left running: .*sh %(pid %d+%).*; ending .+\n$",
      got.err)
    assert.equal(0, got.status)
  end)

  leaving_none("leaves alone what is not in the cgroup", function()
    local got = command.run(isolated("run", POLICY, "--", "true"))
    assert.equal(0, got.status)
    local outside = command.run { "unshare", "-n", "sh", "-c",
      'ip link set lo up; "$1" run -q "$2" -- sleep 1000 & '
      .. 'while ! grep -q . "$3"/tidegate-*/cgroup.procs 2> /dev/null; do sleep 0.02; done; '
      .. 'nc -v 169.254.169.254 80; kill $!; wait', "sh", command.path, POLICY, own }
    assert.equal("nc: connect to 169.254.169.254 port 80 (tcp) failed: Network is unreachable\n",
      outside.err)
  end)

  it("tells a user without privileges what is missing and how to get it", function()
    local got = command.run { "setpriv", "--reuid=65534", "--clear-groups",
      command.path, "run", POLICY, "--", "true" }
    assert.equal(("tidegate: no cgroup can be made below %s: Permission denied\n"
      .. "tidegate: capabilities: user 65534 lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON; run as "
      .. "root, or, in a systemd unit, with AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON\n"
      .. "tidegate: to see every check, run: tidegate doctor; to see what the policy does, "
      .. "without privileges, run: "
      .. "tidegate explain %s connect 1.2.3.4:80\n"):format(own, POLICY), got.err)
    assert.equal(125, got.status)
  end)

  it("cannot run a command as another user without root, and says so", function()
    local function as(name)
      return command.run { "sh", "-c", [[chown -R 65534 "$1"
        setpriv --reuid=65534 --clear-groups --inh-caps=+bpf,+net_admin,+perfmon \
          --ambient-caps=+bpf,+net_admin,+perfmon "$2" run -u "$3" "$4" -- id -u]], "sh", own,
        command.path, name, POLICY }
    end
    local got = as "root"
    assert.equal(as_root "id" .. "tidegate: commands cannot be run as root: operation not "
      .. "permitted; this needs root\n", got.err)
    assert.equal(125, got.status)
    got = as "65534"
    assert.equal("65534\n", got.out)
    assert.equal("", leftovers(own))
  end)

  it("says how to mount cgroup2 if it is not mounted", function()
    local got = command.run { "unshare", "-m", "sh", "-c",
      command.UMOUNT_CGROUP2 .. 'exec "$0" run "$1" -- true', command.path, POLICY }
    assert.truthy(got.err:match("^tidegate: cgroup2 is not mounted; mount it with: "
      .. "mkdir %-p %S+ && mount %-t cgroup2 cgroup2 %S+\ntidegate: to see every check, run: "
      .. "tidegate doctor; "), got.err)
    assert.equal(125, got.status)
  end)
end)

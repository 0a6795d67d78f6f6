-- tidegate serve: on cgroups that exist.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local uv = require "luv"

local POLICY = "examples/01-first-light.lua"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("tidegate serve", function()
  local own, path

  setup(function()
    own = command.enter_cgroup()
    path = own .. "/target"
  end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)
  before_each(function() assert(uv.fs_mkdir(path, 493)) end)
  after_each(function() assert(uv.fs_rmdir(path)) end)

  --- Try the connection of the "no-metadata" rule from inside a cgroup.
  local function connect(place)
    return command.run({ "unshare", "-n", "sh", "-c",
      'ip link set lo up; echo 0 > "$1/cgroup.procs"; exec nc -v 169.254.169.254 80', "sh",
      place }).err
  end

  local function start(...)
    return command.start { command.path, "serve", POLICY, ... }
  end

  local function started(...)
    return ("tidegate: %s is enforced on %s until this command ends; Ctrl-C ends it\n")
      :format(POLICY, table.concat({ ... }, ", "))
  end

  --- What serve says on empty cgroups.
  local function started_empty(...)
    return started((table.concat({ ... }, "\n"):gsub("[^\n]+", "%0 (0 processes)")
      :gsub("\n", ", ")))
  end

  local function enforce(where, signal, ...)
    local process = start(...)
    process:wait_for "Ctrl-C ends it"
    assert.equal(started(path .. (where or " (0 processes)")), process.err)
    assert.truthy(connect(path):find("Connection refused", 1, true))
    process:wait_for "deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED"
    process:kill(signal)
    assert.equal(0, process:wait().status)
    assert.truthy(connect(path):find("Network is unreachable", 1, true))
  end

  it("enforces until a signal asks for the end, then detaches", function()
    enforce(nil, "sigint", path)
    enforce(nil, "sigterm", "--no-pin", path)
    enforce(nil, "sighup", path)
  end)

  it("enforces on several cgroups", function()
    local other = own .. "/other"
    assert(uv.fs_mkdir(other, 493))
    local process = start(path, other)
    process:wait_for "Ctrl-C ends it"
    assert.equal(started_empty(path, other), process.err)
    for _, place in ipairs { path, other } do
      assert.truthy(connect(place):find("Connection refused", 1, true))
    end
    assert.truthy(connect(own):find("Network is unreachable", 1, true))
    assert(uv.fs_rmdir(other))
    process:wait_for(("tidegate: %s was removed, and %s is not enforced on it any more\n")
      :format(other, POLICY))
    assert.truthy(connect(path):find("Connection refused", 1, true))
    assert(uv.fs_rmdir(path))
    process:wait()
    assert.truthy(process.err:find(("tidegate: all cgroups were removed, and nothing is enforced "
      .. "any more: %s, %s\n"):format(path, other), 1, true), process.err)
    assert.equal(3, process.status)
    assert(uv.fs_mkdir(path, 493))
  end)

  for _, again in ipairs { false, true } do
    local what = again and ", even if it is made again at once" or ""
    it("ends when the cgroup is removed" .. what, function()
      local process = start(path)
      process:wait_for "Ctrl-C ends it"
      assert(uv.fs_rmdir(path))
      if again then
        assert(uv.fs_mkdir(path, 493))
      end
      local got = process:wait()
      assert.equal(started_empty(path) .. ("tidegate: %s was removed, and nothing is enforced on "
        .. "it any more\n"):format(path), got.err)
      assert.equal(3, got.status)
      uv.fs_mkdir(path, 493)
    end)
  end

  it("finds the cgroup of a process", function()
    local sleeper = command.start { "sh", "-c",
      'echo 0 > "$1/cgroup.procs"; echo there; exec sleep 1000', "sh", path }
    sleeper:wait_for "there"
    enforce(" (1 process)", "sigint", "pid:" .. sleeper.pid)
    sleeper:kill "sigkill"
    sleeper:wait()
    command.wait_until(function()
      return command.run({ "grep", "-q", "populated 0", path .. "/cgroup.events" }).status == 0
    end, "an empty cgroup")
  end)

  it("prints nothing but JSON with --json, also when it fails", function()
    local process = start("--json", path)
    process:wait_for "Ctrl-C ends it"
    connect(path)
    process:wait_for "no-metadata"
    assert(uv.fs_rmdir(path))
    local kinds = {}
    for line in process:wait().err:gmatch "[^\n]+" do
      local object = cjson.decode(line)
      kinds[#kinds + 1] = object.failure or object.remark and "remark" or object.rule
    end
    assert.same({ "remark", "no-metadata", "gone" }, kinds)
    assert.equal(3, process.status)
    assert(uv.fs_mkdir(path, 493))
  end)

  it("opens its log again on SIGUSR1, and keeps the old file if it cannot", function()
    local log = env.folder() .. "/events"
    local process = start("--log", log, path)
    process:wait_for "Ctrl-C ends it"
    local function logged(file, count)
      connect(path)
      command.wait_until(function()
        local handle = io.open(file)
        local text = handle and handle:read "*a" or ""
        return handle and handle:close() and select(2, text:gsub("no%-metadata", "")) == count
      end, count .. " events in " .. file)
    end
    logged(log, 1)
    assert(uv.fs_rename(log, log .. ".1"))
    logged(log .. ".1", 2)
    process:kill "sigusr1"
    command.wait_until(function() return uv.fs_stat(log) end, "a new log")
    logged(log, 1)

    assert(uv.fs_rename(log, log .. ".2"))
    assert(uv.fs_mkdir(log, 493))
    process:kill "sigusr1"
    process:wait_for(("tidegate: %s: illegal operation on a directory; events still go to the file "
      .. "that was open\n"):format(log))
    logged(log .. ".2", 2)
    process:kill "sigterm"
    assert.equal(0, process:wait().status)
    assert.equal(2, select(2, env.read(log .. ".1"):gsub("no%-metadata", "")))
  end)

  it("says nothing with -q", function()
    local process = start("-q", path)
    command.wait_until(function() return connect(path):find "refused" end, "enforcement")
    process:kill "sigterm"
    process:wait()
    assert.equal("", process.err .. process.out)
    assert.equal(0, process.status)
  end)

  it("shows with -n what it would enforce, and where", function()
    local got = command.tidegate("serve", "-n", POLICY, path, "self")
    assert.truthy(got.err:find(path .. " is below " .. own, 1, true), got.err)
    assert.equal(2, got.status)
    got = command.tidegate("serve", "-n", POLICY, path)
    assert.equal("", got.err)
    assert.truthy(got.out:find(("-- %s, 2 rules, would be enforced on %s (0 processes)\n")
      :format(POLICY, path), 1, true), got.out)
    assert.truthy(got.out:find '\nrewrite { "seed", ')
    assert.truthy(connect(path):find("Network is unreachable", 1, true))
    local json = cjson.decode(command.tidegate("serve", "-n", "--json", POLICY, path).out)
    assert.same({ { cgroup = path, processes = 0 } }, json.targets)
  end)

  local mistakes = {
    { "/none/such", "/none/such: there is no such folder; cgroups are below " },
    { "/usr", "/usr is not a cgroup; cgroup2 is mounted at " },
    { "pid:x", '"pid:x" is not the number of a process, as in "pid:42"' },
    { "pid:2147483647", "pid 2147483647: there is no such process" },
    { "unit:none-such", "unit none-such.service: no cgroup below " },
  }
  for _, case in ipairs(mistakes) do
    it("refuses the target " .. case[1], function()
      local got = command.tidegate("serve", POLICY, path, case[1])
      assert.equal("tidegate: " .. case[2], got.err:sub(1, #case[2] + 10))
      assert.equal(2, got.status)
    end)
  end

  it("refuses targets that overlap", function()
    assert.equal(("tidegate: %s is named twice\n"):format(path),
      command.tidegate("serve", POLICY, path, path).err)
    assert.equal(("tidegate: %s is below %s, which is enough: a policy holds for all that is "
      .. "below, too\n"):format(path, own), command.tidegate("serve", POLICY, own, path).err)
  end)

  it("does not start with a policy that is wrong", function()
    local bad = env.write(env.folder() .. "/bad.lua", 'deny { connect = "1.2.3.400" }')
    local got = command.tidegate("serve", bad, path)
    assert.equal(bad .. ':1: deny "#1": connect: "1.2.3.400": 400 is over 255\n', got.err)
    assert.equal(1, got.status)
  end)

  it("tells a user without privileges what is missing", function()
    local got = command.run { "setpriv", "--reuid=65534", "--clear-groups",
      command.path, "serve", POLICY, path }
    assert.truthy(got.err:find("lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON; run as root", 1, true),
      got.err)
    assert.equal(3, got.status)
  end)
end)

-- The rights of the command of run: it has none of Tidegate's own, and does not leave the policy.

local command = require "spec.support.command"
local env = require "spec.support.env"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

local NONE = ("0"):rep(16)

--- What spec/support/leave.lua tries, and what comes of it: for root with --confine, and for
--- another user. "ok" where it does no harm, with the reason.
local attempts = {
  -- the cgroup tree
  ["procs above"] = { "EROFS", "EACCES" },
  ["procs of root"] = { "EROFS", "EACCES" },
  ["mkdir"] = { "EROFS", "EACCES" },
  ["handle"] = { "EPERM", "EPERM" },
  ["start a process there"] = { "ENOSYS", "EACCES" },
  ["remount"] = { "EPERM", "EPERM" },
  ["mount_setattr"] = { "EPERM", "EPERM" },
  ["umount"] = { "EPERM", "EPERM" },
  ["mount cgroup2"] = { "EPERM", "EPERM" },
  ["open_tree"] = { "EPERM", "EPERM" },
  -- processes outside
  ["root of another"] = { "EACCES", "EACCES" },
  ["cwd of another"] = { "EACCES", "EACCES" },
  ["memory of another"] = { "EACCES", "EACCES" },
  ["namespace of another"] = { "EACCES", "EACCES" },
  ["setns"] = { "EPERM", "EPERM" },
  ["pidfd_getfd"] = { "EPERM", "EPERM" },
  ["ptrace"] = { "EPERM", "EPERM" },
  ["process_vm_readv"] = { "EPERM", "EPERM" },
  ["signal another"] = { "ok", "EPERM" }, -- the command ends with a Tidegate that is killed
  -- programs
  ["load a program"] = { "EPERM", "EPERM" },
  ["link by id"] = { "EPERM", "EPERM" },
  ["program by id"] = { "EPERM", "EPERM" },
  ["map by id"] = { "EPERM", "EPERM" },
  ["programs"] = { "EPERM", "EPERM" },
  ["detach"] = { "EINVAL", "EINVAL" },
  ["detach a program"] = { "EINVAL", "EINVAL" },
  -- namespaces: those of a user namespace show nothing more, and nothing writable
  ["unshare mounts"] = { "EPERM", "EPERM" },
  ["remount as root of a user namespace"] = { "EPERM", "ok" }, -- the mount is not the obstacle
  ["umount as root of a user namespace"] = { "EINVAL", "EINVAL" },
  ["write as root of a user namespace"] = { "EROFS", "EACCES" },
  ["new proc as root of a user namespace"] = { "EPERM", "ok" }, -- /proc/sys is not ours to write
  -- the kernel and its devices
  ["mknod"] = { "EPERM", "EPERM" },
  ["load a module"] = { "EPERM", "EPERM" },
  ["reboot"] = { "EPERM", "EPERM" },
  ["packet socket"] = { "EPERM", "EPERM" },
  ["raw socket"] = { "EPERM", "EPERM" },
  ["core_pattern"] = { "EROFS", "EACCES" },
  ["sysfs"] = { "EROFS", "EACCES" },
  ["raise capabilities"] = { "EPERM", "EPERM" },
}

--- What a kernel says that lacks the thing.
local absent = { ENOSYS = true, ENOENT = true }

describe("the command of run", function() -- B3
  local own, folder, policy

  setup(function()
    own = command.enter_cgroup()
    folder = env.folder()
    policy = env.write(folder .. "/web.lua",
      [[deny { "no", egress = "192.0.2.1", errno = "ECONNREFUSED" }]])
    command.run { "chmod", "755", folder }
  end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)

  local function run(options, ...)
    local words = { command.path, "run" }
    for _, list in ipairs { options, { policy, "--", ... } } do
      for _, word in ipairs(list) do
        words[#words + 1] = word
      end
    end
    return command.run(words)
  end

  local function status_of(text)
    local fields = {}
    for name, value in text:gmatch "(%w+):%s*(%x+)" do
      fields[name] = value
    end
    return fields
  end

  --- Run, as user 65534 with the capabilities to run Tidegate, which its command could inherit.
  local function as_service(...)
    return command.run { "sh", "-c", [[chown 65534 "$0" "$0/cgroup.procs"
      exec setpriv --reuid=65534 --clear-groups --inh-caps=+bpf,+net_admin,+perfmon \
        --ambient-caps=+bpf,+net_admin,+perfmon "$@"]], own, ... }
  end

  it("inherits no capability that Tidegate has", function()
    local got = as_service(command.path, "run", policy, "--", "grep", "^Cap", "/proc/self/status")
    local fields = status_of(got.out)
    for _, name in ipairs { "CapInh", "CapPrm", "CapEff", "CapAmb" } do
      assert.equal(NONE, fields[name], got.err)
    end
    assert.equal(("tidegate: as the owner of %s, grep can leave the policy: use another user\n")
      :format(own), got.err)
    fields = status_of(as_service("grep", "^Cap", "/proc/self/status").out)
    assert.not_equal(NONE, fields.CapEff)
    command.run { "chown", "0", own, own .. "/cgroup.procs" }
  end)

  it("inherits no descriptor of Tidegate's", function()
    local got = run({ "-q" }, "sh", "-c", "ls -l /proc/self/fd")
    local before = command.run { "sh", "-c", "ls -l /proc/self/fd" }
    assert.equal(select(2, before.out:gsub("%->", "")), select(2, got.out:gsub("%->", "")), got.out)
    assert.falsy(got.out:find("bpf", 1, true) or got.out:find("cgroup", 1, true), got.out)
  end)

  it("has as another user the groups and ids of that user alone", function()
    local got = run({ "-u", "nobody" }, "grep", "-E", "^(Uid|Gid|Groups|Cap)", "/proc/self/status")
    local id = command.run({ "id", "-u", "nobody" }).out:match "%d+"
    local group = command.run({ "id", "-g", "nobody" }).out:match "%d+"
    assert.equal(("Uid:\t%s\t%s\t%s\t%s\n"):format(id, id, id, id), got.out:match "Uid[^\n]*\n")
    assert.equal(("Gid:\t%s\t%s\t%s\t%s\n"):format(group, group, group, group),
      got.out:match "Gid[^\n]*\n")
    assert.equal(group, got.out:match "Groups:\t([^\n]-) ?\n")
    assert.equal(NONE, status_of(got.out).CapPrm)
  end)

  it("is said to be able to leave as root, unless that is prevented, or -q", function()
    local remark = "tidegate: as root, true can leave the policy: use --user NAME, or --confine\n"
    assert.equal(remark, run({}, "true").err)
    for _, options in ipairs { { "-q" }, { "-u", "nobody" }, { "--confine" } } do
      assert.equal("", run(options, "true").err)
    end
  end)

  it("does not leave: as root with --confine, or as another user", function()
    local home = os.getenv "PWD"
    local outside = command.start { "sleep", "1000" }
    for index, options in ipairs { { "--confine" }, { "-u", "nobody" },
      { "-u", "nobody", "--confine" } } do
      local got = run({ "-q", unpack(options) }, "sh", "-c",
        'exec luajit "$0" "$1" "$2" "$2"/tidegate-*', home .. "/spec/support/leave.lua",
        tostring(outside.pid), own)
      local wanted, seen = index == 1 and 1 or 2, 0
      for name, result in got.out:gmatch "([^\n]-): ([^\n]*)\n" do
        local expected = attempts[name] and attempts[name][wanted]
        if expected then
          seen = seen + 1
          assert.is_true(result == expected or absent[result] and expected ~= "ok",
            ("%s: %s: %s, not %s"):format(table.concat(options, " "), name, result, expected))
        end
      end
      local all = 0
      for _ in pairs(attempts) do
        all = all + 1
      end
      assert.equal(all, seen, got.out .. got.err)
    end
    outside:kill "sigkill"
    outside:wait()
  end)

  it("as root without --confine leaves, as the remark says", function()
    local got = run({ "-q" }, "sh", "-c",
      'echo 0 > "$0/cgroup.procs" && grep ^0:: /proc/self/cgroup', own)
    assert.equal(own:match "/tidegate%-spec[^/]*$", got.out:match "(/tidegate%-spec[^/]*)\n$")
  end)

  it("cannot type on its terminal with --confine", function()
    local script = ([[local ffi = require "ffi"
      ffi.cdef "int ioctl(int fd, unsigned long request, ...);"
      local result = ffi.C.ioctl(0, %s, "x")
      print(result, ffi.errno())]]):format "0x5412 + 2^33"
    for _, options in ipairs { { "-q", "--confine" }, { "-u", "nobody", "--confine" } } do
      assert.equal("-1\t1\n", run(options, "luajit", "-e", script).out)
    end
    assert.not_equal("-1\t1\n", run({ "-u", "nobody" }, "luajit", "-e", script).out)
  end)

  it("gets no more rights by a setuid program with --confine", function()
    local copy = folder .. "/id"
    command.run { "sh", "-c", 'cp /usr/bin/id "$0" && chmod 4755 "$0"', copy }
    assert.equal("0\n", run({ "-u", "nobody" }, copy, "-u").out)
    local id = command.run({ "id", "-u", "nobody" }).out
    assert.equal(id, run({ "-u", "nobody", "--confine" }, copy, "-u").out)
  end)

  it("runs confined as it does otherwise", function()
    local got = run({ "-q", "--confine" }, "sh", "-c", [[
      touch /tmp/tidegate-spec-confined && rm /tmp/tidegate-spec-confined
      grep -c . /proc/self/mountinfo > /dev/null && cat /proc/sys/kernel/ostype; exit 7]])
    assert.equal("Linux\n", got.out)
    assert.equal(7, got.status)
    assert.equal(127, run({ "-q", "--confine" }, "no-such-command").status)
    assert.equal(126, run({ "-q", "--confine" }, policy).status)
    assert.truthy(run({ "--confine", "-n" }, "true").out:find("on: true (confined)", 1, true))
  end)

  it("is not started if it cannot be confined", function()
    local got = command.run { "setpriv", "--bounding-set=-sys_admin", command.path, "run",
      "--confine", policy, "--", "true" }
    assert.equal("tidegate: the command cannot be confined: operation not permitted; as root, "
      .. "this needs CAP_SYS_ADMIN and CAP_SETPCAP\n", got.err)
    assert.equal(125, got.status)
  end)
end)

-- tidegate doctor: what this machine can do.

local cjson = require "cjson"
local command = require "spec.support.command"
local uv = require "luv"

local NAMES = {
  "kernel", "BTF", "capabilities", "unprivileged BPF", "JIT", "memlock", "maps", "hooks", "effects",
  "cgroup2", "own cgroup", "attach", "kill", "bpffs", "not seen by hooks",
}

local function by_name(out)
  local checks, names = {}, {}
  for line in out:gmatch "[^\n]+" do
    local check = cjson.decode(line)
    checks[check.name] = check
    names[#names + 1] = check.name
  end
  return checks, names
end

describe("tidegate doctor", function()
  it("reports the same as JSON and as text, with a remedy if one is needed", function()
    local json, text = command.tidegate("doctor", "--json"), command.tidegate "doctor"
    local checks, names = by_name(json.out)
    assert.same(NAMES, names)
    local failed = false
    for _, check in pairs(checks) do
      failed = failed or check.state == "fail"
      assert.equal(check.state == "ok", check.remedy == cjson.null)
      assert.truthy(text.out:find(("%-18s %s\n"):format(check.name, check.found), 1, true))
      assert.is_true(check.remedy == cjson.null
        or text.out:find("> " .. check.remedy, 1, true) ~= nil)
    end
    assert.equal(failed and 3 or 0, json.status)
    assert.equal(json.status, text.status)
    assert.equal("", json.err .. text.err)
  end)

  it("finds all well if the kernel specs can run, and leaves nothing behind", function()
    local reason = command.no_kernel()
    if reason then
      pending(reason)
      return
    end
    local own = command.enter_cgroup()
    local got = command.tidegate("doctor", "--json")
    local left = command.cgroups(own)
    command.leave_cgroup()
    local checks = by_name(got.out)
    assert.equal(0, got.status)
    assert.truthy(checks.hooks.found == "a program can be loaded for each of the 17"
      or checks.hooks.found
      == "all except connect_unix, sendmsg_unix, recvmsg_unix, getpeername_unix, getsockname_unix",
      checks.hooks.found)
    assert.equal("BTF, published maps, event rings, errnos, rewriting, bind_source, source of "
      .. "datagrams, socket storage, "
      .. "MPTCP, set of bind, set of connect, more than 64 rules", checks.effects.found)
    assert.equal("a program was attached to a cgroup by a link", checks.attach.found)
    assert.equal(own .. ", cgroups can be made in it", checks["own cgroup"].found)
    assert.equal(own .. "\n", left)
  end)

  it("tells a user without privileges what is missing and what to run", function()
    if uv.getuid() ~= 0 then
      pending "needs root, to become somebody else"
      return
    end
    local got = command.run { "setpriv", "--reuid=65534", "--clear-groups", command.path, "doctor",
      "--json" }
    local checks = by_name(got.out)
    assert.equal(3, got.status)
    assert.equal("user 65534 lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON", checks.capabilities.found)
    assert.equal("run as root, or, in a systemd unit, with AmbientCapabilities=CAP_BPF "
      .. "CAP_NET_ADMIN CAP_PERFMON", checks.capabilities.remedy)
    assert.equal("fail", checks.maps.state)
    assert.equal("cannot be tried: bpf(2) is not permitted", checks.hooks.found)
    assert.truthy(checks.effects.found:find("^cannot be tried with these capabilities: published "
      .. "maps, event rings, "))
    assert.equal("fail", checks.attach.state)
  end)

  it("says how to mount cgroup2 if it is not mounted", function()
    local reason = command.no_kernel()
    if reason then
      pending(reason)
      return
    end
    local got = command.run { "unshare", "-m", "sh", "-c",
      command.UMOUNT_CGROUP2 .. "exec " .. command.path .. " doctor --json" }
    local check = by_name(got.out)["cgroup2"]
    assert.equal("not mounted", check.found)
    assert.truthy(check.remedy
      :match("^cgroup2 is not mounted; mount it with: "
        .. "mkdir %-p %S+ && mount %-t cgroup2 cgroup2 %S+$"))
    assert.equal(3, got.status)
  end)
end)

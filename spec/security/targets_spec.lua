-- A policy is never put in force on the whole machine by accident, and whoever attaches one is told
-- how many processes it takes in.

local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local env = require "spec.support.env"
local nginx = require "spec.support.nginx"
local prompt = require "spec.support.prompt"

local POLICY = "examples/01-first-light.lua"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

--- Run a shell line in the root of all cgroups.
local function at_root(line, ...)
  return command.run { "sh", "-c", 'echo 0 > "$0/cgroup.procs"; ' .. line, cgroup.root(),
    command.path, ... }
end

describe("the root of all cgroups", function() -- B4
  local root = cgroup.root()

  local function refusal(target)
    return ('"%s" is the root of all cgroups, where a policy would hold for every process of this '
      .. "machine: to attach there, give its path, %s"):format(target, root)
  end

  teardown(env.clean)

  it("is not served as self, nor as the cgroup of a process", function()
    for _, how in ipairs { "", "-n" } do
      local got = at_root('exec "$1" serve $3 "$2" self', POLICY, how)
      assert.equal("tidegate: " .. refusal "self" .. "\n", got.err)
      assert.equal(2, got.status)
      got = at_root('sleep 1000 & "$1" serve $3 "$2" pid:$!; status=$?; kill $!; exit $status',
        POLICY, how)
      assert.equal("tidegate: " .. refusal(got.err:match '"(pid:%d+)"') .. "\n", got.err)
      assert.equal(2, got.status)
    end
  end)

  it("is not attached to as self at the prompt", function()
    local got = at_root([[exec "$1" repl -e 'attach "self"']])
    assert.equal("attach: " .. refusal "self" .. "\n", got.err)
    assert.equal(3, got.status)
  end)

  it("can be named by its path, which a dry run shows with its processes", function()
    local got = command.tidegate("serve", "-n", POLICY, root)
    assert.matches("would be enforced on " .. root:gsub("%p", "%%%0") .. " %(%d+ process", got.out)
    assert.equal(0, got.status)
  end)

  it("is not what self is in a cgroup namespace", function()
    command.enter_cgroup()
    -- The namespace has a mount of its own, which shows its root, and nothing else.
    local got = command.run { "unshare", "-C", "-m", "sh", "-c", "mount -t cgroup2 cgroup2 /mnt; "
      .. command.UMOUNT_CGROUP2:gsub("do ", "do [ $point = /mnt ] || ")
      .. [[grep ^0:: /proc/self/cgroup; "$0" serve -n "$1" self]], command.path, POLICY }
    command.leave_cgroup()
    assert.matches("^0::/\n.* would be enforced on /mnt %(%d process", got.out, nil, got.err)
    assert.equal("", got.err)
  end)
end)

if nginx.reason then
  return pending(nginx.reason)
end

describe("nginx with attach = \"self\"", function() -- B4
  before_each(nginx.enter)
  after_each(nginx.leave)

  it("does not start in the root of all cgroups", function()
    local server = nginx.prepare { policy = [[deny { connect = "169.254.169.254" }]] }
    local got = at_root('exec "$2" -p "$3" -c nginx.conf', "/usr/sbin/nginx", server.folder)
    assert.equal(1, got.status)
    assert.truthy((got.err .. server:log()):find('"self" is the root of all cgroups', 1, true))
    assert.equal("", server:attached())
  end)

  it("says how many processes it takes in", function()
    local server = nginx.start { policy = [[deny { connect = "169.254.169.254" }]] }
    server:wait_for(("web.lua is enforced on %s, which has 1 process"):format(server.cgroup))
  end)
end)

describe("the prompt", function() -- B4
  after_each(prompt.close)

  it("says how many processes a cgroup has that it attaches to", function()
    local own = command.enter_cgroup()
    local app = cgroup.make(own)
    local sleeper = command.start { "sh", "-c",
      'echo 0 > "$1/cgroup.procs"; echo there; exec sleep 1000', "sh", app }
    sleeper:wait_for "there"
    local term = prompt.start {}
    assert.equal(("attached to %s (1 process)"):format(app),
      term:enter(('attach "%s"'):format(app)))
    assert.equal(0, term:leave())
    sleeper:kill "sigkill"
    sleeper:wait()
    prompt.close()
    cgroup.remove(app)
    command.leave_cgroup()
  end)
end)

-- serve --reattach: a cgroup that is removed and made again, as that of a unit when it restarts.

local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local env = require "spec.support.env"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("serve --reattach", function() -- B7
  local own, unit, policy

  setup(function()
    own = command.enter_cgroup()
    unit = ("%s/tidegate-spec-%d.service"):format(own, cgroup.id(own))
    policy = env.write(env.folder() .. "/web.lua",
      [[deny { "no", egress = "192.0.2.1", errno = "ECONNREFUSED" }]])
  end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)
  before_each(function() assert.equal(0, command.run({ "mkdir", unit }).status) end)
  after_each(function() cgroup.remove(unit) end)

  local function connect()
    return command.run({ "unshare", "-n", "sh", "-c",
      'ip link set lo up; echo 0 > "$1/cgroup.procs"; exec nc -v 192.0.2.1 80', "sh", unit }).err
  end

  for _, kind in ipairs { "path", "unit" } do
    it("attaches again when the cgroup is back, named by its " .. kind, function()
      local target = kind == "path" and unit or "unit:" .. unit:match "[^/]*$"
      local process = command.start { command.path, "serve", "--reattach", policy, target }
      process:wait_for "Ctrl-C ends it"
      for round = 1, 3 do
        cgroup.remove(unit)
        command.wait_until(function()
          return select(2, process.err:gsub("was removed; waiting for it to come back\n", ""))
            == round
        end, "the removal, in: " .. process.err)
        assert.equal(0, command.run({ "mkdir", unit }).status)
        command.wait_until(function()
          return select(2, process.err:gsub("%(0 processes%) is back: %S+ is enforced on it again",
            "")) == round
        end, "the return, in: " .. process.err)
        assert.truthy(connect():find("Connection refused", 1, true))
      end
      process:kill "sigterm"
      assert.equal(0, process:wait().status)
      assert.truthy(connect():find("unreachable", 1, true))
    end)
  end

  it("notices a cgroup that is made again at once", function()
    local process = command.start { command.path, "serve", "--reattach", policy, unit }
    process:wait_for "Ctrl-C ends it"
    assert.equal(0, command.run({ "sh", "-c", 'rmdir "$0" && mkdir "$0"', unit }).status)
    process:wait_for "is enforced on it again"
    assert.truthy(connect():find("Connection refused", 1, true))
    process:kill "sigterm"
    assert.equal(0, process:wait().status)
  end)

  it("refuses targets that cannot come back", function()
    for _, target in ipairs { "self", "pid:1" } do
      local got = command.tidegate("serve", "--reattach", policy, target)
      assert.equal(("tidegate serve: --reattach: %s cannot come back; give the path of the cgroup, "
        .. "or unit:NAME\nSee: tidegate serve --help\n"):format(target), got.err)
      assert.equal(2, got.status)
    end
  end)
end)

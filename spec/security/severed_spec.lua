-- What is in force is what is told: whoever detaches a gate, or removes its cgroup, is noticed.

local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local env = require "spec.support.env"
local prompt = require "spec.support.prompt"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

local POLICY = [[deny { "no", egress = "192.0.2.1", errno = "ECONNREFUSED" }]]

--- Detach hooks from a cgroup, as root may do to the links of others.
local function sever(path, hooks)
  local id, count = nil, 0
  for line in command.run({ "bpftool", "link", "show" }).out:gmatch "[^\n]+" do
    id = line:match "^(%d+):" or id
    local place, hook = line:match "cgroup_id (%d+)  attach_type (%S+)"
    if tonumber(place) == cgroup.id(path) and (not hooks or hooks[hook]) then
      assert.equal(0, command.run({ "bpftool", "link", "detach", "id", id }).status)
      count = count + 1
    end
  end
  assert.is_true(count > 0, "nothing was severed")
end

describe("an attachment", function() -- A5
  local own, app, policy

  setup(function() own = command.enter_cgroup() end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)
  before_each(function()
    app = cgroup.make(own)
    policy = env.write(env.folder() .. "/web.lua", POLICY)
  end)
  after_each(function()
    prompt.close()
    cgroup.remove(app)
  end)

  local function serve(...)
    local process = command.start { command.path, "serve", policy, ... }
    process:wait_for "Ctrl-C ends it"
    return process
  end

  local function connect()
    return command.run({ "unshare", "-n", "sh", "-c",
      'ip link set lo up; echo 0 > "$1/cgroup.procs"; exec nc -v 192.0.2.1 80', "sh", app }).err
  end

  it("that somebody has severed in part is named, with its hooks", function()
    local process = serve(app)
    sever(app, { cgroup_inet6_connect = true })
    process:wait_for(("tidegate: %s: somebody has detached connect6; this part of %s is not "
      .. "enforced there any more\n"):format(app, policy))
    assert.truthy(connect():find("Connection refused", 1, true))
    process:kill "sigterm"
    assert.equal(0, process:wait().status)
  end)

  it("is not taken for removed when serve runs out of descriptors", function()
    local process = serve(app)
    local limit = { "prlimit", "--pid", tostring(process.pid), "--nofile=8:8" }
    assert.equal(0, command.run(limit).status)
    sever(app, { cgroup_inet6_connect = true }) -- which serve notices as before
    process:wait_for "somebody has detached connect6"
    assert.is_nil(process.err:find("removed", 1, true))
    assert.truthy(connect():find("Connection refused", 1, true))
    process:kill "sigterm"
    assert.equal(0, process:wait().status)
  end)

  it("that somebody has severed ends serve if nothing else is enforced", function()
    local process = serve(app)
    sever(app)
    process:wait()
    assert.truthy(process.err:find(("connect4 connect6 sendmsg4 sendmsg6; %s is not enforced there "
      .. "any more\n"):format(policy), 1, true), process.err)
    assert.truthy(process.err:find(("tidegate: nothing is enforced any more, on %s\n"):format(app),
      1, true), process.err)
    assert.equal(3, process.status)
  end)

  it("that somebody has severed is made again with --reattach", function()
    local process = serve("--reattach", app)
    sever(app)
    process:wait_for(("%s: attached again"):format(app))
    assert.truthy(connect():find("Connection refused", 1, true))
    process:kill "sigterm"
    assert.equal(0, process:wait().status)
  end)

  it("is told to the policy's own handlers, in serve and in a loop of its own", function()
    local text = POLICY .. [[ on("severed", function(attached)
      print("heard", attached.state, #attached.effective)
    end)]]
    policy = env.write(env.folder() .. "/on.lua", text)
    local process = serve(app)
    sever(app, { cgroup_inet6_connect = true })
    process:wait_for "somebody has detached connect6"
    cgroup.remove(app)
    assert.equal(3, process:wait().status)
    local heard = {}
    for state, count in process.err:gmatch "heard\t(%l+)\t(%d)\n" do
      heard[#heard + 1] = state .. " " .. count
    end
    assert.same({ "severed 3", "gone 0" }, heard)

    app = cgroup.make(own)
    local gate = assert(require("tidegate").load_text(POLICY, "web.lua"))
    local told = {}
    gate:on("severed", function(attached) told[#told + 1] = attached.state end)
    assert(gate:attach(app))
    gate:dispatch()
    cgroup.remove(app)
    command.wait_until(function()
      gate:dispatch()
      return told[1]
    end, "the removal")
    assert.same({ "gone" }, told)
    gate:close()
    app = cgroup.make(own)
  end)

  it("is shown at the prompt, which tells what others have done to it", function()
    local term = prompt.start { policy }
    term:enter(('attach "%s"'):format(app))
    sever(app, { cgroup_inet6_connect = true })
    term:wait_for(("%s: somebody has detached connect6 there; attach it again"):format(app))
    assert.equal('"severed"', term:enter "gate:status().attachments[2].state")
    assert.equal('"degraded"', term:enter "gate:status().health")
    assert.equal(("attached to %s (0 processes)"):format(app),
      term:enter(('attach "%s"'):format(app)))
    term:wait_for(("%s: the rules are in force there again"):format(app))
    assert.equal('"ok"', term:enter "gate:status().health")
    assert.equal(0, term:leave())
  end)

  it("does not keep its cgroup from being removed, which the prompt tells", function() -- B8
    local term = prompt.start { policy }
    term:enter(('attach "%s"'):format(app))
    assert.truthy(connect():find("Connection refused", 1, true))
    term:wait_for "deny    no  connect"
    term:enter 'sh "true"'
    assert.equal(0, command.run({ "rmdir", app }).status)
    term:wait_for(("%s was removed: the rules are not in force there any more"):format(app))
    assert.equal("1", term:enter "#gate:status().attachments")
    assert.equal(0, command.run({ "mkdir", app }).status)
    assert.truthy(connect():find("unreachable", 1, true))
    term:enter(('attach "%s"'):format(app))
    assert.truthy(connect():find("Connection refused", 1, true))
    term:wait(function(screen)
      return select(2, screen:gsub("deny    no  connect", "")) == 2
    end, "the second event")
    assert.equal("detached from " .. app, term:enter "detach()")
    assert.equal(0, term:leave())
  end)

  it("above the prompt's own cgroup decides each call once", function() -- B8
    local term = prompt.start { policy }
    term:enter(('attach "%s"'):format(own))
    assert.equal("1", term:enter "#gate:status().attachments")
    assert.truthy(term:enter 'sh "nc -v 192.0.2.1 80"':find("Connection refused", 1, true))
    assert.equal("1", term:enter "rules.no.hits")
    assert.equal("detached from " .. own, term:enter "detach()")
    assert.equal("1", term:enter "#gate:status().attachments")
    assert.truthy(term:enter 'sh "nc -v 192.0.2.1 80"':find("Connection refused", 1, true))
    assert.equal("2", term:enter "rules.no.hits")
    assert.matches("^attach: .*: the rules are in force there already, as for all that sh runs$",
      term:enter "attach(gate:status().attachments[1].path)")
    assert.equal(0, term:leave())
  end)
end)

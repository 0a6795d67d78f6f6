-- A program of another owner that was attached so that it must be alone: the error names its
-- owner.

local foreign = require "spec.support.foreign"
local libc = require "spec.support.libc"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local EPERM = 1
local POLICY = [[deny { "no", connect = "192.0.2.1", errno = "EXDEV" }]]

sandbox.describe("a gate beside another owner's program", function(here)
  local program
  before_each(function() program = foreign.load("their_own", 1) end)
  after_each(function() libc.call.close(program) end)

  local function refusal(path, holder)
    return ('cannot attach connect4: program %d "their_own", loaded by user 0%s, is attached to '
      .. '%s without '
      .. "BPF_F_ALLOW_MULTI, which bars all others; have its owner attach it with that flag, or "
      .. "remove it: bpftool "
      .. "cgroup detach %s connect4 id %d"):format(foreign.id(program), holder or "", path, path,
      foreign.id(program))
  end

  local function holder()
    local comm = io.open("/proc/self/comm"):read "*l"
    return (", held by %s[%d]"):format(comm, libc.call.getpid())
  end

  it("is refused if that program is on the same cgroup, and changes nothing", function()
    for _, flags in ipairs { 0, foreign.ALLOW_OVERRIDE } do
      foreign.attach(here.cgroup, program, flags)
      local gate = here:gate(POLICY)
      local ok, message, errno = gate:attach(here.cgroup)
      assert.is_nil(ok)
      assert.equal(refusal(here.cgroup, holder()), message)
      assert.equal(EPERM, errno)
      assert.equal(0, #gate:status().attachments)
      foreign.detach(here.cgroup, program)
      assert(gate:attach(here.cgroup))
      assert.equal("EXDEV", socket.try("udp", "192.0.2.1:80"))
      gate:close()
    end
  end)

  it("is refused if that program is on a cgroup above, unless it may be overridden", function()
    local below = here:another(here:another(here.cgroup))
    foreign.attach(here.cgroup, program, 0)
    local gate = here:gate(POLICY)
    local ok, message = gate:attach(below)
    assert.is_nil(ok)
    assert.equal(refusal(here.cgroup, holder()), message)
    foreign.detach(here.cgroup, program)
    foreign.attach(here.cgroup, program, foreign.ALLOW_OVERRIDE)
    assert(gate:attach(below))
    foreign.detach(here.cgroup, program)
  end)

  it("is refused without the name of a process if none holds that program any more", function()
    foreign.attach(here.cgroup, program, 0)
    local expected, path = refusal(here.cgroup), here.cgroup
    local again = program
    program = foreign.load("another", 1)
    libc.call.close(again)
    local _, message = here:gate(POLICY):attach(path)
    assert.equal(expected, message)
  end)

  it("is attached if that program allows others, and neither is disturbed", function()
    foreign.attach(here.cgroup, program, foreign.ALLOW_MULTI)
    here:enforce(POLICY)
    assert.equal("EXDEV", socket.try("udp", "192.0.2.1:80"))
    foreign.detach(here.cgroup, program)
  end)
end)

-- Gates for hosts that restart and fork: keep, move, claim, waker.

local cgroup = require "spec.support.cgroup"
local env = require "spec.support.env"
local library = require "tidegate.ffi"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local C = library.C

local FIRST = "deny { 'old', connect = '192.0.2.1', errno = 'EACCES', log = true }"
local SECOND = [[
  allow { "first of all", connect = "192.0.2.7" }
  deny { "new", connect = "192.0.2.1", errno = "ECONNREFUSED", log = true }
]]

sandbox.describe("a gate that is kept", function(here)
  after_each(env.clean)

  local function kept(policy)
    local gate = here:gate(policy)
    assert(gate:keep "spec")
    return gate
  end

  local function connect()
    return socket.try("tcp", "192.0.2.1:80")
  end

  local function rules_told(gate)
    local told = {}
    for event in gate:events { timeout = 0 } do
      told[#told + 1] = event.rule
    end
    return told
  end

  it("passes from one holder to the next, and ends with the last", function()
    local first = kept(FIRST)
    assert(first:move(here.cgroup))
    assert.equal("EACCES", connect())
    local second = kept(SECOND)
    assert.equal("EACCES", connect())
    assert(second:move(here.cgroup))
    assert.equal("ECONNREFUSED", connect())
    first:close()
    assert.equal("ECONNREFUSED", connect())
    assert.equal(2, second:status().generation)
    assert.same({ "old", "old", "new", "new" }, rules_told(second))
    second:close()
    assert.equal("ENETUNREACH", connect())
    assert.equal(0, kept(FIRST):status().generation)
  end)

  it("ends when the policy that was to take its place fails", function()
    local first = kept(FIRST)
    assert(first:move(here.cgroup))
    local second = kept(SECOND)
    local ok, message, errno = second:move "/sys/fs/cgroup/none"
    assert.is_nil(ok)
    assert.matches("/sys/fs/cgroup/none", message)
    assert.equal(2, errno)
    second:close()
    assert.is_not.equal("ENETUNREACH", connect())
  end)

  it("is another one under another name", function()
    assert(kept(FIRST):move(here.cgroup))
    local other = here:gate(SECOND)
    assert(other:keep "other")
    assert.equal(0, other:status().generation)
  end)

  it("has to be kept before it is attached", function()
    local gate = here:enforce(FIRST)
    assert.has_error(function() gate:keep "spec" end, "keep: call it before attach and commit")
    assert.has_error(function() here:gate(FIRST):keep(7) end, "keep: wants a name; got 7")
    gate:close()
    assert.has_error(function() gate:keep "spec" end, "keep: the gate is closed")
  end)

  it("moves to a cgroup, and away from all others", function()
    local gate = kept(FIRST)
    local other = here:another()
    assert(gate:attach(here.cgroup))
    assert(gate:attach(here:another()))
    assert(gate:move(other))
    assert.equal(1, gate:status().cgroups)
    assert.equal("ENETUNREACH", connect())
    cgroup.enter(other)
    assert.equal("EACCES", connect())
    assert(gate:move(other))
    assert.equal("EACCES", connect())
    cgroup.enter(here.cgroup)
    assert.has_error(function() gate:move {} end,
      'move: wants a cgroup\'s path, "self", { pid = 42 } or { unit = "nginx.service" }; got a '
        .. 'table')
  end)

  it("stays attached when a child closes what it inherited", function()
    local gate = kept(FIRST)
    assert(gate:move(here.cgroup))
    process.run(function() assert(gate:detach()) end)
    assert.equal("EACCES", connect())
    local detached, never = process.signal(), process.signal()
    local child = process.fork(function()
      assert(gate:detach())
      detached.give()
      never.wait()
    end)
    detached.wait()
    gate:close()
    assert.equal("ENETUNREACH", connect())
    child:kill()
    detached.close()
    never.close()
  end)

  it("has one reader, which the next one follows however it ends", function()
    local gate = kept(FIRST)
    assert(gate:move(here.cgroup))
    local claims = function()
      return process.run(function() return tostring(gate:claim()) end)
    end
    local claimed, never = process.signal(), process.signal()
    local child = process.fork(function()
      assert(gate:claim())
      claimed.give()
      never.wait()
    end)
    claimed.wait()
    assert.equal("false", claims())
    child:kill()
    claimed.close()
    never.close()
    assert.equal("true", claims())
    assert.is_true(gate:claim())
    assert.is_true(gate:claim())
    assert.equal("false", claims())
    gate:resign()
    assert.equal("true", claims())
    assert.equal(-22, C.tg_gate_claim(here:enforce(FIRST).cdata))
  end)

  it("has its timers called once, by whichever process reads", function()
    local gate, called = kept(FIRST), ""
    gate:after(0.001, function() called = called .. "once " end)
    gate:every(0.001, function() called = called .. "often " end)
    assert(gate:commit())
    local function dispatch()
      os.execute "sleep 0.01"
      assert(gate:dispatch())
      return called
    end
    assert.equal("once often ", process.run(dispatch))
    assert.equal("often ", process.run(dispatch))
    assert.equal("often ", dispatch())
    assert.equal("often often ", dispatch())
    gate:after(0.001, function() called = "new" end)
    assert.equal("new", process.run(dispatch))
  end)

  describe("and its waker", function()
    local function client_of(path)
      local client = socket.unix_stream()
      assert(client:connect("unix:" .. path))
      return here:keep(client)
    end

    it("reports events until it is stopped, and leaves no file", function()
      local gate = kept(FIRST)
      assert(gate:move(here.cgroup))
      local waker, path = gate:waker()
      local client = client_of(path)
      process.run(function() library.release("waker", waker) end)
      for round = 1, 3 do
        connect()
        assert.equal("\0", (client:receive()))
        assert.same({ "old" }, rules_told(gate))
        if round < 3 then -- what the thread has not read when it ends would reset the connection
          assert(client:send "x")
        end
      end
      assert.is_true(client:is_empty())
      library.release("waker", waker)
      assert.equal("", (client:receive()))
      assert.is_nil(io.open(path:match "^(.*)/wake$"))
    end)

    it("can be stopped before anybody has connected", function()
      local gate = kept(FIRST)
      assert(gate:commit())
      local waker, path = gate:waker()
      library.release("waker", waker)
      assert.is_nil(io.open(path:match "^(.*)/wake$"))
    end)

    it("serves its own process only", function()
      local gate = kept(FIRST)
      assert(gate:commit())
      local waker, path = gate:waker()
      assert.equal("", process.run(function() return (client_of(path):receive()) end))
      client_of(path)
      library.release("waker", waker)
    end)

    it("says why it cannot start", function()
      local gate = kept(FIRST)
      assert.equal("the gate has no events before its first publish", select(2, gate:waker()))
      assert(gate:commit())
      local said = process.run(function()
        require("ffi").cdef "int setenv(const char *, const char *, int);"
        require("ffi").C.setenv("TMPDIR", "/none", 1)
        local first = select(2, gate:waker())
        require("ffi").C.setenv("TMPDIR", "/" .. ("x"):rep(90), 1)
        return first .. "\n" .. select(2, gate:waker())
      end)
      assert.equal("cannot make a folder in /none (set TMPDIR to use another): No such file or "
        .. "directory\n/"
        .. ("x"):rep(90) .. ": too long for the path of a unix socket", said)
    end)
  end)
end)

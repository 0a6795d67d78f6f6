-- Gates for hosts that restart and fork: shared ones, their readers, and the waker.

local cgroup = require "spec.support.cgroup"
local env = require "spec.support.env"
local ffi = require "ffi"
local foreign = require "spec.support.foreign"
local gates = require "tidegate.gate"
local handover = require "tidegate.handover"
local library = require "tidegate.ffi"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

ffi.cdef [[int spec_chroot(const char *) __asm__("chroot");]]

local FIRST = "deny { 'old', connect = '192.0.2.1', errno = 'EACCES', log = true }"
local SECOND = [[
  allow { "first of all", connect = "192.0.2.7" }
  deny { "new", connect = "192.0.2.1", errno = "ECONNREFUSED", log = true }
]]

sandbox.describe("a shared gate", function(here)
  after_each(env.clean)

  local ONLY = { only = true }

  local function shared(policy)
    return here:gate(policy, { share = "spec" })
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
    local first = shared(FIRST)
    assert(first:attach(here.cgroup, ONLY))
    assert.equal("EACCES", connect())
    local second = shared(SECOND)
    assert.equal("EACCES", connect())
    assert(second:attach(here.cgroup, ONLY))
    assert.equal("ECONNREFUSED", connect())
    first:close()
    assert.equal("ECONNREFUSED", connect())
    assert.equal(2, second:status().generation)
    assert.same({ "old", "old", "new", "new" }, rules_told(second))
    second:close()
    assert.equal("ENETUNREACH", connect())
    assert.equal(0, shared(FIRST):status().generation)
  end)

  it("ends when the policy that was to take its place fails", function()
    local first = shared(FIRST)
    assert(first:attach(here.cgroup, ONLY))
    local second = shared(SECOND)
    local ok, message, errno = second:attach("/sys/fs/cgroup/none", ONLY)
    assert.is_nil(ok)
    assert.matches("/sys/fs/cgroup/none", message)
    assert.equal(2, errno)
    second:close()
    assert.is_not.equal("ENETUNREACH", connect())
  end)

  it("is another one under another name", function()
    assert(shared(FIRST):attach(here.cgroup, ONLY))
    local other = here:gate(SECOND, { share = "other" })
    assert.equal(0, other:status().generation)
  end)

  it("is attached to one cgroup only, if asked to", function()
    local gate = shared(FIRST)
    local other = here:another()
    assert(gate:attach(here.cgroup))
    assert(gate:attach(here:another()))
    assert(gate:attach(other, ONLY))
    assert.equal(1, #gate:status().attachments)
    assert.equal("ENETUNREACH", connect())
    cgroup.enter(other)
    assert.equal("EACCES", connect())
    assert(gate:attach(other, ONLY))
    assert.equal("EACCES", connect())
    cgroup.enter(here.cgroup)
  end)

  it("stays attached when a child closes what it inherited", function()
    local gate = shared(FIRST)
    assert(gate:attach(here.cgroup, ONLY))
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

  it("is restricted in a worker to what that keeps, and goes on where it is whole", function()
    local gate = shared [[
      local ban = set "ban" {}
      deny { "old", connect = ban, errno = "EACCES", log = true }
    ]]
    assert(gate:attach(here.cgroup, ONLY))
    local function said(value, message, errno)
      return value and "ok" or ("%d %s"):format(errno, message)
    end
    local function worker(may, work)
      return process.run(function()
        assert(gate:restrict(may))
        return work()
      end)
    end
    local CONTROL = "this process has restricted the gate, and has no control of it any more: do "
      .. "this in the process that made it"
    assert.equal(table.concat({ "1 publish: " .. CONTROL, "1 attach: " .. CONTROL,
      "1 detach: " .. CONTROL, "1 kill_sockets: " .. CONTROL }, "\n"),
      worker({ "events", "tables", "stats" }, function()
        gate:deny { "more", connect = "192.0.2.9" }
        return table.concat({
          said(gate:commit()),
          said(library.outcome(library.C.tg_gate_attach(gates.state(gate).cdata, here.cgroup,
            nil, nil))),
          said(gate:detach()), said(gate:kill_sockets "10.0.0.1:80"),
        }, "\n")
      end))
    assert.equal("ok ok EACCES 1 unknown old", worker({ "events", "tables", "stats" }, function()
      assert(gate:set("ban"):add "192.0.2.1")
      local denied = connect()
      return table.concat({ "ok", handover.claim(gate) and "ok" or "no", denied,
        gate:rules()[1].hits, gate:status().health, rules_told(gate)[1] }, " ")
    end))
    assert.equal("EACCES", connect())
    local reads, never = process.signal(), process.signal()
    local reader = process.fork(function()
      assert(gate:restrict { "events" })
      assert(#rules_told(gate) == 1)
      reads.give()
      never.wait()
    end)
    reads.wait()
    assert.matches(": another process reads the events of this gate$",
      worker({ "events" }, function() return select(2, pcall(rules_told, gate)) end))
    reader:kill()
    reads.close()
    never.close()
    local KEPT = "this process has restricted the gate, and has given up its "
    assert.equal(table.concat({ "1 claim_events: " .. KEPT .. "events",
      "1 stats: " .. KEPT .. "stats" }, "\n"), worker({}, function()
        return said(handover.claim(gate)) .. "\n" .. said(gate:stats())
      end))
    assert.equal("1 unknown true nil 12", worker({}, function()
      local status, list = library.sized "struct tg_gate_status", gate:status().attachments
      assert.equal(0, library.C.tg_gate_status(gates.state(gate).cdata, status))
      return ("%d %s %s %s %d"):format(status.attachments, list[1].state, list[1].processes > 0,
        list[1].effective, status.hooks)
    end))
    local ban = gate:set "ban"
    assert.equal(1, #ban)
    assert.matches("set: " .. KEPT .. "tables$", worker({ "stats" }, function()
      return (select(2, pcall(function() return ban:each()() end)))
    end))
    assert.equal("EACCES", connect())
    assert(gate:commit())
  end)

  it("does not tell of a cgroup that it cannot see that it is gone, or empty", function()
    local gate = shared(FIRST)
    local path, empty = here.cgroup .. "/seen", env.folder()
    assert.equal(0, os.execute("mkdir " .. path))
    assert(gate:attach(path, ONLY))
    local function seen(by)
      return process.run(function()
        assert(gate:restrict {})
        by()
        local status = gate:status()
        local attached = status.attachments[1]
        return table.concat({ #status.attachments, status.health, attached.state,
          tostring(attached.processes), tostring(attached.effective) }, " ")
      end)
    end
    assert.equal("1 unknown unknown 0 nil", seen(function() end))
    assert.equal("1 unknown unknown nil nil", seen(function()
      assert(ffi.C.spec_chroot(empty) == 0)
    end))
    assert.equal(0, os.execute("rmdir " .. path))
    assert.matches("^1 degraded gone 0 table", seen(function() end))
    assert.equal("1 unknown unknown nil nil", seen(function()
      assert(ffi.C.spec_chroot(empty) == 0)
    end))
  end)

  it("leaves a restricted process no descriptor that it does not need", function()
    local gate = shared [[
      local ban = set "ban" {}
      deny { "old", connect = ban, errno = "EACCES", log = true }
      rewrite { "there", connect = "192.0.2.2", to = "127.0.0.1:9" }
    ]]
    assert(gate:attach(here.cgroup, ONLY))
    assert.equal(0, gate:kill_sockets "127.0.0.1:9") -- loads what finds the sockets
    --- How many programs, links and maps a worker holds that keeps this much.
    local function held(may)
      return process.run(function()
        if may then
          assert(gate:restrict(may))
        end
        return foreign.held()
      end)
    end
    assert.matches("^[1-9]%d* programs, [1-9]%d* links, [1-9]%d+ maps$", held(nil))
    for _, may in ipairs { { "events", "tables", "stats" }, { "events" }, { "tables" }, {} } do
      assert.equal("0 programs, 0 links, 0 maps", held(may))
    end
  end)

  it("has one reader, which the next one follows however it ends", function()
    local gate = shared(FIRST)
    assert(gate:attach(here.cgroup, ONLY))
    local claims = function()
      return process.run(function() return tostring(handover.claim(gate)) end)
    end
    local claimed, never = process.signal(), process.signal()
    local child = process.fork(function()
      assert(handover.claim(gate))
      claimed.give()
      never.wait()
    end)
    claimed.wait()
    assert.equal("false", claims())
    child:kill()
    claimed.close()
    never.close()
    assert.equal("true", claims())
    assert.is_true(handover.claim(gate))
    assert.is_true(handover.claim(gate))
    assert.equal("false", claims())
    handover.release(gate)
    assert.equal("true", claims())
    assert.is_true(handover.claim(here:enforce(FIRST))) -- no gate but this process has it
  end)

  it("has its timers called once, by whichever process reads", function()
    local gate, called = shared(FIRST), ""
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
      local gate = shared(FIRST)
      assert(gate:attach(here.cgroup, ONLY))
      local waker, path = handover.waker(gate)
      local client = client_of(path)
      process.run(function() handover.end_waker(waker) end)
      for round = 1, 3 do
        connect()
        assert.equal("\0", (client:receive()))
        assert.same({ "old" }, rules_told(gate))
        if round < 3 then -- what the thread has not read when it ends would reset the connection
          assert(client:send "x")
        end
      end
      assert.is_true(client:is_empty())
      handover.end_waker(waker)
      assert.equal("", (client:receive()))
      assert.is_nil(io.open(path:match "^(.*)/wake$"))
    end)

    it("can be stopped before anybody has connected", function()
      local gate = shared(FIRST)
      assert(gate:commit())
      local waker, path = handover.waker(gate)
      handover.end_waker(waker)
      assert.is_nil(io.open(path:match "^(.*)/wake$"))
    end)

    it("serves its own process only", function()
      local gate = shared(FIRST)
      assert(gate:commit())
      local waker, path = handover.waker(gate)
      assert.equal("", process.run(function() return (client_of(path):receive()) end))
      client_of(path)
      handover.end_waker(waker)
    end)

    it("says why it cannot start", function()
      local gate = shared(FIRST)
      assert.equal("the gate has no events before its first publish",
        select(2, handover.waker(gate)))
      assert(gate:commit())
      local said = process.run(function()
        require("ffi").cdef "int setenv(const char *, const char *, int);"
        require("ffi").C.setenv("TMPDIR", "/none", 1)
        local first = select(2, handover.waker(gate))
        require("ffi").C.setenv("TMPDIR", "/" .. ("x"):rep(90), 1)
        return first .. "\n" .. select(2, handover.waker(gate))
      end)
      assert.equal("cannot make a folder in /none (set TMPDIR to use another): No such file or "
        .. "directory\n/"
        .. ("x"):rep(90) .. ": too long for the path of a unix socket", said)
    end)
  end)
end)

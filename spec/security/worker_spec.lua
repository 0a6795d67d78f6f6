-- A process that has given up control of a gate: what it can still do.  Everything that the kernel
-- offers is tried on everything that such a process has, or can take from another one.

local attempts = require "spec.support.attempts"
local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local env = require "spec.support.env"
local ffi = require "ffi"
local libc = require "spec.support.libc"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local C = libc.call

ffi.cdef [[int worker_spec_prctl(int, ...) __asm__("prctl");]]

local NOBODY = 65534
local PR_SET_DUMPABLE = 4

local POLICY = [[
  local ban = set "ban" { "192.0.2.1" }
  local more = set "more" {}
  set "fixed" { readonly = true }
  services "vips" {}
  deny { "old", connect = { ban, more, "@fixed" }, errno = "EACCES", log = true }
  rewrite { "there", connect = "192.0.2.2", to = "127.0.0.1:9" }
  balance { "those", connect = "192.0.2.5:9", to = { "127.0.0.1:9", "127.0.0.1:10" } }
]]

--- What bpf(2) says to a process that has no descriptor of a program, a link or a map.
local NO_DESCRIPTOR = [[
lookup: EINVAL
next key: EINVAL
lookup batch: EINVAL
info: EINVAL
test run: EINVAL
iterate: EINVAL
pin: EINVAL
attach: EINVAL
make a link: EINVAL
update a link: EINVAL
bind a map: EINVAL
update: EINVAL
update batch: EINVAL
lookup and delete: EINVAL
delete: EINVAL
delete batch: EINVAL
freeze: EINVAL
detach: EINVAL
detach a link: EINVAL
programs, links and maps: 0
]]

local NO_NUMBER = [[
next program: EPERM
next map: EPERM
next link: EPERM
program by number: EPERM
map by number: EPERM
link by number: EPERM
]]

--- The same with one line, where a gate's lock file is left: it is sealed.
local NO_DESCRIPTOR_BUT_LOCKS = NO_DESCRIPTOR:gsub("pin: EINVAL\n", "%0map for writing: EPERM\n")

--- `writable` mappings are left: the page of the reader, and live tables.
local function no_mapping(writable, for_reading)
  return "open mem: ok\n"
    .. (for_reading and "write what is for reading: EIO\nmake it writable: EACCES\n" or "")
    .. ("writable mappings: %d\n"):format(writable)
end

--- Become a user who has nothing else, and whom /proc lets look at itself.
local function drop_root()
  assert(libc.outcome(C.setresgid(NOBODY, NOBODY, NOBODY)))
  assert(libc.outcome(C.setresuid(NOBODY, NOBODY, NOBODY)))
  ffi.C.worker_spec_prctl(PR_SET_DUMPABLE, ffi.cast("unsigned long", 1))
end

--- Run `work` while a process in a cgroup makes denied calls without pause; none may pass.
local function watched(path, work)
  local stop = env.folder() .. "/stop"
  local watcher = process.fork(function()
    cgroup.enter(path)
    local calls = 0
    while not io.open(stop) do
      for _ = 1, 50 do
        local said = socket.try("tcp", "192.0.2.1:80")
        assert(said == "EACCES", said)
      end
      calls = calls + 50
    end
    return tostring(calls)
  end)
  local ok, message = pcall(work)
  env.write(stop, "")
  local calls = tonumber(watcher:wait())
  assert(ok, message)
  assert.is_true(calls > 0)
end

sandbox.describe("a process that has restricted a gate", function(here)
  local gate

  before_each(function()
    gate = here:gate(POLICY)
    assert(gate:attach(here.cgroup))
  end)
  after_each(env.clean)

  -- A1
  it("can do nothing but what it has kept, whenever it changes its user", function()
    watched(here.cgroup, function()
      for _, kept in ipairs {
        { may = { "events", "tables", "stats" }, locks = true, writable = 4, for_reading = true },
        { may = { "events" }, locks = true, writable = 1, for_reading = true },
        { may = { "tables" }, locks = true, writable = 3, for_reading = true },
        { may = { "stats" }, writable = 0, for_reading = true },
        { may = {}, writable = 0 },
      } do
        for _, early in ipairs { true, false } do
          local said = process.run(function()
            if early then
              drop_root()
            end
            assert(gate:restrict(kept.may))
            drop_root()
            return attempts.own(here.cgroup)
          end)
          assert.equal((kept.locks and NO_DESCRIPTOR_BUT_LOCKS or NO_DESCRIPTOR) .. NO_NUMBER
            .. no_mapping(kept.writable, kept.for_reading), said, table.concat(kept.may, " "))
        end
      end
    end)
    assert.equal("ok", gate:status().health)
  end)

  -- A1: without this, the attempts above would prove nothing.
  it("could do all of it before", function()
    local said = process.run(function()
      drop_root()
      return attempts.own(here.cgroup)
    end)
    for _, attempt in ipairs {
      "lookup", "next key", "lookup batch", "info", "map for writing", "attach", "make a link",
      "update a link", "bind a map", "update", "update batch", "delete", "detach", "detach a link",
    } do
      assert.matches("\n" .. attempt .. ": [^\n]*ok", "\n" .. said)
    end
    assert.matches("\nprograms, links and maps: [1-9]", said)
  end)

  -- A1
  it("uses what it has kept, while the events' descriptor keeps its number", function()
    assert.equal("EACCES 192.0.2.7 old 1", process.run(function()
      assert(gate:restrict { "events", "tables", "stats" })
      drop_root()
      assert(gate:set("more"):add "192.0.2.7")
      local said = socket.try("tcp", "192.0.2.7:80")
      local event = gate:events { timeout = 5 }()
      return ("%s %s %s %d"):format(said, event.asked:match "[^:]+", event.rule,
        gate:rules()[1].hits)
    end))
  end)

  -- A1
  it("passes nothing on to a program that it executes", function()
    assert.equal("0 0\n", process.run(function()
      assert(gate:restrict { "events", "tables", "stats" })
      local pipe = io.popen("ls -l /proc/self/fd | grep -cE 'bpf|tidegate|eventpoll' | "
        .. "tr '\\n' ' '; grep -c bpf-map /proc/self/maps")
      return pipe:read "*a"
    end))
  end)

  -- A1
  it("holds neither the images nor the word that says which of them is in force", function()
    local function tried()
      return attempts.arrays(here.cgroup, "tg_images")
        .. attempts.arrays(here.cgroup, ".data.gate")
    end
    local none = "programs, links and maps: 0\n"
    assert.equal(none .. none, process.run(function()
      assert(gate:restrict { "events", "tables", "stats" })
      return tried()
    end))
    -- Without this, the above would prove nothing.
    local whole = process.run(tried)
    assert.equal(2, select(2, whole:gsub("map for writing: ok\n", "")))
    assert.equal(2, select(2, whole:gsub("programs, links and maps: 1\n", "")))
  end)
end)

if nginx.reason then
  return pending(nginx.reason)
end

describe("a worker of nginx", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  local HTTP = "proxy_cache_path cache keys_zone=c:1m;"
  local root = command.run({ "pwd" }).out:match "[^\n]+"
  local ATTEMPTS = root .. "/spec/support/attempts.lua"

  local function start()
    local server = nginx.start { policy = POLICY, http = HTTP, locations = ([[
      location = /attempts { content_by_lua_block {
        local attempts = dofile "%s"
        local pid = tonumber(ngx.var.arg_pid)
        ngx.print(pid and attempts.process(ngx.var.arg_cgroup, pid)
          or attempts.own(ngx.var.arg_cgroup))
      } }
      location = /call { content_by_lua_block {
        ngx.print((select(2, ngx.socket.tcp():connect("192.0.2.1", 80))))
      } }
      location = /ban { content_by_lua_block {
        local gate = require("tidegate.nginx").gate()
        ngx.print(tostring(gate:set("more"):add "192.0.2.7"))
      } }
    ]]):format(ATTEMPTS) }
    local function said(pid)
      return (select(2, server:get(("/attempts?cgroup=%s%s"):format(server.cgroup,
        pid and "&pid=" .. pid or ""))))
    end
    return server, said
  end

  --- The processes of a server by their title: "worker process", "cache manager process".
  local function processes(server)
    local found = {}
    for _, pid in ipairs(server:workers()) do
      local title
      command.wait_until(function() -- until it sets its own, it has that of the master
        local line = io.open(("/proc/%d/cmdline"):format(pid)):read "*a"
        title = line:match "^nginx: ([%l ]-)%s*%z*$"
        return title
      end, "the title of a process of nginx")
      found[title] = found[title] or {}
      table.insert(found[title], pid)
    end
    return found
  end

  local TAKEN = "take descriptors: ok\n" .. NO_DESCRIPTOR_BUT_LOCKS
    .. "read maps: ok\nopen map_files: EPERM\nopen mem: ok\nwrite what is for reading: EIO\n"
    .. "writable mappings: 4\n"
  local REFUSED = "take descriptors: EPERM\nread maps: EACCES\nopen mem: EACCES\n"
    .. "writable mappings: unknown\n"

  -- A1
  it("can do nothing but its work, with what it has or takes from another process", function()
    local server, said = start()
    watched(server.cgroup, function()
      local of = processes(server)
      for _ = 1, 4 do
        assert.equal(NO_DESCRIPTOR_BUT_LOCKS .. NO_NUMBER .. no_mapping(4, true), said())
      end
      for _, pid in ipairs(of["worker process"]) do
        assert.equal(TAKEN, said(pid))
      end
      assert.equal(REFUSED, said(server.process.pid))
      local arguments = { "setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups",
        "luajit", ATTEMPTS, server.cgroup, "process:" .. server.process.pid }
      local expected = REFUSED
      for _, pid in ipairs(of["worker process"]) do
        arguments[#arguments + 1] = "process:" .. pid
        expected = expected .. TAKEN
      end
      assert.equal(expected, command.run(arguments).out)
      assert.equal("permission denied", (select(2, server:get "/call")))
      assert.equal("true", (select(2, server:get "/ban")))
    end)
  end)

  -- A1
  it("has sisters that cache files, which have nothing of the gate", function()
    local server = start()
    for _ = 1, 2 do
      local of = processes(server)
      local count = 0
      for title, pids in pairs(of) do
        for _, pid in ipairs(title:find "^cache" and pids or {}) do
          local held = command.run { "sh", "-c", "cat /proc/$0/maps; ls -l /proc/$0/fd",
            tostring(pid) }
          assert.is_nil(held.out:match "[^\n]*bpf[-_][^\n]*")
          assert.is_nil(held.out:match "[^\n]*tidegate %(deleted[^\n]*")
          count = count + 1
        end
      end
      assert.is_true(count > 0)
      server.process:kill "sighup"
      server:wait_for "start cache manager process"
    end
  end)

  -- A1: from here on it has another user, and others of that user may trace it.
  it("has given up control before init_worker, at the start and after a reload", function()
    local server = nginx.start { policy = POLICY, http = HTTP, worker = [[
      local pipe = io.popen("ls -l /proc/" .. ngx.worker.pid() .. "/fd")
      local _, held = pipe:read("*a"):gsub("bpf%-", "")
      ngx.log(ngx.WARN, "before init_worker: ", held)
      require("tidegate.nginx").init_worker()]] }
    local function started(count)
      command.wait_until(function()
        return select(2, server:log():gsub("before init_worker: ", "")) == count
      end, "the start of the workers")
    end
    started(2)
    server.process:kill "sighup"
    started(4)
    for held in server:log():gmatch "before init_worker: (%d+)" do
      assert.equal("0", held)
    end
  end)

  -- B9
  it("ends with its master, however that ends", function()
    local server = start()
    local pids = processes(server)["worker process"]
    assert.equal(2, #pids)
    server:stop "sigkill"
    command.wait_until(function()
      for _, pid in ipairs(pids) do
        if command.run({ "kill", "-0", tostring(pid) }).status == 0 then
          return false
        end
      end
      return true
    end, "the end of the workers")
    assert.is_nil((server:get "/pid"))
  end)

  -- B9
  it("has no capability, though its master is not root and passes on what it has", function()
    local server = nginx.prepare { policy = POLICY, http = HTTP }
    command.run { "chown", "-R", "www-data", server.folder }
    server.before = { "setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups",
      "--inh-caps=+bpf,+net_admin,+perfmon", "--ambient-caps=+bpf,+net_admin,+perfmon" }
    server:begin()
    local function capabilities(pid)
      return (command.run({ "sh", "-c", [[grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/$0/status]]
        .. [[ | tr -d '\n\t']], tostring(pid) }).out:gsub("0000000000000000", "0"))
    end
    assert.matches("^CapInh:0*c000001000", capabilities(server.process.pid))
    local count = 0
    for title, pids in pairs(processes(server)) do
      for _, pid in ipairs(title == "worker process" and pids or {}) do
        assert.equal("CapInh:0CapPrm:0CapEff:0CapAmb:0", capabilities(pid))
        count = count + 1
      end
    end
    assert.equal(2, count)
  end)
end)

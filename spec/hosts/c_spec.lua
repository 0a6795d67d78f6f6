-- The C examples: what they enforce and report, how they refuse bad input, and
-- that neither they nor the library misuse memory.

local cgroup = require "spec.support.cgroup"
local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local host = require "spec.support.host"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local ways = {
  { name = "as a reader builds them" },
  { name = "with sanitizers", flags = "-fsanitize=address,undefined -fno-sanitize-recover=all" },
  { name = "under valgrind", valgrind = true },
}

--- What each program takes, and the file that holds it.
local programs = { ["enforce-image"] = "image", ["embed-luajit"] = "policy" }

local NOBODY = { "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups" }

--- The host of the current describe(), and its files: a policy and its image.
local built, file

--- Give the host a policy.
local function prepare(text)
  env.write(file.policy, text)
  local got = command.tidegate("compile", file.policy, "-o", file.image)
  assert(got.status == 0, got.err)
end

--- A copy of the image with some bytes changed.
local function damage(name, from, bytes)
  local image = env.read(file.image)
  return env.write(built.folder .. "/" .. name, image:sub(1, from) .. bytes
    .. image:sub(from + #bytes + 1))
end

local function bad_input()
  it("a file that is missing, no image, or damaged is refused with what to do", function()
    local function refused(message)
      return { "enforce-image: " .. message
        .. "\nTo make an image, run: tidegate compile POLICY -o IMAGE\n", 1 }
    end
    local function refusal(path)
      return built:refusal("enforce-image", { path, "self" })
    end
    assert.same(refused "none.image: No such file or directory",
      refusal(built.folder .. "/none.image"))
    local none = ": not a Tidegate image: make one from a policy with tidegate compile"
    assert.same(refused("web.lua" .. none), refusal(file.policy))
    assert.same(refused("empty" .. none),
      refusal(env.write(built.folder .. "/empty", "")))
    assert.same(refused "/dev/zero: not a regular file", refusal "/dev/zero")
    assert.equal(0, command.run({ "mkfifo", built.folder .. "/pipe" }).status)
    assert.same(refused "pipe: not a regular file", refusal(built.folder .. "/pipe"))
    assert.same(refused "bad.image: damaged image: its checksum is wrong",
      refusal(damage("bad.image", 700, "?")))
  end)

  it("a policy that is missing or wrong is refused with the place of the error", function()
    assert.same({ "embed-luajit: none.lua: No such file or directory\n", 1 },
      built:refusal("embed-luajit", { built.folder .. "/none.lua", "self" }))
    local wrong = env.write(built.folder .. "/wrong.lua",
      'deny { conect = "*" }\nallow { uid = 0 }\n')
    local message, status = unpack(built:refusal("embed-luajit", { wrong, "self" }))
    assert.equal('embed-luajit: wrong.lua:1: deny "#1": unknown field "conect"; did you mean '
      .. '"connect"?\n', message:match "^[^\n]*\n")
    assert.truthy(message:find("\nwrong.lua:2: ", 1, true))
    assert.equal(1, status)
  end)

  it("the error names the folder to set if LuaJIT does not find Tidegate", function()
    local where = built.env.LUA_PATH
    built.env.LUA_PATH = "/nowhere/?.lua"
    local message, status = unpack(built:refusal("embed-luajit", { file.policy, "self" }))
    built.env.LUA_PATH = where
    assert.equal("embed-luajit: module 'tidegate' not found:\n", message:match "^[^\n]*\n")
    assert.equal("Add to LUA_PATH the folder that this prints: pkg-config --variable=luadir "
      .. "tidegate\n", message:match "\n([^\n]*\n)$")
    assert.equal(1, status)
    assert.equal(built.folder .. "/share/lua/5.1\n",
      command.run({ "pkg-config", "--variable=luadir", "tidegate" }, { env = built.env }).out)
  end)

  it("wrong arguments are answered with the usage", function()
    for name, kind in pairs(programs) do
      local usage = ("%s: wants %s and a cgroup (a folder of cgroup2, self, pid:PID, "
        .. "unit:NAME.service)\n")
        :format(name, kind == "image" and "an image" or "a policy")
      for _, arguments in ipairs { {}, { file[kind] }, { file[kind], "self", "more" } } do
        assert.same({ usage, 2 }, built:refusal(name, arguments))
      end
    end
  end)
end

local function refusals()
  it("a path that is no cgroup is named, with the cgroups that exist", function()
    local root = cgroup.root()
    for name, kind in pairs(programs) do
      for wrong, message in pairs {
        [root .. "/none"] = ("%s/none: there is no such cgroup; make it with: mkdir -p %s/none")
        :format(root, root),
        ["/usr"] = "/usr is not a cgroup; cgroup2 is mounted at " .. root,
        ["pid:x"] = '"pid:x" is not the number of a process, as in "pid:42"',
      } do
        assert.same({ name .. ": " .. message .. "\n", 1 },
          built:refusal(name, { file[kind], wrong }))
      end
    end
  end)

  it("a user without privileges is told what it takes", function()
    local path = cgroup.make()
    for name, kind in pairs(programs) do
      assert.same({ name .. ": cannot load programs: needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; "
        .. "run `tidegate doctor`\n", 1 }, built:refusal(name, { file[kind], path }, NOBODY))
    end
    cgroup.remove(path)
  end)
end

local POLICY = [[
  deny    { "no-metadata", egress = "169.254.169.254", errno = "ECONNREFUSED" }
  deny    { "six",         connect = "[2001:db8::/32]:443" }
  deny    { "some day",    connect = "127.0.0.2", shadow = true }
  rewrite { "seed",        connect = "1.2.3.4:60000", to = "127.0.0.1:%d", log = true }
  allow   { "seen",        connect = "127.0.0.1:%d", log = true }
  on("deny", function(event) print(event.comm .. " was refused " .. event.asked) end)
  on("seed", function() error "a handler may fail" end)
  local ticks = 0
  every("20ms", function() ticks = ticks + 1; assert(ticks ~= 2, "second tick") end)
]]

local function real_calls(here)
  local program, port

  before_each(function()
    port = here:keep(socket.serve("tcp", "127.0.0.1:0")):port()
    prepare(POLICY:format(port, port))
  end)
  after_each(function()
    if program and not program.status then
      program:kill "sigkill"
      program:wait()
    end
  end)

  local function start(name)
    local kind = programs[name]
    program = built:start(name, { file[kind], here.cgroup })
    program:wait_for(("%s: the %s is enforced; Ctrl-C ends it\n"):format(name, kind))
  end

  --- End it, and check that nothing is enforced any more; the lines that it printed.
  local function stop(signal)
    program:kill(signal)
    assert.equal(0, program:wait().status)
    assert.equal("ENETUNREACH", socket.try("tcp", "169.254.169.254:80"))
    local lines = {}
    for line in program.out:gmatch "[^\n]+" do
      lines[#lines + 1] = line:gsub("%[%d+%]", "[PID]")
    end
    return lines
  end

  local function call()
    assert.equal("ECONNREFUSED", socket.try("tcp", "169.254.169.254:80"))
    assert.equal("EPERM", socket.try("tcp", "[2001:db8::7]:443"))
    assert.equal("ECONNREFUSED", socket.try("tcp", "127.0.0.2:9"))
    assert.equal("ok", socket.try("tcp", "1.2.3.4:60000"))
    assert.equal("ok", socket.try("tcp", "127.0.0.1:" .. port))
  end

  it("are reported by enforce-image as they come, until SIGTERM", function()
    start "enforce-image"
    call()
    program:wait_for "allow   seen"
    assert.same({
      "deny    no-metadata  connect 169.254.169.254:80  ECONNREFUSED  luajit[PID] uid 0",
      "deny    six  connect [2001:db8::7]:443  EPERM  luajit[PID] uid 0",
      "deny    some day (shadow)  connect 127.0.0.2:9  EPERM  luajit[PID] uid 0",
      "rewrite seed  connect 1.2.3.4:60000 -> 127.0.0.1:" .. port .. "  luajit[PID] uid 0",
      ("allow   seen  connect 127.0.0.1:%d  luajit[PID] uid 0"):format(port),
    }, stop "sigterm")
    assert.equal(1, select(2, program.err:gsub("\n", "")))
  end)

  it("are denied as the lines say that enforce-image reads", function()
    prepare [[ deny { "ban", connect = set "banned" { ttl = "1h" }, errno = "EACCES" } ]]
    start "enforce-image"
    local function say(text, answer)
      program.err = ""
      program:write(text)
      program:wait_for(answer and "enforce-image: " .. answer .. "\n" or "")
    end
    local function try(address)
      return socket.try("tcp", address .. ":80")
    end
    say("ban 192.0.2.1\n", "192.0.2.1 is banned")
    assert.equal("EACCES", try "192.0.2.1")
    assert.equal("ENETUNREACH", try "192.0.2.2")
    say("  unban\t192.0.2.1 \r\n", "192.0.2.1 is no longer banned")
    assert.equal("ENETUNREACH", try "192.0.2.1")
    say("unban 192.0.2.1\n", "192.0.2.1 was not banned")
    say("ban 192.0.2.0/24\nban 2001:db8::/32\n", "2001:db8::/32 is banned")
    assert.same({ "EACCES", "EACCES" }, { try "192.0.2.7", try "[2001:db8::1]" })

    local usage = "wants ban ADDRESS or unban ADDRESS; a prefix such as 192.0.2.0/24 is fine, too"
    for _, line in ipairs {
      "ban", "allow 192.0.2.1", "unban 192.0.2.1 192.0.2.2", "192.0.2.0/24",
    } do
      say(line .. "\n", usage)
    end
    say("ban 192.0.2.300\n", 'set "banned": "192.0.2.300": 300 is over 255')
    say("unban 10.0.0.1-10.0.0.9\n",
      'set "banned": "10.0.0.1-10.0.0.9": a set holds addresses and prefixes, not ranges: write '
        .. 'it as prefixes')
    say(("unban 192.0.2.0/24 "):rep(100) .. "\n", "a line of more than 255 bytes is ignored")
    assert.equal("EACCES", try "192.0.2.7")

    say "unban "
    say("\n\n192.0.2.0/24\n", usage)
    say "unb"
    say "an 192.0.2."
    program.input:write "0/24"
    program.input:shutdown()
    program:wait_for "enforce-image: 192.0.2.0/24 is no longer banned\n"
    assert.same({ "ENETUNREACH", "EACCES" }, { try "192.0.2.7", try "[2001:db8::1]" })
    stop "sigterm"
  end)

  it("go on if enforce-image has no set to change, or nothing to read", function()
    start "enforce-image"
    program:write "ban 192.0.2.1\n"
    program:wait_for 'enforce-image: set "banned": the policy in force declares none of this name'
    program:kill "sigterm"
    assert.equal(0, program:wait().status)
    program = built:start("enforce-image", { file.image, here.cgroup },
      { "sh", "-c", 'exec "$0" "$@" < /dev/null' })
    program:wait_for "is enforced"
    assert.equal("ECONNREFUSED", socket.try("tcp", "169.254.169.254:80"))
    stop "sigterm"
  end)

  it("are read by one thread of threads, while one publishes and one changes a set", function()
    local THREADS = [[
      set "banned" {}
      deny { "ban", connect = "@banned", errno = "EACCES" }
      deny { "first", connect = "192.0.2.9", errno = "EXDEV" }
    ]]
    local list = env.write(built.folder .. "/list.txt", "192.0.2.1\n")
    local function try(address)
      return socket.try("tcp", address .. ":80")
    end
    local function becomes(errno, address)
      command.wait_until(function() return try(address) == errno end, errno)
    end
    prepare(THREADS)
    program = built:start("threads", { file.image, here.cgroup, list })
    program:wait_for "web.image is enforced; Ctrl-C ends it, SIGHUP reads it again\n"
    becomes("EACCES", "192.0.2.1")
    assert.equal("EXDEV", try "192.0.2.9")
    env.write(list, "192.0.2.2\n192.0.2.3\n")
    becomes("EACCES", "192.0.2.2")
    assert.equal("ENETUNREACH", try "192.0.2.1")
    env.write(list, "192.0.2.2\n192.0.2.300\n")
    program:wait_for "list.txt:2: "
    assert.equal("EACCES", try "192.0.2.3")

    prepare(THREADS:gsub("EXDEV", "ECHILD"):gsub("first", "second"))
    program:kill "sighup"
    program:wait_for "threads: the image was read again\n"
    assert.equal("ECHILD", try "192.0.2.9")
    env.write(file.image, "no image")
    program:kill "sighup"
    program:wait_for "web.image: not a Tidegate image: make one from a policy with tidegate compile"
    assert.equal("ECHILD", try "192.0.2.9")
    assert.equal("EACCES", try "192.0.2.2")
    program:kill "sigterm"
    assert.equal(0, program:wait().status)
    assert.equal("ENETUNREACH", try "192.0.2.2")
    local rules = {}
    for line in program.out:gmatch "[^\n]+" do
      local event = cjson.decode(line)
      rules[#rules + 1] = event.asked == "192.0.2.9:80" and event.rule or nil
    end
    assert.same({ "first", "second", "second" }, rules)

    prepare [[ deny { "x", connect = "10.0.0.0/8" } ]]
    program = built:start("threads", { file.image, here.cgroup, list })
    assert.equal(1, program:wait().status)
    assert.matches('set "banned": the policy in force declares none', program.err)
  end)

  it("are denied by what worker bans, which gave up all else that it could do", function()
    prepare [[ deny { "ban", connect = set "banned" {}, errno = "EACCES" } ]]
    program = built:start("worker", { file.image, here.cgroup })
    program:wait_for "worker: the image is enforced; Ctrl-C ends it\n"
    assert.equal("EACCES", socket.try("tcp", "192.0.2.7:80"))
    assert.equal("ENETUNREACH", socket.try("tcp", "192.0.2.1:80"))
    local refused = "worker: tg_gate_%s(): %s: this process has restricted the gate, and has no "
      .. "control of it any more: do this in the process that made it"
    assert.same({
      "worker: as another user, attaches 1 of its descriptors by hand",
      "worker: restricted, attaches 0",
      "worker: bans 192.0.2.7, and reads that rule 1 has 0 hits",
      refused:format("attach", "attach"), refused:format("detach", "detach"),
      refused:format("publish", "publish"),
      "host: 192.0.2.7 is banned",
    }, stop "sigterm")
    assert.equal("worker: the image is enforced; Ctrl-C ends it\n", program.err)

    prepare [[ deny { "x", connect = "10.0.0.0/8" } ]]
    program = built:start("worker", { file.image, here.cgroup })
    assert.equal(1, program:wait().status)
    assert.matches('^worker: worker: set "banned": the policy in force declares none of this '
      .. "name[^\n]*\nworker: the worker has failed\n$", program.err)
    assert.same({ "worker: wants an image and the folder of a cgroup\n", 2 },
      built:refusal("worker", { file.image }))
  end)

  it("to unix sockets are reported without bytes that a terminal would obey", function()
    prepare [[ deny { "docker", connect = "unix:/run/*" } deny { "names", connect = "unix:@*" } ]]
    local reason = sandbox.no_unix()
    if reason then
      pending(reason)
      return
    end
    start "enforce-image"
    assert.equal("EPERM", socket.try("unix_stream", "unix:/run/docker.sock"))
    assert.equal("EPERM", socket.try("unix_stream", "unix:@tide\27[2Jgate"))
    program:wait_for "deny    names"
    assert.same({
      "deny    docker  connect unix:/run/docker.sock  EPERM  luajit[PID] uid 0",
      "deny    names  connect unix:@tide\\x1b[2Jgate  EPERM  luajit[PID] uid 0",
    }, stop "sigint")
  end)

  it("are still denied when nobody reads the events any more", function()
    local pipe = built.folder .. "/output"
    assert.equal(0, command.run({ "mkfifo", pipe }).status)
    for name, kind in pairs(programs) do
      -- What a policy prints goes to standard error.
      local output = name == "embed-luajit" and 2 or 1
      local listener = command.start { "grep", "-m", "1", "169.254.169.254", pipe }
      program = built:start(name, { file[kind], here.cgroup },
        { "sh", "-c", ('exec "$@" %d> "$0"'):format(output), pipe })
      command.wait_until(function()
        return socket.try("tcp", "169.254.169.254:80") == "ECONNREFUSED"
      end, "a denial")
      assert.truthy(listener:wait().out:find "169.254.169.254")
      assert.equal("ECONNREFUSED", socket.try("tcp", "169.254.169.254:80"))
      stop "sigterm"
    end
  end)

  it("reach the script's handlers in embed-luajit, beside its timers, until SIGINT", function()
    start "embed-luajit"
    program:wait_for "second tick"
    call()
    program:wait_for "web.lua:7: a handler may fail"
    assert.same({}, stop "sigint")
    local printed = {}
    for line in program.err:gmatch "luajit was refused [^\n]*" do
      printed[#printed + 1] = line
    end
    assert.same({
      "luajit was refused 169.254.169.254:80", "luajit was refused [2001:db8::7]:443",
      "luajit was refused 127.0.0.2:9",
    }, printed)
  end)
end

for _, way in ipairs(ways) do
  describe("the C examples, " .. way.name, function()
    setup(function()
      built = host.build(way)
      file = { policy = built.folder .. "/web.lua", image = built.folder .. "/web.image" }
      prepare 'deny { "x", connect = "10.0.0.0/8" }'
    end)
    teardown(env.clean)
    after_each(function() assert.equal("", built:complaints()) end)

    describe("bad input:", bad_input)
    if sandbox.reason then
      pending(sandbox.reason)
      return
    end
    describe("refusals:", refusals)
    sandbox.describe("calls", real_calls)
  end)
end

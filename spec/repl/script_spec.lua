-- A script on standard input: no prompts, and an exit status.

local command = require "spec.support.command"
local env = require "spec.support.env"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("a script for tidegate repl", function()
  local own

  setup(function() own = command.enter_cgroup() end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)

  local function start(script, arguments, before)
    local words = { "unshare", "-n", "sh", "-c", 'ip link set lo up; exec "$@"', "sh" }
    for _, list in ipairs { before or {}, { command.path, "repl" }, arguments or {} } do
      for _, word in ipairs(list) do
        words[#words + 1] = word
      end
    end
    local process = command.start(words, { session = true })
    process:write(script)
    process.input:close()
    return process
  end

  local function run(...)
    return start(...):wait()
  end

  --- A test that must leave no cgroups behind.
  local function leaving_none(name, body)
    it(name, function()
      body()
      assert.equal(own .. "\n", command.cgroups(own))
    end)
  end

  leaving_none("prints what it and its commands print, and ends with 1 if a call fails", function()
    local got = run [[#!/usr/bin/env -S tidegate repl
deny { "all", connect = "192.0.2.1", errno = "ECONNRESET" }
local status = sh "stdbuf -eL nc -v 192.0.2.1 80"
print("status", status, "hits", rules.all.hits)
undo()
]]
    assert.equal("status\t1\thits\t1\n", got.out)
    assert.matches("deny    all  connect 192%.0%.2%.1:80  ECONNRESET  nc%[%d+%] uid 0\n", got.err)
    assert.truthy(got.err:find("Connection reset by peer", 1, true))
    assert.truthy(got.err:find("undo: nothing was changed at the prompt", 1, true))
    assert.equal(1, got.status)
  end)

  leaving_none("ends with the status that it sets, or with 1 if it fails", function()
    assert.equal(0, run("").status)
    assert.equal(0, run("exit() nothing()").status)
    assert.equal(42, run("exit(42)").status)
    local cases = {
      ["nothing()"] = 'stdin:1: unknown name "nothing"\n',
      ["\nx ="] = "stdin:2: unexpected symbol near '<eof>'\n",
      ['deny { "x", connect = "1.2.3.400" }'] = 'stdin:1: deny "x": connect: "1.2.3.400": 400 is '
        .. 'over 255\n',
      ['on("x", print)'] = 'stdin:1: on "x": no verb and no rule of that name\n',
      ["exit(256)"] = "exit: wants a status from 0 to 255; got 256\n",
      ["error 'mine'"] = "stdin:1: mine\n",
    }
    for script, message in pairs(cases) do
      local got = run(script)
      assert.equal(message, got.err)
      assert.equal("", got.out)
      assert.equal(1, got.status)
    end
  end)

  leaving_none("starts with the policy that is named, or ends with 1 if that is wrong", function()
    local path = env.write(env.folder() .. "/bad.lua", 'deny { connect = "1.2.3.400" }')
    local got = run("print 'started'", { path })
    assert.equal(path .. ':1: deny "#1": connect: "1.2.3.400": 400 is over 255\n', got.err)
    assert.equal("", got.out)
    assert.equal(1, got.status)
    got = run("print(rules)", { "examples/01-first-light.lua" })
    assert.equal("", got.err)
    assert.truthy(got.out:find "1     0  deny     no%-metadata  egress")
    local image = env.folder() .. "/web.tgi"
    assert.equal(0, command.tidegate("compile", "examples/01-first-light.lua", "-o", image).status)
    got = run(('print(diff()) deny { "x", connect = "9.9.9.9" } print(diff()) save "%s.lua"')
      :format(image), { image })
    assert.equal("", got.err)
    assert.equal(("no difference from %s\n+ deny { \"x\", connect = \"9.9.9.9\" }\n"):format(image),
      got.out)
    assert.equal(0, command.tidegate("check", image .. ".lua").status)
    assert.equal(("save: %s already exists; save under another name, or remove it first\n")
      :format(image), run(('save "%s"'):format(image), { image }).err)
  end)

  leaving_none("publishes all its rules together before it runs a command", function()
    local got = run [[
for port = 1, 50 do deny { connect = { addr = "192.0.2.1", port = port } } end
sh "nc -v 192.0.2.1 50"
print(gate:status().generation, rules[50].hits)]]
    assert.equal("2\t1\n", got.out)
    assert.equal(0, got.status)
  end)

  leaving_none("says if its rules are simulated, and ends with 3 if it needs the kernel", function()
    local nobody = { "setpriv", "--reuid=65534", "--clear-groups" }
    local got = run('deny { "x", connect = "9.9.9.9" } print(try { connect = "9.9.9.9:1" '
      .. '}.decision)', {}, nobody)
    assert.equal('deny "x" (stdin:1): EPERM\n', got.out)
    assert.matches("^tidegate: the rules are only simulated: capabilities: "
      .. "user 65534 lacks CAP_BPF", got.err)
    assert.equal(0, got.status)
    for _, script in ipairs { 'sh "true"', 'attach "self"', 'print "x" attach "self"' } do
      assert.equal(3, run(script, {}, nobody).status)
    end
    assert.equal(1, run('pcall(sh, "true") error "other"', {}, nobody).status)
    assert.equal(3, run('attach "/none/such"').status)
  end)

  leaving_none("ends at a signal, whatever it is doing, and cleans up", function()
    for name, status in pairs { sigint = 130, sigterm = 143, sighup = 129 } do
      for _, script in ipairs { 'print "on its way" io.stdout:flush() while true do end',
        'sh "sleep 1000 & echo on its way; wait; echo not reached"' } do
        local process = start(script)
        process:wait_for "on its way"
        process:kill(name)
        assert.equal(status, process:wait().status, name .. " " .. script)
      end
    end
  end)
end)

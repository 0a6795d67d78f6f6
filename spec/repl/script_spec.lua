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
    local got = run('deny { "x", connect = "9.9.9.9" } print(explain { connect = "9.9.9.9:1" '
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

  leaving_none("is in -e, too: each is an input, whose values are printed", function()
    local got = run("", { "-e", 'deny { "x", connect = "9.9.9.9" }', "-e", "rules.x.verb, 1",
      "-e", 'print "p" sh "exit 3"', "-e", 'sh "exit 3"' })
    assert.equal("", got.err)
    assert.equal('"deny"\n1\np\n3\n', got.out)
    assert.equal(0, got.status)
    assert.equal(5, run("", { "-e", "exit(5)", "-e", 'error "not reached"' }).status)
    for text, message in pairs { ["x ="] = "-e:2: this is only the beginning of a statement\n",
      ["nothing()"] = '-e:2: unknown name "nothing"\n' } do
      got = run("", { "-e", "print(1)", "-e", text, "-e", "print(2)" })
      assert.equal(message, got.err)
      assert.equal("1\n", got.out)
      assert.equal(1, got.status)
    end
  end)

  --- What is said to an argument of -e, and to a script.
  local answers = {
    { "policy drop", [['=' expected near 'drop'; write policy { default = "deny" }]] },
    { "list ruleset", [['=' expected near 'ruleset'; did you mean "rules"?]] },
    { "ls", [[unknown name "ls"; did you mean "rules"?]] },
    { "flush ruleset", [['=' expected near 'ruleset'; write rules["NAME"]:remove()]] },
    { "try connect 1.2.3.4:80",
      [['=' expected near 'connect'; write explain { connect = "1.2.3.4:80", uid = 33 }]] },
    { "stats", [[unknown name "stats"; write gate:stats()]] },
    { "logs -f", [[unknown name "logs"; events are printed as they come; observe { … } reports ]]
      .. "more" },
    { "sh true", [['=' expected near 'true'; write sh "true"]] },
    { "exec true", [['=' expected near 'true'; write sh "true"]] },
    { "curl http://127.0.0.1/",
      [['=' expected near 'http'; to run a command, write sh "curl http://127.0.0.1/"]] },
    { "save x.lua", [['=' expected near 'x'; write save "x.lua"]] },
    { "help deny", [['=' expected near 'deny'; write help "deny"]] },
    { "exit 3", [['=' expected near '3'; write exit(3)]] },
    { "commit", [[unknown name "commit"; a rule is in force as soon as it is typed]] },
    { "doctor", [[unknown name "doctor"; in the shell: tidegate doctor]] },
  }
  leaving_none("leads from the words of shells and of other tools to its own", function()
    for _, case in ipairs(answers) do
      local got = run("", { "-e", case[1] })
      assert.equal("-e:1: " .. case[2] .. "\n", got.err)
      assert.equal(1, got.status)
    end
    assert.equal([[-e:2: unknown name "banned"; write set "banned"]] .. "\n",
      run("", { "-e", 'set "banned" {}', "-e", "banned" }).err)
  end)

  leaving_none("says which rules, sets and services are not there", function() -- E5
    local got = run [[
      set "banned" { "192.0.2.1" } services "svc" {} deny { "lan", connect = "@banned" }
      print(sets.banned, services.svc, sets[2], services[2], rules[2])
      for _, get in ipairs {
        function() return sets.bannd end, function() return sets.other end,
        function() return services.sv end, function() return services.other end,
        function() return rules.lam end, function() return rules.other end,
      } do
        print((select(2, pcall(get)):gsub("^stdin:%d+: ", "")))
      end
    ]]
    assert.equal([[
set "banned"	services "svc"	nil	nil	nil
there is no set "bannd"; did you mean "banned"?
there is no set "other"; write set "other" { … }
there are no services "sv"; did you mean "svc"?
there are no services "other"; write services "other" { … }
there is no rule "lam"; did you mean "lan"?
there is no rule "other"; rules shows all
]], got.out)
  end)

  -- E8
  leaving_none("takes back rules, and says that elements in force stay", function()
    local got = run([[set "banned" {} deny { "ban", connect = "@banned" }
services "svc" {}
deny { "x", connect = "192.0.2.1" } sets.banned:add "192.0.2.2"
services.svc:put("192.0.2.3:80/tcp", { "192.0.2.4:80" })
undo
#sets.banned, #services.svc]], { "-i" })
    assert.equal("", got.err)
    assert.truthy(got.out:find([[
undo: the elements of services "svc" stay as they are
undo: the elements of set "banned" stay as they are
- deny { "x", connect = "192.0.2.1" }
1
1
]], 1, true), got.out)
  end)

  leaving_none("shows the page of a word that stands by itself", function()
    assert.equal(run("", { "-e", 'help "explain"' }).out, run("", { "-e", "explain" }).out)
    assert.equal(run("", { "-e", "help()" }).out, run("", { "-e", "help" }).out)
  end)
end)

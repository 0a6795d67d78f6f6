-- What is typed at the prompt, key by key.

local command = require "spec.support.command"
local env = require "spec.support.env"
local prompt = require "spec.support.prompt"

-- The prompt needs namespaces, so that no packet leaves.
local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("the prompt", function()
  after_each(function()
    prompt.close()
    env.clean()
  end)

  it("echoes expressions, keeps names and the last value", function()
    local term = prompt.start {}
    assert.truthy(term:screen()
      :find('No rules yet; they will be in force for what sh runs; attach "CGROUP"', 1, true))
    assert.equal("3", term:enter "1 + 2")
    assert.equal("9", term:enter "_ * 3")
    assert.equal("9", term:enter "_")
    assert.equal('"a\\nb"', term:enter [["a\nb"]])
    assert.equal("", term:enter "x = { 1, 2, key = { deep = true } }")
    assert.equal("{ 1, 2, key = { deep = true } }", term:enter "x")
    assert.equal('1\nnil\n"three"', term:enter [[1, nil, "three"]])
    assert.equal("7 -- is one", term:enter [[print "7 -- is one"]])
    assert.equal("", term:enter "local y = 1")
    assert.equal('unknown name "y"', term:enter "y")
    assert.equal("nil", term:enter "nil")
    assert.equal("no rules yet", term:enter "rules")
    term:type "exit(7)"
    term:key "Enter"
    assert.equal(7, term:status())
  end)

  it("goes on in the next line if an input is not complete", function()
    local term = prompt.start {}
    term:type 'deny { "x",'
    term:key "Enter"
    term:wait_for "\n       >>"
    term:type 'connect = "10.0.0.0/8",'
    term:key "Enter"
    term:wait_for("\n       >>", 2)
    assert.equal('in force: deny "x", rule 1 of 1', term:enter "}")
    assert.equal("prompt:1", (term:enter "rules[1].where"):match '"(.-)"')
    term:type "for i = 1, 2 do"
    term:key "Enter"
    term:wait_for("\n       >>", 3)
    term:type "nothing()"
    term:key "Enter"
    term:wait_for("\n       >>", 4)
    assert.equal('line 2: unknown name "nothing"', term:enter "end")
    term:type "deny {"
    term:key "Enter"
    term:wait_for("\n       >>", 5)
    term:key "C-d"
    term:wait_for_prompt()
    assert.equal("2", term:enter "1 + 1")
    assert.equal(0, term:leave())
  end)

  it("reports in a line what is wrong and what to do, and goes on", function()
    local term = prompt.start {}
    for input, message in pairs {
      ["dny {}"] = 'unknown name "dny"; did you mean "deny"?',
      ["deny"] = nil,
      ["deny {}"] = 'deny "#1" says no operation; add connect, sendmsg, egress, bind, recvmsg, '
        .. 'getpeername or '
        .. "getsockname",
      ["deny = 1"] = '"deny" is a word of the language; choose another name',
      ["1 1"] = "unexpected symbol near '1'",
      ["explain { connect = 1 }"] = 'explain: "1": not an address: for a port write "*:1"',
      ["explain {}"] = "explain: no operation is given; add connect, sendmsg, egress, bind, "
        .. "recvmsg, getpeername or getsockname",
      ['explain { connect = "1.2.3.4:80", uidd = 3 }'] = 'explain: unknown field "uidd"; did you '
        .. 'mean "uid"?',
      ['try { connect = "1.2.3.4:80" }'] = 'unknown name "try"; did you mean "explain"?',
      ['help "dney"'] = 'help: there is no word "dney"; did you mean "deny"?',
      ["sh(1)"] = 'sh: wants a command, as in sh "curl http://1.2.3.4/"; got 1',
      ["attach(1)"] = 'attach: wants a cgroup, as in attach "/sys/fs/cgroup/app"; got 1',
      ["detach()"] = "detach: not attached to a cgroup",
      ["undo()"] = "undo: nothing was changed at the prompt",
      ["save()"] = 'save: wants the name of a file, as in save "web.lua"; got nil',
      ["error { 1 }"] = nil,
      ["attach /sys/fs/cgroup/app"] = 'write attach "/sys/fs/cgroup/app"',
      ["sh /bin/ls -l"] = 'write sh "/bin/ls -l"',
      ['move "x" 1'] = "unexpected symbol near '1'; write rules[\"NAME\"]:move(\"before\", NAME)",
      [ [[error "a\27[1mb"]] ] = [[a\x1b[1mb]],
    } do
      local said = term:enter(input)
      assert.equal(message, said:gsub("#%d+", "#1"))
    end
    assert.equal("no rules yet", term:enter "rules")
    assert.equal("no rules yet", term:enter "diff()")
    assert.equal("0", term:enter "#rules()")
    -- One wrong rule, and nothing of its input remains.
    term:enter 'deny { "a", connect = "10.0.0.1" } deny { "b", connect = "10.0.0.1/40" }'
    assert.equal("no rules yet", term:enter "rules")
    assert.equal(0, term:leave())
  end)

  it("gives up a line on Ctrl-C, and a script that does not end", function()
    local term = prompt.start {}
    term:type "deny { half"
    term:key "C-c"
    term:wait_for "tidegate> deny { half^C\ntidegate>\n"
    local endless = {
      "while true do end",
      "while true do pcall(function() while true do end end) end",
      "coroutine.wrap(function() while true do end end)()",
      "repeat local ok = xpcall(string.rep, print, 1, 2, 3) until false",
      "local function f() return f() end f()",
      "setmetatable({}, { __tostring = function() while true do end end })",
      'deny { "x", connect = "10.0.0.0/8" } while true do end',
      -- The output of the command shows that it can be interrupted.
      'sh "echo asleep; exec sleep 1000"',
      'while true do sh "echo asleep again; exec sleep 1000" end',
      'table.sort({ 1, 2 }, function() while true do end end)',
    }
    for count, script in ipairs(endless) do
      term:type(script)
      term:key "Enter"
      term:wait_for_cooked()
      local says = script:match "echo ([^;]*)"
      if says then term:wait_for("\n" .. says .. "\n") end
      term:key "C-c"
      term:wait(function(screen)
        return select(2, screen:gsub("\n%^C\ninterrupted\n", "")) == count
          and screen:find "\ntidegate>\n$"
      end, "the end of: " .. script)
    end
    assert.equal("no rules yet", term:enter "rules")
    assert.equal(0, term:leave())
  end)

  it("ends at the third Ctrl-C if the code cannot be interrupted", function()
    local term = prompt.start {}
    term:type '("a"):rep(40):find(("a-"):rep(40) .. "b") print "not so soon"'
    term:key "Enter"
    term:wait_for_cooked()
    local count, ended = 0, nil
    repeat -- two that come close together may count as one
      count = count + 1
      term:key "C-c"
      term:wait(function(screen)
        ended = screen:find "tidegate: ended while a function was still running"
        return ended or select(2, screen:gsub("%^C", "")) >= count
      end, "^C")
    until ended
    assert.is_true(count >= 3)
    assert.equal(130, term:status())
  end)

  it("completes words, fields, names and paths", function()
    local term = prompt.start {}
    term:type "den"
    term:key "Tab"
    term:wait_for "tidegate> deny {"
    term:type '"no-lan", eg'
    term:key "Tab"
    term:wait_for '"no-lan", egress ='
    term:type '"10.0.0.0/8", errno = "ECONNREF'
    term:key "Tab"
    term:wait_for 'errno = "ECONNREFUSED"'
    assert.equal('in force: deny "no-lan", rule 1 of 1', term:enter " }")
    term:type 'rules["no'
    term:key "Tab"
    term:wait_for 'tidegate> rules["no-lan"'
    term:type '].hi'
    term:key "Tab"
    term:wait_for '].hits'
    term:key "Enter"
    term:wait_for "\n0\ntidegate>\n"
    term:type "de"
    term:key "Tab"
    term:wait_for "\ndeny {   detach\ntidegate> de\n"
    term:key "C-u"
    term:type 'attach "/sys/fs'
    term:key "Tab"
    local mounts = command.run { "sh", "-c",
      "sed -n 's/.* \\(\\/[^ ]*\\) [^ ]* [^-]*- cgroup2 .*/\\1/p' /proc/self/mountinfo" }
    term:wait_for('attach "' .. assert(mounts.out:match "^[^\n]+") .. "/")
    term:key "C-c"
    term:wait_for "^C"
    term:key "Tab"
    term:type "1"
    term:wait_for "\ntidegate>   1\n"
    term:key "C-u"
    assert.equal(0, term:leave())
  end)

  it("edits as shells do, and redraws at another width", function()
    local term = prompt.start({}, { columns = 60 })
    term:type "two words"
    term:key "C-w"
    term:wait(function(screen) return screen:find "\ntidegate> two\n$" end, "a word less")
    term:key "C-a"
    term:type '"é '
    term:key("C-e")
    term:type '"'
    term:key "Enter"
    term:wait_for '\n"é two "\n'
    term:key "Up"
    term:wait_for('tidegate> "é two "', 2)
    term:key "C-c"
    term:wait_for "^C"
    term:key "C-r"
    term:key "w"
    term:wait_for "bck:w"
    term:key "Enter"
    term:wait_for('\n"é two "\ntidegate>', 2)
    term:type('"' .. ("0123456789"):rep(9) .. '"')
    term:resize(80)
    term:type "#"
    term:wait(function(screen)
      return screen:find('\ntidegate> "' .. ("0123456789"):rep(9) .. '"#\n$')
    end, "the line, redrawn")
    term:key "C-c"
    term:wait_for("^C", 2)
    assert.equal(0, term:leave())
  end)

  it("is stopped by Ctrl-Z, and continues with its line", function()
    local term = prompt.start({}, { before = { "bash", "-ic",
      '"$@"; read -p "stopped " line; fg > /dev/null', "sh" } })
    term:type "half"
    term:key "C-z"
    term:wait_for "stopped"
    term:key "Enter"
    term:wait(function(screen) return screen:find "\ntidegate> half\n$" end, "the line")
    term:key "C-u"
    assert.equal("2", term:enter "1 + 1")
    assert.equal(0, term:leave())
  end)

  it("has help about every word", function()
    local term = prompt.start {}
    local overview = term:enter "help()"
    for _, word in ipairs { "deny", "egress", "uid", "errno", "policy", "undo", "Ctrl-D" } do
      assert.truthy(overview:find(word, 1, true), word)
    end
    local deny = term:enter "help(deny)"
    assert.truthy(deny:find("Fail the call with an errno.", 1, true), deny)
    assert.truthy(deny:find("errno shadow over per log", 1, true), deny)
    assert.equal('egress = an endpoint such as "10.0.0.0/8:443", or a list of them\n'
      .. "connect and sendmsg: everything that leaves for these endpoints.\n"
      .. '  deny { egress = { addr = "10.0.0.0/8", port = { 80, "8000-8999" } } }',
      term:enter "help(egress)")
    assert.equal(term:enter "help(egress)", term:enter 'help "egress"')
    assert.truthy(term:enter "help(undo)":find("Take back the last change", 1, true))
    assert.truthy(term:enter "help(policy)":find("unsupported", 1, true))
    assert.equal(0, term:leave())
  end)

  it("works on the simulator without privileges, and says so", function()
    local folder = env.folder()
    assert.equal(0, command.run({ "chmod", "777", folder }).status)
    local term = prompt.start({ "examples/01-first-light.lua" },
      { before = { "setpriv", "--reuid=65534", "--clear-groups" } })
    term:wait_for("examples/01-first-light.lua: 2 rules, only simulated: capabilities: user 65534 "
      .. "lacks CAP_BPF")
    assert.equal('simulated: deny "x", rule 3 of 3', term:enter 'deny { "x", connect = "9.9.9.9" }')
    assert.truthy(term:enter('explain { connect = "9.9.9.9:1" }')
      :find('deny "x" (prompt:1): EPERM', 1, true))
    assert.equal('deny "y": connect: "9.9.9.9.9": 5 numbers',
      (term:enter 'deny { "y", connect = "9.9.9.9.9" }'):match '^deny "y": connect: "9.9.9.9.9": '
      .. "5 numbers")
    assert.truthy(term:enter "rules":find('3     0  deny     x', 1, true))
    for _, input in ipairs { 'sh "true"', 'attach "self"' } do
      local said = term:enter(input)
      assert.truthy(said:find("nothing can be enforced here: capabilities: user 65534 lacks "
        .. "CAP_BPF", 1, true), said)
    end
    assert.equal('- deny { "x", connect = "9.9.9.9" }', term:enter "undo()")
    assert.equal("no difference from examples/01-first-light.lua", term:enter "diff()")
    assert.equal("saved to " .. folder .. "/new.lua",
      term:enter(('save "%s/new.lua"'):format(folder)))
    assert.equal(0, term:leave())
  end)

  it("works at a dumb terminal", function()
    local term = prompt.start({}, { env = { TERM = "dumb" } })
    term:type "1 + 2"
    term:key "Enter"
    term:wait_for "\n3\n"
    assert.equal(0, term:leave())
  end)
end)

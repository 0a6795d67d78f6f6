-- What a user of nft, psql, node or python types in the first ten minutes, at a real terminal.

local command = require "spec.support.command"
local env = require "spec.support.env"
local prompt = require "spec.support.prompt"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

-- The simulator answers as the kernel does, and starts at once.
local NOBODY = { "setpriv", "--reuid=65534", "--clear-groups" }

describe("the first minutes at the prompt", function()
  after_each(function()
    prompt.close()
    env.clean()
  end)

  local function start(options, arguments)
    return prompt.start(arguments or {}, { before = NOBODY, env = options, columns = 120 })
  end

  local function answers(term, cases)
    for index = 1, #cases, 2 do
      assert.equal(cases[index] .. "\n" .. cases[index + 1],
        cases[index] .. "\n" .. term:enter(cases[index]))
    end
  end

  -- E3, E8
  it("answers what other prompts know, or leads to the right word", function()
    local term = start { NO_COLOR = "1" }
    local overview = term:enter "help"
    assert.truthy(overview:find("^A verb and a table make a rule"))
    assert.truthy(term:enter "?" == overview and term:enter "\\?" == overview
      and term:enter ".help" == overview)
    assert.truthy(term:enter("? deny"):find "^Fail the call with an errno")
    answers(term, {
      "gate", "gate: 0 rules, nothing published yet",
      "return 7", "7",
      "return nil, \"err\"", "nil\n\"err\"",
      "x = 1; x", "1",
      "_", "1",
      "#rules", "0",
      "ls", 'unknown name "ls"; did you mean "rules"?',
      "show rules", [['=' expected near 'rules'; did you mean "rules"?]],
      "list ruleset", [['=' expected near 'ruleset'; did you mean "rules"?]],
      "flush", 'unknown name "flush"; write rules["NAME"]:remove()',
      "insert", 'unknown name "insert"; a verb adds a rule: deny { … }; before = NAME or after = '
        .. "NAME in it says where",
      "commit", 'unknown name "commit"; a rule is in force as soon as it is typed',
      "\\d", "no rules yet",
      "\\x", "there is no command \\x; help shows what there is",
      "!ls -l", 'to run a command, write sh "ls -l"',
      ".load web.lua", "the prompt starts from a file: tidegate repl POLICY",
      "\\w web.lua", 'write save "web.lua"',
      'deny { "a", connect = "192.0.2.1" }', 'simulated: deny "a", rule 1 of 1',
      'allow { "b", connect = "192.0.2.2" }', 'simulated: allow "b", rule 2 of 2',
      "for i, r in ipairs(rules) do print(i, r.name) end", "1       a\n2       b",
      'rules "2.2"', "#  hits  verb   name\n2     0  allow  b     connect = \"192.0.2.2\"",
      'rules "none"', 'no rule contains "none"',
      "= #rules", "2",
      "rules 192", [['=' expected near '192'; write rules "192"]],
      "undo", '- allow { "b", connect = "192.0.2.2" }',
      'every("5s", print)', "every 5s",
      "undo", "- every 5s",
      'on("deny", print)', "",
      "undo", '- on("deny", …)',
      "diff", '+ deny { "a", connect = "192.0.2.1" }',
      "save", 'save: wants the name of a file, as in save "web.lua"; got nil',
      "traceback", 'save: wants the name of a file, as in save "web.lua"; got nil\n  prompt:36',
    })
    term:type "\\q"
    term:key "Enter"
    assert.equal(0, term:status())
  end)

  -- E3
  it("ends when its gate is closed, and shows what is not saved", function()
    local term = start { NO_COLOR = "1" }
    term:enter 'deny { "a", connect = "192.0.2.1" }'
    assert.equal("the gate is closed, and nothing is in force any more: the prompt ends\n"
      .. 'not saved:\n+ deny { "a", connect = "192.0.2.1" }', term:enter "gate:close()")
    assert.equal(0, term:status())
  end)

  -- E8
  it("takes what is pasted as one input, and brings a block back whole", function()
    local home = env.folder()
    assert.equal(0, command.run({ "chown", "65534", home }).status)
    local term = start { NO_COLOR = "1", HOME = home }
    term:paste 'for i = 1, 2 do\n  print("part " .. i)\nend\n'
    term:wait_for 'tidegate> for i = 1, 2 do\n  print("part " .. i)\nend\n'
    assert.falsy(term:screen():find("part 1", 1, true)) -- Enter runs it
    term:key "Enter"
    term:wait_for "\nend\npart 1\npart 2\ntidegate>\n"
    term:type "deny {"
    term:key "Enter"
    term:wait_for "\n       >>"
    term:type '"a", connect = "192.0.2.1" }'
    term:key "Enter"
    term:wait_for 'simulated: deny "a", rule 1 of 1'
    term:key "Up"
    term:wait(function(screen)
      return screen:find('\ntidegate> deny {\n"a", connect = "192.0.2.1" }\n$')
    end, "the block")
    term:key("Up", "Enter")
    term:wait_for("\npart 1\npart 2\n", 2)
    assert.equal('for i = 1, 2 do\n\t  print("part " .. i)\n\tend\ndeny {\n\t"a", connect = '
      .. '"192.0.2.1" }\nfor i = 1, 2 do\n\t  print("part " .. i)\n\tend\n',
      env.read(home .. "/.tidegate_history"))
    assert.equal(0, term:leave())
    prompt.close()
    term = start { NO_COLOR = "1", HOME = home }
    term:key("C-r")
    term:key "d"
    term:key "e"
    term:key "n"
    term:wait_for "bck:den"
    term:key "Enter"
    term:wait_for 'simulated: deny "a", rule 1 of 1'
    assert.equal(0, term:leave())
  end)

  it("prints above a block that is not run yet", function()
    local term = prompt.start({}, { env = { NO_COLOR = "1" } })
    term:enter 'after("500ms", function() print "tick" end)'
    term:paste "for i = 1, 2 do\n  print(i)\nend"
    term:wait_for "tick"
    term:wait(function(screen)
      return screen:find "\ntick\ntidegate> for i = 1, 2 do\n  print%(i%)\nend\n$"
    end, "the block below")
    assert.equal(1, select(2, term:screen():gsub("for i = 1", "")))
    term:key "Enter"
    term:wait_for "\nend\n1\n2\n"
    assert.equal(0, term:leave())
  end)

  -- E8
  it("passes what is longer than the screen to the pager, and counts the rest of a list", function()
    local term = start { NO_COLOR = "1", PAGER = "tail -n 2; echo paged" }
    assert.equal("simulated: 60 rules added, 60 in all",
      term:enter 'for i = 1, 60 do deny { connect = "192.0.2." .. i } end')
    assert.equal('59     0  deny  #59   connect = "192.0.2.59"\n60     0  deny  #60   connect = '
      .. '"192.0.2.60"\npaged', (term:enter "rules"))
    assert.equal(' #  hits  verb  name\n60     0  deny  #60   connect = "192.0.2.60"',
      term:enter 'rules "2.60"')
    term:enter "t = {} for i = 1, 1000 do t[i] = i end"
    assert.truthy(term:enter "t":find("… 900 more\n}\npaged", 1, true))
    assert.equal(0, term:leave())
    prompt.close()
    term = start { NO_COLOR = "1", PAGER = "/no/such/pager" } -- then it is printed all the same
    term:enter "t = {} for i = 1, 60 do t[i] = ('element %d '):format(i):rep(9) end"
    assert.matches('/no/such/pager: not found\n.*"element 60 .*\n}$', (term:enter "t"))
    assert.equal(0, term:leave())
  end)

  -- E8
  it("uses colours, unless its user or the terminal wants none", function()
    local red = "\27[31mdeny\27[39m" -- as tmux writes it
    for _, case in ipairs { { {}, true }, { { NO_COLOR = "1" }, false } } do
      local term = start(case[1])
      term:enter 'deny { "a", connect = "192.0.2.1" }'
      term:enter "rules"
      assert.equal(case[2], term:coloured():find(red, 1, true) ~= nil, term:coloured())
      assert.equal(0, term:leave())
      prompt.close()
    end
  end)
end)

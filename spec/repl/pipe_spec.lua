-- E7: what a script, a pipe and -i print.

local command = require "spec.support.command"
local env = require "spec.support.env"

-- As a user without privileges, so that nothing has to be loaded into the kernel.
local NOBODY = { "setpriv", "--reuid=65534", "--clear-groups" }
local POLICY = "examples/01-first-light.lua"
local RULES = '1     0  deny     no-metadata  egress = "@metadata", errno = "ECONNREFUSED"\n'

if command.run({ NOBODY[1], NOBODY[2], NOBODY[3], "true" }).status ~= 0 then
  return pending "needs to become another user"
end

describe("tidegate repl without a terminal", function()
  teardown(env.clean)

  local function run(input, ...)
    local words = { unpack(NOBODY) }
    for _, word in ipairs { command.path, "repl", ... } do
      words[#words + 1] = word
    end
    local process = command.start(words)
    process:write(input)
    process.input:close()
    local got = process:wait()
    got.err = got.err:gsub("^tidegate: the rules are only simulated:[^\n]*\n", "")
    return got
  end

  it("takes a pipe as one script, which may be a bare value", function()
    assert.equal("2\n", run("1+1\n").out)
    assert.equal('7\n"x"\n', run('return 7, "x"').out)
    assert.equal("nil\n\"err\"\n", run('return nil, "err"').out)
    local got = run("rules\n", POLICY)
    assert.truthy(got.out:find(RULES, 1, true), got.out)
    assert.equal(0, got.status)
  end)

  it("prints bare values, and what help, explain, diff and undo return, in their order", function()
    local got = run([[#!/usr/bin/env tidegate
local one = 1 -- a local stays one
one
help(deny)
explain { connect = "192.0.2.1:80" }
diff()
deny { "x",
  connect = "192.0.2.9" } -- its handle is not worth a line
#rules; rules.x.hits
rules
  "x"
for _, rule in ipairs(rules) do one = one + 1 end one
set "s" { "192.0.2.5" }
sets.s:add "192.0.2.6"
print "done"
diff()
]], POLICY)
    assert.equal("", got.err)
    local from = 1
    for _, part in ipairs { "1\nFail the call with an errno.\n", "\nconnect 192.0.2.1:80 tcp",
      "allow by default: 192.0.2.1:80\nno difference from " .. POLICY .. "\n3\n0\n#  hits  verb",
      '\n3     0  deny  x     connect = "192.0.2.9"\n4\ndone\n+ set "s" { ' } do
      local _, last = got.out:find(part, from, true)
      assert(last, ("%s is not in %s"):format(part, got.out))
      from = last
    end
  end)

  it("blames the line of a script, however its values are printed", function()
    for script, message in pairs {
      ["1\n\nnope()"] = 'stdin:3: unknown name "nope"\n',
      ['rules\ndeny { "x", conect = "1.1.1.1" }'] =
        'stdin:2: deny "x": unknown field "conect"; did you mean "connect"?\n',
      ['1\nservices "s" { ["10.0.0.1:80"] = 7 }'] = 'stdin:2: services "s": "10.0.0.1:80": wants '
        .. 'backends such as { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3 } }; got 7\n',
      ["rules\nx = = 2"] = "stdin:2: unexpected symbol near '='\n",
    } do
      local got = run(script)
      assert.equal(message, got.err)
      assert.equal(1, got.status)
    end
  end)

  it("takes a script in a file", function()
    local path = env.folder() .. "/script.lua"
    assert(command.run({ "chmod", "755", path:match "^(.*)/" }).status == 0)
    env.write(path, "#rules\nexit(4)\n")
    local got = run("not read", POLICY, path)
    assert.equal("2\n", got.out)
    assert.equal(4, got.status)
    assert.equal("0\n", run("", "-", path).out)
    assert.equal("2\n", run("#rules", POLICY, "-").out)
    env.write(path, "\nnope()")
    assert.equal(path .. ':2: unknown name "nope"\n', run("", POLICY, path).err)
  end)

  it("takes a pipe line by line with -i, tells what changes, and goes on after errors", function()
    local got = run([[deny {
  "x", connect = "192.0.2.9" }
1 +
  1
_ * 2
nope()
undo
undo
on("deny", print) every("5s", print)
undo
\d
function f() error "deep" end f()
traceback
quit
print "not reached"]], "-i", "-e", "x = 5", "-e", "x")
    assert.equal([[5
simulated: deny "x", rule 1 of 1
2
4
- deny { "x", connect = "192.0.2.9" }
- on("deny", …)
- every 5s
no rules yet
stdin:14: deep
  stdin:14 in f
  stdin:14
]], got.out)
    assert.equal([[stdin:8: unknown name "nope"
stdin:10: undo: nothing was changed at the prompt
stdin:14: deep
]], got.err)
    assert.equal(0, got.status) -- quit says so
    assert.equal(1, run("nope", "-i").status)
    assert.equal("stdin: the last input is only the beginning of a statement\n",
      run("x = {", "-i").err)
  end)

  -- E3
  it("ends when its gate is closed", function()
    local got = run("gate:close()\nprint 'not reached'", "-i")
    assert.equal("the gate is closed, and nothing is in force any more: the prompt ends\n", got.out)
    assert.equal("", got.err)
    assert.equal(0, got.status)
  end)
end)

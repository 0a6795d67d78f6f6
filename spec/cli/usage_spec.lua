-- What the command says when it is asked for help, or misused.

local command = require "spec.support.command"
local env = require "spec.support.env"
local tidegate = command.tidegate

local POLICY = "examples/01-first-light.lua"

describe("tidegate", function()
  it("prints its version", function()
    for _, line in ipairs { "--version", "-V", "run -V", "check --version" } do
      local got = tidegate(line:match "^%S+", line:match " (%S+)$")
      assert.equal("tidegate 0.1.0\n", got.out)
      assert.equal(0, got.status)
    end
  end)

  it("has help for itself and each of its commands", function()
    local help = tidegate "--help"
    assert.equal(0, help.status)
    local names = {}
    for name in help.out:match("Commands:\n(.-)\n\n"):gmatch "\n?   (%l+) " do
      names[#names + 1] = name
      local got = tidegate(name, "--help")
      assert.equal(0, got.status)
      assert.equal("", got.err)
      assert.truthy(got.out:find("Usage: tidegate " .. name, 1, true), name)
      assert.equal(got.out, tidegate(name, "-h").out)
      assert.equal(got.out, tidegate("help", name).out)
    end
    assert.equal(help.out, tidegate("help").out)
    assert.same({ "run", "serve", "check", "explain", "compile", "dump", "repl", "doctor" }, names)
  end)

  it("lists what it can do when it gets no arguments", function()
    local got = tidegate()
    assert.equal(2, got.status)
    assert.equal("", got.out)
    assert.equal(tidegate("--help").out, got.err)
  end)

  --- What is typed, what is said to it, and the command that explains more. WEB is a policy.
  local misuses = {
    { "chekc", 'unknown command "chekc"; did you mean "check"?' },
    { "WEB", 'unknown command "WEB"; did you mean: tidegate run WEB -- CMD, or: tidegate serve WEB '
      .. "TARGET" },
    { "--bogus", 'unknown option "--bogus"' },
    { "--dry-run run WEB",
      'unknown option "--dry-run"; it comes after the command: tidegate COMMAND --dry-run' },
    { "check", 'missing argument "POLICY"', "check" },
    { "check --bogus", 'unknown option "--bogus"', "check" },
    { "check WEB -- true", "only run takes a command: tidegate run POLICY -- CMD", "check" },
    { "compile WEB", 'missing option "-o"', "compile" },
    { "doctor all", "too many arguments; doctor takes none; to look at a policy: "
      .. "tidegate check POLICY", "doctor" },
    { "explain WEB listen 1.2.3.4:80", 'unknown operation "listen"; did you mean "bind"?',
      "explain" },
    { "serve WEB", 'missing argument "TARGET"', "serve" },
    { "serve WEB -- true", "only run takes a command: tidegate run POLICY -- CMD", "serve" },
    { "serve self WEB", "the policy comes first: tidegate serve POLICY self", "serve" },
    { "run", "give a policy before the command: tidegate run POLICY -- CMD", "run" },
    { "run -- true", "give a policy before the command: tidegate run POLICY -- CMD", "run" },
    { "run WEB", "give a command: tidegate run WEB -- CMD; to enforce the policy on a cgroup that "
      .. "exists: tidegate serve WEB TARGET", "run" },
    { "run WEB --", "there is no command after --", "run" },
    { "run WEB -u", 'option "-u" requires an argument', "run" },
    { "run WEB curl http://localhost/",
      "put -- before the command: tidegate run WEB -- curl http://localhost/", "run" },
    { "run -q WEB curl -sS http://localhost/",
      "put -- before the command: tidegate run WEB -- curl -sS http://localhost/", "run" },
    { "run WEB self -- true", "run only runs a command; did you mean: tidegate serve WEB self",
      "run" },
    { "run WEB unit:nginx", "run only runs a command; did you mean: tidegate serve WEB unit:nginx",
      "run" },
    { "repl WEB WEB -i", "WEB is a script; -e and -i go without one", "repl" },
    { "repl WEB rules", 'there is no script "rules"; a line of input follows -e: tidegate repl WEB '
      .. "-e rules", "repl" },
  }

  for _, case in ipairs(misuses) do
    it("refuses: " .. case[1], function()
      local line = {}
      for word in case[1]:gsub("WEB", POLICY):gmatch "%S+" do
        line[#line + 1] = word
      end
      local got, name = tidegate(unpack(line)), case[3] and "tidegate " .. case[3] or "tidegate"
      assert.equal(("%s: %s\nSee: %s --help\n"):format(name, (case[2]:gsub("WEB", POLICY)), name),
        got.err)
      assert.equal("", got.out)
      assert.equal(case[3] == "run" and 125 or 2, got.status)
    end)
  end

  it("runs from any folder and through a symlink", function()
    local link = env.folder() .. "/link"
    assert.equal(0, command.run({ "ln", "-s", command.path, link }).status)
    local got = command.run({ link, "--version" }, { cwd = "/" })
    assert.equal("", got.err)
    assert.equal("tidegate 0.1.0\n", got.out)
    env.clean()
  end)
end)

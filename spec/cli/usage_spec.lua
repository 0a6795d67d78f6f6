-- What the command says when it is asked for help, or misused.

local command = require "spec.support.command"
local env = require "spec.support.env"
local tidegate = command.tidegate

local POLICY = "examples/01-first-light.lua"

describe("tidegate", function()
  it("prints its version", function()
    local got = tidegate "--version"
    assert.equal("tidegate 0.1.0\n", got.out)
    assert.equal(0, got.status)
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
    end
    assert.same({ "run", "check", "explain", "compile", "repl", "doctor" }, names)
  end)

  it("lists what it can do when it gets no arguments", function()
    local got = tidegate()
    assert.equal(2, got.status)
    assert.equal("", got.out)
    assert.equal(tidegate("--help").out, got.err)
  end)

  local misuses = {
    { { "chekc" },
      "tidegate: unknown command 'chekc'\nDid you mean 'check'?\nSee: tidegate --help\n" },
    { { "--bogus" }, "tidegate: unknown option '--bogus'\nSee: tidegate --help\n" },
    { { "check" }, "tidegate check: missing argument 'policies'\nSee: tidegate check --help\n" },
    { { "check", "--bogus" },
      "tidegate check: unknown option '--bogus'\nSee: tidegate check --help\n" },
    { { "check", POLICY, "--", "true" },
      "tidegate check: only run takes a command after --\nSee: tidegate check --help\n" },
    { { "compile", POLICY },
      "tidegate compile: missing option '-o'\nSee: tidegate compile --help\n" },
    { { "explain", POLICY, "listen", "1.2.3.4:80" },
      "tidegate explain: argument 'op' must be one of 'connect', 'sendmsg', 'bind', 'recvmsg', "
        .. "'getpeername', 'getsockname'\nSee: tidegate explain --help\n" },
    { { "run" }, "tidegate run: missing argument 'policy'\nSee: tidegate run --help\n" },
    { { "run", POLICY },
      "tidegate run: nothing to enforce it on; give a command (-- CMD ARG ...), --cgroup PATH, "
        .. "--pid PID or --unit UNIT\nSee: tidegate run --help\n" },
    { { "run", POLICY, "--" },
      "tidegate run: there is no command after --\nSee: tidegate run --help\n" },
    { { "run", POLICY, "curl", "http://localhost/" },
      "tidegate run: put -- before the command: tidegate run " .. POLICY
      .. " -- curl http://localhost/\nSee: tidegate run --help\n" },
    { { "run", POLICY, "--cgroup", "self", "--", "true" },
      "tidegate run: a command after -- runs in its own cgroup: give either a command, or "
        .. "--cgroup, --pid or --unit\nSee: tidegate run --help\n" },
    { { "run", POLICY, "--cgroup", "self", "--pid", "1" },
      "tidegate run: option '--pid' can not be used together with option '--cgroup'\nSee: "
        .. "tidegate run --help\n" },
  }

  for _, case in ipairs(misuses) do
    it("refuses: " .. table.concat(case[1], " "), function()
      local got = tidegate(unpack(case[1]))
      assert.equal(case[2], got.err)
      assert.equal("", got.out)
      assert.equal(2, got.status)
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

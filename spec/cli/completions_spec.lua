-- The completions that make install puts in their places.

local command = require "spec.support.command"
local env = require "spec.support.env"

describe("completions", function()
  local share

  setup(function()
    local folder = env.folder()
    local got = command.run { "make", "B=" .. command.build, "install", "DESTDIR=" .. folder,
      "PREFIX=/usr" }
    assert.equal(0, got.status, got.err)
    share = folder .. "/usr/share"
  end)
  teardown(env.clean)

  --- What bash offers for a line.
  local function offered(...)
    local got = command.run { "bash", "--norc", "-ec", [[
      . "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
      _tidegate; printf '%s\n' "${COMPREPLY[@]-}"]], "bash",
      share .. "/bash-completion/completions/tidegate", "tidegate", ... }
    assert.equal("", got.err)
    local words = {}
    for word in got.out:gmatch "%S+" do
      words[word] = true
    end
    return words
  end

  it("offer every command and every option in bash", function()
    local commands = offered ""
    for _, one in ipairs(require("tidegate.command").parser()._commands) do
      assert.is_true(commands[one._name], one._name)
      local options = offered(one._name, "-")
      for _, option in ipairs(one._options) do
        for _, alias in ipairs(option._aliases) do
          assert.is_true(options[alias], one._name .. " " .. alias)
        end
      end
    end
    assert.same({ ["examples/01-first-light.lua"] = true },
      offered("run", "--log", "examples/01"))
  end)

  it("are scripts that zsh and fish read", function()
    for shell, file in pairs {
      zsh = "/zsh/site-functions/_tidegate", fish = "/fish/vendor_completions.d/tidegate.fish",
    } do
      assert.matches("serve", env.read(share .. file), 1, true)
      if command.run({ "sh", "-c", "command -v " .. shell }).status == 0 then
        local got = command.run { shell, "-n", share .. file }
        assert.equal("", got.out .. got.err)
        assert.equal(0, got.status)
      end
    end
  end)
end)

-- The manual pages that make install puts in their places.

local command = require "spec.support.command"
local env = require "spec.support.env"
local schema = require "tidegate.schema"

describe("manual pages", function()
  local man

  setup(function()
    local folder = env.folder()
    local got = command.run { "make", "B=" .. command.build, "install", "DESTDIR=" .. folder,
      "PREFIX=/usr" }
    assert.equal(0, got.status, got.err)
    man = folder .. "/usr/share/man"
  end)
  teardown(env.clean)

  --- The text of a page, without what roff needs.
  local function read(path)
    return (env.read(man .. path):gsub("\\%-", "-"):gsub("\\f[BR]", ""))
  end

  it("have every command and every option", function()
    local main = read "/man1/tidegate.1"
    for _, one in ipairs(require("tidegate.command").parser()._commands) do
      assert.matches(".BR tidegate-" .. one._name .. " (1)\n", main, 1, true)
      local page = read("/man1/tidegate-" .. one._name .. ".1")
      for _, option in ipairs(one._options) do
        local label = table.concat(option:_get_label_lines(), ", ")
        assert.matches("\n.TP\n" .. label .. "\n", page, 1, true)
      end
    end
  end)

  it("have every word of policies, every class of the module, every function of the library",
    function()
      local page = read "/man5/tidegate-policy.5"
      for _, list in ipairs { schema.verbs, schema.fields, schema.options, schema.words } do
        for _, word in ipairs(list) do
          assert.matches("\n.TP\n" .. word.name .. "\n", page, 1, true)
        end
      end
      assert.matches('.SS "gate:attach(', read "/man3/tidegate.3lua", 1, true)
      page = read "/man3/libtidegate.3"
      for name in env.read "core/tidegate.h":gmatch "\n[%w_ *]-%f[%w](tg_[%w_]+)%(" do
        assert.matches(name .. "(", page, 1, true)
      end
    end)

  it("are clean for man and mandoc, as far as they are there", function()
    local got = command.run { "sh", "-c", [[
      for page in "$0"/man*/*; do
        if command -v mandoc > /dev/null; then mandoc -T lint -W warning "$page"; fi
        if command -v man > /dev/null; then man --warnings -l "$page" 2>&1 > /dev/null; fi
      done]], man }
    assert.equal("", got.out .. got.err)
  end)
end)

-- What `make fuzz` runs for longer.

local command = require "spec.support.command"

local SECONDS = 10

describe("make fuzz", function()
  it("finds no input that breaks the core or the module", function()
    local got = command.run({ "spec/fuzz/run", tostring(SECONDS) },
      { env = { TIDEGATE_BUILD = command.build }, slow = true })
    for _, target in ipairs { "image", "text", "file", "policy", "table" } do
      local inputs = got.out:match(("  %s: (%%d+) inputs, no fault\n"):format(target))
      assert.truthy(tonumber(inputs), got.out)
      assert.is_true(tonumber(inputs) > 0)
    end
    assert.same({ 0, "" }, { got.status, got.err })
  end)

  it("names a target that does not exist", function()
    local got = command.run({ "spec/fuzz/run", "1", "none" },
      { env = { TIDEGATE_BUILD = command.build } })
    assert.same({ 2, ("spec/fuzz/run: %s/fuzz/none: there is no such target\n")
      :format(command.build) }, { got.status, got.err })
  end)
end)

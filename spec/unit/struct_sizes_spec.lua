-- Callers of the C library that were built with an older or a newer tidegate.h.

local command = require "spec.support.command"
local env = require "spec.support.env"

describe("a struct of another size", function()
  teardown(env.clean)

  for what, name in pairs {
    ["images and questions"] = "struct_sizes", ["sets and services"] = "table_sizes",
  } do
    it("is read and written as far as both sides know it: " .. what, function()
      local program = env.folder() .. "/" .. name
      local got = command.run { "gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-O1",
        "-iquote", "core", "-iquote", ".", "spec/c/" .. name .. ".c", "-o", program,
        "-L" .. command.build, "-ltidegate", "-Wl,-rpath," .. command.build }
      assert.equal("", got.out .. got.err)
      got = command.run { program }
      assert.same({ "ok\n", "", 0 }, { got.out, got.err, got.status })
    end)
  end
end)

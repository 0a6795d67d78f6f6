-- Each public struct as callers of older and of newer releases give it, with
-- sanitizers: see spec/c/structs.c.

local native = require "spec.support.native"
local sandbox = require "spec.support.sandbox"

sandbox.describe("public structs", function(here)
  -- F3
  it("work as callers of every release give them", function()
    assert.equal("ok\n", native.run("structs", here.cgroup, { "struct_rows" }))
  end)
end)

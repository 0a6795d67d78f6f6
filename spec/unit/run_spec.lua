-- spec/run, which runs the specs.

local command = require "spec.support.command"
local env = require "spec.support.env"

local function spec_run(...)
  return command.run({ "luajit", "spec/run", ... }, { env = { TIDEGATE_BUILD = command.build } })
end

describe("spec/run", function()
  teardown(env.clean)

  it("runs several files and folders, each file once, and prints the sums last", function()
    local got = spec_run("spec/unit/suggest_spec.lua", "spec/unit/literal_spec.lua",
      "spec/unit/suggest_spec.lua")
    assert.equal("", got.err)
    local sum = 0
    for _, name in ipairs { "suggest", "literal" } do
      local pattern = ("  spec/unit/%s_spec.lua\n    (%%d+) passed in %%d+ s\n"):format(name)
      assert.equal(1, select(2, got.out:gsub(pattern, "")))
      sum = sum + got.out:match(pattern)
    end
    assert.equal(("%d passed, 0 failed, 0 skipped"):format(sum), got.out:match "([^\n]*)\n$")
    assert.equal(0, got.status)
  end)

  it("says which folder keeps specs from running the command as nobody", function()
    local folder = env.folder() -- 0700
    assert.equal(0, command.run({ "mkdir", "-m", "755", folder .. "/build" }).status)
    local got = command.run({ "luajit", "spec/run", "spec/unit/suggest_spec.lua" },
      { env = { TIDEGATE_BUILD = folder .. "/build" } })
    local said = ("spec/run: %s is closed to other users, and some specs run the command as the "
      .. "user nobody: they fail; allow it with chmod o+x, or work in another folder\n")
      :format(folder)
    assert.equal(said, got.err:sub(1, #said))
  end)

  it("runs nothing if a path has no spec", function()
    for _, path in ipairs { "spec/nowhere", "spec/c", "spec/run" } do
      local got = spec_run("spec/unit/suggest_spec.lua", path)
      assert.equal(("spec/run: %s: no such file or folder of specs (the name of a spec ends in "
        .. "_spec.lua)\n")
        :format(path), got.err)
      assert.same({ "", 2 }, { got.out, got.status })
    end
  end)
end)

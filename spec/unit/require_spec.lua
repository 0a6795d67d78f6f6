-- Which Lua module may require which: the files beside init.lua, then host/, repl/ and command/;
-- nginx/ requires only the files beside init.lua.

local MAY = {
  [""] = {},
  host = { host = true },
  repl = { host = true, repl = true },
  command = { host = true, repl = true, command = true },
  nginx = { nginx = true },
}

--- The folder of a module: "host" for tidegate.host.spawn, "" for tidegate.gate.
local function folder(name)
  local first = name:match "^tidegate%.(%l+)%f[%z.]"
  return MAY[first] and first or ""
end

--- Every module, with the modules that it requires.
local function all_requires()
  local modules = {}
  for path in io.popen("find lua/tidegate -name '*.lua'"):lines() do
    local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    local requires = {}
    for line in io.lines(path) do
      for required in line:gsub("^%s*%-%-.*", ""):gmatch 'require[, (]+"(tidegate[%w_.]*)"' do
        requires[#requires + 1] = required
      end
    end
    modules[name] = requires
  end
  return modules
end

describe("a Lua module", function()
  local modules = all_requires()

  it("requires no folder above its own", function()
    assert.truthy(modules["tidegate.host.spawn"])
    for name, requires in pairs(modules) do
      for _, required in ipairs(requires) do
        local other = folder(required)
        assert.is_true(other == "" or MAY[folder(name)][other] == true,
          name .. " requires " .. required)
      end
    end
  end)

  it("is not required by what it requires", function()
    local done = {}
    local function visit(name, path)
      assert.is_nil(path[name], name .. " is part of a circle")
      if done[name] or not modules[name] then
        return
      end
      path[name] = true
      for _, required in ipairs(modules[name]) do
        visit(required, path)
      end
      path[name], done[name] = nil, true
    end
    for name in pairs(modules) do
      visit(name, {})
    end
  end)
end)

-- The definitions for the Lua language server say what handles really have.

package.path = "docs/?.lua;" .. package.path

local handle = require "tidegate.handle"
local lua_classes = require "lua_classes"
local tidegate = require "tidegate"

local classes = lua_classes.read()

--- The names of the fields and methods that a class is said to have, sorted.
local function said(name)
  local names, seen = {}, {}
  local function add(member)
    if not seen[member] then
      seen[member], names[#names + 1] = true, member
    end
  end
  for _, field in ipairs(classes[name].fields) do
    add(field:match "^[%w_]+")
  end
  for _, method in ipairs(classes[name].methods) do
    add(method.name)
  end
  table.sort(names)
  return names
end

describe("the definitions of", function()
  local gate = tidegate.new "web"
  local rule = gate:deny { "x", connect = "192.0.2.1" }

  for name, object in pairs {
    ["tidegate.Gate"] = gate, ["tidegate.Rule"] = rule, ["tidegate.Image"] = gate:compile(),
    ["tidegate.Timer"] = gate:every("1h", print),
  } do
    it(name .. " are those of its handles", function()
      assert.same(handle.names(object), said(name))
    end)
  end

  it("tidegate are its functions", function()
    local functions = {}
    for name, value in pairs(tidegate) do
      functions[#functions + 1] = type(value) == "function" and name or nil
    end
    table.sort(functions)
    local found = {}
    for position, method in ipairs(classes.tidegate.methods) do
      found[position] = method.name
    end
    table.sort(found)
    assert.same(functions, found)
  end)

  it("public classes are all there", function()
    for _, entry in ipairs(lua_classes.public) do
      assert.truthy(classes[entry[1]], entry[1])
    end
  end)
end)

--- JSON with fields in a fixed order, null for what is not there, and empty lists: cjson has none
-- of these.

local cjson = require "cjson"
local literal = require "tidegate.literal"

local M = {}

--- JSON that is written already, for object() and list() to take as it is.
---@class tidegate.Json
---@field text string
local Json = {}

local function encode(value)
  if getmetatable(value) == Json then
    return value.text
  elseif type(value) == "string" then
    return literal.json(value)
  end
  return value == nil and "null" or cjson.encode(value)
end

--- null, where nil would end a list of arguments.
M.null = setmetatable({ text = "null" }, Json)

--- An object, from the names and values of its fields: `object("name", name, "size", size)`.
---@return tidegate.Json
function M.object(...)
  local parts = {}
  for index = 1, select("#", ...), 2 do
    local name, value = select(index, ...)
    parts[#parts + 1] = encode(name) .. ":" .. encode(value)
  end
  return setmetatable({ text = "{" .. table.concat(parts, ",") .. "}" }, Json)
end

--- A list.
---@generic T
---@param items T[]|nil nil: there is no list, which is null
---@param one (fun(item: T): any)|nil what to write for an item; nil: the item
---@return tidegate.Json|nil
function M.list(items, one)
  if not items then
    return nil
  end
  local parts = {}
  for index, item in ipairs(items) do
    parts[index] = encode(one and one(item) or item)
  end
  return setmetatable({ text = "[" .. table.concat(parts, ",") .. "]" }, Json)
end

Json.__tostring = function(self) return self.text end

return M

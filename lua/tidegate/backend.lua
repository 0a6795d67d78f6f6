--- Lists of backends, as balance takes them:
---   { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3 } }

local literal = require "tidegate.literal"
local suggest = require "tidegate.suggest"

local M = {}

M.wants = [[backends such as { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3 } }]]

local field_names = { "weight" }

--- One backend: its text and what it weighs.
local function take_one(item)
  if type(item) == "string" then
    item = { item }
  elseif type(item) ~= "table" or type(item[1]) ~= "string" then
    return nil, ("wants %s; got %s in it"):format(M.wants, literal.describe(item))
  end
  if item[1]:find "%z" then
    return nil, ("%s: is no address"):format(literal.quote(item[1]))
  end
  for key in pairs(item) do
    if key ~= 1 and key ~= "weight" then
      return nil, ("%s: unknown field %s of a backend%s"):format(literal.quote(item[1]), literal.describe(key),
        suggest.hint(key, field_names))
    end
  end
  local weight = item.weight or 1
  if type(weight) ~= "number" or weight % 1 ~= 0 or weight < 1 or weight > 65535 then
    return nil, ("%s: weight: wants a whole number from 1 to 65535; got %s")
      :format(literal.quote(item[1]), literal.describe(item.weight))
  end
  return { item[1], weight }
end

--- Check a list.
---@param value any
---@return { [1]: string, [2]: integer }[]|nil texts and weights
---@return string|nil message
function M.take(value)
  if type(value) == "string" then
    value = { value }
  elseif type(value) ~= "table" or getmetatable(value) then
    return nil, ("wants %s; got %s"):format(M.wants, literal.describe(value))
  end
  for key in pairs(value) do
    if type(key) ~= "number" then
      return nil, ("wants %s; got a field %s"):format(M.wants, literal.describe(key))
    end
  end
  local backends = {}
  for position, item in ipairs(value) do
    local taken, message = take_one(item)
    if not taken then
      return nil, message
    end
    backends[position] = taken
  end
  if #backends == 0 then
    return nil, ("wants %s; got none"):format(M.wants)
  end
  return backends
end

--- A checked list as Lua source.
---@param backends { [1]: string, [2]: integer }[]
---@return string
function M.text(backends)
  local parts = {}
  for position, backend in ipairs(backends) do
    local text = literal.quote(backend[1])
    parts[position] = backend[2] == 1 and text or ("{ %s, weight = %d }"):format(text, backend[2])
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

return M

--- The place of a rule among the others, which decides if several match: before or after another
--- one, first or last.

local literal = require "tidegate.literal"
local suggest = require "tidegate.suggest"

local M = {}

--- { "before", "dns" }, { "after", "dns" }, { "first" } or { "last" }
---@alias tidegate.Order { [1]: string, [2]: string|nil }

local words = { "before", "after", "first", "last" }
local names_a_rule = { before = true, after = true }
local alone = { first = true, last = true }

--- What ends a message about an argument that is no place.
M.HINT = 'its place is a field: before = "dns"'

--- The place that fields say: { before = "dns" }; nil without a message: they say none.
---@param before any
---@param after any
---@return tidegate.Order|nil
---@return string|nil message
function M.of_fields(before, after)
  if before ~= nil and after ~= nil then
    return nil, "says both before and after; a rule has one place"
  elseif before ~= nil then
    return { "before", before }
  elseif after ~= nil then
    return { "after", after }
  end
end

local function check_name(what, word, name, level)
  if type(name) ~= "string" then
    error(("%s: %s: wants the name of a rule; got %s")
      :format(what, word, literal.describe(name)), level + 1)
  end
end

--- Check the place that gate:add() takes after the rule.
---@param place any { before = "dns" }
---@param level integer of the caller to blame
---@return tidegate.Order|nil
function M.of_table(place, level)
  if place == nil then
    return nil
  elseif type(place) ~= "table" or next(place) == nil then
    error(('add: wants a place such as { before = "dns" }; got %s')
      :format(type(place) == "table" and "{}" or literal.describe(place)), level + 1)
  end
  for key, name in pairs(place) do
    if not names_a_rule[key] then
      error("add: " .. suggest.unknown("place", key, { "before", "after" }), level + 1)
    end
    check_name("add", key, name, level + 1)
  end
  local order, message = M.of_fields(place.before, place.after)
  if not order then
    error("add: " .. message, level + 1)
  end
  return order
end

--- Check the place that rule:move() takes.
---@param word any "before"
---@param name any "dns"
---@param level integer of the caller to blame
---@return tidegate.Order
function M.of_words(word, name, level)
  if names_a_rule[word] then
    check_name("move", word, name, level + 1)
  elseif not alone[word] then
    local hint = suggest.hint(word, words)
    error(('move: wants "before" or "after" and the name of a rule, "first" or "last"; got %s%s')
      :format(literal.describe(word), hint), level + 1)
  elseif name ~= nil then
    error(("move: %q stands alone; got %s after it"):format(word, literal.describe(name)),
      level + 1)
  end
  return { word, name }
end

--- The position of a rule that is put in a place.
---@param order tidegate.Order|nil nil: last
---@param members tidegate.Member[] the rules, without the one to be put there
---@return integer|nil
---@return string|nil message
function M.position(order, members)
  local word, name = "last", nil
  if order then
    word, name = order[1], order[2]
  end
  if alone[word] then
    return word == "first" and 1 or #members + 1
  end
  local names = {}
  for position, member in ipairs(members) do
    if member.name == name then
      return word == "before" and position or position + 1
    end
    names[position] = member.name
  end
  local hint = suggest.hint(name, names)
  return nil, ("%s: there is no rule %s%s"):format(word, literal.quote(name),
    hint ~= "" and hint or "; name one that is there already")
end

return M

--- The nearest known name to a misspelt one.

local literal = require "tidegate.literal"

local M = {}

local min, max = math.min, math.max

--- Edits between two words: a letter inserted, deleted or replaced, or two swapped.
--- Stops at `bound`, which means "that many or more".
---@param a string
---@param b string
---@param bound integer
---@return integer
function M.distance(a, b, bound)
  if math.abs(#a - #b) >= bound then
    return bound
  end
  local before, row = {}, {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local next_row, least = { [0] = i }, i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local edits = min(row[j] + 1, next_row[j - 1] + 1, row[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        edits = min(edits, before[j - 2] + 1)
      end
      next_row[j] = edits
      least = min(least, edits)
    end
    if least >= bound then
      return bound
    end
    before, row = row, next_row
  end
  return min(row[#b], bound)
end

--- The candidate that the writer of a word most likely meant.
---@param word any
---@param candidates string[]
---@return string|nil
function M.nearest(word, candidates)
  if type(word) ~= "string" then
    return nil
  end
  local best
  local bound = max(2, math.floor(#word / 3) + 1)
  for _, candidate in ipairs(candidates) do
    local edits = M.distance(word:lower(), candidate:lower(), bound)
    if edits < bound and edits < #candidate then
      best, bound = candidate, edits
    end
  end
  return best
end

--- What is meant by the word of another tool, however it writes it: "DROP", "dst-port".
---@param word any
---@param meant table<string, string>
---@return string|nil
function M.meant(word, meant)
  if type(word) ~= "string" then
    return nil
  end
  return meant[word] or meant[(word:lower():gsub("-", "_"))]
end

--- `; did you mean "errno"?`, or "" if no candidate is near.
---@param word any
---@param candidates string[]
---@param meant table<string, string>|nil what to write instead, by word: see meant.lua
---@return string
function M.hint(word, candidates, meant)
  local said = meant and M.meant(word, meant)
  if said then
    return "; " .. said
  end
  local nearest = M.nearest(word, candidates)
  return nearest and ("; did you mean %q?"):format(nearest) or ""
end

--- `unknown field "erno"; did you mean "errno"?`
---@param noun string "field", "option"
---@param word any
---@param candidates string[]
---@param meant table<string, string>|nil what to write instead, by word: see meant.lua
---@return string
function M.unknown(noun, word, candidates, meant)
  return ("unknown %s %s%s"):format(noun, literal.describe(word), M.hint(word, candidates, meant))
end

--- What is wrong with an option that is not known.
---@param key any
---@param value any
---@param names string[] of all options
---@param meant table<string, string>|nil what to write instead, by word: see meant.lua
---@return string
function M.option(key, value, names, meant)
  if type(key) == "number" then
    return ("got %s without a name; options are written NAME = VALUE")
      :format(literal.describe(value))
  end
  return M.unknown("option", key, names, meant)
end

--- What comes of a name that something does not have: an error that leads to the right one, or, if
--- none can be guessed, nil, as with any table.  For __index: blames the line that it serves.
---@param what string "a gate"
---@param key any
---@param names string[] that it has
---@param hints table<string, string>|nil what to write instead, by word
---@return nil
function M.member(what, key, names, hints)
  local hint = hints and hints[key]
  if hint then
    error(("%s has no %q; write %s"):format(what, key, hint), 3)
  end
  local nearest = M.nearest(key, names)
  if nearest then
    error(("%s has no %q; did you mean %q?"):format(what, key, nearest), 3)
  end
end

--- A module that raises for a member that it does not have, if another one was meant.
---@param module table
---@param name string "tidegate.nginx"
---@param hints table<string, string>|nil what to write instead, by word
---@return table module
function M.module(module, name, hints)
  local names = {}
  for member in pairs(module) do
    names[#names + 1] = member
  end
  return setmetatable(module, {
    __index = function(_, key)
      local nothing = M.member(name, key, names, hints) -- no tail call: see its level
      return nothing
    end,
  })
end

return M

--- Colours for a terminal, unless its user wants none: the verbs in tables and events, what a
--- change adds and removes, and errors.

local diff = require "tidegate.diff"

local M = {}

local RED, GREEN, YELLOW, CYAN = 31, 32, 33, 36
local verbs = { deny = RED, allow = GREEN, rewrite = YELLOW, balance = YELLOW, observe = CYAN }
local signs = { ["+"] = GREEN, ["-"] = RED }

local on = false

--- Use colours from now on, if this terminal and its user want them (https://no-color.org).
function M.start()
  local wants_none, term = os.getenv "NO_COLOR", os.getenv "TERM"
  on = (wants_none == nil or wants_none == "") and term ~= nil and term ~= "dumb"
end

local function paint(text, colour)
  return ("\27[%dm%s\27[m"):format(colour, text)
end

--- A message about an error.
---@param text string
---@return string
function M.error(text)
  return on and text ~= "" and paint(text, RED) or text
end

--- What stands before the verb in a line about a rule: nothing, its number and hits, or its place.
local leads = { "^()%l+", "^%s*%d+%s+%d+%s+()%l+", "^%s+%S+:%d+%s+()%l+", "^%l[%l ]*: ()%l+" }

--- A line with its verb in colour.
local function verb_of(line)
  for _, lead in ipairs(leads) do
    local from = line:match(lead)
    local word = from and line:match("^%l+", from)
    if word and verbs[word] then
      return line:sub(1, from - 1) .. paint(word, verbs[word]) .. line:sub(from + #word)
    end
  end
  return line
end

--- Lines about rules: the verb of each.
---@param text string
---@return string
function M.verbs(text)
  return on and (text:gsub("[^\n]+", verb_of)) or text
end

--- The text of a value.
---@param value any
---@param text string
---@return string
function M.value(value, text)
  if not on or type(value) ~= "table" and type(value) ~= "userdata" then
    return text
  elseif diff.is(value) then
    return (text:gsub("[^\n]+", function(line)
      return signs[line:sub(1, 1)] and paint(line, signs[line:sub(1, 1)])
    end))
  end
  local meta = debug.getmetatable(value)
  return meta and meta.__tostring and M.verbs(text) or text
end

return M

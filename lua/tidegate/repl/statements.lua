--- The statements of a Lua text and where they are, found without its compiler.
--
-- Only as much of the grammar is known as it takes to find where a statement on the outermost level
-- begins and ends. What is made of the text is compiled and compared, so a wrong guess is noticed.

local word_set = require "tidegate.word_set"

local M = {}

---@class tidegate.Token
---@field kind "name"|"number"|"string"|"mark"
---@field text string
---@field first integer its first byte
---@field last integer

---@class tidegate.Statement
---@field first integer its first byte
---@field last integer
---@field line integer the number of its first line
---@field last_line integer
---@field tokens tidegate.Token[]

--- Where a string or a comment in long brackets ends that begin at `at`; nil: none begins there.
local function long_end(text, at)
  local level = text:match("^%[(=*)%[", at)
  if level then
    local _, last = text:find("]" .. level .. "]", at, true)
    return last or #text
  end
end

--- Where the quoted string ends that begins at `at`.
local function quoted_end(text, at)
  local quote, from = text:sub(at, at), at + 1
  while from <= #text do
    local char = text:sub(from, from)
    if char == quote then
      return from
    end
    from = from + (char == "\\" and 2 or 1)
  end
  return #text
end

--- Where the blanks and comments end that begin at `at`.
local function skip(text, at)
  while true do
    local _, last = text:find("^%s+", at)
    if not last and text:find("^%-%-", at) then
      last = long_end(text, at + 2) or select(2, text:find("^[^\n]*", at))
    end
    if not last then
      return at
    end
    at = last + 1
  end
end

local two = { ["=="] = true, ["~="] = true, ["<="] = true, [">="] = true, [".."] = true,
  ["::"] = true }

---@return tidegate.Token|nil
local function token(text, at)
  local kind, last = "name", select(2, text:find("^[%a_\128-\255][%w_\128-\255]*", at))
  if not last then
    kind, last = "number", select(2, text:find("^%.?%d[%w.]*", at))
  end
  if not last then
    kind, last = "string", text:find("^[\"']", at) and quoted_end(text, at) or long_end(text, at)
  end
  if not last and at <= #text then
    kind = "mark"
    last = text:find("^%.%.%.", at) and at + 2 or two[text:sub(at, at + 1)] and at + 1 or at
  end
  return last and { kind = kind, text = text:sub(at, last), first = at, last = last }
end

local opens, closes = word_set "( [ { function if repeat", word_set ") ] } end until"
local loops = word_set "for while"
--- What a statement can neither begin nor end with.
local joins_before = word_set "and or ( [ { . : , = == ~= <= >= .. + - * / % ^ < >"
local joins_after = word_set [[and or not in local function goto until ( [ { . : , = == ~= <= >= ..
  + - * / % ^ < > #]]

--- The keywords with which no expression ends.
local goes_on = word_set [[and do else elseif for function goto if in local not or repeat return
  then until while]]

--- Whether a token belongs to the statement of the one before it, with nothing open.
local function continues(before, after, same_line)
  if after.kind == "string" or joins_before[after.text] then
    return true
  elseif before.kind ~= "string" and joins_after[before.text] then
    return true
  end
  -- Two words that follow each other are two statements, as in `a = 1 b = 2`.
  return same_line and (after.kind ~= "name" or before.kind == "name" and goes_on[before.text])
end

--- Keeps track of what is open; returns whether something is.
local function nest(open, found)
  local text = found.kind ~= "string" and found.text
  if loops[text] then
    open[#open + 1] = "loop"
  elseif text == "do" and open[#open] == "loop" then
    open[#open] = "do"
  elseif opens[text] or text == "do" then
    open[#open + 1] = text
  elseif closes[text] then
    table.remove(open)
  end
  return #open > 0
end

--- The statements on the outermost level.
---@param text string
---@return tidegate.Statement[]
function M.split(text)
  local found, open, current, line, counted = {}, {}, nil, 1, 1
  local function line_at(place)
    line = line + select(2, text:sub(counted, place - 1):gsub("\n", ""))
    counted = place
    return line
  end
  local at = skip(text, 1)
  local inside, before, before_line = false, nil, 1
  while true do
    local next_token = token(text, at)
    if not next_token then
      return found
    end
    local begins = line_at(next_token.first)
    if not inside and next_token.text == ";" then
      current = nil
    else
      if current and not inside and not continues(before, next_token, begins == before_line) then
        current = nil
      end
      if not current then
        current = { first = next_token.first, line = begins, tokens = {} }
        found[#found + 1] = current
      end
      inside = nest(open, next_token)
      before, before_line = next_token, line_at(next_token.last)
      current.last, current.last_line = next_token.last, before_line
      current.tokens[#current.tokens + 1] = next_token
    end
    at = skip(text, next_token.last + 1)
  end
end

return M

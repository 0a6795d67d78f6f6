--- The difference of two texts, line by line: Myers' shortest edit script.

local M = {}

--- With more edits than this the difference is one block, because the work grows with their square.
local MOST_EDITS = 1000

---@class tidegate.Diff
---@field [integer] { sign: "+"|"-", text: string } in order
local Diff = {}
Diff.__index = Diff

--- `- deny { … }` and `+ deny { … }`, one a line; "": nothing differs.
function Diff:__tostring()
  local lines = {}
  for index, change in ipairs(self) do
    lines[index] = change.sign .. " " .. change.text
  end
  return table.concat(lines, "\n")
end

--- Whether a value is a difference.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == Diff
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  return lines
end

--- How far each diagonal gets, edit by edit, until both ends are reached; nil: that takes too many
--- edits.
local function trace(a, b)
  local furthest, steps = { [1] = 0 }, {}
  for edits = 0, math.min(#a + #b, MOST_EDITS) do
    local before = {}
    for diagonal, x in pairs(furthest) do
      before[diagonal] = x
    end
    steps[edits] = before
    for diagonal = -edits, edits, 2 do
      local left, right = furthest[diagonal - 1] or -1, furthest[diagonal + 1] or -1
      local down = diagonal == -edits or (diagonal ~= edits and left < right)
      local x = down and right or left + 1
      local y = x - diagonal
      while x < #a and y < #b and a[x + 1] == b[y + 1] do
        x, y = x + 1, y + 1
      end
      furthest[diagonal] = x
      if x >= #a and y >= #b then
        return steps, edits
      end
    end
  end
end

--- The edits of a trace, the last one first.
local function walk_back(a, b, steps, edits)
  local changes, x, y = {}, #a, #b
  for edit = edits, 1, -1 do
    local furthest, diagonal = steps[edit], x - y
    local left, right = furthest[diagonal - 1] or -1, furthest[diagonal + 1] or -1
    if diagonal == -edit or (diagonal ~= edit and left < right) then
      x = right
      y = x - diagonal - 1
      changes[#changes + 1] = { sign = "+", text = b[y + 1], at = x }
    else
      x = left
      y = x - diagonal + 1
      changes[#changes + 1] = { sign = "-", text = a[x + 1], at = x + 1 }
    end
  end
  return changes
end

--- The changes from one list of texts to another, in order; nil: there are too many.
---@param from string[]
---@param to string[]
---@return { sign: "+"|"-", text: string, at: integer }[]|nil at: where it is in `from`, or how many
--- of `from` come before it
function M.edits(from, to)
  local steps, count = trace(from, to)
  if not steps then
    return nil
  end
  local back, edits = walk_back(from, to, steps, count), {}
  for index = #back, 1, -1 do
    edits[#edits + 1] = back[index]
  end
  return edits
end

--- The changes from one text to another.
---@param from string
---@param to string
---@return tidegate.Diff
function M.new(from, to)
  local a, b = lines_of(from), lines_of(to)
  local result = setmetatable({}, Diff)
  local edits = M.edits(a, b)
  for _, edit in ipairs(edits or {}) do
    result[#result + 1] = { sign = edit.sign, text = edit.text }
  end
  if not edits then
    for _, side in ipairs { { "-", a }, { "+", b } } do
      for _, text in ipairs(side[2]) do
        result[#result + 1] = { sign = side[1], text = text }
      end
    end
  end
  return result
end

--- The changes from one policy to another, both as written by dump().  The numbers of unnamed rules
--- are ignored, because they only show where such a rule once was.
---@param from string
---@param to string
---@return tidegate.Diff
function M.of_policies(from, to)
  local function without_numbers(text)
    return (("\n" .. text):gsub('(\n%a+ { )"#%d+", ', "%1"))
  end
  return M.new(without_numbers(from), without_numbers(to))
end

return M

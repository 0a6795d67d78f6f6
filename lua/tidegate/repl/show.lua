--- How values look at the prompt: on one line if that is readable. Also text in columns.

local literal = require "tidegate.literal"

local M = {}

local DEEPEST, WIDEST = 3, 100
--- How many elements of a table are shown; the rest is counted.
local MOST = 100

local show

local function key_text(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then
    return key
  end
  return "[" .. show(key, DEEPEST) .. "]"
end

local function before(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then
    return a < b
  end
  return type(a) < type(b)
end

local function show_table(value, depth)
  local parts, rest, sequence = {}, {}, 0
  for index, item in ipairs(value) do
    parts[index] = index <= MOST and show(item, depth + 1) or nil
    sequence = index
  end
  for key in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > sequence or key % 1 ~= 0 then
      rest[#rest + 1] = key
    end
  end
  table.sort(rest, before)
  for index = 1, math.min(#rest, MOST - #parts) do
    local key = rest[index]
    parts[#parts + 1] = key_text(key) .. " = " .. show(value[key], depth + 1)
  end
  local more = sequence + #rest - #parts
  parts[#parts + 1] = more > 0 and ("… %d more"):format(more) or nil
  local line = table.concat(parts, ", ")
  if #parts == 0 then
    return "{}"
  elseif #line <= WIDEST and not line:find("\n", 1, true) then
    return "{ " .. line .. " }"
  end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

function show(value, depth)
  if type(value) == "string" then
    return literal.quote(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__tostring or meta == false then
    return tostring(value)
  elseif depth >= DEEPEST then
    return "{ … }"
  end
  return show_table(value, depth)
end

--- A value as the prompt prints it.
---@param value any
---@return string
function M.value(value)
  return show(value, 0)
end

--- The number of characters of UTF-8 text.
local function width(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

--- Rows of cells as aligned columns. The last column is cut off at the edge of the screen.
---@param head string[]
---@param rows string[][]
---@param right table<integer, true> which columns are aligned to the right
---@param columns integer|nil the width of the screen; nil: do not cut
---@return string
function M.table(head, rows, right, columns)
  local widths = {}
  for index, title in ipairs(head) do
    widths[index] = width(title)
    for _, row in ipairs(rows) do
      widths[index] = math.max(widths[index], width(row[index]))
    end
  end
  local function line(row)
    local cells, used = {}, 0
    for index, cell in ipairs(row) do
      local pad = (" "):rep(widths[index] - width(cell))
      if index == #head then
        if columns and used + width(cell) > columns then
          cell = cell:sub(1, math.max(0, columns - used - 1))
            :gsub("[\192-\255][\128-\191]*$", "") .. "…"
        end
        pad = ""
      end
      cells[index] = right[index] and pad .. cell or cell .. pad
      used = used + widths[index] + 2
    end
    return (table.concat(cells, "  "):gsub(" +$", ""))
  end
  local lines = { line(head) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = line(row)
  end
  return table.concat(lines, "\n")
end

return M

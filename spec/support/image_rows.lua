--- What of an image decides a call, and what it says of its live tables: all of it but the names,
--- places and texts of its rules.

local bit = require "bit"
local ffi = require "ffi"

local M = {}

local ROW = 64
local ABOUT = 16 -- words of the header before struct tg_image_about
local ENTRY_WORDS = { 0, 2, 4, 5, 6, 7, 8, 9 } -- of struct tg_table_entry, without its places

--- The tables' directory and contents, wherever they are in the image.
local function tables_of(bytes, words)
  local count, row = words[ABOUT + 14], words[ABOUT + 15]
  local parts = {}
  for index = 0, tonumber(count) - 1 do
    local entry = words + (row + index) * ROW / 4
    for _, word in ipairs(ENTRY_WORDS) do
      parts[#parts + 1] = tonumber(entry[word])
    end
    parts[#parts + 1] = entry[3] ~= 0 and tonumber(entry[3] - row) or "none"
  end
  return table.concat(parts, " "), bytes:sub((row + count) * ROW + 1)
end

--- What decides, as values that can be compared.
---@param image tidegate.Image
---@return string[]
function M.deciding(image)
  local bytes = image:data()
  local words = ffi.cast("const uint32_t *", bytes)
  local sections = {}
  for index = 0, 7 do
    sections[#sections + 1] = words[8 + index]
    sections[#sections + 1] = words[ABOUT + 6 + index]
  end
  local directory, contents = tables_of(bytes, words)
  return {
    bytes:sub(2 * ROW + 1, words[ABOUT] * ROW), table.concat(sections, " "),
    bit.tohex(words[ABOUT + 4]), bit.tohex(words[ABOUT + 5]), directory, contents,
  }
end

--- The first part in which two images differ; nil: they decide the same, in the same rows.
---@param one tidegate.Image
---@param other tidegate.Image
---@return string|nil
function M.difference(one, other)
  local names = { "rows", "sections", "on_error and flags", "effects", "tables", "elements" }
  local first, second = M.deciding(one), M.deciding(other)
  for index, name in ipairs(names) do
    if first[index] ~= second[index] then
      return name
    end
  end
end

return M

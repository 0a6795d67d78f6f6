--- Elements of a live set: from what a script says to what the library takes.
--
-- Wherever elements stand, they may be one text, { text, ttl = … }, a file, or a list of these.  As
-- plain data, an item is { text or file, time to live in ms or nil }.

local ffi = require "ffi"
local duration = require "tidegate.duration"
local file = require "tidegate.file"
local literal = require "tidegate.literal"
local meant = require "tidegate.meant"
local suggest = require "tidegate.suggest"

local M = {}

--- `"10.0.0.1"`, `{ "10.0.0.0/8", ttl = "10m" }`, `file "x"`, or a list of these
---@alias tidegate.Elements string|table|tidegate.File

--- TG_TTL_FOREVER
M.FOREVER = 0xffffffffffffffffULL

local MAX_NESTING = 16

M.wants = 'wants addresses such as "10.0.0.1" or "10.0.0.0/8", each optionally with a ttl: '
  .. '{ "10.0.0.1", ttl = "10m" }'

local append

--- Append the items of a list, which may have a ttl for all of them.
local function append_list(list, items, ttl, depth)
  local message
  for key in pairs(list) do
    if type(key) ~= "number" and key ~= "ttl" then
      return nil, ("unknown field %s of an element%s")
        :format(literal.describe(key), suggest.hint(key, { "ttl" }, meant.elements))
    end
  end
  if list.ttl ~= nil then
    ttl, message = duration.lifetime(list.ttl)
    if not ttl then
      return nil, "ttl: " .. message
    elseif #list == 0 then
      return nil, M.wants .. "; got a ttl alone"
    end
  end
  for _, inner in ipairs(list) do
    local ok
    ok, message = append(inner, items, ttl, depth + 1)
    if not ok then
      return nil, message
    end
  end
  return true
end

function append(value, items, ttl, depth)
  if literal.is_text(value) or file.is(value) then
    items[#items + 1] = { value, ttl }
    return true
  elseif type(value) ~= "table" or getmetatable(value) then
    return nil, ("%s; got %s"):format(M.wants, literal.describe(value))
  elseif depth == MAX_NESTING then
    return nil, ("lists nest deeper than %d; write one list"):format(MAX_NESTING)
  end
  return append_list(value, items, ttl, depth)
end

--- Check elements.
---@param value any
---@return { [1]: string|tidegate.File, [2]: number|nil }[]|nil
---@return string|nil message
function M.take(value)
  local items = {}
  local ok, message = append(value, items, nil, 0)
  if not ok then
    return nil, message
  end
  return items
end

--- Two lists of items as one.
---@param first table
---@param second table
---@return table
function M.joined(first, second)
  local all = {}
  for _, items in ipairs { first, second } do
    for _, item in ipairs(items) do
      all[#all + 1] = item
    end
  end
  return all
end

--- Give items without a time to live this one.
---@param items table
---@param ttl number in ms, math.huge: for ever
function M.default(items, ttl)
  for _, item in ipairs(items) do
    item[2] = item[2] or ttl
  end
end

--- A time to live as the library takes it.
---@param ttl number|nil in ms, math.huge: for ever; nil: as the set says
---@return integer|ffi.cdata*
function M.ttl_number(ttl)
  return ttl == math.huge and M.FOREVER or ttl or 0
end

--- Items without files as an array of struct tg_set_entry, valid as long as the items.
---@param items table
---@param first integer|nil
---@param last integer|nil
---@return ffi.cdata*
---@return integer count
function M.entries(items, first, last)
  first, last = first or 1, last or #items
  local entries = ffi.new("struct tg_set_entry[?]", last - first + 2)
  entries[0].size = ffi.sizeof "struct tg_set_entry"
  for position = first, last do
    local entry = entries[position - first]
    entry.item, entry.ttl_ms = items[position][1], M.ttl_number(items[position][2])
  end
  return entries, last - first + 1
end

--- Items without files as an array of C strings, valid as long as the items.
---@param items table
---@return ffi.cdata*
function M.texts(items)
  local texts = ffi.new("const char *[?]", #items + 1)
  for position, item in ipairs(items) do
    texts[position - 1] = item[1]
  end
  return texts
end

--- Items with those of the files in the place of the files.
---@param items table
---@return table|nil
---@return string|nil message
---@return integer|nil errno
function M.without_files(items)
  local plain = {}
  for _, item in ipairs(items) do
    if not file.is(item[1]) then
      plain[#plain + 1] = item
    else
      local lines, message, errno = file.items(item[1])
      if not lines then
        return nil, message, errno
      end
      for _, line in ipairs(lines) do
        plain[#plain + 1] = { line, item[2] }
      end
    end
  end
  return plain
end

--- Call `add` for each run of items that are not files, and `load` for each file, in order, until
--- one of them fails.
---@param items table
---@param add fun(entries: ffi.cdata*, count: integer): integer
---@param load fun(path: string, ttl: integer|ffi.cdata*): true|nil, string|nil, integer|nil
---@return integer|nil 0, or what failed; nil: a file cannot be read
---@return string|nil message
---@return integer|nil errno
function M.each_run(items, add, load)
  local first, result = 1, 0
  local function flush(last)
    if result == 0 and last >= first then
      result = add(M.entries(items, first, last))
    end
  end
  for position, item in ipairs(items) do
    if file.is(item[1]) then
      flush(position - 1)
      first = position + 1
      if result ~= 0 then
        return result
      end
      local done, message, errno = file.read_by(item[1], function(path)
        return load(path, M.ttl_number(item[2]))
      end)
      if not done then
        return nil, message, errno
      end
    end
  end
  flush(#items)
  return result
end

return M

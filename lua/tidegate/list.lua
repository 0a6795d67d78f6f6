--- The values of one field: from what a rule says in Lua to a tg_list.
--
-- First the Lua value becomes plain data, an array of items: a string, a tidegate.File, or
-- { addr = items, port = items }.  The handle of a live table becomes "@name".  dump() writes these
-- items, and the tg_list is built from them, again when a file has changed.

local file = require "tidegate.file"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local meant = require "tidegate.meant"
local named_range = require "tidegate.named_range"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

local MAX_NESTING = 16
local MOST_TOLD = 10 -- wrong items of a list
local product_keys = { "addr", "port" }

---@class tidegate.List
---@field items table plain data
local List = {}
List.__index = List

-- fail() raises { message, errno }, which only M.new and List:object catch.
local function fail(message, errno)
  error({ message = message, errno = errno }, 0)
end

local function caught(ok, value)
  if ok then
    return value
  elseif type(value) == "table" and value.message then
    return nil, value.message, value.errno
  end
  error(value, 0)
end

-- The parts of { addr = …, port = … }, like rows of the schema.
local parts = {
  addr = {
    list = "ADDR", tables = true,
    wants = [[addr to be an address such as "10.0.0.0/8", or a list of them]],
  },
  port = {
    list = "PORT", numbers = true,
    wants = [[port to be a port such as 443, "8000-8999" or "https", or a list of them]],
  },
}

local normalise

--- { addr = …, port = … } as an item.
local function product(row, value, depth)
  for key in pairs(value) do
    if not parts[key] then
      local hint = key == 1 and "; write addr = " .. literal.describe(value[1])
        or suggest.hint(key, product_keys, meant.parts)
      fail(("unknown key %s in { addr = …, port = … }%s"):format(literal.describe(key), hint))
    end
  end
  if not row.endpoints then
    fail("wants " .. row.wants .. "; { addr = …, port = … } is for endpoints")
  end
  local endpoint = {}
  for _, key in ipairs(product_keys) do
    if value[key] ~= nil then
      endpoint[key] = normalise(parts[key], value[key], {}, depth)
    end
  end
  return endpoint
end

--- "@banned" for the handle of a live set.
local function reference(row, handle)
  if not row.endpoints and not row.tables then
    fail(("%s: a live table holds addresses; only an operation, or source, can name one")
      :format(live.text(handle)))
  end
  local problem = live.undeclared(handle)
  if problem then
    fail(problem)
  end
  return "@" .. handle.name
end

local function is_sequence(value)
  local count = 0
  for key in pairs(value) do
    if type(key) ~= "number" then
      return false
    end
    count = count + 1
  end
  return count == #value
end

--- Append the items of `value` to `items`.
function normalise(row, value, items, depth)
  local kind = type(value)
  if literal.is_text(value) then
    items[#items + 1] = value
  elseif kind == "number" and row.numbers and value >= 0 and value % 1 == 0 and value < 2 ^ 32 then
    items[#items + 1] = ("%d"):format(value)
  elseif live.is(value) then
    items[#items + 1] = reference(row, value)
  elseif file.is(value) then
    items[#items + 1] = value
  elseif kind ~= "table" then
    local is_port = kind == "number" and row.endpoints and value % 1 == 0 and value > 0
      and value < 2 ^ 16
    fail(("wants %s; got %s%s"):format(row.wants, literal.describe(value),
      is_port and ('; for a port write "*:%d"'):format(value) or ""))
  elseif depth == MAX_NESTING then
    fail(("lists nest deeper than %d; write one list"):format(MAX_NESTING))
  elseif is_sequence(value) then
    for _, inner in ipairs(value) do
      normalise(row, inner, items, depth + 1)
    end
  else
    items[#items + 1] = product(row, value, depth + 1)
  end
  return items
end

local function check(result)
  if result ~= 0 then
    local _, message, errno = library.failure(result)
    fail(message, errno)
  end
end

local build

local function add(object, item)
  if type(item) == "string" then
    check(C.tg_list_add(object, item))
  elseif file.is(item) then
    local done, message, errno = file.read_by(item, function(path)
      return library.outcome(C.tg_list_load(object, path))
    end)
    if not done then
      fail(message, errno)
    end
  else
    check(C.tg_list_add_product(object, item.addr and build("ENDPOINT", item.addr),
      item.port and build("PORT", item.port)))
  end
end

--- The tg_list of some items.  Fails with a line for each item that is wrong, up to MOST_TOLD.
function build(field, items)
  local object, message, errno =
    library.make("list", function(slot) return C.tg_list_new("TG_FIELD_" .. field, 0, slot) end)
  if not object then
    fail(message, errno)
  end
  local wrong = {}
  for _, item in ipairs(items) do
    local ok, problem = pcall(add, object, item)
    if not ok and not (type(problem) == "table" and problem.message) then
      error(problem, 0)
    elseif not ok and #wrong < MOST_TOLD then
      wrong[#wrong + 1], errno = problem.message, errno or problem.errno
    end
  end
  if #wrong > 0 then
    fail(table.concat(wrong, "\n"), errno)
  end
  return object
end

--- Call a function for each file that some items name.
local function each_file(items, visit)
  for _, item in ipairs(items) do
    if file.is(item) then
      visit(item)
    elseif type(item) == "table" then
      each_file(item.addr or {}, visit)
      each_file(item.port or {}, visit)
    end
  end
end

--- A text that differs once one of the files has changed.
local function stamp(items)
  local stamps = {}
  each_file(items, function(named)
    stamps[#stamps + 1] = file.stamp(named)
  end)
  return table.concat(stamps, " ")
end

--- Check and build a list.  The message is about the value alone, because the caller knows the
--- rule and the field.
---@param row tidegate.Word of the field
---@param value any of the field
---@return tidegate.List|nil
---@return string|nil message a line for each wrong item
---@return integer|nil errno
function M.new(row, value)
  return caught(pcall(function()
    local self = setmetatable({ row = row, items = normalise(row, value, {}, 0) }, List)
    self.stamp = stamp(self.items)
    self.cdata = build(row.list, self.items)
    return self
  end))
end

--- Whether one of its files has changed since the list was built.
---@return boolean
function List:stale()
  return self.stamp ~= "" and stamp(self.items) ~= self.stamp
end

--- The tg_list; it is built again if a file has changed.
---@return ffi.cdata*|nil
---@return string|nil message
---@return integer|nil errno
function List:object()
  if not self:stale() then
    return self.cdata
  end
  return caught(pcall(function()
    local fresh = stamp(self.items)
    local object = build(self.row.list, self.items)
    self.stamp, self.cdata = fresh, object
    return object
  end))
end

local render

local function render_item(item, numbers)
  if type(item) == "string" then
    local plain = numbers and #item < 10 and item:match "^%d+$" and not item:match "^0%d"
    return plain and item or literal.quote(item)
  elseif file.is(item) then
    return "file " .. literal.quote(file.absolute(item))
  end
  local texts = {}
  for _, key in ipairs(product_keys) do
    texts[#texts + 1] = item[key] and key .. " = " .. render(item[key], parts[key].numbers)
  end
  return "{ " .. table.concat(texts, ", ") .. " }"
end

function render(items, numbers)
  if #items == 1 then
    return render_item(items[1], numbers)
  elseif #items == 0 then
    return "{}"
  end
  local texts = {}
  for position, item in ipairs(items) do
    texts[position] = render_item(item, numbers)
  end
  return "{ " .. table.concat(texts, ", ") .. " }"
end

--- The names of the live tables among its items, and whether a file may name more.
---@return string[]
---@return boolean
function List:tables()
  local found, files = {}, false
  local function collect(items)
    for _, item in ipairs(items) do
      if type(item) == "string" then
        local name = item:match "^!?@([%w_.-]+)"
        found[#found + 1] = name and not named_range.is(name) and name or nil
      elseif file.is(item) then
        files = true
      else
        collect(item.addr or {})
      end
    end
  end
  if self.row.endpoints then
    collect(self.items)
  end
  return found, files
end

--- Whether live tables may be among its items.
---@return boolean
function List:may_name_tables()
  local named, files = self:tables()
  return files or #named > 0
end

--- A list of plain data that is known to be good, only to write it.
---@param row tidegate.Word of the field
---@param items table plain data
---@return tidegate.List
function M.of_items(row, items)
  return setmetatable({ row = row, items = items }, List)
end

--- The list as Lua source.
---@return string
function List:text()
  return render(self.items, self.row.numbers)
end

return M

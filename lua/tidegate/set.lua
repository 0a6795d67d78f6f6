--- Live sets, a kind of live table: a policy declares them, and, once it is in force, calls are
--- looked up in them.

local ffi = require "ffi"
local duration = require "tidegate.duration"
local elements = require "tidegate.elements"
local file = require "tidegate.file"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local meant = require "tidegate.meant"
local suggest = require "tidegate.suggest"

local C = library.C
local AF_INET = 2

---@type tidegate.LiveKind
local M = {}

--- A set of addresses and prefixes that rules name.  `#set` is the number of its elements.
---@class tidegate.Set
---@field name string
---@field size integer elements that it has room for; 0: not known yet
---@field ttl number|nil default time to live of an element, in seconds; math.huge: for ever
---@field readonly boolean processes that have restricted the gate may only read it
local Set = {}

local option_names = { "size", "ttl", "readonly" }

M.word, M.plural, M.verb, M.pronoun, M.elements = "set", "sets", "is", "its", "elements"
M.methods, M.properties, M.open = Set, { "size", "ttl", "readonly" }, C.tg_gate_find_set
M.of_image, M.info, M.info_type = C.tg_image_set_next, C.tg_set_info, "struct tg_set_info"
M.change = "add and remove change what it contains"
M.hints = {
  contains = "find(ADDRESS)", has = "find(ADDRESS)", get = "find(ADDRESS)",
  insert = "add(ITEM)", put = "add(ITEM)", set = "add(ITEM)",
  delete = "remove(ITEM)", del = "remove(ITEM)",
  empty = "clear()", flush = "clear()",
  elements = "each()", members = "each()", list = "each()",
  replace_load = "load(PATH, { replace = true })",
}

-- Declaring ----------------------------------------------------------------------------

local function take_options(spec, declared)
  for key in pairs(spec) do
    if type(key) ~= "number" and key ~= "size" and key ~= "ttl" and key ~= "readonly" then
      return nil, suggest.unknown("option", key, option_names, meant.elements)
    end
  end
  local message
  declared.size, message = live.take_size(M, spec.size)
  if not declared.size then
    return nil, message
  end
  declared.readonly, message = live.take_readonly(spec.readonly)
  if message then
    return nil, message
  end
  if spec.ttl ~= nil then
    declared.ttl, message = duration.lifetime(spec.ttl)
    if not declared.ttl then
      return nil, "ttl: " .. message
    end
  end
  return true
end

--- Check the table of `set "name" { … }`.
function M.declaration(spec)
  if type(spec) ~= "table" then
    local text = file.is(spec) and tostring(spec) or literal.is_text(spec) and literal.quote(spec)
    return nil, ('wants a table such as { "10.0.0.0/8", ttl = "10m" }; got %s%s')
      :format(literal.describe(spec), text and ("; write { %s }"):format(text) or "")
  end
  local declared = {}
  local ok, message = take_options(spec, declared)
  if not ok then
    return nil, message
  end
  local listed = {}
  for position, item in ipairs(spec) do
    listed[position] = item
  end
  declared.items, message = elements.take(listed)
  if not declared.items then
    return nil, message
  end
  return declared
end

--- Declare it in a tg_policy; with `empty`, without its first elements.
function M.put(state, object, empty)
  local declared = state.declared
  local options = library.sized "struct tg_set_options"
  options.capacity, options.ttl_ms = declared.size, elements.ttl_number(declared.ttl)
  options.flags = declared.readonly and C.TG_TABLE_READONLY or 0
  local result = C.tg_policy_declare_set(object, state.name, options)
  if result ~= 0 or empty then
    return result
  end
  return elements.each_run(declared.items, function(entries, count)
    return C.tg_policy_set_add(object, state.name, entries, count)
  end, function(path, ttl)
    return library.outcome(C.tg_policy_set_load(object, state.name, path, ttl))
  end)
end

function M.held(declared)
  return #declared.items
end

-- Live ---------------------------------------------------------------------------------

--- A hint if a second element stands where a time to live does.
local function several(value, ttl)
  if literal.is_text(value) and literal.is_text(ttl) and ttl:find "[.:]" then
    return ("; several elements are a list: { %s, %s }")
      :format(literal.quote(value), literal.quote(ttl))
  end
  return ""
end

--- The items of an argument; raises if they are none.
local function take(state, value, ttl)
  local items, message = elements.take(value)
  if not items then
    live.fail(state, message)
  elseif ttl ~= nil then
    local ms
    ms, message = duration.lifetime(ttl)
    if not ms then
      live.fail(state, "ttl: " .. message .. several(value, ttl))
    end
    elements.default(items, ms)
  end
  return items
end

--- Put more items into the declaration of a set that is not in force yet: all, or none.  They are
-- checked at once; whether all fit, only if they may not, because scripts add one by one.
local function stage(state, items)
  local staged, size = state.declared.items, state.declared.size
  local whole = size > 0 and #staged + #items > size and elements.joined(staged, items)
  local ok, message, errno = live.try(state, "items", whole or items)
  if not ok then
    return nil, message, errno
  end
  for _, item in ipairs(items) do
    staged[#staged + 1] = item
  end
  live.touch(state)
  return true
end

--- Give the items to tg_set_add() or to tg_set_replace(), or one file to tg_set_load().
local function change(state, set, items, call, flags)
  live.note_change(state)
  if #items == 1 and file.is(items[1][1]) then
    local ttl = elements.ttl_number(items[1][2])
    local done, message, errno = file.read_by(items[1][1], function(path)
      return library.outcome(C.tg_set_load(set, path, ttl, flags))
    end)
    return done, message, errno
  end
  local plain, message, errno = elements.without_files(items)
  if not plain then
    return nil, message, errno
  end
  return library.outcome(call(set, elements.entries(plain)))
end

--- Add addresses and prefixes: all or none.  Elements that are already in the set get the new time
--- to live.
---@param items tidegate.Elements
---@param ttl string|number|nil "10m", seconds, math.huge for ever; default: that of the set
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Set:add(items, ttl)
  items = take(self, items, ttl)
  local set, message, errno = live.object(self)
  if message then
    return nil, message, errno
  elseif set == nil then
    return stage(self, items)
  end
  return change(self, set, items, C.tg_set_add, 0)
end

--- Replace all elements.  A call sees the old elements or the new ones, never a mixture.
---@param items tidegate.Elements
---@param ttl string|number|nil as for add()
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Set:replace(items, ttl)
  items = take(self, items, ttl)
  local set, message, errno = live.object(self)
  if message then
    return nil, message, errno
  end
  return change(self, set or live.not_in_force(self), items, C.tg_set_replace, C.TG_SET_REPLACE)
end

--- Remove all elements.
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Set:clear()
  return Set.replace(self, {})
end

--- Remove addresses and prefixes: these elements alone, not the addresses under a prefix.
---@param items tidegate.Elements
---@return integer|nil removed how many of them were in the set
---@return string|nil message
---@return integer|nil errno
function Set:remove(items)
  items = take(self, items)
  local set, message, errno = live.object(self)
  if message then
    return nil, message, errno
  end
  local plain
  plain, message, errno = elements.without_files(items)
  if not plain then
    return nil, message, errno
  end
  live.note_change(self)
  local removed = library.index()
  local result = C.tg_set_remove(set or live.not_in_force(self), elements.texts(plain), #plain,
    removed)
  if result ~= 0 then
    return library.failure(result)
  end
  return tonumber(removed[0])
end

--- Seconds that are left of a time in ms.
local function left_of(ms)
  return ms == elements.FOREVER and math.huge or tonumber(ms) / 1000
end

--- "192.0.2.1" or "192.0.2.0/24"
---@param element ffi.cdata* struct tg_set_element
---@return string
function M.element_text(element)
  local text = library.address(element.addr)
  if element.length ~= (element.family == AF_INET and 32 or 128) then
    text = ("%s/%d"):format(text, tonumber(element.length))
  end
  return text
end

--- The element that contains an address: the address itself, or the longest prefix.
---@param address string
---@return string|false|nil element false: the set does not contain the address
---@return number|string|nil left seconds, math.huge for ever; or the message
---@return integer|nil errno
function Set:find(address)
  if not literal.is_text(address) then
    live.fail(self, ("find wants an address; got %s"):format(literal.describe(address)))
  end
  local set, message, errno = live.object(self)
  if message then
    return nil, message, errno
  end
  local element = library.sized "struct tg_set_element"
  local result = C.tg_set_find(set or live.not_in_force(self), address, element)
  if result < 0 then
    return library.failure(result)
  elseif result == 0 then
    return false
  end
  return M.element_text(element), left_of(element.ttl_ms)
end

local load_options = { "replace", "ttl" }

--- The options of load().
local function take_load_options(state, options)
  if type(options) ~= "table" then
    options = { ttl = options }
  end
  for key, value in pairs(options) do
    if key ~= "replace" and key ~= "ttl" then
      live.fail(state, "load: " .. suggest.option(key, value, load_options))
    end
  end
  local replace = options.replace
  if replace ~= nil and type(replace) ~= "boolean" then
    live.fail(state, ("load: replace: wants true or false; got %s")
      :format(literal.describe(replace)))
  end
  return options.ttl, replace
end

--- Add the items of a file, one a line.
---@param path string|tidegate.File
---@param options string|number|{ ttl: string|number|nil, replace: boolean|nil }|nil a time to live,
--- or a table; replace: all elements, in one step
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Set:load(path, options)
  if not file.is(path) and not literal.is_text(path) then
    live.fail(self, ("load wants a path; got %s"):format(literal.describe(path)))
  end
  local ttl, replace = take_load_options(self, options)
  return Set[replace and "replace" or "add"](self, file.is(path) and path or file.new(path), ttl)
end

--- Its elements, in no particular order: `for item, left in set:each() do`.  `left` is the time
--- that the element has left, in seconds; math.huge: for ever.  Raises if the set is not in force,
--- or cannot be read.
---@return fun(): string|nil, number|nil
function Set:each()
  local set = live.in_force(self)
  local cursor, element = ffi.new "uint64_t[1]", library.sized "struct tg_set_element"
  return function()
    set = live.object(self) or set -- raises if the gate was closed in between
    if live.found(C.tg_set_next(set, cursor, element)) then
      return M.element_text(element), left_of(element.ttl_ms)
    end
  end
end

--- Facts about it.
---@return { name: string, count: integer, size: integer, ttl: number, bytes: integer,
--- readonly: boolean, refused: integer }|nil
---@return string|nil message
---@return integer|nil errno
Set.info = live.info

--- The seconds of the default time to live: of a tg_set_info in force, or of a declaration.
function M.ttl(info, declared)
  if info then
    return left_of(info.ttl_ms)
  end
  return declared and declared.ttl and declared.ttl / 1000 or math.huge
end

--- How many elements there was no room for.
function M.refused(info)
  return info and tonumber(info.refused) or 0
end

-- Handles ------------------------------------------------------------------------------

function M.equip(meta, state)
  function meta.__unm()
    live.fail(state, ('cannot be negated: write "!@%s" for the addresses that are not in it')
      :format(state.name))
  end
end

return live.kind(M)

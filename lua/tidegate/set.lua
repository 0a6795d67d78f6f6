--- Live sets, a kind of live table: a policy declares them, and, once it is in force, calls are
--- looked up in them.

local ffi = require "ffi"
local duration = require "tidegate.duration"
local file = require "tidegate.file"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local suggest = require "tidegate.suggest"

local C = library.C

---@type tidegate.LiveKind
local M = {}

--- A set of addresses and prefixes that rules name.  `#set` is the number of its elements; `-set`
--- in a list of endpoints means all addresses that are not in the set.
---@class tidegate.Set
---@field name string
---@field size integer elements that it has room for; 0: not known yet
---@field ttl integer|nil default time to live of an element, in seconds
local Set = {}

--- `-set` in a list of endpoints.
---@class tidegate.Complement
---@field set tidegate.Set
local Complement = {}

local option_names = { "size", "ttl" }

M.word, M.plural, M.verb, M.pronoun, M.elements = "set", "sets", "is", "its", "elements"
M.methods, M.properties, M.open = Set, { size = true, ttl = true }, C.tg_gate_set
M.of_image, M.info, M.info_type = C.tg_image_set, C.tg_set_info, "struct tg_set_info"

-- Declaring ----------------------------------------------------------------------------

--- One item of a declaration, as { text or file, ttl }.
local function take_item(item)
  if literal.is_text(item) or file.is(item) then
    return { item }
  elseif type(item) ~= "table" or not literal.is_text(item[1]) then
    return nil, ('wants addresses such as "10.0.0.1" or "10.0.0.0/8", each optionally with a ttl: '
      .. '{ "10.0.0.1", ttl = "10m" }; got %s'):format(literal.describe(item))
  end
  for key in pairs(item) do
    if key ~= 1 and key ~= "ttl" then
      return nil, ("unknown field %s of an element%s")
        :format(literal.describe(key), suggest.hint(key, { "ttl" }))
    end
  end
  local ttl, message
  if item.ttl == 0 then
    ttl = 0 -- for ever
  elseif item.ttl ~= nil then
    ttl, message = duration.parse(item.ttl)
    if not ttl then
      return nil, "ttl: " .. message
    end
  end
  return { item[1], ttl }
end

local function take_options(spec, declared)
  for key in pairs(spec) do
    if type(key) ~= "number" and key ~= "size" and key ~= "ttl" then
      return nil, suggest.unknown("option", key, option_names)
    end
  end
  local message
  declared.size, message = live.take_size(M, spec.size)
  if not declared.size then
    return nil, message
  end
  if spec.ttl ~= nil then
    declared.ttl, message = duration.parse(spec.ttl)
    if not declared.ttl then
      return nil, "ttl: " .. message
    end
  end
  return true
end

--- Check the table of `set "name" { … }`.
function M.declaration(spec)
  if type(spec) ~= "table" or file.is(spec) then
    return nil, ('wants a table such as { "10.0.0.0/8", ttl = "10m" }; got %s')
      :format(literal.describe(spec))
  end
  local declared = { items = {} }
  local ok, message = take_options(spec, declared)
  if not ok then
    return nil, message
  end
  for position, item in ipairs(spec) do
    local taken
    taken, message = take_item(item)
    if not taken then
      return nil, message
    end
    declared.items[position] = taken
  end
  return declared
end

local function put_item(state, object, item)
  if file.is(item[1]) then
    return C.tg_policy_set_load(object, state.name, item[1].path)
  end
  return C.tg_policy_set_add(object, state.name, item[1], item[2] or C.TG_TTL_DEFAULT)
end

--- Declare it in a tg_policy; with `empty`, without its first elements.
function M.put(state, object, empty)
  local declared = state.declared
  local result = C.tg_policy_set(object, state.name, declared.size, declared.ttl or 0)
  for _, item in ipairs(empty and {} or declared.items) do
    if result == 0 then
      result = put_item(state, object, item)
    end
  end
  return result
end

function M.held(declared)
  return #declared.items
end

-- Live ---------------------------------------------------------------------------------

--- The items as an array of C strings, which are valid as long as `anchor`.
local function array(state, items, anchor)
  if type(items) == "string" then
    items = { items }
  elseif type(items) ~= "table" or file.is(items) then
    live.fail(state, ("wants an address, a prefix or a list of them; got %s")
      :format(literal.describe(items)))
  end
  local texts = ffi.new("const char *[?]", #items + 1)
  for position, item in ipairs(items) do
    if not literal.is_text(item) then
      live.fail(state, ("wants addresses and prefixes as texts; got %s")
        :format(literal.describe(item)))
    end
    anchor[position], texts[position - 1] = item, item
  end
  return texts, #items
end

local function ttl_of(state, ttl)
  if ttl == nil then
    return C.TG_TTL_DEFAULT
  elseif ttl == math.huge then
    return 0
  end
  local ms, message = duration.parse(type(ttl) == "table" and ttl.ttl or ttl)
  if not ms then
    live.fail(state, "ttl: " .. message)
  end
  return ms
end

--- Add to the declaration of a set that is not in force yet.
local function stage(state, items, ttl)
  local staged = live.stage(state).items
  for _, item in ipairs(type(items) == "string" and { items } or items) do
    staged[#staged + 1] = { item, ttl ~= C.TG_TTL_DEFAULT and ttl or nil }
  end
  return true
end

--- Add an address or a prefix, or a list of them.  Elements that are already in the set get the
--- new time to live.  If one item of a list is wrong, none is added.
---@param items string|string[]
---@param ttl string|number|nil "10m", seconds, math.huge for ever; default: that of the set
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Set:add(items, ttl)
  local state, anchor = live.state(self), {}
  local texts, count = array(state, items, anchor)
  local ms = ttl_of(state, ttl)
  local set, message, errno = live.object(state)
  if message then
    return nil, message, errno
  end
  if set == nil then
    return stage(state, items, ms)
  end
  return library.outcome(C.tg_set_add(set, texts, count, ms))
end

--- Ask tg_set_remove() or tg_set_contains() about one item.
local function ask(self, item, question)
  local state = live.state(self)
  array(state, item, {})
  local set, message, errno = live.object(state)
  if message then
    return nil, message, errno
  end
  local result = question(set or live.not_in_force(state), item)
  if result < 0 then
    return library.failure(result)
  end
  return result == 1
end

--- Remove an address or a prefix: that element alone, not the addresses under a prefix.
---@param item string
---@return boolean|nil whether it was in the set
---@return string|nil message
---@return integer|nil errno
function Set:remove(item)
  return ask(self, item, C.tg_set_remove)
end

--- Whether an address is in the set, by itself or under a prefix.
---@param address string
---@return boolean|nil
---@return string|nil message
---@return integer|nil errno
function Set:contains(address)
  return ask(self, address, C.tg_set_contains)
end

--- Replace all elements by those of a list or of a file.  A call sees the old elements or the new
--- ones, never a mixture.
---@param items string[]|tidegate.File
---@param ttl string|number|nil of the items of a list; default: that of the set
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Set:replace(items, ttl)
  local state, anchor = live.state(self), {}
  local texts, count
  if not file.is(items) then
    texts, count = array(state, items, anchor)
  end
  local ms = ttl_of(state, ttl)
  local set, message, errno = live.object(state)
  if message then
    return nil, message, errno
  end
  set = set or live.not_in_force(state)
  if not texts then
    return library.outcome(C.tg_set_replace_load(set, items.path))
  end
  return library.outcome(C.tg_set_replace(set, texts, count, ms))
end

--- Remove all elements.
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Set:clear()
  return Set.replace(self, {})
end

--- Add the items of a file, one a line.
---@param path string|tidegate.File
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Set:load(path)
  local state = live.state(self)
  path = file.is(path) and path.path or path
  if type(path) ~= "string" then
    live.fail(state, ("load wants a path; got %s"):format(literal.describe(path)))
  end
  local set, message, errno = live.object(state)
  if message then
    return nil, message, errno
  end
  return library.outcome(C.tg_set_load(set or live.not_in_force(state), path))
end

--- "192.0.2.1" or "192.0.2.0/24"
---@param element ffi.cdata* struct tg_set_element
---@return string
function M.element_text(element)
  local text = library.address(element.addr)
  if element.length ~= (element.is4 and 32 or 128) then
    text = ("%s/%d"):format(text, tonumber(element.length))
  end
  return text
end

--- Its elements, in no particular order: `for item, left in set:each() do`.  `left` is the time
--- that the element has left, in seconds; nil: for ever.
---@return fun(): string|nil, number|nil
function Set:each()
  local state = live.state(self)
  local set = live.object(state) or live.not_in_force(state)
  local cursor, element = ffi.new "uint64_t[1]", ffi.new "struct tg_set_element"
  return function()
    if C.tg_set_next(set, cursor, element) == 1 then
      local left = element.ttl_ms > 0 and tonumber(element.ttl_ms) / 1000 or nil
      return M.element_text(element), left
    end
  end
end

--- Facts about it.
---@return { name: string, count: integer, size: integer, ttl: number|nil, bytes: integer }|nil
---@return string|nil message
---@return integer|nil errno
Set.info = live.info

-- Handles ------------------------------------------------------------------------------

function M.equip(meta)
  meta.__unm = function(self) return setmetatable({ set = self }, Complement) end
end

---@param value any
---@return boolean
function M.is_complement(value)
  return getmetatable(value) == Complement
end

return M

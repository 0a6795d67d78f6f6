--- From an image back to its rules: one rule as Lua, from what the image has in force.

local bit = require "bit"
local ffi = require "ffi"
local backend = require "tidegate.backend"
local library = require "tidegate.ffi"
local list = require "tidegate.list"
local names = require "tidegate.names"
local rule = require "tidegate.rule"
local schema = require "tidegate.schema"

local C = library.C

local M = {}

local NOT_SAYABLE = 95 -- EOPNOTSUPP

--- What reads the rules of an image.
---@class tidegate.RuleReader
---@field cdata ffi.cdata*
local Reader = {}
Reader.__index = Reader

---@param image tidegate.Image
---@return tidegate.RuleReader
function M.reader(image)
  local object, message = library.make("dump", function(slot)
    return C.tg_dump_new(image.cdata, slot)
  end)
  return setmetatable({
    cdata = object or error(message, 0), image = image, struct = library.sized "struct tg_rule",
    items = ffi.new "struct tg_dump_items", product = ffi.new "struct tg_dump_product",
  }, Reader)
end

--- A result that is no failure.  Only a damaged image, or too little memory, is one.
local function checked(result)
  return result < 0 and error(select(2, library.failure(result)), 0) or result
end

-- Lists --------------------------------------------------------------------------------

local function texts_of(items)
  local texts = {}
  for index = 1, tonumber(items.count) do
    texts[index] = ffi.string(items.at[index - 1])
  end
  return texts
end

--- "10.0.0.0/8:443", "[2001:db8::/32]:443"
local function with_port(address, port)
  return (address:find(":", 1, true) and "[%s]:%s" or "%s:%s"):format(address, port)
end

--- Whether each address may be an item of the list itself.  What has a '!' would be left out of
--- all of them, and a set would be one with the same set in other items.
local function are_plain(addrs)
  for _, address in ipairs(addrs) do
    if address:find "^[!@]" then
      return false
    end
  end
  return true
end

--- Add a product to the items of a list of endpoints.
local function add_product(items, product)
  local addrs, ports = texts_of(product.addrs), texts_of(product.ports)
  local plain = are_plain(addrs)
  if plain and #ports == 0 then
    for _, address in ipairs(addrs) do
      items[#items + 1] = address
    end
  elseif plain and #addrs == 1 and #ports == 1 and ports[1]:sub(1, 1) ~= "!" then
    items[#items + 1] = with_port(addrs[1], ports[1])
  else
    items[#items + 1] = {
      addr = (addrs[2] or addrs[1] ~= "*") and addrs or nil, port = ports[1] and ports or nil,
    }
  end
end

--- The result of a call that may find that nothing says what it reads: raises a text as
--- { message = … }, which only Reader:rule catches.
local function said(result)
  if result == -NOT_SAYABLE then
    error({ message = select(2, library.failure(result)) }, 0)
  end
  return checked(result)
end

function Reader:endpoints(field)
  local items, index = {}, 0
  while said(C.tg_dump_product(self.cdata, field, index, self.product)) == 1 do
    add_product(items, self.product)
    index = index + 1
  end
  return items
end

--- The items of a condition; nil: the rule has none.  Numbers of files and of cgroups are not
--- items, but show whether two rules ask the same.
function Reader:condition(row)
  local field = C["TG_FIELD_" .. row.list]
  if row.endpoints then
    local items = self:endpoints(field)
    return items[1] and items or nil
  end
  local result = said(C.tg_dump_condition(self.cdata, field, self.items))
  if result == 2 then
    self.numbers[row.name] = texts_of(self.items)
  end
  return result == 1 and texts_of(self.items) or nil
end

-- Effects ------------------------------------------------------------------------------

local flags = {
  reveal = C.TG_RULE_REVEAL, low_port = C.TG_RULE_LOW_PORT, shadow = C.TG_RULE_SHADOW,
}

local redirects = { [C.TG_VERB_REWRITE] = true, [C.TG_VERB_BALANCE] = true }

--- Socket options as value.lua takes them, from "mark=16 keepalive=1".
local function options_of(text)
  local options = {}
  for name, value in (text or ""):gmatch "(%S+)=(%S+)" do
    local takes = schema.options_of_sockets[name].takes
    options[#options + 1] = { name, takes == "flag" and value == "1"
      or takes == "number" and tonumber(value) or takes == "text" and value }
  end
  return options[1] and options or nil
end

function Reader:backends()
  local backends = backend.read_all(function(infos, capacity, count)
    local result = C.tg_dump_backends(self.cdata, infos, capacity, count)
    return result == 0 and 1 or result
  end)
  local items = {}
  for position, member in ipairs(backends) do
    items[position] = { member.address, member.weight, member.state }
  end
  return items[1] and items or nil
end

--- What a rule does, as rule.lua takes it.
function Reader:effects(struct)
  local fields = {
    errno = library.text(struct.error), to = library.text(struct.to),
    by = library.text(struct.by), key = library.text(struct.key),
    sticky = struct.sticky_ms > 0 and tonumber(struct.sticky_ms) or nil,
    bind_source = library.text(struct.bind_source), log = library.text(struct.log),
    over = library.text(struct.over), per = library.text(struct.per),
    message = library.text(struct.message), sockopt = options_of(library.text(struct.sockopt)),
  }
  if struct.verb == C.TG_VERB_BALANCE then
    fields.to = self:backends()
  end
  for name, flag in pairs(flags) do
    fields[name] = bit.band(struct.flags, flag) ~= 0 or nil
  end
  return fields
end

-- Rules --------------------------------------------------------------------------------

--- The words for the operations of a rule.  More than one only a program in C can have put there.
local function operations_of(ops)
  local words = {}
  for _, row in ipairs(schema.operations) do
    if rule.operation_bits(row.ops) == ops then
      return { row }
    elseif #row.ops == 1 and bit.band(ops, rule.operation_bits(row.ops)) ~= 0 then
      words[#words + 1] = row
    end
  end
  return words
end

--- A rule as lines of Lua, one for each word of its operations.
local function read(self, index, position)
  local struct, texts = self.struct, {}
  self.numbers = {}
  local matches = said(C.tg_dump_rule(self.cdata, index, struct)) == 1
  local fields = self:effects(struct)
  if not matches and redirects[struct.verb] and not fields.to then
    error({ message = "it matches nothing, so the image does not say where it sends calls" }, 0)
  end
  local endpoints = self:endpoints(C.TG_FIELD_ENDPOINT)
  for _, row in ipairs(schema.conditions) do
    local items = self:condition(row)
    fields[row.name] = items and list.of_items(row, items)
  end
  local name = ffi.string(struct.name)
  for count, operation in ipairs(operations_of(struct.ops)) do
    fields[operation.name] = list.of_items(operation, endpoints)
    texts[count] = rule.text({
      name = count == 1 and name or ("%s, %s"):format(name, operation.name),
      verb = names.verbs[struct.verb], fields = fields,
    }, position + count - 1)
    fields[operation.name] = nil
  end
  return texts
end

--- A rule as Lua.
---@param index integer from 0
---@param position integer|nil in its policy, from 1; default: that of the index
---@return string|nil nil: no Lua says what it is
---@return string why, if none does
---@return table<string, string[]> numbers conditions that the text lacks, because they are numbers
---@return integer count of the rules that the text is, one a line
function Reader:rule(index, position)
  local ok, texts = pcall(read, self, index, position or index + 1)
  if not ok and type(texts) ~= "table" then
    error(texts, 0)
  end
  return ok and table.concat(texts, "\n") or nil, not ok and texts.message or "", self.numbers,
    ok and #texts or 1
end

return M

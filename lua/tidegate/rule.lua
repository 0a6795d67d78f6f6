--- A rule: one verb, what it matches and what it does, checked.

local bit = require "bit"
local library = require "tidegate.ffi"
local list = require "tidegate.list"
local literal = require "tidegate.literal"
local meant = require "tidegate.meant"
local order = require "tidegate.order"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"
local value = require "tidegate.value"

local C = library.C

local M = {}

--- A rule of a policy.  It does not change: what replaces it is another one.  `box` is what its
--- handle, and those of the rules that it replaced, have in common.
---@class tidegate.Member
---@field name string
---@field verb string
---@field where string "web.lua:4"
---@field ordinal integer
---@field removed boolean
---@field order tidegate.Order|nil its place, if it says one
---@field box { member: tidegate.Member, handle: tidegate.Rule|nil }
---@field policy tidegate.Policy
local Member = {}
Member.__index = Member

-- Checking -----------------------------------------------------------------------------

--- The fields of a table that have no row, sorted so that errors are stable.
local function unknown_fields(spec)
  local unknown = {}
  for key in pairs(spec) do
    if key ~= 1 and (type(key) == "number" or not schema.fields[key]) then
      unknown[#unknown + 1] = key
    end
  end
  table.sort(unknown, function(a, b) return tostring(a) < tostring(b) end)
  return unknown
end

--- The mistakes of a rule, in the order in which they are found.
---@class tidegate.Mistakes
---@field errno integer|nil of the first
local Mistakes = {}
Mistakes.__index = Mistakes

--- Add a mistake, or one a line, each after the same words.
function Mistakes:add(message, errno, before)
  for line in message:gmatch "[^\n]+" do
    self[#self + 1] = (before or "") .. line
  end
  self.errno = self.errno or errno
end

--- Whether one of them is about this field.
function Mistakes:about(field)
  for _, message in ipairs(self) do
    if message:sub(1, #field + 2) == field .. ": " or message:find(('^says no "%s"'):format(field))
    then
      return true
    end
  end
  return false
end

local function unknown_field(verb, spec, key)
  if type(key) == "number" then
    return ("unexpected value %s; only the name, which comes first, has no field")
      :format(literal.describe(spec[key]))
  elseif key == "name" then
    return ('the name comes first, without a field; write %s { %s, … }')
      :format(verb, literal.describe(spec.name))
  end
  return suggest.unknown("field", key, schema.field_names, meant.fields)
end

--- Whether all fields exist.
local function check_keys(verb, spec, mistakes)
  local unknown = unknown_fields(spec)
  for _, key in ipairs(unknown) do
    mistakes:add(unknown_field(verb, spec, key))
  end
  return #unknown == 0
end

--- The operation of a rule; nil: what is wrong.
local function operation_of(spec)
  local said = {}
  for _, name in ipairs(schema.op_names) do
    if spec[name] ~= nil then
      said[#said + 1] = name
    end
  end
  if #said == 0 and type(spec[1]) == "string" and spec[1]:find "^[%d.:/*]+$" then
    return nil, ("says no operation: the first text is the rule's name; write connect = %s")
      :format(literal.quote(spec[1]))
  elseif #said == 0 then
    return nil, ("says no operation; add %s"):format(schema.enumerate(schema.op_names, "or"))
  elseif #said > 1 then
    return nil, ("says %s%s; a rule has exactly one")
      :format(#said == 2 and "both " or "", schema.enumerate(said, "and"))
  end
  return schema.fields[said[1]]
end

--- Take the fields of `spec` into the rule.
local function take_fields(self, spec, mistakes)
  local places = {}
  for _, row in ipairs(schema.fields) do
    local given = spec[row.name]
    local taken, message, errno
    if given == nil then
      message = nil
    elseif not schema.accepts(row, self.verb) then
      message = ("%q is for %s"):format(row.name, schema.enumerate(row.verbs, "and"))
    elseif row.takes == "list" then
      taken, message, errno = list.new(row, given)
      self.lists[#self.lists + 1] = taken
    else
      taken, message = value.take(row, given, self.verb)
    end
    if message then
      mistakes:add(message, errno, row.takes == "list" and row.name .. ": " or nil)
    end
    -- A place says where the rule is put, and is no part of it.
    local fields = row.kind == "place" and places or self.fields
    fields[row.name] = taken
  end
  local message
  self.order, message = order.of_fields(places.before, places.after)
  if message then
    mistakes:add(message)
  end
end

local function check_name(spec, ordinal)
  local name = spec[1]
  if name == nil then
    return "#" .. ordinal
  elseif type(name) ~= "string" then
    return nil, ("the name wants a text; got %s"):format(literal.describe(name))
  elseif name == "" or name:find "%c" then
    return nil, ("the name %s is empty or has control characters; choose another")
      :format(literal.quote(name))
  elseif literal.line(name) ~= name then
    return nil, ("the name %s is not printable UTF-8; choose another"):format(literal.quote(name))
  end
  return name
end

--- What is wrong if a verb that needs a target has none.
local function missing_target(self, spec)
  if spec.to ~= nil then
    return nil
  elseif self.verb == "rewrite" then
    return [[says no "to"; add where the call goes, such as to = "127.0.0.1:80"]]
  elseif self.verb == "balance" and not (self.lists[1] and self.lists[1]:may_name_tables()) then
    return [[says no "to"; add backends, such as to = { "10.0.1.5:8080", "10.0.1.6:8080" }]]
  end
end

--- Fill a new rule from what its verb was called with.
local function fill(self, spec, mistakes)
  local name, message = check_name(spec, self.ordinal)
  self.name = name or self.name
  if not name then
    mistakes:add(message)
  end
  local known = check_keys(self.verb, spec, mistakes)
  self.what, message = operation_of(spec)
  -- An unknown field may be the operation, or the target.
  if not self.what and (known or message:find "exactly one$") then
    mistakes:add(message)
  end
  take_fields(self, spec, mistakes)
  message = self.what and known and missing_target(self, spec)
  if message then
    mistakes:add(message)
  end
end

--- What a verb is called with; schema.lua documents each field.
---@class tidegate.RuleSpec
---@field [1] string|nil the name
---@field connect? string|table
---@field sendmsg? string|table
---@field egress? string|table
---@field bind? string|table
---@field recvmsg? string|table
---@field getpeername? string|table
---@field getsockname? string|table
---@field proto? string|integer|table
---@field family? string|table
---@field uid? string|integer|table
---@field gid? string|integer|table
---@field comm? string|table
---@field pid? string|integer|table
---@field type? string|table
---@field source? string|table
---@field exe? string|table
---@field cgroup? string|table
---@field netns? string|integer|table
---@field mark? string|integer|table
---@field device? string|integer|table
---@field errno? string|integer
---@field to? string|table
---@field by? "random"|"hash"
---@field key? "socket"|"pid"|"uid"|"cgroup"|"netns"|"destination"
---@field sticky? string|number
---@field bind_source? string
---@field reveal? boolean
---@field low_port? boolean
---@field sockopt? table
---@field shadow? boolean
---@field over? string
---@field per? "uid"|"cgroup"|"pid"|"netns"|"address"
---@field log? boolean|string
---@field message? string
---@field before? string
---@field after? string

--- `web.lua:4: deny "x": errno: …`, or `web.lua:4: deny "x" says …`
---@param place string "web.lua:4"
---@param verb string
---@param name string
---@param message string
---@return string
function M.complaint(place, verb, name, message)
  local glue = message:find "^says " and " " or ": "
  return ('%s: %s "%s"%s%s'):format(place, verb, name, glue, message)
end

--- Whether a spec is a table.
local function check_spec(verb, spec, place)
  if type(spec) ~= "table" then
    return nil, ('%s: %s wants a table such as %s; got %s')
      :format(place, verb, schema.verbs[verb].example, literal.describe(spec))
  end
  return true
end

-- Fields whose mistakes the library would take for one of another field.
local causes = { key = { "by", "sticky" }, sticky = { "key" }, per = { "over" } }

--- Whether a complaint about a field says what the mistakes say already.
local function is_told(mistakes, field)
  local told = mistakes:about(field)
  for _, cause in ipairs(causes[field] or {}) do
    told = told or mistakes:about(cause)
  end
  return told
end

--- The mistakes of a rule that was not made, with those that `try` finds in the rest of it.
local function refusal(self, mistakes, try)
  local lines = {}
  for index, message in ipairs(mistakes) do
    lines[index] = M.complaint(self.where, self.verb, self.name, message)
  end
  local prefix = M.complaint(self.where, self.verb, self.name, "")
  for line in (self.what and try(self) or ""):gmatch "[^\n]+" do
    local field = line:sub(#prefix + 1):match "^([%l_]+): "
    -- Whether a target is missing was asked already, of what the fields were meant to be.
    if field and not is_told(mistakes, field) and not line:find(": to: missing: ", 1, true) then
      lines[#lines + 1] = line
    end
  end
  return nil, table.concat(lines, "\n"), mistakes.errno
end

--- Check a rule and build its lists.
---@param verb string
---@param spec tidegate.RuleSpec what the verb was called with
---@param place string "web.lua:4"
---@param ordinal integer its number among the rules of its policy, from 1
---@param try fun(self: tidegate.Member): string|nil what the library says about a rule that has
--- mistakes already, a line each
---@return tidegate.Member|nil
---@return string|nil message complete, with where and verb: a line for each mistake
---@return integer|nil errno of the first
function M.new(verb, spec, place, ordinal, try)
  local ok, message = check_spec(verb, spec, place)
  if not ok then
    return nil, message
  end
  local self = setmetatable({
    verb = verb, where = place, ordinal = ordinal, name = "#" .. ordinal, removed = false,
    fields = {}, lists = {}, box = {},
  }, Member)
  self.box.member = self
  local mistakes = setmetatable({}, Mistakes)
  fill(self, spec, mistakes)
  if #mistakes > 0 then
    return refusal(self, mistakes, try)
  end
  return self
end

-- Out ----------------------------------------------------------------------------------

--- The rule as one line of Lua.
---@param position integer in its policy, from 1; an unnamed rule is called by its position
---@return string
function Member:text(position)
  local parts = {}
  if self.name ~= "#" .. position then
    parts[1] = literal.quote(self.name)
  end
  for _, row in ipairs(schema.fields) do
    local taken = self.fields[row.name]
    if taken ~= nil then
      local text = row.takes == "list" and taken:text() or value.text(row, taken)
      parts[#parts + 1] = row.name .. " = " .. text
    end
  end
  return self.verb .. " { " .. table.concat(parts, ", ") .. " }"
end

--- The same for what a rule consists of.
---@param parts { name: string, verb: string, fields: table }
---@param position integer
---@return string
function M.text(parts, position)
  return Member.text(parts, position)
end

--- Whether a file that it names has changed since it was read.
---@return boolean
function Member:stale()
  for _, values in ipairs(self.lists) do
    if values:stale() then
      return true
    end
  end
  return false
end

--- The mask of operations, as the library takes it.
---@param ops string[]
---@return integer
function M.operation_bits(ops)
  local bits = 0
  for _, op in ipairs(ops) do
    bits = bit.bor(bits, bit.lshift(1, C["TG_OP_" .. op:upper()]))
  end
  return bits
end

local flags = {
  reveal = C.TG_RULE_REVEAL, low_port = C.TG_RULE_LOW_PORT, shadow = C.TG_RULE_SHADOW,
}

--- The rule as struct tg_rule, without its lists and backends.  The struct points into the
--- rule's texts and into `text`, which the caller has to keep.
local function struct_of(self, text, options)
  local fields = self.fields
  local struct = library.sized "struct tg_rule"
  struct.verb = C["TG_VERB_" .. self.verb:upper()]
  struct.ops = M.operation_bits(self.what.ops)
  struct.name, struct.where, struct.text = self.name, self.where, text
  struct.error, struct.to = fields.errno, self.verb ~= "balance" and fields.to or nil
  struct.by, struct.key, struct.sticky_ms = fields.by, fields.key, fields.sticky or 0
  struct.bind_source, struct.log = fields.bind_source, fields.log
  struct.over, struct.per, struct.sockopt = fields.over, fields.per, options
  struct.message = fields.message
  for name, flag in pairs(flags) do
    struct.flags = bit.bor(struct.flags, fields[name] and flag or 0)
  end
  return struct
end

--- Append the rule to a tg_policy, without its lists and its backends.
---@param policy ffi.cdata*
---@param position integer
---@return integer|nil index
---@return string|nil message
---@return integer|nil errno
function Member:add_effects(policy, position)
  local text = self:text(position)
  local options = self.fields.sockopt and value.options_text(self.fields.sockopt)
  local index = library.index()
  local result = C.tg_policy_add_rule(policy, struct_of(self, text, options), index)
  if result ~= 0 then
    return library.failure(result)
  end
  return index[0]
end

--- Append the rule to a tg_policy.
---@param policy ffi.cdata*
---@param position integer
---@return true|nil
---@return string|nil message a line for each mistake
---@return integer|nil errno of the first
function Member:add_to(policy, position)
  local index, problem, number = self:add_effects(policy, position)
  if not index then
    return nil, problem, number
  end
  local mistakes = setmetatable({}, Mistakes)
  local function note(result)
    if result ~= 0 then
      mistakes:add(select(2, library.failure(result)))
    end
  end
  for _, item in ipairs(self.verb == "balance" and self.fields.to or {}) do
    note(C.tg_policy_add_backend(policy, index, item[1], item[2]))
  end
  for _, values in ipairs(self.lists) do
    local object, message, errno = values:object()
    if object then
      note(C.tg_policy_add_match(policy, index, object))
    else
      mistakes:add(message, errno,
        ('%s: %s "%s": %s: '):format(self.where, self.verb, self.name, values.row.name))
    end
  end
  if #mistakes > 0 then
    return nil, table.concat(mistakes, "\n"), mistakes.errno
  end
  return true
end

return M

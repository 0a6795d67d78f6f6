--- A rule: one verb, what it matches and what it does, checked; and its handle.

local bit = require "bit"
local library = require "tidegate.ffi"
local list = require "tidegate.list"
local literal = require "tidegate.literal"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"
local value = require "tidegate.value"

local C = library.C

local M = {}

--- The handle of a rule, which the verbs return.
---@class tidegate.Rule
---@field name string
---@field verb "allow"|"deny"|"rewrite"|"balance"|"observe"
---@field where string "web.lua:4"
---@field hits integer calls that it has decided since the gate first had a rule of this name
---@field suppressed integer events that its log rate has held back
---@field last number|nil when it last decided a call, in seconds since 1970
---@field backends tidegate.Backend[]|nil of a balance rule
---@field removed boolean
local Rule = {}

-- The fields of a handle that are computed when they are read.
local computed = {
  hits = function(self) return tonumber(self.policy:counters(self).hits) end,
  suppressed = function(self) return tonumber(self.policy:counters(self).suppressed) end,
  last = function(self) return self.policy:counters(self).last end,
  backends = function(self)
    return self.verb == "balance" and self.fields.to and self.policy:backends(self) or nil
  end,
}

function Rule:__index(key)
  local compute = computed[key]
  if compute then
    return compute(self)
  end
  return Rule[key]
end

--- Remove the rule from its policy.  A running gate enforces that from its next commit on.
function Rule:remove()
  self.policy:remove(self)
end

function Rule:__tostring()
  return self:text(self.ordinal)
end

--- Whether a value is a rule's handle.
---@param object any
---@return boolean
function M.is(object)
  return getmetatable(object) == Rule
end

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

local function check_keys(verb, spec)
  local key = unknown_fields(spec)[1]
  if type(key) == "number" then
    return nil, ("unexpected value %s; only the name, which comes first, has no field")
      :format(literal.describe(spec[key]))
  elseif key == "name" then
    return nil, ('the name comes first, without a field; write %s { %s, … }')
      :format(verb, literal.describe(spec.name))
  elseif key ~= nil then
    return nil, suggest.unknown("field", key, schema.field_names)
  end
  for _, row in ipairs(schema.fields) do
    if spec[row.name] ~= nil and not schema.accepts(row, verb) then
      return nil, ("%q is for %s"):format(row.name, schema.enumerate(row.verbs, "and"))
    end
  end
  return true
end

local function check_operation(spec)
  local said = {}
  for _, name in ipairs(schema.op_names) do
    if spec[name] ~= nil then
      said[#said + 1] = name
    end
  end
  if #said == 0 then
    return nil, ("says no operation; add %s"):format(schema.enumerate(schema.op_names, "or"))
  elseif #said > 1 then
    return nil, ("says %s%s; a rule has exactly one")
      :format(#said == 2 and "both " or "", schema.enumerate(said, "and"))
  end
  return schema.fields[said[1]]
end

--- Take the fields of `spec` into the rule.
local function take_fields(self, spec)
  for _, row in ipairs(schema.fields) do
    local given = spec[row.name]
    if given ~= nil then
      local taken, message, errno
      if row.takes == "list" then
        taken, message, errno = list.new(row, given)
        message = message and row.name .. ": " .. message
        self.lists[#self.lists + 1] = taken
      else
        taken, message = value.take(row, given, self.verb)
      end
      if taken == nil then
        return nil, message, errno
      end
      self.fields[row.name] = taken
    end
  end
  return true
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
  end
  return name
end

local function check_target(self)
  if self.verb == "rewrite" and not self.fields.to then
    return nil, [[says no "to"; add where the call goes, such as to = "127.0.0.1:80"]]
  elseif self.verb == "balance" and not self.fields.to and #self.lists[1]:sets() == 0 then
    return nil, [[says no "to"; add backends, such as to = { "10.0.1.5:8080", "10.0.1.6:8080" }]]
  end
  return true
end

--- Fill a new rule from what its verb was called with.
local function fill(self, spec)
  local ok, message = check_keys(self.verb, spec)
  if not ok then
    return nil, message
  end
  self.what, message = check_operation(spec)
  if not self.what then
    return nil, message
  end
  local errno
  ok, message, errno = take_fields(self, spec)
  if not ok then
    return nil, message, errno
  end
  return check_target(self)
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
---@field from? string|table
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
---@field source? string
---@field reveal? boolean
---@field privileged? boolean
---@field set? table
---@field shadow? boolean
---@field over? string
---@field per? "uid"|"cgroup"|"pid"|"dst"
---@field log? boolean|string

--- Check a rule and build its lists.
---@param verb string
---@param spec tidegate.RuleSpec what the verb was called with
---@param where string "web.lua:4"
---@param ordinal integer its number among the rules of its policy, from 1
---@return tidegate.Rule|nil
---@return string|nil message complete, with where and verb
---@return integer|nil errno
function M.new(verb, spec, where, ordinal)
  if type(spec) ~= "table" or M.is(spec) then
    return nil, ('%s: %s wants a table such as %s; got %s')
      :format(where, verb, schema.verbs[verb].example, literal.describe(spec))
  end
  local self = { verb = verb, where = where, ordinal = ordinal, removed = false,
                 fields = {}, lists = {} }
  local name, message, errno = check_name(spec, ordinal)
  self.name = name or "#" .. ordinal
  local ok = name
  if ok then
    ok, message, errno = fill(self, spec)
  end
  if not ok then
    local glue = message:find "^says " and " " or ": "
    return nil, ('%s: %s "%s"%s%s'):format(where, verb, self.name, glue, message), errno
  end
  return setmetatable(self, Rule)
end

-- Out ----------------------------------------------------------------------------------

--- The rule as one line of Lua.
---@param position integer in its policy, from 1; an unnamed rule is called by its position
---@return string
function Rule:text(position)
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

--- Whether a file that it names has changed since it was read.
---@return boolean
function Rule:stale()
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
  struct.source, struct.log = fields.source, fields.log
  struct.reveal, struct.privileged = fields.reveal or false, fields.privileged or false
  struct.shadow, struct.set = fields.shadow or false, options
  struct.over, struct.per = fields.over, fields.per
  return struct
end

--- Append the rule to a tg_policy.
---@param policy ffi.cdata*
---@param position integer
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Rule:add_to(policy, position)
  local text = self:text(position)
  local options = self.fields.set and value.options_text(self.fields.set)
  local index = library.index()
  local result = C.tg_policy_add(policy, struct_of(self, text, options), index)
  if result ~= 0 then
    return library.failure(result)
  end
  for _, item in ipairs(self.verb == "balance" and self.fields.to or {}) do
    result = C.tg_policy_backend(policy, index[0], item[1], item[2])
    if result ~= 0 then
      return library.failure(result)
    end
  end
  for _, values in ipairs(self.lists) do
    local object, message, errno = values:object()
    if not object then
      return nil, ('%s: %s "%s": %s: %s')
        :format(self.where, self.verb, self.name, values.row.name, message), errno
    end
    result = C.tg_policy_match(policy, index[0], object)
    if result ~= 0 then
      return library.failure(result)
    end
  end
  return true
end

return M

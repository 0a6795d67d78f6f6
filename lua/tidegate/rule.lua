--- A rule: one verb, what it matches and what it does, checked; and its handle.

local bit = require "bit"
local backend = require "tidegate.backend"
local duration = require "tidegate.duration"
local library = require "tidegate.ffi"
local list = require "tidegate.list"
local literal = require "tidegate.literal"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

--- A rule's handle, as the verbs return it.
---@class tidegate.Rule
---@field name string
---@field verb "allow"|"deny"|"rewrite"|"balance"|"observe"
---@field where string "web.lua:4"
---@field hits integer calls that it decided since the gate knows its name
---@field suppressed integer events that its log rate held back
---@field last number|nil when it last decided a call, in seconds since 1970
---@field backends tidegate.Backend[]|nil of balance
---@field removed boolean
local Rule = {}

-- What a handle works out when it is asked.
local computed = {
  hits = function(self) return tonumber(self.policy:counters(self).hits) end,
  suppressed = function(self) return tonumber(self.policy:counters(self).suppressed) end,
  last = function(self) return self.policy:counters(self).last end,
  backends = function(self) return self.verb == "balance" and self.fields.to and self.policy:backends(self) or nil end,
}

function Rule:__index(key)
  local compute = computed[key]
  if compute then
    return compute(self)
  end
  return Rule[key]
end

--- Take the rule out of its policy.  A running gate enforces that from its
--- next commit on.
function Rule:remove()
  self.policy:remove(self)
end

function Rule:__tostring()
  return self:text(self.ordinal)
end

--- Whether a value is a rule's handle.
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == Rule
end

-- Effects --------------------------------------------------------------------

local function wrong(row, value)
  return nil, ("%s: wants %s; got %s"):format(row.name, row.wants, literal.describe(value))
end

-- From a Lua value to what struct tg_rule holds.
local take = {}

function take.text(row, value)
  if type(value) ~= "string" or value:find "%z" then
    return wrong(row, value)
  end
  return value
end

--- One place to go to, or, of balance, backends.
function take.target(row, value, verb)
  if verb ~= "balance" then
    return take.text(row, value)
  end
  local backends, message = backend.take(value)
  if not backends then
    return nil, row.name .. ": " .. message
  end
  return backends
end

function take.errno(row, value)
  if type(value) == "number" and value % 1 == 0 and value >= 0 and value < 2 ^ 31 then
    return ("%d"):format(value)
  end
  return take.text(row, value)
end

function take.flag(row, value)
  if type(value) ~= "boolean" then
    return wrong(row, value)
  end
  return value
end

function take.duration(row, value)
  local ms, message = duration.parse(value)
  if not ms then
    return nil, ("%s: %s"):format(row.name, message)
  end
  return ms
end

function take.log(row, value)
  if type(value) == "boolean" then
    return tostring(value)
  end
  return take.text(row, value)
end

--- The options of set, checked, in the order of the schema: { { name, value }, … }.
function take.options(row, value)
  if type(value) ~= "table" then
    return wrong(row, value)
  end
  for key in pairs(value) do
    if type(key) ~= "string" or not schema.options_of_sockets[key] then
      return nil, ("set: unknown option %s%s"):format(literal.describe(key),
        suggest.hint(key, schema.socket_option_names))
    end
  end
  local taken = {}
  for _, option in ipairs(schema.options_of_sockets) do
    local given = value[option.name]
    local kind = option.takes == "flag" and "boolean" or option.takes == "number" and "number" or "string"
    if given ~= nil and (type(given) ~= kind or tostring(given):find "[%s%z]") then
      return nil, ("set: %s: wants a %s; got %s"):format(option.name, option.takes, literal.describe(given))
    elseif given ~= nil then
      taken[#taken + 1] = { option.name, given }
    end
  end
  return taken
end

--- The options as struct tg_rule holds them: "mark=16 keepalive=1".
local function options_text(options)
  local words = {}
  for index, pair in ipairs(options) do
    local value = pair[2]
    words[index] = pair[1] .. "=" .. tostring(value == true and 1 or value == false and 0 or value)
  end
  return table.concat(words, " ")
end

local function options_literal(options)
  local words = {}
  for index, pair in ipairs(options) do
    words[index] = pair[1] .. " = " .. (type(pair[2]) == "string" and literal.quote(pair[2]) or tostring(pair[2]))
  end
  return "{ " .. table.concat(words, ", ") .. " }"
end

--- An effect as Lua source.
local function effect_text(row, value)
  if row.takes == "flag" or (row.takes == "log" and (value == "true" or value == "false")) then
    return tostring(value)
  elseif row.takes == "options" then
    return options_literal(value)
  elseif row.takes == "duration" then
    return literal.quote(duration.text(value))
  elseif type(value) == "table" then
    return backend.text(value)
  end
  return literal.quote(value)
end

-- Checking -------------------------------------------------------------------

--- The fields of a table that no row knows, sorted so that errors are stable.
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
    return nil, ("unexpected value %s; only the name stands without a field, and first")
      :format(literal.describe(spec[key]))
  elseif key == "name" then
    return nil, ('the name stands first, without a field; write %s { %s, … }')
      :format(verb, literal.describe(spec.name))
  elseif key ~= nil then
    return nil, ("unknown field %s%s"):format(literal.describe(key), suggest.hint(key, schema.field_names))
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
    return nil, ("says %s%s; a rule has exactly one"):format(#said == 2 and "both " or "",
      schema.enumerate(said, "and"))
  end
  return schema.fields[said[1]]
end

--- Take the fields of `spec` into the rule.
local function take_fields(self, spec)
  for _, row in ipairs(schema.fields) do
    local value = spec[row.name]
    if value ~= nil then
      local taken, message, errno
      if row.takes == "list" then
        taken, message, errno = list.new(row, value)
        message = message and row.name .. ": " .. message
        self.lists[#self.lists + 1] = taken
      else
        taken, message, errno = take[row.takes](row, value, self.verb)
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
    return nil, ("the name %s is empty or has control characters; choose another"):format(literal.quote(name))
  end
  return name
end

--- What a verb is called with: schema.lua has each field's meaning.
---@class tidegate.RuleSpec
---@field [1] string|nil the name
---@field connect? string|table
---@field sendmsg? string|table
---@field egress? string|table
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
---@return string|nil message the whole of it, with where and verb
---@return integer|nil errno
function M.new(verb, spec, where, ordinal)
  if type(spec) ~= "table" or M.is(spec) then
    return nil, ('%s: %s wants a table such as %s; got %s')
      :format(where, verb, schema.verbs[verb].example, literal.describe(spec))
  end
  local name, message, errno = check_name(spec, ordinal)
  local prefix = ('%s: %s "%s"'):format(where, verb, name or "#" .. ordinal)
  local function failure()
    local glue = message:find "^says " and " " or ": "
    return nil, prefix .. glue .. message, errno
  end
  if not name then
    return failure()
  end
  local self = { name = name, verb = verb, where = where, ordinal = ordinal, removed = false,
                 fields = {}, lists = {} }
  local ok
  ok, message = check_keys(verb, spec)
  if not ok then
    return failure()
  end
  self.what, message = check_operation(spec)
  if not self.what then
    return failure()
  end
  ok, message, errno = take_fields(self, spec)
  if not ok then
    return failure()
  end
  if verb == "rewrite" and not self.fields.to then
    message = [[says no "to"; add where the call goes, such as to = "127.0.0.1:80"]]
    return failure()
  elseif verb == "balance" and not self.fields.to and #self.lists[1]:sets() == 0 then
    message = [[says no "to"; add backends, such as to = { "10.0.1.5:8080", "10.0.1.6:8080" }]]
    return failure()
  end
  return setmetatable(self, Rule)
end

-- Out --------------------------------------------------------------------------

--- The rule as one line of Lua.
---@param position integer in its policy, from 1: a rule without a name is called by it
---@return string
function Rule:text(position)
  local parts = {}
  if self.name ~= "#" .. position then
    parts[1] = literal.quote(self.name)
  end
  for _, row in ipairs(schema.fields) do
    local value = self.fields[row.name]
    if value ~= nil then
      local text = row.takes == "list" and value:text() or effect_text(row, value)
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

local function operation_bits(ops)
  local bits = 0
  for _, op in ipairs(ops) do
    bits = bit.bor(bits, bit.lshift(1, tonumber(C["TG_OP_" .. op:upper()])))
  end
  return bits
end
M.operation_bits = operation_bits

--- Append the rule to a tg_policy.
---@param policy ffi.cdata*
---@param position integer
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Rule:add_to(policy, position)
  local text = self:text(position)
  local fields = self.fields
  local struct = library.sized "struct tg_rule"
  struct.verb = C["TG_VERB_" .. self.verb:upper()]
  struct.ops = operation_bits(self.what.ops)
  struct.name, struct.where, struct.text = self.name, self.where, text
  local backends = self.verb == "balance" and fields.to or {}
  struct.error, struct.to = fields.errno, self.verb ~= "balance" and fields.to or nil
  struct.by, struct.key, struct.sticky_ms = fields.by, fields.key, fields.sticky or 0
  struct.source, struct.log = fields.source, fields.log
  struct.reveal, struct.privileged = fields.reveal or false, fields.privileged or false
  local options = fields.set and options_text(fields.set)
  struct.shadow, struct.set = fields.shadow or false, options
  struct.over, struct.per = fields.over, fields.per
  local index = library.index()
  local result = C.tg_policy_add(policy, struct, index)
  if result ~= 0 then
    return library.failure(result)
  end
  for _, item in ipairs(backends) do
    result = C.tg_policy_backend(policy, index[0], item[1], item[2])
    if result ~= 0 then
      return library.failure(result)
    end
  end
  for _, values in ipairs(self.lists) do
    local object, message, errno = values:object()
    if not object then
      return nil, ('%s: %s "%s": %s: %s'):format(self.where, self.verb, self.name, values.row.name, message), errno
    end
    result = C.tg_policy_match(policy, index[0], object)
    if result ~= 0 then
      return library.failure(result)
    end
  end
  return true
end

return M

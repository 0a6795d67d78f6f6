--- A policy in Lua: rules in order, options, handlers; and its compiled image.

local image = require "tidegate.image"
local backend = require "tidegate.backend"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local rule = require "tidegate.rule"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"
local timers = require "tidegate.timers"

local C = library.C

local M = {}

---@class tidegate.Policy
---@field rules tidegate.Rule[] in order
---@field name string|nil
---@field best_effort boolean|nil whether rules that this kernel cannot enforce are left out
---@field timers tidegate.Timers of every() and after()
local Policy = {}
Policy.__index = Policy

--- An empty policy.
---@param name string|nil
---@return tidegate.Policy
function M.new(name)
  return setmetatable({
    name = name, rules = {}, by_name = {}, tables = {}, handles = {}, ordinal = 0,
    defaults = {}, on_error = nil, revision = 0, timers = timers.new(),
  }, Policy)
end

--- Note that its image has to be compiled anew.
function Policy:touch()
  self.revision = self.revision + 1
end

--- An empty tg_policy.
local function new_object(name)
  local slot = library.slot "policy"
  local result = C.tg_policy_new(name, slot)
  if result ~= 0 then
    return library.failure(result)
  end
  return library.own("policy", slot)
end

-- Live tables -------------------------------------------------------------------------

--- The handle of a live table, one a kind and name: declared, or to be.
---@param kind tidegate.LiveKind
---@param name string
---@return tidegate.Set|tidegate.Services
function Policy:live(kind, name)
  return live.handle(self.handles, kind, name, "policy", self)
end

--- The sets, or the services, that it declares, in order.
---@param kind tidegate.LiveKind
---@return (tidegate.Set|tidegate.Services)[]
function Policy:declared(kind)
  local found = {}
  for _, handle in ipairs(self.tables) do
    if live.is(handle, kind) then
      found[#found + 1] = handle
    end
  end
  return found
end

--- Take in a set, or services, just declared, if the library does.
---@param handle tidegate.Set|tidegate.Services
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Policy:declare(handle)
  local name = handle.name
  if self.tables[name] then
    return nil, ("%s: the name is taken by %s; choose another")
      :format(live.text(handle), live.text(self.tables[name]))
  end
  local scratch, message, errno = new_object()
  if not scratch then
    return nil, message, errno
  end
  local ok
  ok, message, errno = live.add_to(handle, scratch)
  library.release("policy", scratch)
  if not ok then
    return nil, message, errno
  end
  self.tables[#self.tables + 1], self.tables[name] = handle, handle
  self:touch()
  return true
end

-- Rules ------------------------------------------------------------------------

--- Declare the sets that a rule names, empty.
local function declare_sets(candidate, object)
  local seen = {}
  for _, values in ipairs(candidate.lists) do
    for _, handle in ipairs(values:sets()) do
      if not seen[handle.name] and live.is_declared(handle) then
        seen[handle.name] = true
        local ok, message, errno = live.add_to(handle, object, true)
        if not ok then
          return nil, message, errno
        end
      end
    end
  end
  return true
end

--- Whether the library takes the rule: a throw-away policy of it alone is
--- compiled, to tell now what the whole would only tell later.
local function try(candidate)
  local scratch, message, errno = new_object()
  if not scratch then
    return nil, message, errno
  end
  local ok
  ok, message, errno = declare_sets(candidate, scratch)
  if ok then
    ok, message, errno = candidate:add_to(scratch, candidate.ordinal)
  end
  if ok then
    local slot = library.slot "image"
    local result = C.tg_policy_compile(scratch, slot)
    if result == 0 then
      C.tg_image_free(slot[0])
    else
      ok, message, errno = library.failure(result)
    end
  end
  library.release("policy", scratch)
  return ok, message, errno
end

--- Append a rule.
---@param verb string
---@param spec table
---@param where string "web.lua:4"
---@return tidegate.Rule|nil
---@return string|nil message
---@return integer|nil errno
function Policy:add(verb, spec, where)
  self.ordinal = self.ordinal + 1
  local added, message, errno = rule.new(verb, spec, where, self.ordinal)
  if not added then
    return nil, message, errno
  end
  local other = self.by_name[added.name]
  if other then
    return nil, ('%s: %s "%s": the name is taken by %s; choose another')
      :format(where, verb, added.name, other.where)
  end
  local ok
  ok, message, errno = try(added)
  if not ok then
    return nil, message, errno
  end
  added.policy = self
  self.rules[#self.rules + 1], self.by_name[added.name] = added, added
  self:touch()
  return added
end

--- Take a rule out; removing it twice is harmless.
---@param gone tidegate.Rule
function Policy:remove(gone)
  for position, candidate in ipairs(self.rules) do
    if candidate == gone then
      table.remove(self.rules, position)
      self.by_name[gone.name], gone.removed = nil, true
      self:touch()
      return
    end
  end
end

--- Its rules in order, in a table of the caller's own.
---@return tidegate.Rule[]
function Policy:list()
  local rules = {}
  for position, member in ipairs(self.rules) do
    rules[position] = member
  end
  return rules
end

--- The counters of a rule; a gate that runs the policy answers instead.
---@return tidegate.Counters
function Policy:counters() -- luacheck: no unused args
  return { hits = 0, suppressed = 0 }
end

--- The backends of a rule; a gate that runs the policy answers instead, with what they were picked.
---@param member tidegate.Rule
---@return tidegate.Backend[]
function Policy:backends(member) -- luacheck: no unused args
  return backend.declared(member.fields.to or {})
end

-- Options ------------------------------------------------------------------------

local function is_verdict(value)
  return value == "allow" or value == "deny"
end

local check = {}

function check.name(self, row, value)
  if type(value) ~= "string" or value:find "%z" then
    return nil, ("wants %s; got %s"):format(row.wants, literal.describe(value))
  end
  self.name = value
  return true
end

function check.on_error(self, row, value)
  if not is_verdict(value) then
    return nil, ("wants %s; got %s"):format(row.wants, literal.describe(value))
  end
  self.on_error = value
  return true
end

function check.best_effort(self, row, value)
  if type(value) ~= "boolean" then
    return nil, ("wants %s; got %s"):format(row.wants, literal.describe(value))
  end
  self.best_effort = value
  return true
end

function check.default(self, row, value)
  if is_verdict(value) then
    self.defaults = { egress = value, bind = value }
    return true
  elseif type(value) ~= "table" then
    return nil, ("wants %s; got %s"):format(row.wants, literal.describe(value))
  end
  local defaults = {}
  for op, verdict in pairs(value) do
    if not schema.fields[op] or schema.fields[op].kind ~= "what" then
      return nil, ("%s is no operation%s"):format(literal.describe(op), suggest.hint(op, schema.op_names))
    elseif not is_verdict(verdict) then
      return nil, ("%s wants \"allow\" or \"deny\"; got %s"):format(op, literal.describe(verdict))
    end
    if verdict == "deny" and schema.fields[op].reports then
      return nil, ("%s cannot be denied: the kernel lets its hook only change what is reported"):format(op)
    end
    defaults[op] = verdict
  end
  self.defaults = defaults
  return true
end

--- Set the options of policy { … }.
---@param spec table
---@param where string
---@return true|nil
---@return string|nil message
function Policy:set(spec, where)
  if type(spec) ~= "table" then
    return nil, ('%s: policy wants a table such as %s; got %s')
      :format(where, schema.words.policy.example, literal.describe(spec))
  end
  for key in pairs(spec) do
    if not schema.options[key] or type(key) == "number" then
      return nil, ("%s: policy: unknown option %s%s")
        :format(where, literal.describe(key), suggest.hint(key, schema.option_names))
    end
  end
  for _, row in ipairs(schema.options) do
    local value = spec[row.name]
    if value ~= nil then
      local ok, message = check[row.name](self, row, value)
      if not ok then
        return nil, ("%s: policy: %s: %s"):format(where, row.name, message)
      end
    end
  end
  self:touch()
  return true
end

-- Going back -----------------------------------------------------------------------

--- What restore() takes the policy back to: its rules and options as they are.
---@return table
function Policy:snapshot()
  return {
    rules = self:list(), tables = { unpack(self.tables) }, revision = self.revision,
    name = self.name, defaults = self.defaults, on_error = self.on_error, best_effort = self.best_effort,
  }
end

--- Take the policy back.  Rules and live tables that were added since are gone, those that
--- were removed are there again, by the same handles.
---@param snapshot table
function Policy:restore(snapshot)
  for _, member in ipairs(self.rules) do
    member.removed = true
  end
  self.rules, self.by_name = {}, {}
  for position, member in ipairs(snapshot.rules) do
    member.removed = false
    self.rules[position], self.by_name[member.name] = member, member
  end
  for _, handle in ipairs(self.tables) do
    live.undeclare(handle)
  end
  self.tables = {}
  for position, handle in ipairs(snapshot.tables) do
    live.redeclare(handle)
    self.tables[position], self.tables[handle.name] = handle, handle
  end
  self.name, self.defaults = snapshot.name, snapshot.defaults
  self.on_error, self.best_effort = snapshot.on_error, snapshot.best_effort
  self:touch()
end

-- Compiling ----------------------------------------------------------------------

local function verb_number(verdict)
  return C["TG_VERB_" .. verdict:upper()]
end

--- Set the options of a tg_policy.  egress first: connect and sendmsg are exacter.
local function set_options(self, object)
  local result = 0
  for _, op in ipairs { "egress", "connect", "sendmsg", "bind" } do
    local verdict = self.defaults[op]
    if verdict and result == 0 then
      result = C.tg_policy_default(object, rule.operation_bits(schema.fields[op].ops), verb_number(verdict))
    end
  end
  if self.on_error and result == 0 then
    result = C.tg_policy_on_error(object, verb_number(self.on_error))
  end
  return result
end

--- The tg_policy of some of its rules, or every rule's complaint, one a line.
local function build(self, members)
  local object, problem, failed = new_object(self.name)
  if not object then
    return nil, problem, failed
  end
  local result = set_options(self, object)
  if result ~= 0 then
    return library.failure(result)
  end
  local complaints, first_errno = {}, nil
  for _, handle in ipairs(self.tables) do
    local ok, message, errno = live.add_to(handle, object)
    if not ok then
      complaints[#complaints + 1], first_errno = message, first_errno or errno
    end
  end
  for position, member in ipairs(members) do
    local ok, message, errno = member:add_to(object, position)
    if not ok then
      complaints[#complaints + 1], first_errno = message, first_errno or errno
    end
  end
  if #complaints > 0 then
    return nil, table.concat(complaints, "\n"), first_errno
  end
  return object
end

local function compile(self, members)
  local object, message, errno = build(self, members)
  if not object then
    return nil, message, errno
  end
  local slot = library.slot "image"
  local result = C.tg_policy_compile(object, slot)
  if result ~= 0 then
    return library.failure(result)
  end
  library.release("policy", object)
  local compiled = image.own(slot)
  compiled.members = members
  return compiled
end

--- Whether a file that a rule names has changed since it was read.
local function stale(self)
  for _, member in ipairs(self.rules) do
    if member:stale() then
      return true
    end
  end
  return false
end

--- The image of the policy as it now stands: compiled anew only if a rule, an
--- option or a file has changed.  Names of hosts stay as they were resolved
--- when their rule was made.
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function Policy:image()
  if self.compiled and self.compiled_revision == self.revision and not stale(self) then
    return self.compiled
  end
  local compiled, message, errno = compile(self, self:list())
  if not compiled then
    return nil, message, errno
  end
  self.compiled, self.compiled_revision = compiled, self.revision
  return compiled
end

--- The image less the rules that need more than this kernel has, and a warning
--- for each; the image as it is where that is nothing, or nobody may know.
---@param compiled tidegate.Image
---@return tidegate.Image|nil
---@return string[]|string warnings, or the message
---@return integer|nil errno
function Policy:feasible(compiled)
  local lacks, warnings, members = compiled:lacks(), {}, {}
  for position, member in ipairs(compiled.members) do
    local lack = lacks[position - 1]
    if lack then
      warnings[#warnings + 1] = lack .. "; the rule is left out"
    else
      members[#members + 1] = member
    end
  end
  if #warnings == 0 then
    return compiled, warnings
  end
  local less, message, errno = compile(self, members)
  if not less then
    return nil, message, errno
  end
  return less, warnings
end

return M

--- A policy in Lua: rules in order, live tables, options, timers; and its compiled image.

local backend = require "tidegate.backend"
local compiler = require "tidegate.compiler"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local rule = require "tidegate.rule"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"
local timers = require "tidegate.timers"
local value = require "tidegate.value"

local M = {}

---@class tidegate.Policy
---@field rules tidegate.Rule[] in order
---@field options tidegate.PolicyOptions
---@field revision integer changes with each change of the policy
---@field timers tidegate.Timers of every() and after()
local Policy = {}
Policy.__index = Policy

--- The options that policy { … } has set.  The table is replaced, never changed.
---@class tidegate.PolicyOptions
---@field name string|nil
---@field default table<string, "allow"|"deny">|nil by operation
---@field on_error "allow"|"deny"|nil
---@field best_effort boolean|nil whether rules that this kernel cannot enforce are left out

--- An empty policy.
---@param name string|nil
---@return tidegate.Policy
function M.new(name)
  return setmetatable({
    rules = {}, by_name = {}, tables = {}, handles = {}, ordinal = 0,
    options = { name = name }, revision = 0, timers = timers.new(),
  }, Policy)
end

--- Note that the image has to be compiled again.
function Policy:touch()
  self.revision = self.revision + 1
end

--- The array part of a table; unpack() has a limit, which 10,000 rules exceed.
local function copy(list)
  local copied = {}
  for position, item in ipairs(list) do
    copied[position] = item
  end
  return copied
end

-- Live tables --------------------------------------------------------------------------

--- The handle of a live table, declared or not: one for each kind and name.
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

--- Add a set or services that has just been declared, if the library accepts it.
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
  local ok, message, errno = compiler.try_table(handle)
  if not ok then
    return nil, message, errno
  end
  self.tables[#self.tables + 1], self.tables[name] = handle, handle
  self:touch()
  return true
end

-- Rules --------------------------------------------------------------------------------

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
  ok, message, errno = compiler.try_rule(added)
  if not ok then
    return nil, message, errno
  end
  added.policy = self
  self.rules[#self.rules + 1], self.by_name[added.name] = added, added
  self:touch()
  return added
end

--- Remove a rule; removing it twice is harmless.
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

--- Its rules in order, in a new table.
---@return tidegate.Rule[]
function Policy:list()
  return copy(self.rules)
end

--- The counters of a rule.  A gate that runs the policy replaces this method.
---@return tidegate.Counters
function Policy:counters() -- luacheck: no unused args
  return { hits = 0, suppressed = 0 }
end

--- The backends of a rule.  A gate that runs the policy replaces this method by one that also
--- counts how often each was picked.
---@param member tidegate.Rule
---@return tidegate.Backend[]
function Policy:backends(member) -- luacheck: no unused args
  return backend.declared(member.fields.to or {})
end

-- Options ------------------------------------------------------------------------------

--- Set the options of policy { … }, all or none; an option that is not given stays.
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
      return nil, ("%s: policy: %s")
        :format(where, suggest.unknown("option", key, schema.option_names))
    end
  end
  local options = {}
  for _, row in ipairs(schema.options) do
    local given, message = spec[row.name], nil
    options[row.name] = self.options[row.name]
    if given ~= nil then
      options[row.name], message = value.take(row, given)
    end
    if message then
      return nil, ("%s: policy: %s"):format(where, message)
    end
  end
  self.options = options
  self:touch()
  return true
end

-- Going back ---------------------------------------------------------------------------

--- The state that restore() goes back to: rules, live tables and options.
---@return table
function Policy:snapshot()
  return {
    rules = self:list(), tables = copy(self.tables), options = self.options,
    revision = self.revision,
  }
end

--- Go back to a snapshot.  Rules and live tables that were added since are gone; those that were
--- removed are back, with the same handles.
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
  self.options = snapshot.options
  self:touch()
end

-- The image ----------------------------------------------------------------------------

--- Whether a file that a rule names has changed since it was read.
local function stale(self)
  for _, member in ipairs(self.rules) do
    if member:stale() then
      return true
    end
  end
  return false
end

--- The image of the policy as it is now.  It is compiled again only if a rule, a table, an option
--- or a file has changed.  Host names stay as they were resolved when their rule was made.
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function Policy:image()
  if self.compiled and self.compiled_revision == self.revision and not stale(self) then
    return self.compiled
  end
  local compiled, message, errno = compiler.compile(self.options, self.tables, self:list())
  if not compiled then
    return nil, message, errno
  end
  self.compiled, self.compiled_revision = compiled, self.revision
  return compiled
end

--- The image without the rules that need more than this kernel has, and a warning for each; the
--- same image if there are no such rules, or if this process may not find out.
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
  local less, message, errno = compiler.compile(self.options, self.tables, members)
  if not less then
    return nil, message, errno
  end
  return less, warnings
end

return M

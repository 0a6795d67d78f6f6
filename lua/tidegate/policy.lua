--- A policy in Lua: rules in order, live tables, options, timers; and its compiled image.

local backend = require "tidegate.backend"
local compiler = require "tidegate.compiler"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local meant = require "tidegate.meant"
local named_range = require "tidegate.named_range"
local order = require "tidegate.order"
local rule = require "tidegate.rule"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"
local timers = require "tidegate.timers"
local value = require "tidegate.value"

local M = {}

local EEXIST, EINVAL, ENOENT = 17, 22, 2

---@class tidegate.Policy
---@field rules tidegate.Member[] in order
---@field options tidegate.PolicyOptions
---@field revision integer changes with each change of the policy
---@field timers tidegate.Timers of every() and after()
local Policy = {}
Policy.__index = Policy

--- The options that policy { … } has set.  The table is replaced, never changed.
---@class tidegate.PolicyOptions
---@field name string|nil
---@field requires string|nil the oldest version that knows what the policy uses
---@field default table<string, "allow"|"deny">|nil by operation
---@field on_error table<string, "allow"|"deny">|nil by operation
---@field shadow boolean|nil whether the policy only counts and reports
---@field handler_timeout integer|nil the longest time for a function of the policy, in ms
---@field unsupported "fail"|"skip"|nil what happens to rules that this kernel cannot enforce

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

--- Whether the library accepts a live table.
---@param handle tidegate.Set|tidegate.Services
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Policy:try_table(handle) -- luacheck: no unused args
  return compiler.try_table(handle)
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

--- A hint if an error is about a name that was taken for a host's, but is a live table's or a
--- range's, or a word for one.
local function bare_name(self, message)
  local sign, name = message:match '"(!?)([%w_.-]+)[^"]*": host "'
  if not name then
    return ""
  elseif self.tables[name] or named_range.is(name) then
    return ('; did you mean "%s@%s"?'):format(sign, name)
  end
  local word = meant.ranges[name:lower()]
  return word and "; " .. word or ""
end

--- Make and check a rule.
---@param other tidegate.Member|nil that it may share its name with, because it replaces it
local function make(self, verb, spec, place, ordinal, other)
  local made, message, errno = rule.new(verb, spec, place, ordinal, compiler.effect_mistakes)
  if not made then
    return nil, (message:gsub("[^\n]+", function(line) return line .. bare_name(self, line) end)),
      errno
  end
  local taken = self.by_name[made.name]
  if taken and taken ~= other then
    return nil, ('%s: %s "%s": the name is taken by %s; choose another')
      :format(place, verb, made.name, taken.where), EEXIST
  end
  local ok
  ok, message, errno = compiler.try_rule(made, self.tables)
  if not ok then
    return nil, message, errno
  end
  made.policy = self
  return made
end

local function position_of(self, member)
  for position, candidate in ipairs(self.rules) do
    if candidate == member then
      return position
    end
  end
end

--- The place of a rule that is added: what it says itself, or what its caller says.
local function place_of(added, given)
  if added.order and given then
    return nil, ('says %s = %s, and the place is given beside it; leave one out')
      :format(added.order[1], literal.quote(added.order[2]))
  end
  return added.order or given
end

--- Put a new rule where it belongs.
local function put(self, added, given)
  local place, message = place_of(added, given)
  if message then
    return nil, message, EINVAL
  end
  local position
  position, message = order.position(place, self.rules)
  if not position then
    return nil, message, ENOENT
  end
  table.insert(self.rules, position, added)
  self.by_name[added.name] = added
  return true
end

--- Add a rule.
---@param verb string
---@param spec table
---@param place string "web.lua:4"
---@param given tidegate.Order|nil its place, if it does not say one itself; nil: after all others
---@return tidegate.Member|nil
---@return string|nil message
---@return integer|nil errno
function Policy:add(verb, spec, place, given)
  repeat -- a rule that has moved can have such a number as its name, from a dump
    self.ordinal = self.ordinal + 1
  until not self.by_name["#" .. self.ordinal]
  local added, message, errno = make(self, verb, spec, place, self.ordinal)
  if not added then
    return nil, message, errno
  end
  local ok
  ok, message, errno = put(self, added, given)
  if not ok then
    return nil, rule.complaint(place, verb, added.name, message), errno
  end
  self:touch()
  return added
end

--- Remove a rule; removing it twice is harmless.
---@param gone tidegate.Member
function Policy:remove(gone)
  local position = position_of(self, gone)
  if position then
    table.remove(self.rules, position)
    self.by_name[gone.name], gone.removed = nil, true
    self:touch()
  end
end

local function removed(member, verb)
  return nil, ('%s: rule "%s" was removed'):format(verb, member.name), ENOENT
end

--- Change the place of a rule.
---@param moved tidegate.Member
---@param place tidegate.Order
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Policy:move(moved, place)
  local from = position_of(self, moved)
  if not from then
    return removed(moved, "move")
  elseif place[2] == moved.name then
    return true -- it is where it is
  end
  local others = copy(self.rules)
  table.remove(others, from)
  local to, message = order.position(place, others)
  if not to then
    return nil, "move: " .. message, ENOENT
  end
  table.insert(others, to, moved)
  self.rules = others
  self:touch()
  return true
end

--- A rule's fields, under the name that another rule has, if they do not say one.
local function with_name(spec, other)
  if type(spec) ~= "table" or spec[1] ~= nil or other.name == "#" .. other.ordinal then
    return spec
  end
  local named = { other.name }
  for key, given in pairs(spec) do
    named[key] = given
  end
  return named
end

--- Put another rule of the same verb in the place of one.
---@param old tidegate.Member
---@param spec table
---@param place string "web.lua:4"
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Policy:replace(old, spec, place)
  local position = position_of(self, old)
  if not position then
    return removed(old, "replace")
  end
  local new, message, errno =
    make(self, old.verb, with_name(spec, old), place, old.ordinal, old)
  if not new then
    return nil, message, errno or EINVAL
  elseif new.order then
    return nil, rule.complaint(place, new.verb, new.name, ('says %s = %s, but a rule that replaces '
      .. "another one has its place; rule:move(%q, %s) changes it"):format(new.order[1],
      literal.quote(new.order[2]), new.order[1], literal.quote(new.order[2]))), EINVAL
  end
  self.rules[position] = new
  self.by_name[old.name] = nil
  self.by_name[new.name] = new
  new.box = old.box
  new.box.member = new
  self:touch()
  return true
end

--- Its rules in order, in a new table.
---@return tidegate.Member[]
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
---@param member tidegate.Member
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
    if key == 1 then
      return nil, ("%s: policy: unexpected value %s; write name = \"web\"")
        :format(where, literal.describe(spec[1]))
    elseif not schema.options[key] or type(key) == "number" then
      return nil, ("%s: policy: %s")
        :format(where, suggest.unknown("option", key, schema.option_names, meant.options))
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
    member.removed, member.box.member = false, member
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
function Policy:compile()
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

--- The image without the rules that need more than this kernel has, and these rules; the same image
--- if there are no such rules, or if this process may not find out.
---@param compiled tidegate.Image
---@return tidegate.Image|nil
---@return tidegate.Skipped[]|string skipped, or the message
---@return integer|nil errno
function Policy:feasible(compiled)
  local needs, skipped, members = {}, {}, {}
  for _, found in ipairs(compiled:unsupported() or {}) do
    needs[found.rule or ""] = found.text
  end
  for _, member in ipairs(compiled.members) do
    local text = needs[member.name]
    if text then
      local through = member.verb == "deny" and ", and what it denies gets through" or ""
      skipped[#skipped + 1] = {
        rule = member.name, text = ("%s; the rule is skipped%s"):format(text, through),
      }
    else
      members[#members + 1] = member
    end
  end
  if #skipped == 0 then
    return compiled, skipped
  end
  local less, message, errno = compiler.compile(self.options, self.tables, members)
  if not less then
    return nil, message, errno
  end
  return less, skipped
end

return M

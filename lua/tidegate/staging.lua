--- What can be changed of a gate's policy: rules, options and live tables.  A change is staged;
--- the next commit() puts it in force.

local file = require "tidegate.file"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local meant = require "tidegate.meant"
local order = require "tidegate.order"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local rule_handle = require "tidegate.rule_handle"
local set = require "tidegate.set"
local suggest = require "tidegate.suggest"
local where = require "tidegate.where"

local M = {}

local EINVAL = 22

--- The methods of a gate that stage changes.
---@class tidegate.Gate
local Gate = {}
M.methods = Gate

local function changeable(self, what)
  if not self.source then
    error(what .. ": the gate comes from an image file, which has no rules to change", 3)
  end
end

local function raise(message)
  error(message, 0)
end

--- gate:deny { "name", egress = … }: stage a rule.  If something is wrong with it, raises.
for _, verb in ipairs(schema.verb_names) do
  Gate[verb] = function(self, spec, more)
    changeable(self, verb)
    if more ~= nil then
      error(("%s: wants one table; got %s after it; %s")
        :format(verb, literal.describe(more), order.HINT), 2)
    end
    local added, message = self.source:add(verb, spec, where.at(2))
    return added and rule_handle.of(added) or raise(message)
  end
end

--- Stage a rule that comes from elsewhere, such as a file or a request: what is wrong with it is a
--- result, and no error.
---@param verb string "deny"
---@param spec tidegate.RuleSpec what the verb takes
---@param place { before: string|nil, after: string|nil }|nil before or after the rule of this name
--- (default: what the rule says, or after all others)
---@return tidegate.Rule|nil
---@return string|nil message
---@return integer|nil errno
function Gate:add(verb, spec, place)
  changeable(self, "add")
  local given = order.of_table(place, 2)
  if not schema.verbs[verb] then
    return nil, "add: " .. suggest.unknown("verb", verb, schema.verb_names, meant.names), EINVAL
  end
  local added, message, errno = self.source:add(verb, spec, where.at(2), given)
  if not added then
    return nil, message, errno or EINVAL
  end
  return rule_handle.of(added)
end

--- gate:policy { default = "deny" }: stage the options of the policy.
---@param spec table
function Gate:policy(spec)
  changeable(self, "policy")
  local ok, message = self.source:set(spec, where.at(2))
  if not ok then
    raise(message)
  end
  self.name = self.source.options.name or ""
end

--- The handle of a live table.  Methods tail-call it, so that levels count from their caller.
local function live_table(self, kind, word, name)
  if type(name) ~= "string" then
    error(("%s: wants a name; got %s"):format(word, literal.describe(name)), 2)
  elseif self.source then
    return live.named(self.source:live(kind, name), where.at(2), raise)
  end
  return live.handle(self.handles, kind, name, "gate", self)
end

local function live_tables(self, kind)
  if self.source then
    return self.source:declared(kind)
  end
  local found = {}
  for position, name in ipairs(self.fixed:table_names(kind)) do
    found[position] = live_table(self, kind, kind.word, name)
  end
  return found
end

--- A live set: gate:set "banned" is the set of this name; a table after it declares the set:
--- gate:set "banned" { "192.0.2.0/24", ttl = "10m" }.
---@param name string
---@return tidegate.Set
function Gate:set(name)
  return live_table(self, set, "set", name)
end

--- Its live sets, in the order of their declarations.
---@return tidegate.Set[]
function Gate:sets()
  return live_tables(self, set)
end

--- Live services: gate:services "name" are the services of this name; a table after it declares
--- them.  Without a name: a list of all, in the order of their declarations.
---@param name string|nil
---@return tidegate.Services|tidegate.Services[]
function Gate:services(name)
  if name == nil then
    return live_tables(self, services)
  end
  return live_table(self, services, "services", name)
end

--- The items of a file, for a rule's list.
---@param path string
---@return tidegate.File
function Gate:file(path) -- luacheck: no unused args
  return file.new(path)
end

return M

--- What can be changed of a gate's policy: rules, options and live tables.  A change is staged;
--- the next commit() puts it in force.

local file = require "tidegate.file"
local language = require "tidegate.language"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"

local M = {}

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
  Gate[verb] = function(self, spec)
    changeable(self, verb)
    local added, message = self.source:add(verb, spec, language.where(2))
    return added or raise(message)
  end
end

--- gate:policy { default = "deny" }: stage the options of the policy.
---@param spec table
function Gate:policy(spec)
  changeable(self, "policy")
  local ok, message = self.source:set(spec, language.where(2))
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
    return live.named(self.source:live(kind, name), language.where(2), raise)
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

--- Live services: gate:service "name" are the services of this name; a table after it declares
--- them.
---@param name string
---@return tidegate.Services
function Gate:service(name)
  return live_table(self, services, "service", name)
end

--- Its live services, in the order of their declarations.
---@return tidegate.Services[]
function Gate:services()
  return live_tables(self, services)
end

--- The items of a file, for a rule's list.
---@param path string
---@return tidegate.File
function Gate:file(path) -- luacheck: no unused args
  return file.new(path)
end

return M

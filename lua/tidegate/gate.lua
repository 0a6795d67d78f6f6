--- A running instance of a policy.
--
-- Rule changes are staged in the policy; commit() compiles and publishes them
-- in one step.  A commit that fails changes nothing in the kernel, and the
-- staged changes stay staged, to be mended and committed again.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local events = require "tidegate.events"
local file = require "tidegate.file"
local image = require "tidegate.image"
local language = require "tidegate.language"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local reader = require "tidegate.reader"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"

local C = library.C

local M = {}

---@class tidegate.Gate
---@field name string
---@field allow fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field deny fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field rewrite fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field balance fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field onerror fun(message: string)|nil called with the traceback of a handler's error; without it, standard error
local Gate = {}
Gate.__index = Gate

-- events(), on(), dispatch() and event_fd() have a file of their own.
for name, method in pairs(events.methods) do
  Gate[name] = method
end

local function counters(self, index, op)
  local struct = ffi.new "struct tg_counters"
  if C.tg_gate_counters(self.cdata, index, op, struct) ~= 0 then
    error("tidegate: " .. ffi.string(C.tg_error()), 0)
  end
  return { hits = tonumber(struct.hits), suppressed = tonumber(struct.suppressed) }
end

local no_counters = { hits = 0, suppressed = 0 }

--- The counters of a rule's handle; zeros before it is published.
local function rule_counters(self, member)
  local index = self.published and self.index[member]
  return index and counters(self, index, C.TG_OP_CONNECT) or no_counters
end

--- The backends of rule `index` in force.
local function gate_backends(self, index)
  return backend.read(function(position, info) return C.tg_gate_backend(self.cdata, index, position, info) end)
end

--- A gate over a policy, or over an image from a file, which has no rules to change.
---@param source { policy: tidegate.Policy|nil, image: tidegate.Image|nil, handlers: table[]|nil }
---@return tidegate.Gate
function M.new(source)
  local self = setmetatable({
    source = source.policy, fixed = source.image, handlers = {}, closed = false,
    name = (source.policy or source.image).name or "",
  }, Gate)
  for _, entry in ipairs(source.handlers or {}) do
    events.add_handler(self, entry.kind, entry.handler)
  end
  if self.source then
    self.source.counters = function(_, member) return rule_counters(self, member) end
    local declared = self.source.backends
    self.source.backends = function(_, member)
      local index = self.published and self.index[member]
      return index and gate_backends(self, index) or declared(self.source, member)
    end
    self.source.gate = self
  end
  return self
end

-- Rules ------------------------------------------------------------------------

local function changeable(self, what)
  if not self.source then
    error(what .. ": the gate comes from an image file, which has no rules to change", 3)
  end
end

--- gate:deny { "name", egress = … }: stage a rule.  What is wrong with it raises.
for _, verb in ipairs(schema.verb_names) do
  Gate[verb] = function(self, spec)
    changeable(self, verb)
    local added, message = self.source:add(verb, spec, language.where(2))
    if not added then
      error(message, 0)
    end
    return added
  end
end

--- gate:policy { default = "deny" }: stage the options of the policy.
---@param spec table
function Gate:policy(spec)
  changeable(self, "policy")
  local ok, message = self.source:set(spec, language.where(2))
  if not ok then
    error(message, 0)
  end
  self.name = self.source.name or ""
end

--- A live set: gate:set "banned" is the one of this name, and, with a table
--- behind it, declares it: gate:set "banned" { "192.0.2.0/24", ttl = "10m" }.
---@param name string
---@return tidegate.Set
function Gate:set(name)
  if type(name) ~= "string" then
    error(("set: wants a name; got %s"):format(literal.describe(name)), 2)
  elseif not self.source then
    self.image_sets = self.image_sets or {}
    self.image_sets[name] = self.image_sets[name] or set.of_gate(self, name)
    return self.image_sets[name]
  end
  return set.named(self.source:live_set(name), language.where(2), function(message) error(message, 0) end)
end

--- Its live sets, in the order in which they are declared.
---@return tidegate.Set[]
function Gate:sets()
  if self.source then
    return self.source:declared(set)
  end
  local sets = {}
  for _, name in ipairs(self.fixed:set_names()) do
    sets[#sets + 1] = self:set(name)
  end
  return sets
end

--- Live services: gate:service "name" are those of this name, and, with a table
--- behind it, declares them.
---@param name string
---@return tidegate.Services
function Gate:service(name)
  if type(name) ~= "string" then
    error(("service: wants a name; got %s"):format(literal.describe(name)), 2)
  elseif not self.source then
    self.image_services = self.image_services or {}
    self.image_services[name] = self.image_services[name] or services.of_gate(self, name)
    return self.image_services[name]
  end
  return services.named(self.source:live_services(name), language.where(2), function(message) error(message, 0) end)
end

--- Its live services, in the order in which they are declared.
---@return tidegate.Services[]
function Gate:services()
  if self.source then
    return self.source:declared(services)
  end
  local found = {}
  for _, name in ipairs(self.fixed:services_names()) do
    found[#found + 1] = self:service(name)
  end
  return found
end

--- The items of a file, for a rule's list.
---@param path string
---@return tidegate.File
function Gate:file(path) -- luacheck: no unused args
  return file.new(path)
end

--- The image of the policy as it stands, staged changes included.
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function Gate:image()
  if self.fixed then
    return self.fixed
  end
  return self.source:image()
end

--- What becomes of a call: { op = "connect", addr = "1.2.3.4:80", uid = 33, … }.
--- Staged changes count, and live sets as they are now; no privileges.
---@param question tidegate.Question
---@return tidegate.Decision|nil
---@return string|nil message
---@return integer|nil errno
function Gate:decide(question)
  local compiled, message, errno = self:image()
  if not compiled then
    return nil, message, errno
  end
  return compiled:decide(question, self.published and self.cdata)
end

--- The same, with why the rules before did not match.
---@param question tidegate.Question
---@return tidegate.Explanation|nil
---@return string|nil message
---@return integer|nil errno
function Gate:explain(question)
  local compiled, message, errno = self:image()
  if not compiled then
    return nil, message, errno
  end
  return compiled:explain(question, self.published and self.cdata)
end

--- What compiles, but hardly does what was meant; staged changes count.
---@return tidegate.Finding[]|nil
---@return string|nil message
---@return integer|nil errno
function Gate:findings()
  local compiled, message, errno = self:image()
  if not compiled then
    return nil, message, errno
  end
  return compiled:findings()
end

--- Lua that gives the same image, staged changes included.
---@return string|nil
---@return string|nil message
---@return integer|nil errno
function Gate:dump()
  local compiled, message, errno = self:image()
  if not compiled then
    return nil, message, errno
  end
  return compiled:dump()
end

-- The kernel ---------------------------------------------------------------------

--- The tg_gate, opened when it is first needed.
local function open(self)
  if self.closed then
    error("the gate is closed", 3)
  elseif not self.cdata then
    local slot = library.slot "gate"
    local result = C.tg_gate_open(nil, slot)
    if result ~= 0 then
      return library.failure(result)
    end
    self.cdata = library.own("gate", slot)
    self.reader = reader.new(self.cdata)
  end
  return self.cdata
end

local function kernel_status(self)
  local status = library.sized "struct tg_gate_status"
  local result = C.tg_gate_status(self.cdata, status)
  if result ~= 0 then
    return library.failure(result)
  end
  return status
end

--- Whether there is something to publish.
local function staged(self)
  return self.committed == nil or self:image() ~= self.committed
end

--- Publish what is staged: one atomic step, or nothing has changed.  Reads the
--- files of the rules again where they have changed.
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:commit()
  local object, message, errno = open(self)
  if not object then
    return nil, message, errno
  end
  local compiled
  compiled, message, errno = self:image()
  if not compiled then
    return nil, message, errno
  elseif compiled == self.committed then
    return true
  end
  local wanted, warnings = compiled, {}
  if self.source and self.source.best_effort then
    compiled, warnings, errno = self.source:feasible(wanted)
    if not compiled then
      return nil, warnings, errno
    end
  end
  local result = C.tg_gate_publish(object, compiled.cdata)
  if result ~= 0 then
    return library.failure(result)
  end
  self.committed, self.published, self.index, self.warned = wanted, compiled, {}, warnings
  for position, member in ipairs(compiled.members or {}) do
    self.index[member] = position - 1
  end
  local status
  status, message, errno = kernel_status(self)
  if not status then
    return nil, message, errno
  end
  self.reader:remember(tonumber(status.generation), compiled:names())
  return true
end

--- What the last commit() left out: with `best_effort = true` in policy {},
--- the rules that need more than this kernel has.
---@return string[] one a rule
function Gate:warnings()
  return { unpack(self.warned or {}) }
end

--- "self", "pid:42", "unit:nginx.service" or a path, as the library spells a cgroup.
local function cgroup_name(target)
  if type(target) == "string" then
    return target
  elseif type(target) == "table" and type(target.pid) == "number" then
    return ("pid:%d"):format(target.pid)
  elseif type(target) == "table" and type(target.unit) == "string" then
    return "unit:" .. target.unit
  end
  error(('attach: wants a cgroup\'s path, "self", { pid = 42 } or { unit = "nginx.service" }; got %s')
    :format(literal.describe(target)), 3)
end

--- Attach to a cgroup and what is below it; publishes first what is staged.
---@param target string|{ pid: integer }|{ unit: string }
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:attach(target)
  local path = ffi.new "char[4096]"
  local result = C.tg_cgroup_find(cgroup_name(target), path, 4096)
  if result ~= 0 then
    return library.failure(result)
  end
  local ok, message, errno = self:commit()
  if not ok then
    return nil, message, errno
  end
  result = C.tg_gate_attach(self.cdata, path)
  if result ~= 0 then
    return library.failure(result)
  end
  return true
end

--- Detach from every cgroup; the gate can be attached again.
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:detach()
  if self.cdata then
    local result = C.tg_gate_detach(self.cdata)
    if result ~= 0 then
      return library.failure(result)
    end
  end
  return true
end

--- Detach and free; closing twice is harmless.
function Gate:close()
  self.closed = true
  if self.cdata then
    if self.view then
      self.view.at = nil
    end
    library.release("gate", self.cdata)
    self.cdata, self.reader, self.published, self.committed = nil, nil, nil, nil
  end
end

-- What it did ----------------------------------------------------------------------

--- Handles of the rules in force and staged, in order, each with name, verb,
--- where, text, hits, suppressed.
---@return tidegate.Rule[]
function Gate:rules()
  if self.source then
    return self.source:list()
  end
  local rules = {}
  for index = 0, self.fixed.count - 1 do
    local info = self.fixed:rule(index)
    local counted = self.published and counters(self, index, C.TG_OP_CONNECT) or no_counters
    info.hits, info.suppressed = counted.hits, counted.suppressed
    if info.verb == "balance" then
      info.backends = self.published and gate_backends(self, index) or self.fixed:backends(index)
    end
    rules[index + 1] = info
  end
  return rules
end

--- Counters by rule name, those of each operation's default, and what was lost.
---@return { rules: table<string, table>, default: table<string, table>, lost: integer, errors: integer }|nil
---@return string|nil message
---@return integer|nil errno
function Gate:stats()
  local stats = { rules = {}, default = {}, lost = 0, errors = 0 }
  for _, member in ipairs(self:rules()) do
    stats.rules[member.name] = { hits = member.hits, suppressed = member.suppressed, backends = member.backends }
  end
  for _, name in ipairs(schema.op_names) do
    if #schema.fields[name].ops == 1 then
      stats.default[name] = self.published
        and counters(self, C.TG_RULE_DEFAULT, "TG_OP_" .. name:upper()) or { hits = 0, suppressed = 0 }
    end
  end
  if self.cdata then
    local status, message, errno = kernel_status(self)
    if not status then
      return nil, message, errno
    end
    stats.lost, stats.errors = tonumber(status.lost), tonumber(status.errors)
  end
  return stats
end

--- How a gate stands.
---@class tidegate.Status
---@field name string
---@field generation integer of the image in force; 0: none yet
---@field staged boolean whether commit() has something to publish
---@field rules integer
---@field image_bytes integer
---@field hooks string[] attached, or to be
---@field cgroups integer attached to
---@field lost integer events that found the ring full
---@field errors integer calls that met on_error, or whose source could not be bound

--- How the gate stands.
---@return tidegate.Status|nil
---@return string|nil message
---@return integer|nil errno
function Gate:status()
  local status = {
    name = self.name, generation = 0, staged = staged(self),
    rules = self.source and #self.source.rules or self.fixed.count,
    image_bytes = 0, hooks = {}, cgroups = 0, lost = 0, errors = 0,
  }
  if self.cdata then
    local struct, message, errno = kernel_status(self)
    if not struct then
      return nil, message, errno
    end
    for _, key in ipairs { "generation", "image_bytes", "cgroups", "lost", "errors" } do
      status[key] = tonumber(struct[key])
    end
    status.hooks = image.hook_names(struct.hooks)
  end
  return status
end

return M

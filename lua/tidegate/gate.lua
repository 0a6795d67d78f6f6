--- A running instance of a policy.
--
-- Rule changes are staged in the policy; commit() compiles and publishes them
-- in one step.  A commit that fails changes nothing in the kernel, and the
-- staged changes stay staged, to be mended and committed again.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local clock = require "tidegate.clock"
local diff = require "tidegate.diff"
local events = require "tidegate.events"
local file = require "tidegate.file"
local image = require "tidegate.image"
local keep = require "tidegate.keep"
local language = require "tidegate.language"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local live = require "tidegate.live"
local reader = require "tidegate.reader"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"
local timers = require "tidegate.timers"

local C = library.C

local M = {}

---@class tidegate.Gate
---@field name string
---@field allow fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field deny fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field rewrite fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field balance fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field observe fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field timers tidegate.Timers
---@field onerror fun(message: string)|nil called with the traceback of a handler's error; without it, standard error
local Gate = {}
Gate.__index = Gate

-- Events and timers, and what hosts of several lives need, have files of their own.
for _, methods in ipairs { events.methods, keep.methods } do
  for name, method in pairs(methods) do
    Gate[name] = method
  end
end

--- What a struct tg_counters says; `last` in seconds since 1970.
local function counted(struct, epoch)
  return {
    hits = tonumber(struct.hits), suppressed = tonumber(struct.suppressed),
    last = struct.last_ns > 0 and tonumber(struct.last_ns) / 1e9 + epoch or nil,
  }
end

local function counters(self, index)
  local struct = ffi.new "struct tg_counters"
  if C.tg_gate_counters(self.cdata, index, C.TG_OP_CONNECT, struct) ~= 0 then
    error("tidegate: " .. ffi.string(C.tg_error()), 0)
  end
  return counted(struct, clock.epoch())
end

local no_counters = { hits = 0, suppressed = 0 }

--- The counters of a rule's handle; zeros before it is published.
local function rule_counters(self, member)
  local index = self.published and self.index[member]
  return index and counters(self, index) or no_counters
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
    source = source.policy, fixed = source.image, handlers = {}, handles = {}, closed = false,
    name = (source.policy or source.image).name or "",
    timers = source.policy and source.policy.timers or timers.new(),
  }, Gate)
  for _, entry in ipairs(source.handlers or {}) do
    self:handle(entry.kind, entry.handler)
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

--- The handle of a live table.  Tail-called, so that levels count from the caller of the method.
local function live_table(self, kind, word, name)
  if type(name) ~= "string" then
    error(("%s: wants a name; got %s"):format(word, literal.describe(name)), 2)
  elseif self.source then
    return live.named(self.source:live(kind, name), language.where(2), function(message) error(message, 0) end)
  end
  local handles = self.handles[kind] or {}
  self.handles[kind] = handles
  handles[name] = handles[name] or live.of_gate(kind, self, name)
  return handles[name]
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

--- A live set: gate:set "banned" is the one of this name, and, with a table
--- behind it, declares it: gate:set "banned" { "192.0.2.0/24", ttl = "10m" }.
---@param name string
---@return tidegate.Set
function Gate:set(name)
  return live_table(self, set, "set", name)
end

--- Its live sets, in the order in which they are declared.
---@return tidegate.Set[]
function Gate:sets()
  return live_tables(self, set)
end

--- Live services: gate:service "name" are those of this name, and, with a table
--- behind it, declares them.
---@param name string
---@return tidegate.Services
function Gate:service(name)
  return live_table(self, services, "service", name)
end

--- Its live services, in the order in which they are declared.
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

--- What this gate's policy has that another's has not (+), and the other way
--- round (-), staged changes included.
---@param other tidegate.Gate
---@return tidegate.Diff|nil
---@return string|nil message
---@return integer|nil errno
function Gate:diff(other)
  if getmetatable(other) ~= Gate then
    error("diff: wants another gate; got " .. literal.describe(other), 2)
  end
  local mine, message, errno = self:dump()
  if not mine then
    return nil, message, errno
  end
  local theirs
  theirs, message, errno = other:dump()
  if not theirs then
    return nil, message, errno
  end
  return diff.of_policies(theirs, mine)
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

--- Changes with each change of the rules.
function Gate:revision()
  return self.source and self.source.revision
end

--- Publish what is staged: one atomic step, or nothing has changed.  Reads the
--- files of the rules again where they have changed.
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:commit()
  self.attempted = self:revision()
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
  self.names = compiled:names()
  self.reader:remember(tonumber(status.generation), self.names)
  self.timers:start()
  return true
end

--- What the last commit() left out: with `best_effort = true` in policy {},
--- the rules that need more than this kernel has.
---@return string[] one a rule
function Gate:warnings()
  return { unpack(self.warned or {}) }
end

--- "self", "pid:42", "unit:nginx.service" or a path, as the library spells a cgroup.
local function cgroup_name(target, verb)
  if type(target) == "string" then
    return target
  elseif type(target) == "table" and type(target.pid) == "number" then
    return ("pid:%d"):format(target.pid)
  elseif type(target) == "table" and type(target.unit) == "string" then
    return "unit:" .. target.unit
  end
  error(('%s: wants a cgroup\'s path, "self", { pid = 42 } or { unit = "nginx.service" }; got %s')
    :format(verb, literal.describe(target)), 3)
end

local function place(self, verb, name)
  local path = ffi.new "char[4096]"
  local result = C.tg_cgroup_find(name, path, 4096)
  if result ~= 0 then
    return library.failure(result)
  end
  local ok, message, errno = self:commit()
  if not ok then
    return nil, message, errno
  end
  result = C["tg_gate_" .. verb](self.cdata, path)
  if result ~= 0 then
    return library.failure(result)
  end
  return true
end
M.cgroup_name = cgroup_name

--- Attach to a cgroup and what is below it; publishes first what is staged.
---@param target string|{ pid: integer }|{ unit: string }
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:attach(target)
  return place(self, "attach", cgroup_name(target, "attach"))
end

--- Be attached to this cgroup and to no other; publishes first what is staged.
---@param target string|{ pid: integer }|{ unit: string }
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:move(target)
  return place(self, "move", cgroup_name(target, "move"))
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
--- where, text, hits, suppressed, last.
---@return tidegate.Rule[]
function Gate:rules()
  if self.source then
    return self.source:list()
  end
  local rules = {}
  for index = 0, self.fixed.count - 1 do
    local info = self.fixed:rule(index)
    local sums = self.published and counters(self, index) or no_counters
    info.hits, info.suppressed, info.last = sums.hits, sums.suppressed, sums.last
    if info.verb == "balance" then
      info.backends = self.published and gate_backends(self, index) or self.fixed:backends(index)
    end
    rules[index + 1] = info
  end
  return rules
end

--- What a rule, or an operation's default, has decided.
---@class tidegate.Counters
---@field hits integer
---@field suppressed integer events that its log rate held back
---@field last number|nil when it last did, in seconds since 1970, as the kernel's ticks show it

--- What became of the calls of a hook.
---@class tidegate.HookCounters
---@field calls integer
---@field denied integer
---@field rewritten integer or shown what they had asked for before they were
---@field errors integer that met on_error, or whose rule promised what could not be had
---@field lost integer events that found the ring full

---@class tidegate.Stats
---@field rules table<string, tidegate.Counters> by name
---@field default table<string, tidegate.Counters> by operation
---@field hooks table<string, tidegate.HookCounters> by name, those that are attached or have seen calls
---@field lost integer events that found the ring full
---@field errors integer
---@field evicted integer buckets of rates that were forgotten to make room for others

local hook_counters = { "calls", "denied", "rewritten", "errors", "lost" }

local function each_operation(visit)
  for _, name in ipairs(schema.op_names) do
    if #schema.fields[name].ops == 1 then
      visit(name, "TG_OP_" .. name:upper())
    end
  end
end

--- All counters, read at once.
---@return tidegate.Stats|nil
---@return string|nil message
---@return integer|nil errno
function Gate:stats()
  local stats = { rules = {}, default = {}, hooks = {}, lost = 0, errors = 0, evicted = 0 }
  each_operation(function(name) stats.default[name] = { hits = 0, suppressed = 0 } end)
  for _, member in ipairs(self.source and self.source.rules or {}) do
    stats.rules[member.name] = { hits = 0, suppressed = 0, backends = member.backends }
  end
  if not self.published then
    return stats
  end
  local count = self.published.count
  local rules, struct = ffi.new("struct tg_counters[?]", count), library.sized "struct tg_gate_stats"
  local result = C.tg_gate_stats(self.cdata, rules, count, struct)
  if result ~= 0 then
    return library.failure(result)
  end
  local epoch = clock.epoch()
  for index, name in pairs(self.names) do
    stats.rules[name] = counted(rules[index], epoch)
  end
  each_operation(function(name, op) stats.default[name] = counted(struct.defaults[C[op]], epoch) end)
  local status, message, errno = kernel_status(self)
  if not status then
    return nil, message, errno
  end
  for _, name in ipairs(image.hook_names(status.hooks)) do
    stats.hooks[name] = {}
  end
  stats.evicted = tonumber(status.evicted)
  for hook = 0, tonumber(C.TG_HOOKS) - 1 do
    local at, name = struct.hooks[hook], ffi.string(C.tg_hook_name(hook))
    stats.hooks[name] = stats.hooks[name] or at.calls > 0 and {} or nil
    for _, key in ipairs(stats.hooks[name] and hook_counters or {}) do
      stats.hooks[name][key] = tonumber(at[key])
    end
    stats.lost, stats.errors = stats.lost + tonumber(at.lost), stats.errors + tonumber(at.errors)
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
---@field evicted integer buckets of rates that were forgotten to make room for others

--- How the gate stands.
---@return tidegate.Status|nil
---@return string|nil message
---@return integer|nil errno
function Gate:status()
  local status = {
    name = self.name, generation = 0, staged = staged(self),
    rules = self.source and #self.source.rules or self.fixed.count,
    image_bytes = 0, hooks = {}, cgroups = 0, lost = 0, errors = 0, evicted = 0,
  }
  if self.cdata then
    local struct, message, errno = kernel_status(self)
    if not struct then
      return nil, message, errno
    end
    for _, key in ipairs { "generation", "image_bytes", "cgroups", "lost", "errors", "evicted" } do
      status[key] = tonumber(struct[key])
    end
    status.hooks = image.hook_names(struct.hooks)
  end
  return status
end

return M

--- The counters and the status of a gate.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local clock = require "tidegate.clock"
local library = require "tidegate.ffi"
local names = require "tidegate.names"
local schema = require "tidegate.schema"
local new_table = require "table.new"

local C = library.C

local M = {}

--- The methods of a gate for counters and status.
---@class tidegate.Gate
local Gate = {}
M.methods = Gate

--- The status of a tg_gate.
---@param object ffi.cdata* struct tg_gate
---@return ffi.cdata*|nil struct tg_gate_status
---@return string|nil message
---@return integer|nil errno
function M.gate_status(object)
  local status = library.sized "struct tg_gate_status"
  local result = C.tg_gate_status(object, status)
  if result ~= 0 then
    return library.failure(result)
  end
  return status
end

--- A struct tg_counters as a table; `last` in seconds since 1970.
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
  return counted(struct, clock.boot_epoch())
end

local no_counters = { hits = 0, suppressed = 0 }

--- The backends of rule `index` in force.
local function gate_backends(self, index)
  return backend.read(function(position, info)
    return C.tg_gate_backend(self.cdata, index, position, info)
  end)
end

--- The backends of all rules in force, by index, in one walk; nil for a rule without a list.
local function all_backends(self)
  return backend.read_lists(function(cursor, rule, info)
    return C.tg_gate_backend_next(self.cdata, cursor, rule, info)
  end)
end

--- Let the handles of a policy's rules show the gate's counters, once the rules are published.
---@param gate tidegate.Gate
---@param policy tidegate.Policy
function M.answer(gate, policy)
  local counters_before, backends_before = policy.counters, policy.backends
  function policy.counters(_, member)
    local index = gate.published and gate.index[member]
    return index and counters(gate, index) or counters_before(policy, member)
  end
  function policy.backends(_, member)
    local index = gate.published and gate.index[member]
    return index and gate_backends(gate, index) or backends_before(policy, member)
  end
end

--- The rules in force and staged, in order, each with name, verb, where, text, hits, suppressed,
--- last.
---@return tidegate.Rule[]
function Gate:rules()
  if self.source then
    return self.source:list()
  end
  local rules, lists = {}, self.published and all_backends(self)
  for index = 0, self.fixed.count - 1 do
    local info = self.fixed:rule(index)
    local sums = self.published and counters(self, index) or no_counters
    info.hits, info.suppressed, info.last = sums.hits, sums.suppressed, sums.last
    if info.verb == "balance" then
      local backends = lists and (lists[index] or {}) or self.fixed:backends(index)
      info.backends = #backends > 0 and backends or nil
    end
    rules[index + 1] = info
  end
  return rules
end

--- What a rule, or the default of an operation, has decided.
---@class tidegate.Counters
---@field hits integer
---@field suppressed integer events that its log rate has held back
---@field last number|nil when it last decided a call, in seconds since 1970; as precise as the
--- kernel's tick (4 ms at 250 Hz)

--- What happened to the calls of a hook.
---@class tidegate.HookCounters
---@field calls integer
---@field denied integer
---@field rewritten integer or, for hooks that report, shown what the program had asked for
---@field errors integer decided by on_error, or by a rule whose promise could not be kept
---@field lost integer events, because the ring was full

---@class tidegate.Stats
---@field rules table<string, tidegate.RuleStats> by name
---@field default table<string, tidegate.Counters> by operation
---@field hooks table<string, tidegate.HookCounters> by name, if attached or if it has seen calls
---@field services table<string, { count: integer, size: integer }> by name: how many there are, and
--- how many there can be; for their backends, `for vip, backends in gate:service("name"):each() do`
---@field lost integer events, because the ring was full
---@field errors integer
---@field evicted integer rate buckets that were dropped to make room for others
---@field forgotten integer keys of sticky balance that were dropped; they may get another backend

--- tidegate.Counters, and the backends of a balance rule that are not a live service's.
---@class tidegate.RuleStats: tidegate.Counters
---@field backends tidegate.Backend[]|nil

local hook_counters = { "calls", "denied", "rewritten", "errors", "lost" }

local function each_operation(visit)
  for _, name in ipairs(schema.call_names) do
    visit(name, "TG_OP_" .. name:upper())
  end
end

local function add_hooks(all, attached, hooks)
  for _, name in ipairs(names.hooks_in(attached)) do
    all.hooks[name] = {}
  end
  for hook = 0, #names.hooks do
    local at, name = hooks[hook], names.hooks[hook]
    all.hooks[name] = all.hooks[name] or at.calls > 0 and {} or nil
    for _, key in ipairs(all.hooks[name] and hook_counters or {}) do
      all.hooks[name][key] = tonumber(at[key])
    end
    all.lost, all.errors = all.lost + tonumber(at.lost), all.errors + tonumber(at.errors)
  end
end

--- The counters of the rules in force.
local function add_rules(self, all, rules, epoch)
  local rule_names, count = self.names, self.published.count
  all.rules = new_table(0, count)
  for index = 0, count - 1 do
    all.rules[rule_names[index]] = counted(rules[index], epoch)
  end
  for index, backends in pairs(all_backends(self)) do
    all.rules[rule_names[index]].backends = backends
  end
end

local function add_counters(self, all)
  local count = self.published.count
  local rules = ffi.new("struct tg_counters[?]", count)
  local struct = library.sized "struct tg_gate_stats"
  local result = C.tg_gate_stats(self.cdata, rules, count, struct)
  if result ~= 0 then
    return library.failure(result)
  end
  local status, message, errno = M.gate_status(self.cdata)
  if not status then
    return nil, message, errno
  end
  local epoch = clock.boot_epoch()
  add_rules(self, all, rules, epoch)
  each_operation(function(name, op) all.default[name] = counted(struct.defaults[C[op]], epoch) end)
  add_hooks(all, status.hooks, struct.hooks)
  all.evicted, all.forgotten = tonumber(status.evicted), tonumber(status.forgotten)
  return true
end

--- Add zeros for what is not in force yet.
local function add_staged(self, all)
  local has_staged = self.source ~= nil or not self.published -- an image is in force whole
  for _, rule in ipairs(has_staged and self:rules() or {}) do
    all.rules[rule.name] = all.rules[rule.name]
      or { hits = 0, suppressed = 0, backends = rule.backends }
  end
  each_operation(function(name)
    all.default[name] = all.default[name] or { hits = 0, suppressed = 0 }
  end)
end

local function add_services(self, all)
  for _, services in ipairs(self:services()) do
    local info = services:info() -- nil: they are staged in a gate that is in force
    all.services[services.name] = info and { count = info.count, size = info.size }
  end
end

--- All counters, read at once: some ms for 10,000 rules, and 1 ms for every 1,000 backends.
---@return tidegate.Stats|nil
---@return string|nil message
---@return integer|nil errno
function Gate:stats()
  local all = {
    rules = {}, default = {}, hooks = {}, services = {},
    lost = 0, errors = 0, evicted = 0, forgotten = 0,
  }
  if self.published then
    local ok, message, errno = add_counters(self, all)
    if not ok then
      return nil, message, errno
    end
  end
  add_staged(self, all)
  add_services(self, all)
  return all
end

--- The state of a gate.
---@class tidegate.Status
---@field name string
---@field generation integer of the image in force; 0: none yet
---@field staged boolean whether commit() has something to publish
---@field rules integer
---@field image_bytes integer
---@field hooks string[] that are attached, or will be
---@field cgroups integer that it is attached to
---@field lost integer events, because the ring was full
---@field errors integer calls decided by on_error, or whose source could not be bound
---@field evicted integer rate buckets that were dropped to make room for others
---@field forgotten integer keys of sticky balance that were dropped; they may get another backend

local status_counters = {
  "generation", "image_bytes", "cgroups", "lost", "errors", "evicted", "forgotten",
}

--- Whether there is something to publish.
local function staged(self)
  return self.committed == nil or self:image() ~= self.committed
end

--- The state of the gate.
---@return tidegate.Status|nil
---@return string|nil message
---@return integer|nil errno
function Gate:status()
  local status = {
    name = self.name, generation = 0, staged = staged(self),
    rules = self.source and #self.source.rules or self.fixed.count,
    image_bytes = 0, hooks = {}, cgroups = 0,
    lost = 0, errors = 0, evicted = 0, forgotten = 0,
  }
  if self.cdata then
    local struct, message, errno = M.gate_status(self.cdata)
    if not struct then
      return nil, message, errno
    end
    for _, key in ipairs(status_counters) do
      status[key] = tonumber(struct[key])
    end
    status.hooks = names.hooks_in(struct.hooks)
  end
  return status
end

return M

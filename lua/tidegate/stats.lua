--- The counters and the status of a gate.

local attach = require "tidegate.attach"
local ffi = require "ffi"
local backend = require "tidegate.backend"
local clock = require "tidegate.clock"
local handle = require "tidegate.handle"
local library = require "tidegate.ffi"
local names = require "tidegate.names"
local rule_handle = require "tidegate.rule_handle"
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

local struct_of_lost = library.sized "struct tg_gate_stats"

--- How many events a tg_gate has lost; nil: it cannot be read.
---@param object ffi.cdata* struct tg_gate
---@return integer|nil
function M.lost(object)
  if C.tg_gate_stats(object, nil, 0, struct_of_lost) == 0 then
    return tonumber(struct_of_lost.lost)
  end
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
  if C.tg_gate_rule_counters(self.cdata, index, struct) ~= 0 then
    error("tidegate: " .. ffi.string(C.tg_error()), 0)
  end
  return counted(struct, clock.epoch())
end

local no_counters = { hits = 0, suppressed = 0 }

--- The backends of rule `index` in force.
local function gate_backends(self, index)
  return backend.read_all(function(infos, capacity, count)
    local result = C.tg_gate_rule_backends(self.cdata, index, infos, capacity, count)
    return result == 0 and 1 or result
  end)
end

--- The backends of all rules in force, by index, in one walk; nil for a rule without a list.
local function all_backends(self)
  return backend.read_lists(function(cursor, index, info)
    return C.tg_gate_backend_next(self.cdata, cursor, index, info)
  end)
end

--- Let the handles of a policy's rules show the gate's counters, once the rules are published.
---@param gate tidegate.Gate
---@param policy tidegate.Policy
function M.answer(gate, policy)
  local counters_before, backends_before = policy.counters, policy.backends
  function policy.counters(_, member)
    local index = gate.published and gate.index[member.name]
    return index and counters(gate, index) or counters_before(policy, member)
  end
  function policy.backends(_, member)
    local index = gate.published and gate.index[member.name]
    return index and gate_backends(gate, index) or backends_before(policy, member)
  end
end

--- Handles of the rules of an image, which do not change.
local fixed_rule = handle.class {
  noun = "rule", fields = {}, methods = {},
  change = "the gate comes from an image file, which has no rules to change",
  text = function(info) return info.text or ("%s %q"):format(info.verb, info.name) end,
}

for _, key in ipairs { "name", "verb", "where", "hits", "suppressed", "last", "backends" } do
  fixed_rule.fields[key] = function(info) return info[key] end
end

--- The rules in force and staged, in order.
---@return tidegate.Rule[]
function Gate:rules()
  if self.source then
    return rule_handle.all(self.source.rules)
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
    rules[index + 1] = handle.new(fixed_rule, info)
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
---@field refused_before integer another program had refused them, and no rule denies them

---@class tidegate.Stats
---@field rules table<string, tidegate.RuleStats> by name
---@field defaults table<string, tidegate.Counters> by operation
---@field hooks table<string, tidegate.HookCounters> by name, if attached or if it has seen calls
---@field sets table<string, { count: integer, size: integer, refused: integer }> by name: how many
--- elements there are, how many there can be, and for how many there was no room
---@field services table<string, { count: integer, size: integer }> by name: how many there are, and
--- how many there can be; their backends: `for vip, backends in gate:services("name"):each() do`
---@field lost integer events, because the ring was full
---@field errors integer calls decided by on_error, or by a rule whose promise could not be kept
---@field rates_evicted integer rate buckets that were dropped to make room for others
---@field clients_evicted integer keys of sticky balance that were dropped to make room for others:
--- their next call may go to another backend

--- tidegate.Counters, and the backends of a balance rule that are not a live service's.
---@class tidegate.RuleStats: tidegate.Counters
---@field backends tidegate.Backend[]|nil

local gate_counters = { "lost", "errors", "rates_evicted", "clients_evicted" }
local hook_counters = { "calls", "denied", "rewritten", "errors", "lost", "refused_before" }

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
  end
end

--- The counters of what is in force, read at one moment.  Those of the rules, of which there may be
--- many, stay an array: `rules.counters`, struct tg_counters[], with the names by the same index.
---@param self table the state of a gate that is in force
---@return table|nil
---@return string|nil message
---@return integer|nil errno
function M.read(self)
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
  local epoch = clock.epoch()
  local all = { defaults = {}, hooks = {}, rules = {
    count = count, names = self.names, counters = rules, epoch = epoch,
    backends = all_backends(self),
  } }
  each_operation(function(name, op) all.defaults[name] = counted(struct.defaults[C[op]], epoch) end)
  add_hooks(all, status.hooks, struct.hooks)
  for _, key in ipairs(gate_counters) do
    all[key] = tonumber(struct[key])
  end
  return all
end

--- Make an array of counters a table, by name.
local function by_name(rules)
  local named = new_table(0, rules.count)
  for index = 0, rules.count - 1 do
    named[rules.names[index]] = counted(rules.counters[index], rules.epoch)
  end
  for index, backends in pairs(rules.backends) do
    named[rules.names[index]].backends = backends
  end
  return named
end

--- Add zeros for what is not in force yet.
local function add_staged(self, all)
  local has_staged = self.source ~= nil or not self.published -- an image is in force whole
  for _, member in ipairs(has_staged and self:rules() or {}) do
    all.rules[member.name] = all.rules[member.name]
      or { hits = 0, suppressed = 0, backends = member.backends }
  end
  each_operation(function(name)
    all.defaults[name] = all.defaults[name] or { hits = 0, suppressed = 0 }
  end)
end

--- Add how full the live tables are.
local function add_tables(found, handles)
  for _, member in ipairs(handles) do
    local info = member:info() -- nil: it is staged in a gate that is in force
    found[member.name] =
      info and { count = info.count, size = info.size, refused = info.refused }
  end
end

--- All counters, read at once: some ms for 10,000 rules, and 1 ms for every 1,000 backends.
---@return tidegate.Stats|nil
---@return string|nil message
---@return integer|nil errno
function Gate:stats()
  local all, message, errno = {
    rules = {}, defaults = {}, hooks = {},
    lost = 0, errors = 0, rates_evicted = 0, clients_evicted = 0,
  }
  if self.published then
    all, message, errno = M.read(self)
    if not all then
      return nil, message, errno
    end
    all.rules = by_name(all.rules)
  end
  all.sets, all.services = {}, {}
  add_staged(self, all)
  add_tables(all.sets, self:sets())
  add_tables(all.services, self:services())
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
---@field attachments tidegate.Attachment[] the cgroups that it is attached to
---@field health "ok"|"idle"|"degraded"|"unknown" idle: it is attached nowhere; degraded: one of
--- `attachments` is not what was asked for, see its state; unknown: their cgroups are there, but
--- this process has restricted itself
---@field shadow boolean whether the policy in force only counts and reports
---@field skipped tidegate.Skipped[] what skipped() returns

--- Whether there is something to publish.
local function staged(self)
  return self.committed == nil or self:compile() ~= self.committed
end

local function health_of(attachments)
  local health = "idle"
  for _, attachment in ipairs(attachments) do
    local state = attachment.state
    if state ~= "attached" and state ~= "unknown" then
      return "degraded"
    end
    health = state == "unknown" and state or "ok"
  end
  return health
end

--- Add what is in force, and where.
---@param self table the state of a gate
---@param status table
---@return table|nil status
---@return string|nil message
---@return integer|nil errno
function M.add_in_force(self, status)
  local struct, message, errno = M.gate_status(self.cdata)
  if not struct then
    return nil, message, errno
  end
  status.generation, status.image_bytes = tonumber(struct.generation), tonumber(struct.image_bytes)
  status.hooks = names.hooks_in(struct.hooks)
  status.shadow = self.published ~= nil and self.published.shadow
  status.attachments, message, errno = attach.list(self.cdata)
  if not status.attachments then
    return nil, message, errno
  end
  status.health = health_of(status.attachments)
  return status
end

--- The state of the gate.  After restrict(), this process sees of its attachments only whether
--- their cgroups are there, and how many processes they have.
---@return tidegate.Status|nil
---@return string|nil message
---@return integer|nil errno
function Gate:status()
  local status = {
    name = self.name, generation = 0, staged = staged(self),
    rules = self.source and #self.source.rules or self.fixed.count,
    image_bytes = 0, hooks = {}, attachments = {}, health = "idle", shadow = false,
    skipped = self:skipped(),
  }
  if not self.cdata then
    return status
  end
  return M.add_in_force(self, status)
end

return M

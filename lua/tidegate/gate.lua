--- A running instance of a policy.
--
-- Rule changes are staged in the policy; commit() compiles and publishes them
-- in one step.  A commit that fails changes nothing in the kernel, and the
-- staged changes stay staged, to be mended and committed again.

local ffi = require "ffi"
local diff = require "tidegate.diff"
local events = require "tidegate.dispatch"
local file = require "tidegate.file"
local keep = require "tidegate.handover"
local language = require "tidegate.language"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local reader = require "tidegate.ring"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"
local stats = require "tidegate.stats"
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

-- Events and timers, what it did, and what hosts of several lives need, have files of their own.
for _, methods in ipairs { events.methods, stats.methods, keep.methods } do
  for name, method in pairs(methods) do
    Gate[name] = method
  end
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
    stats.answer(self, self.source)
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
  status, message, errno = stats.gate_status(self.cdata)
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

--- End the sockets that this gate has connected to a backend, in every network
--- namespace; their owners hear ECONNABORTED.
---@param backend string "10.0.1.5:8080", or "10.0.1.5": at any port
---@return integer|nil ended how many
---@return string|nil message
---@return integer|nil errno
function Gate:kill(backend)
  if type(backend) ~= "string" or backend:find "%z" then
    error(('kill wants a backend such as "10.0.1.5:8080"; got %s'):format(literal.describe(backend)), 2)
  end
  if not self.cdata then
    return 0
  end
  local ended = library.index()
  local result = C.tg_gate_kill(self.cdata, backend, ended)
  if result ~= 0 then
    return library.failure(result)
  end
  return tonumber(ended[0])
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

return M

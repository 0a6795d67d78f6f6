--- A running instance of a policy.
--
-- Rule changes are staged in the policy; commit() compiles and publishes them in one step.  If a
-- commit fails, nothing has changed in the kernel, and the changes stay staged: they can be
-- corrected and committed again.

local ffi = require "ffi"
local diff = require "tidegate.diff"
local dispatch = require "tidegate.dispatch"
local handover = require "tidegate.handover"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local ring = require "tidegate.ring"
local staging = require "tidegate.staging"
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
---@field onerror fun(message: string)|nil gets the traceback of a handler's error; default: stderr
local Gate = {}
Gate.__index = Gate

for _, part in ipairs { staging, dispatch, stats, handover } do
  for name, method in pairs(part.methods) do
    Gate[name] = method
  end
end

--- A gate over a policy, or over an image from a file, which has no rules to change.
---@param source { policy: tidegate.Policy|nil, image: tidegate.Image|nil, handlers: table[]|nil }
---@return tidegate.Gate
function M.new(source)
  local policy = source.policy
  local self = setmetatable({
    source = policy, fixed = source.image, handlers = {}, handles = {}, closed = false,
    name = (policy and policy.options or source.image).name or "",
    timers = policy and policy.timers or timers.new(),
  }, Gate)
  for _, entry in ipairs(source.handlers or {}) do
    self:handle(entry.kind, entry.handler)
  end
  if policy then
    stats.answer(self, policy)
    policy.gate = self
  end
  return self
end

-- Asking -------------------------------------------------------------------------------

--- The image of the policy as it is now, with staged changes.
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function Gate:image()
  if self.fixed then
    return self.fixed
  end
  return self.source:image()
end

--- Call a method of the image.  A tail call, as in its callers, so that misuse is blamed on the
--- caller of the gate's method.
local function ask(self, method, ...)
  local compiled, message, errno = self:image()
  if not compiled then
    return nil, message, errno
  end
  return compiled[method](compiled, ...)
end

--- Decide a call: { op = "connect", addr = "1.2.3.4:80", uid = 33, … }, with staged changes, and
--- with live tables as they are now.  Needs no privileges.
---@param question tidegate.Question
---@return tidegate.Decision|nil
---@return string|nil message
---@return integer|nil errno
function Gate:decide(question)
  return ask(self, "decide", question, self.published and self.cdata)
end

--- Like decide(), and explain why the rules before did not match.
---@param question tidegate.Question
---@return tidegate.Explanation|nil
---@return string|nil message
---@return integer|nil errno
function Gate:explain(question)
  return ask(self, "explain", question, self.published and self.cdata)
end

--- What compiles, but hardly does what was meant, with staged changes.
---@return tidegate.Finding[]|nil
---@return string|nil message
---@return integer|nil errno
function Gate:findings()
  return ask(self, "findings")
end

--- Lua that gives the same image, with staged changes.
---@return string|nil
---@return string|nil message
---@return integer|nil errno
function Gate:dump()
  return ask(self, "dump")
end

--- What only this gate's policy has (+), and what only the other one's has (-), with staged
--- changes.
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

-- The kernel ---------------------------------------------------------------------------

--- The tg_gate, which is opened when it is first needed.
local function open(self)
  if self.closed then
    error("the gate is closed", 3)
  elseif not self.cdata then
    local object, message, errno =
      library.make("gate", function(slot) return C.tg_gate_open(nil, slot) end)
    if not object then
      return nil, message, errno
    end
    self.cdata, self.reader = object, ring.new(object)
  end
  return self.cdata
end

--- A number that changes with each change of the policy; nil: it comes from an image file.
---@return integer|nil
function Gate:revision()
  return self.source and self.source.revision
end

--- The image to publish.
---@return tidegate.Image|nil
---@return string[]|string warnings, one for each rule that is left out; or the message
---@return integer|nil errno
local function feasible(self, compiled)
  if self.source and self.source.options.best_effort then
    return self.source:feasible(compiled)
  end
  return compiled, {}
end

--- Take note of what has just been published.
---@param wanted tidegate.Image
---@param published tidegate.Image `wanted`, without the rules that were left out
local function note(self, wanted, published, warnings)
  self.committed, self.published, self.index, self.warned = wanted, published, {}, warnings
  for position, member in ipairs(published.members or {}) do
    self.index[member] = position - 1
  end
  local status, message, errno = stats.gate_status(self.cdata)
  if not status then
    return nil, message, errno
  end
  self.names = published:names()
  self.reader:remember(tonumber(status.generation), self.names)
  self.timers:start()
  return true
end

--- Publish what is staged, in one atomic step; if it fails, nothing has changed.  Files of rules
--- that have changed are read again.
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:commit()
  self.attempted = self:revision()
  local object, message, errno = open(self)
  if not object then
    return nil, message, errno
  end
  local wanted
  wanted, message, errno = self:image()
  if not wanted then
    return nil, message, errno
  elseif wanted == self.committed then
    return true
  end
  local published, warnings, number = feasible(self, wanted)
  if not published then
    return nil, warnings, number
  end
  local result = C.tg_gate_publish(object, published.cdata)
  if result ~= 0 then
    return library.failure(result)
  end
  return note(self, wanted, published, warnings)
end

--- What the last commit() left out: with `best_effort = true` in policy {}, the rules that need
--- more than this kernel has.
---@return string[] one for each rule
function Gate:warnings()
  return { unpack(self.warned or {}) }
end

--- A cgroup as the library names it: "self", "pid:42", "unit:nginx.service" or a path.
---@param target string|{ pid: integer }|{ unit: string }
---@param verb string for the message
---@return string
function M.cgroup_name(target, verb)
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

--- Commit, then attach or move to a cgroup.
local function place(self, call, name)
  local path = ffi.new "char[4096]"
  local result = C.tg_cgroup_find(name, path, 4096)
  if result ~= 0 then
    return library.failure(result)
  end
  local ok, message, errno = self:commit()
  if not ok then
    return nil, message, errno
  end
  return library.outcome(call(self.cdata, path))
end

--- Attach to a cgroup and those below it; first publishes what is staged.
---@param target string|{ pid: integer }|{ unit: string }
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:attach(target)
  return place(self, C.tg_gate_attach, M.cgroup_name(target, "attach"))
end

--- Attach to this cgroup and detach from all others; first publishes what is staged.
---@param target string|{ pid: integer }|{ unit: string }
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:move(target)
  return place(self, C.tg_gate_move, M.cgroup_name(target, "move"))
end

--- Detach from every cgroup; the gate can be attached again.
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:detach()
  if not self.cdata then
    return true
  end
  return library.outcome(C.tg_gate_detach(self.cdata))
end

--- End the sockets that this gate has connected to a backend, in every network namespace; their
--- owners get ECONNABORTED.
---@param backend string "10.0.1.5:8080", or "10.0.1.5" for any port
---@return integer|nil ended the number of sockets
---@return string|nil message
---@return integer|nil errno
function Gate:kill(backend)
  if not literal.is_text(backend) then
    error(('kill wants a backend such as "10.0.1.5:8080"; got %s')
      :format(literal.describe(backend)), 2)
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

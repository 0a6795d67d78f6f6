--- A running instance of a policy.
--
-- Rule changes are staged in the policy; commit() compiles and publishes them in one step.  If a
-- commit fails, nothing has changed in the kernel, and the changes stay staged: they can be
-- corrected and committed again.

local attach = require "tidegate.attach"
local bit = require "bit"
local ffi = require "ffi"
local diff = require "tidegate.diff"
local dispatch = require "tidegate.dispatch"
local handle = require "tidegate.handle"
local image = require "tidegate.image"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local ring = require "tidegate.ring"
local staging = require "tidegate.staging"
local stats = require "tidegate.stats"
local suggest = require "tidegate.suggest"
local timers = require "tidegate.timers"

local C = library.C

local M = {}

--- A gate.  Its methods are those of the state behind its handle.
---@class tidegate.Gate
---@field name string of the policy, "" if it has none
---@field closed boolean
---@field allow fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field deny fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field rewrite fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field balance fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
---@field observe fun(self: tidegate.Gate, spec: tidegate.RuleSpec): tidegate.Rule
local Gate = {}
Gate.__index = Gate

for _, part in ipairs { staging, dispatch, stats, attach } do
  for name, method in pairs(part.methods) do
    Gate[name] = method
  end
end

--- The tg_gate, which is opened when it is first needed.
local function open(self)
  if not self.cdata then
    local object, message, errno = library.make("gate", function(slot)
      local struct = library.sized "struct tg_gate_options"
      struct.share, struct.ring_bytes = self.options.share, self.options.ring_bytes or 0
      return C.tg_gate_new(struct, slot)
    end)
    if not object then
      return nil, message, errno
    end
    self.cdata, self.reader = object, ring.new(object)
  end
  return self.cdata
end

--- Open a gate of which something was asked, so that what is wrong with it is said at once.
local function open_now(self)
  local object, message, errno = open(self)
  if object and self.options.share then
    object, message, errno = self.timers:share()
  end
  if not object then
    self:close()
    return nil, message, errno
  end
  return self
end

--- A gate over a policy, or over an image from a file, which has no rules to change.
---@param source { policy: tidegate.Policy|nil, image: tidegate.Image|nil, handlers: table[]|nil }
---@param options tidegate.GateOptions checked
---@return tidegate.Gate|nil
---@return string|nil message
---@return integer|nil errno
local function new_state(source, options)
  local policy = source.policy
  local self = setmetatable({
    source = policy, fixed = source.image, handlers = {}, handles = {}, closed = false,
    options = options,
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
  if options.share or options.ring_bytes then
    return open_now(self)
  end
  return self
end

-- Asking -------------------------------------------------------------------------------

--- The image of the policy as it is now, with staged changes.
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function Gate:compile()
  if self.fixed then
    return self.fixed
  end
  return self.source:compile()
end

--- Call a method of the image.  A tail call, as in its callers, so that misuse is blamed on the
--- caller of the gate's method.
local function ask(self, method, ...)
  local compiled, message, errno = self:compile()
  if not compiled then
    return nil, message, errno
  end
  return compiled[method](compiled, ...)
end

--- Decide a call: { connect = "1.2.3.4:80", uid = 33, … }, with staged changes, and
--- with live tables as they are now.  Needs no privileges.
---@param question tidegate.Question
---@return tidegate.Decision|nil
---@return string|nil message
---@return integer|nil errno
function Gate:decide(question)
  return ask(self, "decide_with", self.published and self.cdata, question)
end

--- Like decide(), and explain why the rules before did not match.
---@param question tidegate.Question
---@return tidegate.Explanation|nil
---@return string|nil message
---@return integer|nil errno
function Gate:explain(question)
  return ask(self, "explain_with", self.published and self.cdata, question)
end

--- What compiles, but hardly does what was meant, with staged changes.
---@return tidegate.Finding[]|nil
---@return string|nil message
---@return integer|nil errno
function Gate:check()
  return ask(self, "check")
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
  local state = M.state(other)
  if not state then
    error("diff: wants another gate; got " .. literal.describe(other), 2)
  elseif state.closed then
    error("diff: the other gate is closed", 2)
  end
  local mine, message, errno = self:dump()
  if not mine then
    return nil, message, errno
  end
  local theirs
  theirs, message, errno = state:dump()
  if not theirs then
    return nil, message, errno
  end
  return diff.of_policies(theirs, mine)
end

-- The kernel ---------------------------------------------------------------------------

--- A number that changes with each change of the policy; nil: it comes from an image file.
---@return integer|nil
---@package
function Gate:revision()
  return self.source and self.source.revision
end

--- The image to publish.
---@return tidegate.Image|nil
---@return tidegate.Skipped[]|string skipped the rules that are left out; or the message
---@return integer|nil errno
local function feasible(self, compiled)
  if self.source and self.source.options.unsupported == "skip" then
    return self.source:feasible(compiled)
  end
  return compiled, {}
end

--- Take note of what has just been published.
---@param wanted tidegate.Image
---@param published tidegate.Image `wanted`, without the rules that were left out
local function note(self, wanted, published, skipped, generation)
  self.committed, self.published, self.index, self.left_out = wanted, published, {}, skipped
  self.generation, self.names = generation, published:names()
  for index, name in pairs(self.names) do
    self.index[name] = index
  end
  self.timers:start()
  return generation
end

local published_as = ffi.new "uint64_t[1]"

--- Publish what is staged, in one atomic step; if it fails, nothing has changed.  Files of rules
--- that have changed are read again.
---@return integer|nil generation the number of the image in force, which its events carry
---@return string|nil message
---@return integer|nil errno
function Gate:commit()
  self.attempted = self:revision()
  local object, message, errno = open(self)
  if not object then
    return nil, message, errno
  end
  local wanted
  wanted, message, errno = self:compile()
  if not wanted then
    return nil, message, errno
  elseif wanted == self.committed then
    return self.generation
  end
  local published, skipped, number = feasible(self, wanted)
  if not published then
    return nil, skipped, number
  end
  local result = C.tg_gate_publish(object, published.cdata, published_as)
  if result ~= 0 then
    return library.failure(result)
  end
  return note(self, wanted, published, skipped, tonumber(published_as[0]))
end

--- A rule that is not in force, because it needs something that this kernel does not have.
---@class tidegate.Skipped
---@field rule string its name
---@field text string `web.lua:4: rewrite "x": needs …; the rule is skipped`

--- What the last commit() left out: with `unsupported = "skip"` in policy {}, the rules that need
--- more than this kernel has.
---@return tidegate.Skipped[]
function Gate:skipped()
  local copied = {}
  for position, rule in ipairs(self.left_out or {}) do
    copied[position] = { rule = rule.rule, text = rule.text }
  end
  return copied
end

local rights = { events = C.TG_MAY_EVENTS, stats = C.TG_MAY_STATS, tables = C.TG_MAY_TABLES }
local right_names = { "events", "stats", "tables" }

--- Give up control of the gate in this process, and all of it but `may`.  What is in force stays in
--- force as long as another process holds the gate; here, commit() and attach() fail from now on.
--- Its events can only be read by one of the processes that have restricted themselves, the first
--- that does.  A further call can only take away more.
---@param may ("events"|"tables"|"stats")[] what this process goes on doing
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:restrict(may)
  if type(may) ~= "table" then
    error(('restrict: wants a list such as { "events", "tables", "stats" }; got %s')
      :format(literal.describe(may)), 2)
  end
  local mask = 0
  for key, name in pairs(may) do
    if type(key) ~= "number" or not rights[name] then
      error("restrict: " .. suggest.unknown("right", type(key) == "number" and name or key,
        right_names), 2)
    end
    mask = bit.bor(mask, rights[name])
  end
  local object, message, errno = open(self)
  if not object then
    return nil, message, errno
  end
  self.reader.must_claim, self.restricted = true, true
  return library.outcome(C.tg_gate_restrict(object, mask))
end

--- End the sockets that this gate has connected to a backend, in every network namespace; their
--- owners get ECONNABORTED.
---@param backend string "10.0.1.5:8080", or "10.0.1.5" for any port
---@return integer|nil ended the number of sockets
---@return string|nil message
---@return integer|nil errno
function Gate:kill_sockets(backend)
  if not literal.is_text(backend) then
    error(('kill_sockets: wants a backend such as "10.0.1.5:8080"; got %s')
      :format(literal.describe(backend)), 2)
  end
  if not self.cdata then
    return 0
  end
  local ended = library.index()
  local result = C.tg_gate_kill_sockets(self.cdata, backend, ended)
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
      self.view.at = false
    end
    library.release("gate", self.cdata)
    self.cdata, self.reader, self.published, self.committed = nil, nil, nil, nil
  end
end

-- Its handle ---------------------------------------------------------------------------

--- The methods that only our own modules call.
local internal = { handle = true, revision = true }

local methods = {}
for name, method in pairs(Gate) do
  methods[name] = type(method) == "function" and not internal[name] and method or nil
end

-- Our own modules get the state that is behind the handle.
function methods.compile(self)
  local compiled, message, errno = self:compile()
  if not compiled then
    return nil, message, errno
  end
  return image.handle(compiled)
end

local function count(self)
  return self.source and #self.source.rules or self.fixed.count
end

local class = handle.class {
  noun = "gate", methods = methods, count = count, always = { close = true },
  gone = function(self) return self.closed and "the gate is closed" or nil end,
  fields = {
    name = function(self) return self.name end,
    closed = function(self) return self.closed end,
  },
  hints = {
    image = "gate:compile()", findings = "gate:check()", warnings = "gate:skipped()",
    keep = "tidegate.load(PATH, { share = NAME })", move = "gate:attach(TARGET, { only = true })",
    claim = "tidegate.uv.start(gate, uv)", resign = "gate:close()",
    waker = "tidegate.uv.start(gate, uv)",
    kill = "gate:kill_sockets(BACKEND)", timeout = "gate:next_timeout()",
    onerror = 'gate:on("error", fn)', publish = "gate:commit()", apply = "gate:commit()",
    insert = 'gate:add(VERB, { …, before = NAME })', remove = "rule:remove()",
    replace = "rule:replace { … }", delete = "rule:remove()",
    service = "gate:services(NAME)", try = "gate:explain { … }",
    list = "gate:rules()", rule = "gate:rules()", show = "gate:dump()", save = "gate:dump()",
    start = "gate:attach(TARGET)", enable = "gate:attach(TARGET)", load = "tidegate.load(PATH)",
    stop = "gate:detach()", disable = "gate:detach()", reload = "gate:commit()",
    wait = "gate:events()", poll = "gate:dispatch()", run = "gate:dispatch()",
    drop = "gate:deny { … }", block = "gate:deny { … }", reject = "gate:deny { … }",
    accept = "gate:allow { … }", permit = "gate:allow { … }", redirect = "gate:rewrite { … }",
  },
  assign = { onerror = 'write gate:on("error", fn)', name = "write gate:policy { name = … }" },
  change = "its methods change a gate",
  text = function(self)
    local name = self.name ~= "" and " " .. literal.quote(self.name) or ""
    if self.closed then
      return "gate" .. name .. ": closed"
    end
    local rules = count(self)
    return ("gate%s: %d rule%s, %s"):format(name, rules, rules == 1 and "" or "s",
      self.generation and "generation " .. self.generation or "nothing published yet")
  end,
}

--- A gate over a policy, or over an image from a file, which has no rules to change.
---@param source { policy: tidegate.Policy|nil, image: tidegate.Image|nil, handlers: table[]|nil }
---@param options tidegate.GateOptions checked
---@return tidegate.Gate|nil
---@return string|nil message
---@return integer|nil errno
function M.new(source, options)
  local state, message, errno = new_state(source, options)
  if not state then
    return nil, message, errno
  end
  return handle.new(class, state)
end

--- The state behind a handle; nil: the value is no gate.
---@param object any
---@return table|nil
function M.state(object)
  return handle.state(object, class)
end

return M

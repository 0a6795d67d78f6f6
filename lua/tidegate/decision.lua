--- What happens to a call, and why: the words that `explain` prints.

local bit = require "bit"
local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local names = require "tidegate.names"
local schema = require "tidegate.schema"

local C = library.C

local M = {}

--- What happens to a call.
---@class tidegate.Decision
---@field verb "allow"|"deny"|"rewrite"|"balance"
---@field rule string|nil its name; nil: the default decides
---@field where string|nil "web.lua:4"
---@field errno string|nil of a denial, or of a balance rule without a backend that is up
---@field asked string "1.2.3.4:60000", "unix:/run/x.sock"
---@field final string where the call goes: "127.0.0.1:60123"
---@field addr string of `final`; for a unix socket, `final` itself
---@field port integer|nil of `final`; a unix socket has none
---@field backends tidegate.Backend[]|nil of a balance rule
---@field open boolean the backend is chosen at random or by the socket; `final` is as asked
---@field source string|nil the address that the socket is bound to first
---@field logs boolean whether the rule emits events
---@field privileged boolean bind: the port needs no CAP_NET_BIND_SERVICE
local Decision = {}
Decision.__index = Decision

--- `rewrite "seed" (web.lua:7): 1.2.3.4:60000 -> 127.0.0.1:60123`
function Decision:__tostring()
  local by = self.rule and ('"%s"'):format(self.rule) or "by default"
  if self.where then
    by = by .. " (" .. self.where .. ")"
  end
  return ("%s %s: %s"):format(self.verb, by, self:outcome())
end

--- "10.0.1.5:8080 (1 of 4) or 10.0.1.6:8080 (3 of 4)"
local function choices(backends)
  local up, sum, texts, equal = {}, 0, {}, true
  for _, backend in ipairs(backends) do
    if backend.state == "up" then
      up[#up + 1], sum = backend, sum + backend.weight
      equal = equal and backend.weight == up[1].weight
    end
  end
  for index, backend in ipairs(up) do
    local odds = equal and "" or (" (%d of %d)"):format(backend.weight, sum)
    texts[index] = backend.address .. odds
  end
  return schema.enumerate(texts, "or")
end

--- "ECONNREFUSED", "1.2.3.4:60000 -> 127.0.0.1:60123", "10.0.0.2:53 from 10.0.0.9",
--- "10.96.0.10:80 -> 10.0.1.5:8080 or 10.0.1.6:8080"
---@return string
function Decision:outcome()
  if self.errno then
    return self.errno
  end
  local outcome = literal.printable(self.asked)
  if self.open then
    outcome = outcome .. " -> " .. choices(self.backends)
  elseif self.final ~= self.asked then
    outcome = outcome .. " -> " .. literal.printable(self.final)
  end
  if self.source then
    outcome = outcome .. " from " .. self.source
  end
  if self.privileged then
    outcome = outcome .. ", privileged"
  end
  return outcome
end

local zero = ("\0"):rep(16)

--- The address that the socket is bound to first; nil: it is not bound.
local function source(struct)
  if struct.source_port ~= 0 then
    return library.endpoint(struct.source, struct.source_port)
  elseif ffi.string(struct.source, 16) ~= zero then
    return library.address(struct.source)
  end
end

--- `asked`, `final`, `addr` and `port` of a decision.
local function places(query, struct)
  local asked = query.cdata
  if asked.family == names.AF_UNIX then
    local final = library.path(struct.path, struct.path_bytes)
    return library.path(asked.path, asked.path_bytes), final, final
  end
  return library.endpoint(asked.addr, asked.port), library.endpoint(struct.addr, struct.port),
    library.address(struct.addr), tonumber(struct.port)
end

--- Read a struct tg_decision.
---@param image tidegate.Image that decided
---@param query tidegate.Query the call
---@param struct ffi.cdata*
---@param gate ffi.cdata*|nil whose live tables were used
---@return tidegate.Decision
function M.new(image, query, struct, gate)
  local asked, final, addr, port = places(query, struct)
  local info = struct.rule ~= C.TG_RULE_DEFAULT and image:rule(tonumber(struct.rule)) or {}
  return setmetatable({
    verb = names.verbs[struct.verb],
    rule = info.name,
    where = info.where,
    errno = names.errno(struct.error),
    asked = asked,
    final = final,
    addr = addr,
    port = port,
    source = source(struct),
    backends = struct.verb == C.TG_VERB_BALANCE and image:choice(query, gate) or nil,
    open = struct.open,
    logs = struct.logs,
    privileged = struct.privileged,
  }, Decision)
end

-- Why ----------------------------------------------------------------------------------

local function has(mask, field)
  return bit.band(mask, bit.lshift(1, field)) ~= 0
end

--- The fields that keep a rule from matching; {}: it matches.
---@param mask integer from tg_image_mismatch()
---@return string[]
function M.mismatches(mask)
  if bit.band(mask, C.TG_MISMATCH_OP) ~= 0 then
    return { "operation" }
  elseif mask == C.TG_MISMATCH_RATE then
    return { "rate" }
  end
  local differing = {}
  if has(mask, C.TG_FIELD_ENDPOINT) then
    differing[1] = has(mask, C.TG_FIELD_PORT) and "port" or "address"
  end
  for _, row in ipairs(schema.conditions) do
    if has(mask, C["TG_FIELD_" .. row.list]) then
      differing[#differing + 1] = row.name
    end
  end
  return differing
end

---@class tidegate.Step
---@field rule string
---@field verb string
---@field where string|nil
---@field text string|nil
---@field mismatch string[] the fields that differ: "address", "port", "uid" …; {}: it matches
---@field shadow boolean it matches, but only counts and reports
---@field observed boolean it matches, and observes
---@field over string|nil it matches, but only what exceeds this rate: "100/s"

--- Why a call is decided as it is: every rule up to the one that decides.
---@class tidegate.Explanation
---@field query string the call
---@field decision tidegate.Decision
---@field steps tidegate.Step[]
local Explanation = {}
Explanation.__index = Explanation

--- "address and port differ"
local function reason(step)
  local mismatch = step.mismatch
  if step.over then
    return "only over " .. step.over
  elseif step.shadow then
    return "matches, as a shadow"
  elseif step.observed then
    return "observed"
  elseif #mismatch == 0 then
    return "matches"
  end
  return schema.enumerate(mismatch, "and") .. (#mismatch == 1 and " differs" or " differ")
end

function Explanation:__tostring()
  local lines = { self.query }
  local widths = { 0, 0 }
  for _, step in ipairs(self.steps) do
    widths[1] = math.max(widths[1], #(step.where or ""))
    widths[2] = math.max(widths[2], #step.verb + #step.rule + 3)
  end
  local form = ("  %%-%ds  %%-%ds  %%s"):format(widths[1], widths[2])
  for _, step in ipairs(self.steps) do
    local rule = ('%s "%s"'):format(step.verb, step.rule)
    lines[#lines + 1] = form:format(step.where or "", rule, reason(step))
  end
  lines[#lines + 1] = tostring(self.decision)
  return table.concat(lines, "\n")
end

local function step_of(info, mask, decides)
  local passed = mask == 0 and not decides
  local over = mask == C.TG_MISMATCH_RATE and (info.text or ""):match ' over = "([^"]*)"' or nil
  return {
    rule = info.name, verb = info.verb, where = info.where, text = info.text, over = over,
    mismatch = M.mismatches(mask), shadow = passed and info.verb ~= "observe",
    observed = passed and info.verb == "observe",
  }
end

--- Explain a decision.
---@param image tidegate.Image
---@param query tidegate.Query
---@param decision tidegate.Decision
---@param last integer index of the rule that decides; the number of rules: the default decides
---@param gate ffi.cdata*|nil whose live tables are used
---@return tidegate.Explanation|nil
---@return string|nil message
---@return integer|nil errno
function M.explain(image, query, decision, last, gate)
  local steps = {}
  for index = 0, last do
    local info = image:rule(index)
    if info then
      local mask, message, errno = image:mismatch(query, index, gate)
      if not mask then
        return nil, message, errno
      end
      steps[#steps + 1] = step_of(info, mask, info.name == decision.rule)
    end
  end
  return setmetatable({ query = tostring(query), decision = decision, steps = steps }, Explanation)
end

return M

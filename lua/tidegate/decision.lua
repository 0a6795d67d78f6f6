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
---@field message string|nil of the rule
---@field errno string|nil of a denial, or of a balance rule without a backend that is up
---@field asked string "1.2.3.4:60000", "unix:/run/x.sock"
---@field final string where the call goes: "127.0.0.1:60123"
---@field addr string of `final`; for a unix socket, `final` itself
---@field port integer|nil of `final`; a unix socket has none
---@field backends tidegate.Backend[]|nil of a balance rule
---@field by_chance boolean the backend is chosen at random or by the socket; `final` is as asked
---@field bind_source string|nil the address that the socket is bound to first
---@field logs boolean whether the rule emits events
---@field low_port boolean bind: the port needs no CAP_NET_BIND_SERVICE
---@field shadow boolean the policy is a shadow: the call proceeds as it is
---@field unseen boolean no hook sees such a call (SCTP, raw sockets): it proceeds as it is
---@field picks_port boolean bind to port 0: the kernel then picks a port, which no hook sees
local Decision = {}
Decision.__index = Decision

--- `rewrite "seed" (web.lua:7): 1.2.3.4:60000 -> 127.0.0.1:60123`
function Decision:__tostring()
  local by = self.rule and ('"%s"'):format(self.rule) or "by default"
  if self.where then
    by = by .. " (" .. self.where .. ")"
  end
  by = by .. (self.shadow and ", as a shadow" or "")
  local message = self.message and ", " .. literal.quote(self.message) or ""
  if self.unseen then
    return ("not seen by any hook: the call proceeds; the rules say %s %s"):format(self.verb, by)
  end
  return ("%s %s: %s%s"):format(self.verb, by, self:outcome(), message)
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
  if self.by_chance then
    outcome = outcome .. " -> " .. choices(self.backends)
  elseif self.final ~= self.asked then
    outcome = outcome .. " -> " .. literal.printable(self.final)
  end
  if self.bind_source then
    outcome = outcome .. " from " .. self.bind_source
  end
  if self.low_port then
    outcome = outcome .. ", low_port"
  end
  if self.picks_port then
    outcome = outcome .. ", and the kernel picks a port, which no hook sees"
  end
  return outcome
end

local zero = ("\0"):rep(16)

--- The address that the socket is bound to first; nil: it is not bound.
local function bind_source(struct)
  if struct.bind_source_port ~= 0 then
    return library.endpoint(struct.bind_source, struct.bind_source_port)
  elseif ffi.string(struct.bind_source, 16) ~= zero then
    return library.address(struct.bind_source)
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

local function has_flag(struct, flag)
  return bit.band(struct.flags, flag) ~= 0
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
    message = info.message,
    errno = names.errno(struct.error),
    asked = asked,
    final = final,
    addr = addr,
    port = port,
    bind_source = bind_source(struct),
    backends = struct.verb == C.TG_VERB_BALANCE and image:candidates(query, gate) or nil,
    by_chance = has_flag(struct, C.TG_DECISION_BY_CHANCE),
    logs = has_flag(struct, C.TG_DECISION_LOGS),
    low_port = has_flag(struct, C.TG_DECISION_LOW_PORT),
    shadow = has_flag(struct, C.TG_DECISION_SHADOW),
    unseen = has_flag(struct, C.TG_DECISION_UNSEEN),
    picks_port = query.op == "bind" and port == 0 and struct.error == 0,
  }, Decision)
end

-- Why ----------------------------------------------------------------------------------

local function has(mask, field)
  return bit.band(mask, bit.lshift(1, field)) ~= 0
end

--- The fields that keep a rule from matching; {}: it matches.
---@param mask integer from tg_image_mismatch()
---@return string[]
local function mismatches(mask)
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

--- A rule that was asked before the one that decides.
---@class tidegate.Step
---@field rule string
---@field verb string
---@field where string|nil
---@field text string|nil
---@field mismatch string[] the fields that differ: "address", "port", "uid" …; {}: it matches
---@field shadow boolean it matches, but only counts and reports
---@field observed boolean it matches, and observes
---@field over string|nil it matches, but only what exceeds this rate: "100/s"
---@field reason string "address and port differ"

--- Why a call is decided as it is.  The steps are the rules for its operation before the one that
--- decides, in order.
---@class tidegate.Explanation
---@field query string the call
---@field decision tidegate.Decision
---@field steps tidegate.Step[]
local Explanation = {}
Explanation.__index = Explanation

--- How many steps are printed; the rest is only counted.
local PRINTED = 10

--- The call, why each step did not decide it, and the decision.
function Explanation:__tostring()
  local lines, widths = { self.query }, { 0, 0 }
  local printed = math.min(#self.steps, PRINTED)
  for index = 1, printed do
    local step = self.steps[index]
    widths[1] = math.max(widths[1], #(step.where or ""))
    widths[2] = math.max(widths[2], #step.verb + #step.rule + 3)
  end
  local function padded(text, width)
    return text .. (" "):rep(width - #text) -- the width of a format has two digits at most
  end
  for index = 1, printed do
    local step = self.steps[index]
    local rule = ('%s "%s"'):format(step.verb, step.rule)
    lines[#lines + 1] = ("  %s  %s  %s"):format(padded(step.where or "", widths[1]),
      padded(rule, widths[2]), step.reason)
  end
  if #self.steps > printed then
    lines[#lines + 1] = ("  and %d more"):format(#self.steps - printed)
  end
  lines[#lines + 1] = tostring(self.decision)
  return table.concat(lines, "\n")
end

--- "address and port differ"
local function reason(step)
  local differing = step.mismatch
  if step.over then
    return "only over " .. step.over
  elseif step.observed then
    return "observed"
  elseif step.shadow then
    return "matches, but is a shadow"
  end
  return schema.enumerate(differing, "and") .. (#differing == 1 and " differs" or " differ")
end

local function step_of(info, mask)
  local over = mask == C.TG_MISMATCH_RATE
    and ((info.text or ""):match ' over = "([^"]*)"' or "its rate") or nil
  local step = {
    rule = info.name, verb = info.verb, where = info.where, text = info.text, over = over,
    mismatch = over and {} or mismatches(mask),
    shadow = mask == 0 and info.verb ~= "observe",
    observed = mask == 0 and info.verb == "observe",
  }
  step.reason = reason(step)
  return step
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
  for index = 0, last - 1 do
    local mask, message, errno = image:mismatch(query, index, gate)
    if not mask then
      return nil, message, errno
    elseif bit.band(mask, C.TG_MISMATCH_OP) == 0 then
      steps[#steps + 1] = step_of(image:rule(index), mask)
    end
  end
  return setmetatable({ query = tostring(query), decision = decision, steps = steps }, Explanation)
end

-- Both operations of egress --------------------------------------------------------------

--- The answers to a question about egress.
---@class tidegate.EgressDecision
---@field connect tidegate.Decision
---@field sendmsg tidegate.Decision

---@class tidegate.EgressExplanation
---@field connect tidegate.Explanation
---@field sendmsg tidegate.Explanation

local Egress = {}

--- A field such as `verb` has two values.
function Egress.__index(_, key)
  error(("%s: the answer about egress has two parts; ask for .connect.%s or .sendmsg.%s")
    :format(key, key, key), 2)
end

--- One text if it is the same for both.
function Egress:__tostring()
  local connect, sendmsg = tostring(self.connect), tostring(self.sendmsg)
  if connect == sendmsg then
    return connect
  elseif self.connect.query then -- an explanation begins with the call
    return connect .. "\n\n" .. sendmsg
  end
  return ("connect: %s\nsendmsg: %s"):format(connect, sendmsg)
end

--- The answer to each query of a question: one, or both of egress.
---@param queries tidegate.Query[]
---@param answer fun(query: tidegate.Query): table|nil, string|nil, integer|nil
---@return table|nil
---@return string|nil message
---@return integer|nil errno
function M.answers(queries, answer)
  local answers = {}
  for _, query in ipairs(queries) do
    local found, message, errno = answer(query)
    if not found then
      return nil, message, errno
    elseif #queries == 1 then
      return found
    end
    answers[query.op] = found
  end
  return setmetatable(answers, Egress)
end

return M

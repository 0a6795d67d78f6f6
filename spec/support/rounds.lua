--- A random policy in force, under which callers make random calls: what the kernel does with
--- them must be what the reference and the simulator say.

local agreement = require "spec.support.agreement"
local answers = require "spec.support.answers"
local picks = require "spec.support.picks"
local reference = require "spec.support.reference"

local M = {}

---@class spec.Round
local Round = {}
Round.__index = Round

--- One policy in force, and what calls under it should do.
--- `self`: gate, maker, callers, totals, and the values of the counters before: before,
--- before_default.
function M.new(self, count)
  self.policy = self.maker:policy(count)
  self.handles = agreement.stage(self.gate, self.policy)
  self.readable = reference.read(self.policy)
  assert(self.gate:commit())
  self.hits, self.stays = {}, {}
  self.picks = picks.new(self.gate, self.readable, self.handles)
  return setmetatable(self, Round)
end

--- Random calls, by the callers that are to make them; some are made twice, because a client stays.
function Round:calls(count)
  local calls, call = {}, nil
  for number = 1, count do
    if number == 1 or math.random(4) > 1 then
      call = answers.possible(self.maker:call(), self.callers, self.readable)
    end
    calls[call.caller] = calls[call.caller] or {}
    table.insert(calls[call.caller], call)
  end
  return calls
end

function Round:judge_simulator(verdict, call)
  if not self.kernel_only then
    return agreement.simulator(self.gate, self.policy, verdict, call, self.handles)
  end
end

function Round:count(verdict, op)
  if verdict.unseen then
    return
  end
  local key = verdict.rule or op
  self.hits[key] = (self.hits[key] or 0) + 1
end

--- What getpeername() returns on a socket that was connected and is not redirected.
function Round:name(verdict, call, answer)
  local addr = reference.target(verdict.addr, call.source_addr)
  if call.op ~= "connect" or answer.errno ~= 0 or verdict.port == 0
    or answers.is_rewritten[verdict.verb] then
    return { addr = addr, port = verdict.port }
  end
  local named = answers.acting(self.readable, answers.naming_of(call, addr, verdict.port, answer))
  self:count(named, "getpeername")
  return named
end

--- What is wrong with where a client went, given where it went before, or nil.
function Round:judge_client(verdict)
  local client = verdict.balance and verdict.place and verdict.balance.client
  if not client or #verdict.balance.places == 1 then
    return
  end
  local key = verdict.rule .. " " .. client
  local before = self.stays[key]
  self.stays[key] = before or verdict.place
  self.totals.stayed = self.totals.stayed + (before and 1 or 0)
  if before and before ~= verdict.place then
    return ("backend %d, with which it must stay"):format(before),
      ("backend %d"):format(verdict.place)
  end
end

--- The story of a disagreement about one call, or nil.
function Round:judge(call, answer)
  local decided = reference.decide(self.readable, call)
  local verdict = answers.settled(reference.acted(self.readable, decided, call), call, answer)
  if answers.is_bound(call) then
    self:count(answers.acting(self.readable, answers.binding_of(call)), "bind")
  end
  local expected, found = answers.compare(verdict, self:name(verdict, call, answer), call, answer)
  if expected == found then
    expected, found = self:judge_client(verdict)
  end
  if expected ~= found then
    return agreement.story(self.policy, call, expected, found)
  end
  local story = self:judge_simulator(decided, call)
  if story then
    return story
  end
  self.picks:count(verdict)
  self:count(verdict, call.op)
  local total = self.totals
  total.calls = total.calls + 1
  total[verdict.verb] = (total[verdict.verb] or 0) + 1
  total.arrived = total.arrived + (answer.errno == 0 and 1 or 0)
  total.rewritten = total.rewritten + (verdict.verb == "rewrite" and answer.addr and 1 or 0)
  total.balanced = total.balanced + (verdict.verb == "balance" and answer.addr and 1 or 0)
  total.bound = total.bound + (verdict.bind_source and answer.addr and 1 or 0)
end

--- Whether the programs have anything to look up for an operation.
function Round:looks_at(op)
  for _, rule in ipairs(self.readable.rules) do
    if rule.ops[op] then
      return true
    end
  end
  return self.readable.default[op] == "deny"
end

--- The first rule whose counter did not move as the reference says, as text; or nil.
function Round:judge_counters()
  for index, handle in ipairs(self.handles) do
    local expected = (self.hits[index] or 0) + (self.before[handle.name] or 0)
    if handle.hits ~= expected then
      return ("%s counts %d hits, not %d"):format(handle, handle.hits, expected)
    end
  end
  local defaults = self.gate:stats().defaults
  for op, default in pairs(defaults) do
    local expected = (self:looks_at(op) and self.hits[op] or 0) + self.before_default[op].hits
    if default.hits ~= expected then
      return ("the default of %s counts %d hits, not %d"):format(op, default.hits, expected)
    end
  end
end

--- Have calls made and compare their results; the story of the first disagreement, or nil.
function Round:play(count)
  local all = self:calls(count)
  for _, by in ipairs(self.callers) do
    local calls = all[by] or {}
    local got = by:make(calls)
    for index, call in ipairs(calls) do
      local story = self:judge(call, got[index])
      if story then
        return story
      end
    end
  end
  return self:judge_counters() or self.picks:judge()
end

return M

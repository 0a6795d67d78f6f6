--- The handles of rules: what a user reads of a rule, and stages for it.

local handle = require "tidegate.handle"
local literal = require "tidegate.literal"
local order = require "tidegate.order"
local where = require "tidegate.where"

local M = {}

--- The handle of a rule, which the verbs return.
---@class tidegate.Rule
---@field name string
---@field verb "allow"|"deny"|"rewrite"|"balance"|"observe"
---@field where string "web.lua:4"
---@field hits integer calls that it has decided since the gate first had a rule of this name
---@field suppressed integer events that its log rate has held back
---@field last number|nil when it last decided a call, in seconds since 1970
---@field backends tidegate.Backend[]|nil of a balance rule
---@field removed boolean
local Rule = {}

--- Stage the removal of the rule; removing it twice is harmless.
function Rule:remove()
  self.member.policy:remove(self.member)
end

--- Stage another place of the rule: `rule:move("before", "dns")`, `rule:move "first"`.
---@param place "before"|"after"|"first"|"last"
---@param name string|nil of the other rule
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Rule:move(place, name)
  return self.member.policy:move(self.member, order.of_words(place, name, 2))
end

--- Stage another rule of the same verb in the place of this one; the handle is that of the new one.
--- It keeps the name, and so its counters, if `spec` has no other.
---@param spec tidegate.RuleSpec
---@return tidegate.Rule|nil
---@return string|nil message
---@return integer|nil errno
function Rule:replace(spec)
  local ok, message, errno = self.member.policy:replace(self.member, spec, where.at(2))
  if not ok then
    return nil, message, errno
  end
  return self.handle
end

--- Why nothing can be asked of the rule, or changed, any more.
local function gone(self)
  local gate = self.member.policy.gate
  return gate and gate.closed and ("rule %s: its gate is closed")
    :format(literal.quote(self.member.name)) or nil
end

--- Raise if the gate is closed that has the counters of the rule.
local function check_gate(self)
  local why = gone(self)
  if why then
    error(why, 3)
  end
end

local function counters(self)
  return self.member.policy:counters(self.member)
end

local class = handle.class {
  noun = "rule", methods = Rule, gone = gone,
  fields = {
    name = function(self) return self.member.name end,
    verb = function(self) return self.member.verb end,
    where = function(self) return self.member.where end,
    removed = function(self) return self.member.removed end,
    hits = function(self)
      check_gate(self)
      return tonumber(counters(self).hits)
    end,
    suppressed = function(self)
      check_gate(self)
      return tonumber(counters(self).suppressed)
    end,
    last = function(self)
      check_gate(self)
      return counters(self).last
    end,
    backends = function(self)
      check_gate(self)
      local member = self.member
      return member.verb == "balance" and member.fields.to and member.policy:backends(member) or nil
    end,
  },
  change = 'rule:replace { … } stages another rule in its place, and rule:move("before", "dns") '
    .. "another place",
  hints = { delete = "rule:remove()", update = "rule:replace { … }", set = "rule:replace { … }",
    up = 'rule:move("before", NAME)', down = 'rule:move("after", NAME)' },
  text = function(self) return self.member:text(self.member.ordinal) end,
}

--- The class of the handles.
---@type tidegate.HandleClass
M.class = class

--- The handle of a rule.
---@param member tidegate.Member
---@return tidegate.Rule
function M.of(member)
  local box = member.box
  box.handle = box.handle or handle.new(class, box)
  return box.handle
end

--- The handles of rules.
---@param members tidegate.Member[]
---@return tidegate.Rule[]
function M.all(members)
  local handles = {}
  for position, member in ipairs(members) do
    handles[position] = M.of(member)
  end
  return handles
end

--- The rule behind a handle; nil: the value is no rule's handle.
---@param object any
---@return tidegate.Member|nil
function M.member(object)
  local box = handle.state(object, class)
  return box and box.member
end

return M

--- Random policies of unix sockets, calls that fall on their boundaries, and an
--- obvious matcher that decides them.
--
-- Few letters and short names, so that patterns and calls meet often.  Uses
-- math.random: the same seed gives the same policies and calls.

local M = {}

local random = math.random
local letters = { "a", "b", "/", "\1", "\127", "\255" }
local LONGEST = 108

local function pick(list)
  return list[random(#list)]
end

local function chance(percent)
  return random(100) <= percent
end

--- Names -----------------------------------------------------------------------

--- A name as a policy spells it, without "unix:"; one that was seen before, or one near it.
local function some_name(self)
  local name = #self.seen > 0 and chance(60) and pick(self.seen) or pick(self.roots)
  if #name > #self.roots[1] and chance(20) then
    name = name:sub(1, -2)
  end
  for _ = 1, random(0, 3) do
    name = name .. pick(letters)
  end
  if chance(3) then
    name = name .. ("x"):rep(LONGEST - #name - random(0, 1))
  end
  name = name:sub(1, LONGEST)
  self.seen[#self.seen + 1] = name
  return name
end

local function some_item(self)
  if chance(4) then
    return "unix:*"
  end
  local item = "unix:" .. some_name(self)
  return chance(35) and item .. "*" or item
end

local function some_list(self)
  local list = {}
  for index = 1, pick { 1, 1, 2, 3, 5 } do
    list[index] = (chance(20) and "!" or "") .. some_item(self)
  end
  if chance(10) then
    table.insert(list, random(#list + 1), pick { "10.0.0.0/8", "*:80", "::1" })
  end
  return list
end

-- Policies --------------------------------------------------------------------------

---@class spec.PathMaker
---@field roots string[] what every name starts with
---@field targets string[] where rewrites lead
local Maker = {}
Maker.__index = Maker

---@param roots string[] all of one length
---@param targets string[] without "unix:"
function M.new(roots, targets)
  return setmetatable({ roots = roots, targets = targets, seen = {} }, Maker)
end

local function has_address(list)
  for _, item in ipairs(list) do
    if not item:find("unix:", 1, true) then
      return true
    end
  end
end

--- That many rules: { verb, op, list, to?, errno?, uid? }.
function Maker:policy(count)
  self.seen = {}
  local policy = { default = pick { "allow", "allow", "deny" } }
  for index = 1, count do
    local list = some_list(self)
    local rule = { verb = pick { "allow", "deny", "deny", "rewrite" },
      op = pick { "connect", "sendmsg", "egress" },
      list = list }
    if rule.verb == "rewrite" then
      rule.verb, rule.to = has_address(list) and "deny" or "rewrite", pick(self.targets)
    end
    rule.to = rule.verb == "rewrite" and rule.to or nil
    rule.errno = rule.verb == "deny" and pick { "EACCES", "EIO", "EHOSTUNREACH" } or nil
    rule.uid = chance(15) and pick { "0", "!root", "1-5" } or nil
    policy[index] = rule
  end
  -- The default applies only if a rule of the operation names a unix socket.
  policy[count + 1] = { verb = "allow", op = "egress", list = { "unix:@never" } }
  return policy
end

--- The policy as Lua source.
function M.text(policy)
  local function quote(text)
    return '"' .. text:gsub("[^%w/:@*!. -]", function(char) return ("\\%03d")
      :format(char:byte()) end) .. '"'
  end
  local lines = { ("policy { default = %q }"):format(policy.default) }
  for index, rule in ipairs(policy) do
    local items = {}
    for position, item in ipairs(rule.list) do
      items[position] = quote(item)
    end
    local line = ('%s { "r%d", %s = { %s }, log = false')
      :format(rule.verb, index, rule.op, table.concat(items, ", "))
    line = line .. (rule.to and ", to = " .. quote("unix:" .. rule.to) or "")
    line = line .. (rule.errno and (", errno = %q"):format(rule.errno) or "")
    lines[#lines + 1] = line .. (rule.uid and (", uid = %q"):format(rule.uid) or "") .. " }"
  end
  return table.concat(lines, "\n")
end

--- A call: an operation and a name, on or beside what the policy names.
function Maker:call()
  return { op = pick { "connect", "connect", "sendmsg" }, name = some_name(self) }
end

-- The matcher --------------------------------------------------------------------------

function M.item_matches(item, name)
  local pattern = item:match "^!?unix:(.*)$"
  if not pattern then
    return false
  elseif pattern:sub(-1) == "*" then
    return name:sub(1, #pattern - 1) == pattern:sub(1, -2)
  end
  return name == pattern
end

local function holds(list, name)
  local positive, found, paths = false, false, false
  for _, item in ipairs(list) do
    local negative = item:sub(1, 1) == "!"
    local matches = M.item_matches(item, name)
    if negative and matches then
      return false
    end
    positive = positive or not negative
    paths = paths or item:find("unix:", 1, true)
    found = found or matches
  end
  return found or (not positive and paths and true or false)
end

local uids = { ["0"] = true, ["!root"] = false, ["1-5"] = false }

--- How a call of root's is decided: verb, errno or target, and the rule's number.
function M.decide(policy, call)
  for index, rule in ipairs(policy) do
    if (rule.op == call.op or rule.op == "egress") and holds(rule.list, call.name)
      and (not rule.uid or uids[rule.uid]) then
      return rule.verb, rule.errno or rule.to, index
    end
  end
  return policy.default, policy.default == "deny" and "EPERM" or nil
end

return M

--- How often each backend should have been picked, compared with what the gate counts.

local M = {}

---@class spec.Picks
local Picks = {}
Picks.__index = Picks

--- What the gate counts for one list, by the places in it.
local function counted(backends)
  local counts = {}
  for place, backend in ipairs(backends) do
    counts[place] = backend.picked
  end
  return counts
end

--- What the gate counts for all lists, by the reference's lists.
function Picks:read()
  local all = {}
  for index, rule in ipairs(self.readable.rules) do
    if rule.backends then
      all[rule.backends] = counted(self.handles[index].backends)
    end
  end
  for _, service in ipairs(self.readable.services) do
    all[service.list] = counted(self.gate:services(service.name)[service.vip])
  end
  return all
end

--- Start to count now.
---@param gate tidegate.Gate
---@param readable table the policy that is in force, from reference.read()
---@param handles tidegate.Rule[]
---@return spec.Picks
function M.new(gate, readable, handles)
  local self = setmetatable({ gate = gate, readable = readable, handles = handles, sure = {},
    open = {} }, Picks)
  self.before = self:read()
  for list, counts in pairs(self.before) do
    self.sure[list], self.open[list] = {}, 0
    for place in ipairs(counts) do
      self.sure[list][place] = 0
    end
  end
  return self
end

--- Count the result of a call.
---@param verdict spec.Verdict
function Picks:count(verdict)
  if not verdict.balance or verdict.errno then
    return
  end
  local list = verdict.balance.list
  if verdict.place then
    self.sure[list][verdict.place] = self.sure[list][verdict.place] + 1
  else
    self.open[list] = self.open[list] + 1
  end
end

--- What is wrong with the gate's counts, or nil.
---@return string|nil
function Picks:judge()
  for list, counts in pairs(self:read()) do
    local open = self.open[list]
    for place, count in ipairs(counts) do
      local more = count - self.before[list][place] - self.sure[list][place]
      open = open - more
      if more < 0 or more > self.open[list] or (list[place].state ~= "up" and more > 0) then
        return ("backend %d was picked %d times, not %d and at most %d more"):format(place,
          count - self.before[list][place], self.sure[list][place], self.open[list])
      end
    end
    if open ~= 0 then
      return ("a list was picked from %d times less than it should be"):format(open)
    end
  end
end

return M

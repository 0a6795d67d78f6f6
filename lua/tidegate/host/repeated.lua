--- Messages that may come again and again, as of an error in a function that a timer calls: each is
--- told the first time, and its repetitions are counted, which is told once a minute.

local clock = require "tidegate.clock"

local M = {}

local INTERVAL_S = 60

--- Different messages that are remembered at a time.
local MOST = 64

---@class tidegate.Repeated
---@field tell fun(message: string)
local Repeated = {}
Repeated.__index = Repeated

---@param tell fun(message: string)
---@return tidegate.Repeated
function M.new(tell)
  return setmetatable({ tell = tell, messages = {}, counts = {}, due = 0 }, Repeated)
end

--- Tell how often messages have come again since they were last told.
function Repeated:flush()
  for _, message in ipairs(self.messages) do
    local count = self.counts[message]
    if count > 0 then
      self.counts[message] = 0
      self.tell(("%s (%d more time%s)"):format(message:match "^[^\n]*", count,
        count == 1 and "" or "s"))
    end
  end
  self.due = clock.monotonic() + INTERVAL_S
end

--- Tell a message, or count it.
---@param message string
function Repeated:add(message)
  local count = self.counts[message]
  if count then
    self.counts[message] = count + 1
    if clock.monotonic() >= self.due then
      self:flush()
    end
    return
  elseif #self.messages == MOST then
    self:flush()
    self.messages, self.counts = {}, {}
  end
  self.messages[#self.messages + 1], self.counts[message] = message, 0
  if #self.messages == 1 then
    self.due = clock.monotonic() + INTERVAL_S
  end
  self.tell(message)
end

return M

--- Limit the lines that are printed above the input, so that the input stays readable. Lines over
--- the limit are counted, and the count is printed.

local uv = require "luv"

local M = {}

--- Lines a second, and lines at once after a silence.
local RATE, BURST = 10, 20

---@class tidegate.Throttle
local Throttle = {}
Throttle.__index = Throttle

---@param write fun(text: string)
---@return tidegate.Throttle
function M.new(write)
  return setmetatable({
    write = write, tokens = BURST, at = uv.hrtime(), held = 0, timer = uv.new_timer(),
  }, Throttle)
end

local function refill(self)
  local now = uv.hrtime()
  self.tokens = math.min(BURST, self.tokens + (now - self.at) / 1e9 * RATE)
  self.at = now
end

--- Print a line, or count it; the count is due for printing within a second.
function Throttle:say(text)
  refill(self)
  if self.tokens >= 1 and self.held == 0 then
    self.tokens = self.tokens - 1
    self.write(text)
    return
  end
  self.held = self.held + 1
  if not self.timer:is_active() then
    self.timer:start(1000, 0, function()
      self.late = true
      uv.stop()
    end)
  end
end

--- Whether report() has something to print.
function Throttle:due()
  return self.late
end

--- Print how many lines were held back.
function Throttle:report()
  if self.late then
    self.write(("… %d more event%s, not shown"):format(self.held, self.held == 1 and "" or "s"))
    self.late, self.held = false, 0
  end
end

return M

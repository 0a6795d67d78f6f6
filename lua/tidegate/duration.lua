--- Durations as policies write them: "10m".

local literal = require "tidegate.literal"

local M = {}

local units = { ms = 1, s = 1000, m = 60 * 1000, h = 3600 * 1000, d = 86400 * 1000 }

--- What a duration looks like; ends the sentence "ttl: wants …".
M.wants = [[a time such as "500ms", "10s", "10m", "2h", "1d", or a number of seconds]]

--- Milliseconds of a duration; a number is seconds.
---@param value any
---@return integer|nil
---@return string|nil message `wants …; got …`
function M.parse(value)
  local number, unit = value, "s"
  if type(value) == "string" then
    number, unit = value:match "^(%d+%.?%d*)(%a*)$"
    number, unit = tonumber(number), unit == "" and "s" or unit
  end
  local ms = type(number) == "number" and units[unit] and number * units[unit]
  if not ms or ms < 1 or ms ~= ms or ms > 2 ^ 31 * 1000 then
    return nil, ("wants %s; got %s"):format(M.wants, literal.describe(value))
  end
  return math.floor(ms + 0.5)
end

--- "10m" for 600000.
---@param ms integer
---@return string
function M.text(ms)
  for _, unit in ipairs { "d", "h", "m", "s" } do
    if ms % units[unit] == 0 then
      return ("%d%s"):format(ms / units[unit], unit)
    end
  end
  return ("%dms"):format(ms)
end

return M

--- Durations as policies write them: "10m".

local literal = require "tidegate.literal"

local M = {}

local units = { ms = 1, s = 1000, m = 60 * 1000, h = 3600 * 1000, d = 86400 * 1000 }

--- What a duration looks like; ends the sentence "ttl: wants …".
M.wants = [[a time such as "500ms", "10s", "10m", "2h", "1d", or a number of seconds]]

--- The longest time: 2^31 seconds.
local MOST = 2 ^ 31 * 1000

--- TG_TTL_MAX, the longest time to live: 18 years.
local MOST_LIFE = 6570 * units.d

--- Milliseconds of a duration; nil: it is none.
local function ms_of(value)
  local number, unit = value, "s"
  if type(value) == "string" then
    number, unit = value:match "^(%d+%.?%d*)(%a*)$"
    number, unit = tonumber(number), unit == "" and "s" or unit
  end
  local ms = type(number) == "number" and units[unit] and number * units[unit]
  return ms and ms >= 1 and math.floor(ms + 0.5) or nil
end

local function check(value, wants, most, longer)
  local ms = ms_of(value)
  if not ms then
    return nil, ("wants %s; got %s"):format(wants, literal.describe(value))
  elseif ms > most then
    return nil, ("wants at most %dd%s; got %s")
      :format(most / units.d, longer, literal.describe(value))
  end
  return ms
end

--- Milliseconds of a duration; a number is seconds.
---@param value any
---@return integer|nil
---@return string|nil message `wants …; got …`
function M.parse(value)
  return check(value, M.wants, MOST, "")
end

--- Milliseconds of a time to live, which may be math.huge: for ever.
---@param value any
---@return number|nil
---@return string|nil message `wants …; got …`
function M.lifetime(value)
  if value == math.huge then
    return value
  end
  return check(value, M.wants .. ", or math.huge for ever", MOST_LIFE, ", or math.huge for ever")
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

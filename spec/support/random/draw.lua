--- Draws: what random policies and calls are made of.
--
-- Uses math.random: the same seed gives the same draws.

local M = {}

local random = math.random

--- True in that many of a hundred cases.
---@param percent integer
---@return boolean
function M.chance(percent)
  return random(100) <= percent
end

--- One element of a list.
function M.pick(list)
  return list[random(#list)]
end

--- A number of up to 32 bits, because math.random's range stops at 2^31.
function M.number32()
  return random(0, 65535) * 65536 + random(0, 65535)
end

--- That many random bytes.
function M.bytes(count)
  local bytes = {}
  for index = 1, count do
    bytes[index] = string.char(random(0, 255))
  end
  return table.concat(bytes)
end

local function negated(item)
  return "!" .. (type(item) == "number" and ("%d"):format(item) or item)
end

--- One item that `make` returns, or a list of some; sometimes negated, nested or empty.
---@param make fun(): any
function M.some(make)
  if M.chance(45) then
    local item = make()
    return M.chance(20) and type(item) ~= "table" and negated(item) or item
  end
  local list = {}
  for index = 1, M.pick { 0, 1, 2, 2, 3, 3, 4, 6 } do
    local item = make()
    if M.chance(25) and type(item) ~= "table" then
      item = negated(item)
    elseif M.chance(8) then
      item = { item }
    end
    list[index] = item
  end
  return list
end

return M

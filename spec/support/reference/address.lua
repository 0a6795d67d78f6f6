--- Addresses and their ranges, in the reference.
--
-- An address is a string of 16 bytes, IPv4 v4-mapped, so that comparing them as
-- strings orders them.

local names = require "spec.support.reference.names"

local M = {}

local MAPPED = ("\0"):rep(10) .. "\255\255"

--- IPv4, which is the same as v4-mapped.
---@param addr string
---@return boolean
function M.is_v4(addr)
  return addr:sub(1, 12) == MAPPED
end

local function parse4(text)
  local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  return a and MAPPED .. string.char(a, b, c, d)
end

--- "1:2" is four bytes; a dotted quad is two groups.
local function parse_groups(text)
  local bytes = {}
  for group in text:gmatch "[^:]+" do
    if group:find(".", 1, true) then
      bytes[#bytes + 1] = parse4(group):sub(13)
    else
      local number = tonumber(group, 16)
      bytes[#bytes + 1] = string.char(math.floor(number / 256), number % 256)
    end
  end
  return table.concat(bytes)
end

local function parse6(text)
  local left, right = text:match "^(.-)::(.*)$"
  if not left then
    return parse_groups(text)
  end
  left, right = parse_groups(left), parse_groups(right)
  return left .. ("\0"):rep(16 - #left - #right) .. right
end

--- The bytes of an address, nil for a name.
---@param text string
---@return string|nil
function M.parse(text)
  return text:find(":", 1, true) and parse6(text) or parse4(text)
end

--- The address with all bits after the first `length` set.
function M.last_of_prefix(addr, length)
  local bytes = { addr:byte(1, 16) }
  for position = length, 127 do
    local index, weight = math.floor(position / 8) + 1, 2 ^ (7 - position % 8)
    if math.floor(bytes[index] / weight) % 2 == 0 then
      bytes[index] = bytes[index] + weight
    end
  end
  return string.char(unpack(bytes))
end

--- "1.2.3.4:80", "*:80" as an address and a port, either of which may be nil.
---@param text string
---@return string|nil addr
---@return integer|nil port
function M.single(text)
  local addr, port = text:match "^%[(.-)%]:?(.*)$"
  if not addr and text:find ":.*:" then
    addr = text
  elseif not addr then
    addr, port = text:match "^([^:]*):?(.*)$"
  end
  return addr ~= "*" and M.parse(addr) or nil, tonumber(port)
end

--- "10.0.0.0/8", "::1-::9", "localhost" as { first, last } each; nil for "*".
function M.ranges(text)
  if text == "*" then
    return nil
  end
  local base, length = text:match "^(.*)/(%d+)$"
  if base then
    local first = M.parse(base)
    local bits = tonumber(length) + (base:find(":", 1, true) and 0 or 96)
    return { { first, M.last_of_prefix(first, bits) } }
  end
  local first, last = text:match "^([%x.:]+)%-([%x.:]+)$"
  if first then
    return { { M.parse(first), M.parse(last) } }
  end
  local ranges = {}
  for _, one in ipairs(M.parse(text) and { text } or names.addresses(text)) do
    ranges[#ranges + 1] = { M.parse(one), M.parse(one) }
  end
  return ranges
end

--- IPv6 ranges do not contain v4-mapped addresses, unless they are a range of them.
function M.within(addr, range)
  return M.is_v4(addr) == (M.is_v4(range[1]) and M.is_v4(range[2])) and range[1] <= addr
    and addr <= range[2]
end

return M

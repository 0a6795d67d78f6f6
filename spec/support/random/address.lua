--- Random addresses, and patterns of them as a policy writes them.
--
-- `maker` is that of spec/support/random/policy.lua: it remembers the ends of
-- what was made.

local address = require "spec.support.reference.address"
local named_range = require "spec.support.reference.named_range"
local draw = require "spec.support.random.draw"
local known = require "spec.support.random.known"

local chance, pick, random = draw.chance, draw.pick, math.random

local M = {}

local bytes_of = address.parse

local function list_of(texts)
  local list = {}
  for text in texts:gmatch "%S+" do
    list[#list + 1] = bytes_of(text)
  end
  return list
end

--- The addresses to which sockets of the calls are bound.
M.own4, M.own6 = list_of "127.0.0.1 127.0.0.2 127.1.2.3 10.0.0.1",
  list_of "::1 2001:db8::1 fd00::1:2"

--- The addresses that the kernel takes for others, and their neighbours.
M.specials = list_of "0.0.0.0 :: 127.0.0.1 ::1 ::ffff:7f00:1 0.0.0.1 ::2"

-- The places where ranges touch the ends of everything, v4-mapped space, or the halves of 128 bits.
local landmarks = list_of [[
  0.0.0.0 0.0.0.1 10.0.0.0 10.0.0.1 10.1.2.3 127.0.0.1 127.255.255.255 128.0.0.0 192.168.0.1
  224.0.0.1 255.255.255.255 :: ::1 ::2 ::fffe:ffff:ffff ::1:0:0:0 0:0:0:1:: 2001:db8:: 2001:db8::1
  2001:db8:0:0:ffff:ffff:ffff:ffff 2001:db8:0:1:: 2001:db8:0:1::1
  7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 8000:: fd00::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
]]

--- The next address (`step` 1) or the one before (-1); the first and the last address stay.
function M.beside(addr, step)
  local bytes = { addr:byte(1, 16) }
  local index = 16
  while index > 0 do
    bytes[index] = bytes[index] + step
    if bytes[index] >= 0 and bytes[index] <= 255 then
      return string.char(unpack(bytes))
    end
    bytes[index] = bytes[index] % 256
    index = index - 1
  end
  return addr
end

function M.anywhere()
  if chance(60) then
    return pick(landmarks)
  elseif chance(60) then
    return bytes_of "0.0.0.0":sub(1, 12) .. draw.bytes(4)
  end
  return "\32\1\13\184" .. draw.bytes(12)
end

--- Often an address that the policy has already, or its neighbour, so that rules overlap.
function M.some_address(maker)
  local seen = maker.seen.addr
  if not seen or chance(40) then
    return M.anywhere()
  end
  local addr = pick(seen)
  return chance(50) and addr or M.beside(addr, pick { 1, -1 })
end

local function format4(addr)
  return ("%d.%d.%d.%d"):format(addr:byte(13, 16))
end

--- "2001:db8:0:0:0:0:0:1"
local function groups_of(addr)
  local groups = {}
  for index = 1, 15, 2 do
    local high, low = addr:byte(index, index + 1)
    groups[#groups + 1] = ("%x"):format(high * 256 + low)
  end
  return table.concat(groups, ":")
end

--- One of the ways to write an IPv6 address.
local function format6(addr)
  if address.is_v4(addr) and chance(50) then
    return "::ffff:" .. format4(addr)
  end
  local text = groups_of(addr)
  if chance(80) then
    local shorter, count = (":" .. text .. ":"):gsub(":0:[0:]+", "::", 1)
    text = count == 1 and shorter:gsub("^:([^:])", "%1"):gsub("([^:]):$", "%1") or text
  end
  return chance(20) and text:upper() or text
end

--- How to write an address: IPv4 sometimes as v4-mapped.
local function format_of(addr)
  return address.is_v4(addr) and chance(85) and format4 or format6
end

--- The first address of a prefix: all bits after `length` cleared.
function M.masked(addr, length)
  local last = address.last_of_prefix(("\0"):rep(16), length)
  local bytes = {}
  for index = 1, 16 do
    local host = last:byte(index)
    bytes[index] = string.char(addr:byte(index) - addr:byte(index) % (host + 1))
  end
  return table.concat(bytes)
end

--- An address as a policy may write it, and whether it is written as IPv6.
function M.write(addr)
  local format = format_of(addr)
  return format(addr), format == format6
end

--- A pattern of 0.0.0.0 or :: alone is an error; the makers of patterns return nil instead.
function M.is_any(addr)
  return addr == bytes_of "0.0.0.0" or addr == bytes_of "::"
end

function M.prefix(maker)
  local addr = M.some_address(maker)
  local format = format_of(addr)
  local length = format == format4 and random(96, 128)
    or pick { random(0, 128), random(56, 72), random(96, 128) }
  addr = M.masked(addr, length)
  maker:remember("addr", addr)
  maker:remember("addr", address.last_of_prefix(addr, length))
  if M.is_any(address.last_of_prefix(addr, length)) then
    return nil
  end
  return format(addr) .. "/" .. (format == format4 and length - 96 or length), format == format6
end

function M.range(maker)
  local first, last = M.some_address(maker), M.some_address(maker)
  if address.is_v4(first) ~= address.is_v4(last) then
    last = first
  elseif first > last then
    first, last = last, first
  end
  local format = format_of(first)
  maker:remember("addr", first)
  maker:remember("addr", last)
  if M.is_any(last) then
    return nil
  end
  return format(first) .. "-" .. format(last), format == format6
end

function M.single(maker)
  local addr = maker:remember("addr", M.some_address(maker))
  local format = format_of(addr)
  if M.is_any(addr) then
    return nil
  end
  return format(addr), format == format6
end

local range_ends = named_range.ends()

--- A named range.  Remembers an address at the end of one, perhaps inside an IPv6 address.
local function named(maker)
  local addr = pick(range_ends)
  if address.is_v4(addr) and chance(30) then
    addr = pick(named_range.embed(addr))
  end
  maker:remember("addr", addr)
  return "@" .. pick(named_range.names)
end

--- A pattern of addresses, and whether it is written as IPv6.
function M.addresses(maker)
  local roll = random(100)
  if roll <= 8 then
    return "*", false
  elseif roll >= 95 then
    return named(maker), false
  elseif roll <= 11 and known.host[1] then
    maker:remember("addr", bytes_of "127.0.0.1")
    return known.host[1], false
  end
  local text, v6
  repeat
    text, v6 = (roll <= 45 and M.single or roll <= 80 and M.prefix or M.range)(maker)
  until text
  return text, v6
end

--- A pattern without IPv4 in it.
function M.addresses6(maker)
  for _ = 1, 20 do
    local text = M.prefix(maker)
    local base = text and text:find(":", 1, true) and bytes_of(text:match "^(.*)/")
    if base and not address.is_v4(base) then
      return text, true
    end
  end
  maker:remember("addr", bytes_of "2001:db8::1")
  return "2001:db8::1", true
end

-- As text ----------------------------------------------------------------------------------

--- An address as a call contains it.
---@param addr string
---@param family "inet"|"inet6"
---@return string
function M.text(addr, family)
  if family == "inet" then
    return format4(addr)
  elseif address.is_v4(addr) then
    return "::ffff:" .. format4(addr)
  end
  return groups_of(addr)
end

return M

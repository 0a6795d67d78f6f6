--- The built-in ranges, in the reference.
--
-- An address of IPv6 that has an IPv4 address inside is in a range if that one is, or if it is in
-- the range itself.  An address is global if the longest special prefix that it has, of the
-- registries, is global, or if it has none.

local address = require "spec.support.reference.address"

local M = {}

--- Prefixes of each range, and the special ones that are global or not.
local texts = {
  private = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7 fec0::/10",
  metadata = [[169.254.169.254/32 169.254.170.2/32 169.254.170.23/32 169.254.169.252/32
    169.254.0.23/32 169.254.42.42/32 168.63.129.16/32 100.100.100.200/32 192.0.0.192/32
    fd00:ec2::254/128 fd00:ec2::23/128 fd20:ce::254/128 fd00:42::42/128 fd00:c1::a9fe:a9fe/128
    fd00:a9fe:a9fe::1/128 fe80::a9fe:a9fe/128]],
  loopback = "127.0.0.0/8 ::1/128",
  linklocal = "169.254.0.0/16 fe80::/10",
  multicast = "224.0.0.0/4 ff00::/8",
  reachable = [[0.0.0.0/0 2000::/3 192.0.0.9/32 192.0.0.10/32 192.31.196.0/24 192.52.193.0/24
    192.175.48.0/24 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:3::/32 2001:4:112::/48
    2001:20::/28 2001:30::/28 2620:4f:8000::/48]],
  special = [[0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24
    192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
    240.0.0.0/4 255.255.255.255/32 224.0.0.0/4 168.63.129.16/32
    ::/0 ::1/128 ::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:2::/48
    2001:10::/28 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10
    ff00::/8]],
}

--- { first, last, length } each.
local prefixes = {}
for name, text in pairs(texts) do
  prefixes[name] = {}
  for base, length in text:gmatch "(%S+)/(%d+)" do
    local first = address.parse(base)
    local bits = tonumber(length) + (base:find(":", 1, true) and 0 or 96)
    table.insert(prefixes[name], { first, address.last_of_prefix(first, bits), bits })
  end
end

M.names = { "private", "metadata", "loopback", "linklocal", "multicast", "global" }

local MAPPED = address.parse "::ffff:0:0":sub(1, 12)

--- What comes before an IPv4 address that ends an IPv6 one.
local before = {}
for _, text in ipairs { "64:ff9b::", "64:ff9b:1::", "::", "::ffff:0:0:0" } do
  before[#before + 1] = address.parse(text):sub(1, 12)
end

--- An IPv6 address with an IPv4 address inside, in each of the forms.
---@param addr4 string
---@return string[]
function M.embed(addr4)
  local four, forms = addr4:sub(13), {}
  for index, head in ipairs(before) do
    forms[index] = head .. four
  end
  forms[#forms + 1] = "\32\2" .. four .. ("\0"):rep(10)
  forms[#forms + 1] = "\32\2" .. four .. ("\255"):rep(10)
  local local_nat64 = address.parse "64:ff9b:1::":sub(1, 6)
  forms[#forms + 1] = local_nat64 .. four:sub(1, 2) .. "\0" .. four:sub(3) .. ("\0"):rep(5)
  forms[#forms + 1] = local_nat64 .. four:sub(1, 2) .. "\0" .. four:sub(3) .. ("\255"):rep(5)
  return forms
end

--- The IPv4 addresses inside an IPv6 address, in whichever form; the second result is the one that
--- counts for prefixes of at most 16 bits only.
local function inside(addr)
  local found = {}
  for _, head in ipairs(before) do
    if addr:sub(1, 12) == head then
      found[#found + 1] = MAPPED .. addr:sub(13)
    end
  end
  if addr:sub(1, 2) == "\32\2" then
    found[#found + 1] = MAPPED .. addr:sub(3, 6)
  end
  if addr:sub(1, 6) == before[2]:sub(1, 6) then
    local addr4 = MAPPED .. addr:sub(7, 8) .. addr:sub(10, 11)
    if addr:byte(9) ~= 0 then
      return found, addr4
    end
    found[#found + 1] = addr4
  end
  return found
end

--- The length of the longest of some prefixes that an address has; -1: it has none.
local function longest(addr, list)
  local length = -1
  for _, prefix in ipairs(list) do
    if address.within(addr, prefix) and prefix[3] > length then
      length = prefix[3]
    end
  end
  return length
end

--- Whether an address is global.
function M.global(addr)
  if addr:sub(1, 12) == before[1] then -- the well-known prefix of NAT64
    return M.global(MAPPED .. addr:sub(13))
  end
  return longest(addr, prefixes.reachable) > longest(addr, prefixes.special)
end

--- Whether a range contains an address.
---@param name string
---@param addr string
---@return boolean
function M.contains(name, addr)
  if name == "global" then
    return M.global(addr)
  elseif longest(addr, prefixes[name]) >= 0 then
    return true
  end
  local found, loose = inside(addr)
  for _, addr4 in ipairs(found) do
    if longest(addr4, prefixes[name]) >= 0 then
      return true
    end
  end
  local length = loose and longest(loose, prefixes[name]) or -1
  return length >= 0 and length <= 96 + 16
end

--- The first and the last address of each prefix above.
---@return string[]
function M.ends()
  local found = {}
  for _, list in pairs(prefixes) do
    for _, prefix in ipairs(list) do
      found[#found + 1], found[#found + 2] = prefix[1], prefix[2]
    end
  end
  return found
end

return M

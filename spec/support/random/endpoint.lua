--- Random endpoints, including live sets.

local address = require "spec.support.reference.address"
local addresses = require "spec.support.random.address"
local backends = require "spec.support.random.backend"
local draw = require "spec.support.random.draw"
local values = require "spec.support.random.value"

local chance, pick, some = draw.chance, draw.pick, draw.some

local M = {}

--- The text of one endpoint. `only6`: no IPv4.
function M.endpoint(maker, only6)
  local text, v6 = (only6 and addresses.addresses6 or addresses.addresses)(maker)
  if chance(40) then
    local port = values.number(maker, "port")
    port = type(port) == "number" and ("%d"):format(port) or port
    return (v6 and "[" .. text .. "]:" or text .. ":") .. port
  end
  return v6 and chance(30) and "[" .. text .. "]" or text
end

--- Addresses and ports in one table: { addr = …, port = … }
function M.product(maker)
  return {
    addr = chance(80) and some(function() return M.some_set(maker)
      or (addresses.addresses(maker)) end) or nil,
    port = chance(80) and values.numbers(maker, "port") or { 80 },
  }
end

--- A list item that names a table of services.
local function table_of_services()
  return { services = pick(backends.service_names) }
end

--- Endpoints that name tables of services and nothing else.
function M.services()
  local item = table_of_services()
  if chance(20) then
    item = { addr = item, port = pick { 80, "1-443", { 53, "8080-65535" }, "!443" } }
  end
  return chance(30) and { item, table_of_services() } or item
end

--- The endpoints of a rule. `only6`: no IPv4. `own_backends`: the rule lists backends itself, so no
--- services, because those bring backends of their own.
function M.endpoints(maker, only6, own_backends)
  if only6 then
    return { M.endpoint(maker, true), M.endpoint(maker, true) }
  end
  return some(function()
    return chance(12) and M.product(maker)
      or M.some_set(maker, pick { "80", "1-443", "8080-65535", "*" })
      or maker.services and not own_backends and chance(5) and table_of_services()
      or M.endpoint(maker)
  end)
end

-- Live sets ----------------------------------------------------------------------------

local set_names = { "s1", "s2", "s3" }

--- Sometimes a list item that names a live set, perhaps with this port, or leaves it out.
function M.some_set(maker, port)
  return maker.live and chance(12)
    and { set = pick(set_names), negative = chance(30) or nil, at = chance(40) and port or nil }
end

--- The contents of each live set. Some items are addresses that sockets are bound to.
function M.sets(maker)
  local sets = {}
  for _, name in ipairs(set_names) do
    local items = {}
    for index = 1, pick { 0, 1, 3, 8 } do
      repeat
        items[index] = chance(15) and addresses.write(pick(chance(50) and addresses.own4
          or addresses.own6))
          or (chance(50) and addresses.single or addresses.prefix)(maker)
      until items[index]
    end
    sets[name] = items
  end
  return sets
end

-- Own addresses --------------------------------------------------------------------------

--- A pattern for the address and port that a socket is bound to.
local function own()
  local addr = pick(chance(50) and addresses.own4 or addresses.own6)
  local text, v6
  if chance(20) then
    text = chance(50) and "*" or "0.0.0.0"
  elseif chance(10) then
    text, v6 = "::", true
  else
    local length = chance(40) and (address.is_v4(addr) and 104 or 96) or 128
    text, v6 = addresses.write(addresses.masked(addr, length))
    text = length == 128 and text or text .. "/" .. (v6 and length or length - 96)
  end
  if chance(40) then
    return (v6 and "[" .. text .. "]:" or text .. ":")
      .. pick { "0", "1-1023", "1024-65535", "5000", "5000-5001" }
  end
  return text
end

local own_patterns = { "127.0.0.0/8", "::/0", "*" }

--- Patterns for a rule's `source`: the addresses that sockets are bound to.
function M.own(maker)
  return some(function()
    return chance(20) and { addr = M.some_set(maker) or pick(own_patterns),
      port = { 0, "5000-5001" } }
      or M.some_set(maker, pick { "0", "1-1023", "5000-5001" }) or own()
  end)
end

return M

--- Random lists of backends, and services that have such lists.

local address = require "spec.support.reference.address"
local addresses = require "spec.support.random.address"
local draw = require "spec.support.random.draw"

local chance, pick, random = draw.chance, draw.pick, math.random

local M = {}

--- A place, with a port or without.
local function place(v6, port)
  local text
  if v6 then
    text = pick { "::1", "2001:db8::5", ("fd00::%x"):format(random(1, 65535)) }
  else
    text = pick { "127.0.0.1", "10.9.8.7", ("127.9.%d.%d"):format(random(0, 255), random(255)) }
    if chance(10) then
      text, v6 = "::ffff:" .. text, true
    end
  end
  if chance(80) or port then
    return (v6 and "[%s]:%d" or "%s:%d"):format(text, port or random(65535))
  end
  return text
end

--- One backend, in a list that may have equal weights.
local function item(v6, weighted, live)
  local text = place(v6)
  local weight = weighted and chance(70) and pick { 1, 2, 3, 10, 1000, 65535 } or nil
  local state = live and chance(25) and pick { "draining", "down", "up" } or nil
  if weight or state or chance(10) then
    return { text, weight = weight, state = state }
  end
  return text
end

--- A list of backends, all different; if `live`, for services, they have states.
---@param v6 boolean
---@param live boolean|nil
---@return table
function M.list(v6, live)
  local list, seen, weighted = {}, {}, chance(50)
  for _ = 1, pick { live and 0 or 1, 1, 2, 3, 5, 8, 9, 40 } do
    local one = item(v6, weighted, live)
    local addr, port = address.single(type(one) == "table" and one[1] or one)
    local key = addr .. (port or 0)
    if not seen[key] then
      seen[key], list[#list + 1] = true, one
    end
  end
  return list
end

M.service_names = { "v1", "v2" }

local ports = { 53, 80, 443, 8080 }

--- A VIP for calls to an address, and what it is the same as; some have no port, or no protocol.
local function vip_of(addr, port, proto)
  local text, v6 = addresses.write(addr)
  local word = proto == 6 and "tcp" or "udp"
  if chance(15) then
    return text, addr
  elseif chance(20) then
    return (v6 and "[%s]:*/%s" or "%s:*/%s"):format(text, word), addr .. word
  end
  return (v6 and "[%s]:%d/%s" or "%s:%d/%s"):format(text, port, word), addr .. port .. word
end

--- The services of each table.
function M.services(maker)
  local services = {}
  for _, name in ipairs(maker.services and M.service_names or {}) do
    services[name] = {}
    for _ = 1, pick { 0, 1, 3, 8 } do
      local addr, port, proto = addresses.some_address(maker), pick(ports), pick { 6, 17 }
      if not addresses.is_any(addr) then
        local vip, key = vip_of(addr, port, proto)
        key = key .. name
        local again = maker.seen.vip and maker.seen.vip[key]
        if not again then
          services[name][vip] = M.list(not address.is_v4(addr), true)
          maker:remember("addr", addr)
          maker:remember("vip", { addr = addr, port = port, proto = proto })
          maker.seen.vip[key] = true
        end
      end
    end
  end
  return services
end

return M

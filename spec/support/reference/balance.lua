--- Where a balanced call goes, in the reference.
--
-- Each backend draws a number from the call's key and its own address; the
-- best one wins: with equal weights that is the largest, else the one that would be
-- first if each came after an exponential time with its weight as the rate.

local address = require "spec.support.reference.address"
local bit = require "bit"
local ffi = require "ffi"
local names = require "spec.support.reference.names"
local uv = require "luv"

local M = {}

local u64 = ffi.typeof "uint64_t"

-- Numbers ----------------------------------------------------------------------------

--- splitmix64
local function mix(number)
  number = bit.bxor(number, bit.rshift(number, 30)) * 0xbf58476d1ce4e5b9ULL
  number = bit.bxor(number, bit.rshift(number, 27)) * 0x94d049bb133111ebULL
  return bit.bxor(number, bit.rshift(number, 31))
end

--- Eight bytes as a big-endian number.
local function word(bytes, from)
  local number = u64(0)
  for index = from, from + 7 do
    number = number * 256 + bytes:byte(index)
  end
  return number
end

local function mix_place(seed, addr, port)
  return mix(mix(bit.bxor(word(addr, 1), bit.bxor(u64(seed), u64(port)))) + word(addr, 9))
end

local SEED = 0x54494445474154ULL

--- What a backend draws for a key: above 0 and below 1.
function M.draw(key, backend)
  local own = bit.rshift(mix_place(SEED, backend.addr, backend.port or 0), 18)
  return (tonumber(mix(bit.bxor(mix(key), own))) + 0.5) / 2 ^ 64
end

-- Lists -------------------------------------------------------------------------------

--- A list of backends as the policy language writes it.
---@return { addr: string, port: integer|nil, weight: integer, state: string }[]
function M.read(value)
  local list = {}
  for position, item in ipairs(type(value) == "table" and value or { value }) do
    item = type(item) == "table" and item or { item }
    local addr, port = address.single(item[1])
    list[position] = { addr = addr, port = port, weight = item.weight or 1,
      state = item.state or "up" }
  end
  return list
end

local services = {}

--- The services that rules may name; all of them.
---@param by_name table<string, table<string, table>>|nil lists by VIP, by table
---@return { addr: string, port: integer|nil, proto: integer|nil, list: table, name: string,
--- vip: string }[]
function M.read_services(by_name)
  local all = {}
  services = {}
  for name, by_vip in pairs(by_name or {}) do
    services[name] = {}
    for vip, backends in pairs(by_vip) do
      local place, proto = vip:match "^(.*)/(%l+)$"
      local addr, port = address.single(place or vip)
      local service =
        { addr = addr, port = port, proto = names.protos[proto], list = M.read(backends),
          name = name, vip = vip }
      table.insert(services[name], service)
      all[#all + 1] = service
    end
  end
  return all
end

--- The service that a call is for, nil if there is none: of those that stand for what it asks for,
--- the one that says most.
function M.service(name, call)
  local proto = call.proto == names.protos.mptcp and names.protos.tcp or call.proto
  local best, most
  for _, service in ipairs(services[name]) do
    if service.addr == call.target and (service.port or call.port) == call.port
      and (service.proto or proto) == proto then
      local says = (service.port and 1 or 0) + (service.proto and 1 or 0)
      if not best or says > most then
        best, most = service, says
      end
    end
  end
  return best
end

-- Choosing -----------------------------------------------------------------------------

--- The number of a cgroup.
local function cgroup_id(path)
  return path == "/" and 1 or assert(uv.fs_stat(path)).ino
end

local keys = {
  pid = function(call) return u64(call.pid) end,
  uid = function(call) return u64(call.uid) end,
  cgroup = function(call) return u64(cgroup_id(call.cgroup)) end,
  netns = function(call) return u64(call.netns) end,
  destination = function(call) return mix_place(0, call.target, call.port) end,
}

--- Whether the first of two backends is the better one for a key.
function M.better(key, one, other)
  local cost, other_cost = -math.log(M.draw(key, one)) / one.weight,
    -math.log(M.draw(key, other)) / other.weight
  return cost < other_cost
end

--- The client whose call it is, if clients stay with their backend; nil: no client, because its
--- socket is new.
---@return string|nil
function M.client(key_name, call)
  return keys[key_name] and tostring(keys[key_name](call))
end

--- The backends that a call may go to, by their places in the list: one, or,
--- if chance or the socket decides, each that is up.
---@return integer[]
function M.choices(list, key_name, call)
  local up, best = {}, nil
  for position, backend in ipairs(list) do
    up[#up + 1] = backend.state == "up" and position or nil
  end
  local key = keys[key_name] and #up > 0 and keys[key_name](call)
  if not key then
    return up
  end
  for _, position in ipairs(up) do
    if not best or M.better(key, list[position], list[best]) then
      best = position
    end
  end
  return { best }
end

return M

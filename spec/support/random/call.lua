--- Random calls, on or beside what a policy names.

local address = require "spec.support.reference.address"
local addresses = require "spec.support.random.address"
local draw = require "spec.support.random.draw"
local names = require "spec.support.reference.names"
local values = require "spec.support.random.value"

local chance, pick, random = draw.chance, draw.pick, math.random

local M = {}

local function call_address(maker)
  local seen = maker.seen.addr
  local roll = random(100)
  if roll <= 15 then
    return pick(addresses.specials)
  elseif roll <= 25 or not seen then
    return addresses.anywhere()
  end
  local addr = pick(seen)
  return roll <= 60 and addr or addresses.beside(addr, pick { 1, -1 })
end

local function call_comm(maker)
  local comm = pick(chance(70) and maker.seen.comm or values.comms)
  if chance(20) then
    comm = comm:sub(1, random(#comm))
  elseif chance(20) then
    comm = comm .. pick { "x", " ", "\255" }
  end
  return comm:sub(1, 15)
end

--- Bind a call's socket, sometimes, to an address that its datagram can come from.
local function bind(call)
  if chance(50) and call.op ~= "bind" then
    -- A socket that is bound to IPv6 cannot send to IPv4: the call fails before a hook sees it.
    local bound4 = address.is_v4(call.addr) or chance(50)
    call.source_addr = chance(80) and pick(bound4 and addresses.own4 or addresses.own6) or nil
    call.source_port = chance(50) and 5000 or random(1024, 65535)
  end
end

--- A call on or beside what the policy names.
---@return spec.Call
function M.call(maker)
  local addr, port = call_address(maker), values.some_number(maker, "port")
  local proto = pick(maker.protos)
  if maker.seen.vip and chance(30) then
    local vip = pick(maker.seen.vip)
    addr, port = vip.addr, vip.port
    proto = chance(80) and vip.proto or proto
  end
  local netns = pick(maker.netns)
  local call = {
    op = pick(maker.ops),
    addr = addr, port = port,
    family = address.is_v4(addr) and chance(65) and "inet" or "inet6",
    proto = proto,
    uid = math.min(values.some_number(maker, "uid"), maker.last_id),
    gid = math.min(values.some_number(maker, "gid"), maker.last_id),
    comm = call_comm(maker), pid = chance(80) and pick(maker.pids)
    or values.some_number(maker, "pid"),
    exe = pick(maker.exes), cgroup = pick(maker.cgroups),
    netns = names.netns_cookies[netns] or netns,
    mark = values.some_number(maker, "mark"), device = pick { 0, 0, 1, 2 },
    type = chance(20) and pick { 1, 2, 3, 5 } or nil,
  }
  bind(call)
  return call
end

return M

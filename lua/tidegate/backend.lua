--- Lists of backends, for balance and for live services:
---   { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3, state = "draining" } }

local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local names = require "tidegate.names"
local suggest = require "tidegate.suggest"

local M = {}

--- A backend of a balance rule or of a service.
---@class tidegate.Backend
---@field address string "10.0.1.5:8080"; without a port, the call keeps its own
---@field weight integer
---@field state "up"|"draining"|"down"
---@field picked integer times, since the gate first had a rule of this name, or the service
---@field share number of future choices, 0 to 1: its weight among the backends that are up

M.wants = [[backends such as { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3 } }]]

local state_numbers = {}
for number, name in pairs(names.backend_states) do
  state_numbers[name] = number
end

---@param name "up"|"draining"|"down"
---@return integer
function M.state_number(name)
  return state_numbers[name]
end

--- Check one backend: { address, weight, state }.  Only backends of live services have a state.
local function take_one(item, live)
  if type(item) == "string" then
    item = { item }
  elseif type(item) ~= "table" or type(item[1]) ~= "string" then
    return nil, ("wants %s; got %s in it"):format(M.wants, literal.describe(item))
  end
  if item[1]:find "%z" then
    return nil, ("%s: is no address"):format(literal.quote(item[1]))
  end
  for key in pairs(item) do
    if key == "state" and not live then
      return nil, ("%s: state: only backends of live services have one")
        :format(literal.quote(item[1]))
    elseif key ~= 1 and key ~= "weight" and key ~= "state" then
      return nil, ("%s: unknown field %s of a backend%s")
        :format(literal.quote(item[1]), literal.describe(key),
          suggest.hint(key, live and { "weight", "state" } or { "weight" }))
    end
  end
  local weight = item.weight or 1
  if type(weight) ~= "number" or weight % 1 ~= 0 or weight < 1 or weight > 65535 then
    return nil, ("%s: weight: wants a whole number from 1 to 65535; got %s")
      :format(literal.quote(item[1]), literal.describe(item.weight))
  end
  local state = item.state or "up"
  if not state_numbers[state] then
    return nil, ('%s: state: wants "up", "draining" or "down"; got %s')
      :format(literal.quote(item[1]), literal.describe(item.state))
  end
  return { item[1], weight, state }
end

--- Check a list.
---@param value any
---@param live boolean|nil it is of a live service: it may be empty, and its backends have states
---@return { [1]: string, [2]: integer, [3]: string }[]|nil addresses, weights and states
---@return string|nil message
function M.take(value, live)
  if type(value) == "string" then
    value = { value }
  elseif type(value) ~= "table" or getmetatable(value) then
    return nil, ("wants %s; got %s"):format(M.wants, literal.describe(value))
  end
  for key in pairs(value) do
    if type(key) ~= "number" then
      return nil, ("wants %s; got a field %s"):format(M.wants, literal.describe(key))
    end
  end
  local backends = {}
  for position, item in ipairs(value) do
    local taken, message = take_one(item, live)
    if not taken then
      return nil, message
    end
    backends[position] = taken
  end
  if #backends == 0 and not live then
    return nil, ("wants %s; got none"):format(M.wants)
  end
  return backends
end

--- One backend as Lua source.
---@param address string
---@param weight integer
---@param state "up"|"draining"|"down"
---@return string
function M.item_text(address, weight, state)
  local parts = { literal.quote(address) }
  parts[2] = weight ~= 1 and ("weight = %d"):format(weight) or nil
  parts[#parts + 1] = state ~= "up" and ("state = %q"):format(state) or nil
  return #parts == 1 and parts[1] or "{ " .. table.concat(parts, ", ") .. " }"
end

--- A checked list as Lua source.
---@param backends { [1]: string, [2]: integer, [3]: string }[]
---@return string
function M.text(backends)
  local parts = {}
  for position, item in ipairs(backends) do
    parts[position] = M.item_text(item[1], item[2], item[3])
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

--- Set the share of each backend.
local function share_out(backends)
  local sum = 0
  for _, member in ipairs(backends) do
    sum = sum + (member.state == "up" and member.weight or 0)
  end
  for _, member in ipairs(backends) do
    member.share = member.state == "up" and member.weight / sum or 0
  end
  return backends
end

--- A checked list as users see it before it is in force.
---@param backends { [1]: string, [2]: integer, [3]: string }[]
---@return tidegate.Backend[]
function M.declared(backends)
  local read = {}
  for position, item in ipairs(backends) do
    read[position] = { address = item[1], weight = item[2], state = item[3], picked = 0 }
  end
  return share_out(read)
end

local function from_info(info)
  local has_port = info.port ~= 0
  return {
    address = has_port and library.endpoint(info.addr, info.port) or library.address(info.addr),
    weight = tonumber(info.weight), state = names.backend_states[info.state],
    picked = tonumber(info.picked), share = 0,
  }
end

--- The backends that `read` returns one by one: tg_image_backend(), tg_gate_backend() …
---@param read fun(position: integer, info: ffi.cdata*): integer
---@return tidegate.Backend[]
function M.read(read)
  local backends, info = {}, library.sized "struct tg_backend_info"
  while read(#backends, info) == 0 do
    backends[#backends + 1] = from_info(info)
  end
  return share_out(backends)
end

--- The backends that `read` returns all at once: tg_services_backends(); nil: there is no list.
---@param read fun(infos: ffi.cdata*, room: integer, count: ffi.cdata*): integer
---@return tidegate.Backend[]|nil
---@return string|nil message
---@return integer|nil errno
function M.read_all(read)
  local infos, room, count = ffi.new "struct tg_backend_info[16]", 16, library.index()
  local result = read(infos, room, count)
  while result > 0 and count[0] > room do
    room = count[0]
    infos = ffi.new("struct tg_backend_info[?]", room)
    result = read(infos, room, count)
  end
  if result < 0 then
    return library.failure(result)
  elseif result == 0 then
    return nil
  end
  local backends = {}
  for position = 1, count[0] do
    backends[position] = from_info(infos[position - 1])
  end
  return share_out(backends)
end

--- The backends that `read` returns, one list after the other: tg_gate_backend_next().
---@param read fun(cursor: ffi.cdata*, list: ffi.cdata*, info: ffi.cdata*): integer
---@return table<integer, tidegate.Backend[]> by list
function M.read_lists(read)
  local lists, cursor = {}, ffi.new "uint64_t[1]"
  local list, info = library.index(), library.sized "struct tg_backend_info"
  while read(cursor, list, info) == 1 do
    local backends = lists[list[0]] or {}
    lists[list[0]], backends[#backends + 1] = backends, from_info(info)
  end
  for _, backends in pairs(lists) do
    share_out(backends)
  end
  return lists
end

--- "10.96.0.10:80/tcp"
---@param info ffi.cdata* struct tg_vip_info
---@return string
function M.vip_text(info)
  return ("%s/%s"):format(library.endpoint(info.addr, info.port), names.protocols[info.proto])
end

return M

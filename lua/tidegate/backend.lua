--- Lists of backends, for balance and for live services:
---   { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3, state = "draining" } }

local ffi = require "ffi"
local handles = require "tidegate.handle"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local meant = require "tidegate.meant"
local names = require "tidegate.names"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

--- A backend of a balance rule or of a service.
---@class tidegate.Backend
---@field address string "10.0.1.5:8080"; without a port, the call keeps its own
---@field weight integer
---@field state "up"|"draining"|"down"
---@field picked integer times, since the gate first had a rule of this name, or the service
---@field share number of future choices, 0 to 1: its weight among the backends that are up

M.wants = [[backends such as { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3 } }]]

local read_class -- of the backends of live services, as they are read

local state_numbers = {}
for number, name in pairs(names.backend_states) do
  state_numbers[name] = number
end

---@param name "up"|"draining"|"down"
---@return integer
function M.state_number(name)
  return state_numbers[name]
end

local function check_fields(item, live)
  for key in pairs(item) do
    if key == "state" and not live then
      return nil, ("%s: state: only backends of live services have one")
        :format(literal.quote(item[1]))
    elseif key ~= 1 and key ~= "weight" and key ~= "state" then
      return nil, ("%s: unknown field %s of a backend%s")
        :format(literal.quote(item[1]), literal.describe(key),
          suggest.hint(key, live and { "weight", "state" } or { "weight" }, meant.backends))
    end
  end
  local weight, state = item.weight, item.state
  if weight ~= nil and (type(weight) ~= "number" or weight % 1 ~= 0 or weight < 1
    or weight > 65535) then
    return nil, ("%s: weight: wants a whole number from 1 to 65535; got %s%s")
      :format(literal.quote(item[1]), literal.describe(weight),
        weight ~= 0 and "" or live and [[; a backend that gets no new calls has state = "draining"]]
          or "; leave out a backend that gets no calls")
  elseif state ~= nil and not state_numbers[state] then
    return nil, ('%s: state: wants "up", "draining" or "down"; got %s')
      :format(literal.quote(item[1]), literal.describe(state))
  end
  return true
end

--- Check one backend.  Only backends of live services have a state.
---@param item any
---@param live boolean|nil
---@return { [1]: string, [2]: integer|nil, [3]: string|nil }|nil address, weight and state
---@return string|nil message
function M.take_one(item, live)
  if live and handles.state(item, read_class) then
    item = { item.address, weight = item.weight, state = item.state }
  elseif type(item) == "string" then
    item = { item }
  elseif type(item) == "table" and type(item.address) == "string" then
    return nil, ("%s: the address comes first, without a field; write { %s, … }")
      :format(literal.quote(item.address), literal.quote(item.address))
  elseif type(item) ~= "table" or type(item[1]) ~= "string" then
    return nil, ("wants %s; got %s in it"):format(M.wants, literal.describe(item))
  end
  if item[1]:find "%z" then
    return nil, ("%s: is no address"):format(literal.quote(item[1]))
  end
  local ok, message = check_fields(item, live)
  if not ok then
    return nil, message
  end
  return { item[1], item.weight, item.state }
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
    local taken, message = M.take_one(item, live)
    if not taken then
      return nil, message
    end
    backends[position] = { taken[1], taken[2] or 1, taken[3] or "up" }
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

--- The backends over which `next` walks: tg_image_candidate_next().
---@param next fun(cursor: ffi.cdata*, info: ffi.cdata*): integer
---@return tidegate.Backend[]
function M.walk(next)
  local backends, info = {}, library.sized "struct tg_backend_info"
  local cursor = ffi.new "uint64_t[1]"
  while next(cursor, info) == 1 do
    backends[#backends + 1] = from_info(info)
  end
  return share_out(backends)
end

--- The backends that `read` returns all at once: tg_services_backends(); nil: there is no list.
---@param read fun(infos: ffi.cdata*, capacity: integer, count: ffi.cdata*): integer 1; 0: no list
---@return tidegate.Backend[]|nil
---@return string|nil message
---@return integer|nil errno
function M.read_all(read)
  local capacity, count = 16, library.index()
  local function read_some()
    local infos = ffi.new("struct tg_backend_info[?]", capacity)
    infos[0].size = ffi.sizeof "struct tg_backend_info"
    return read(infos, capacity, count), infos
  end
  local result, infos = read_some()
  while result > 0 and count[0] > capacity do
    capacity = count[0]
    result, infos = read_some()
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

-- Live services ------------------------------------------------------------------------

-- What was read of live services is a copy.  An assignment to it would change nothing, so it is an
-- error.

local read_fields = {}
for _, name in ipairs { "address", "weight", "state", "picked", "share" } do
  read_fields[name] = function(member) return member[name] end
end

read_class = handles.class {
  noun = "backend", fields = read_fields, methods = {},
  change = "svc:put_backend(VIP, { ADDRESS, state = … }) changes it",
  text = function(member)
    return ("{ address = %q, weight = %d, state = %q, picked = %d, share = %.14g }")
      :format(member.address, member.weight, member.state, member.picked, member.share)
  end,
}

local function cannot_assign()
  error("the list is a copy; svc[VIP] = { … } or svc:put_backend(VIP, BACKEND) changes it", 2)
end

local function list_text(list)
  local texts = {}
  for position, member in ipairs(list) do
    texts[position] = tostring(member)
  end
  local glue = #texts > 1 and ",\n  " or ", "
  return #texts == 0 and "{}" or ("{ %s }"):format(table.concat(texts, glue))
end

local read_list = { __newindex = cannot_assign, __tostring = list_text, __metatable = false }

--- Make a list that nobody can assign to.
---@param backends tidegate.Backend[]
---@return tidegate.Backend[]
function M.seal(backends)
  local sealed = {}
  for position, member in ipairs(backends) do
    sealed[position] = handles.new(read_class, member)
  end
  return setmetatable(sealed, read_list)
end

--- A sealed list as a list of plain tables.
---@param backends tidegate.Backend[]
---@return tidegate.Backend[]
function M.plain(backends)
  local plain = {}
  for position, member in ipairs(backends) do
    plain[position] = handles.state(member, read_class)
  end
  return plain
end

local vip_text = ffi.new("char[?]", C.TG_VIP_TEXT)

--- "10.96.0.10:80/tcp", "10.96.0.10:*/tcp" or "10.96.0.10"
---@param info ffi.cdata* struct tg_vip_info
---@return string
function M.vip_text(info)
  C.tg_vip_format(info, vip_text, C.TG_VIP_TEXT)
  return ffi.string(vip_text)
end

return M

--- Live services: VIPs and their backends, which change while a policy is in force.
--
-- A handle is a userdata: any key of it that is no method is a VIP.  What it
-- stands for is in `states`: the declaration, and the gate that runs it.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

--- Services that rules name: `svc["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" }` gives
--- one its backends, nil takes it out; read, it is the list, or nil.
---@class tidegate.Services
---@field name string
---@field size integer services that there is room for; 0 where nothing says it yet
local Services = {}

local states = setmetatable({}, { __mode = "k" })

local function fail(state, message, level)
  error(('services "%s": %s'):format(state.name, message), level + 1)
end

-- Declaring ----------------------------------------------------------------------

--- Check what `services "name" { … }` says.
local function declaration(spec)
  if type(spec) ~= "table" or getmetatable(spec) then
    return nil, ('wants a table such as { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" } }; got %s')
      :format(literal.describe(spec))
  end
  local declared = { size = 0, backends = {} }
  for key, value in pairs(spec) do
    if key == "size" then
      if type(value) ~= "number" or value < 1 or value % 1 ~= 0 then
        return nil, ("size: wants how many services there is to be room for; got %s"):format(literal.describe(value))
      end
      declared.size = value
    elseif type(key) ~= "string" then
      return nil, ('wants VIPs such as ["10.96.0.10:80/tcp"] = { … }; got the value %s without one')
        :format(literal.describe(value))
    elseif not key:find "[:/]" then
      return nil, ("unknown option %s%s"):format(literal.describe(key), suggest.hint(key, { "size" }))
    else
      local backends, message = backend.take(value, true)
      if not backends then
        return nil, ("%s: %s"):format(literal.quote(key), message)
      end
      declared.backends[key] = backends
    end
  end
  return declared
end

--- Backends as C takes them; their texts stay as long as the list.
local function specs(backends)
  local array = ffi.new("struct tg_backend_spec[?]", #backends + 1)
  for position, item in ipairs(backends) do
    array[position - 1].address, array[position - 1].weight = item[1], item[2]
    array[position - 1].state = backend.state_number(item[3])
  end
  return array, #backends
end

local function sorted(backends)
  local vips = {}
  for vip in pairs(backends) do
    vips[#vips + 1] = vip
  end
  table.sort(vips)
  return vips
end

--- Declare services in a tg_policy; with `empty`, without what they hold at first.
---@param services tidegate.Services
---@param object ffi.cdata* struct tg_policy
---@param empty boolean|nil
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function M.add_to(services, object, empty)
  local state = states[services]
  local declared = state.declared
  local result = C.tg_policy_services(object, state.name, declared.size)
  for _, vip in ipairs(empty and {} or sorted(declared.backends)) do
    if result == 0 then
      result = C.tg_policy_service(object, state.name, vip, specs(declared.backends[vip]))
    end
  end
  if result == 0 then
    return true
  end
  local _, message, errno = library.failure(result)
  return nil, (state.where and state.where .. ": " or "") .. message, errno
end

-- Live ------------------------------------------------------------------------------

--- The tg_services in force, or nil where nothing is in force yet.
local function live(state)
  local gate = state.gate or (state.policy and state.policy.gate)
  if gate and gate.closed then
    fail(state, "their gate is closed", 3)
  elseif not gate or not gate.published then
    return nil
  elseif state.of ~= gate.cdata then
    local slot = library.slot "services"
    local result = C.tg_gate_services(gate.cdata, state.name, slot)
    if result ~= 0 then
      return library.failure(result)
    end
    state.cdata, state.of = slot[0], gate.cdata
  end
  return state.cdata
end

local function check_vip(state, vip, level)
  if type(vip) ~= "string" or vip:find "%z" then
    fail(state, ('wants VIPs such as "10.96.0.10:80/tcp"; got %s'):format(literal.describe(vip)), level + 1)
  end
end

--- Before they are in force services are what their declaration says.
local function stage(state, vip, backends)
  if not state.declared then
    fail(state, 'are not declared: write services "' .. state.name .. '" { … } first', 3)
  end
  state.declared.backends[vip] = backends
  state.policy:touch()
  return true
end

--- Give a VIP backends; nil: it is no service any more.  What svc["VIP"] = … does,
--- which raises what this returns.
---@param vip string "10.96.0.10:80/tcp"
---@param list table|string|nil { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3, state = "draining" } }
---@return boolean|nil of nil: whether there was such a service
---@return string|nil message
---@return integer|nil errno
function Services:set(vip, list)
  local state = states[self]
  check_vip(state, vip, 2)
  local backends, message, errno
  if list ~= nil then
    backends, message = backend.take(list, true)
    if not backends then
      fail(state, ("%s: %s"):format(literal.quote(vip), message), 2)
    end
  end
  local services
  services, message, errno = live(state)
  if message then
    return nil, message, errno
  elseif services == nil then
    return stage(state, vip, backends)
  end
  local result
  if backends then
    result = C.tg_services_put(services, vip, specs(backends))
  else
    result = C.tg_services_remove(services, vip)
  end
  if result < 0 then
    return library.failure(result)
  end
  return backends ~= nil or result == 1
end

--- The backends of a VIP, with what they were picked; nil: it is no service.
---@param vip string
---@return tidegate.Backend[]|nil
---@return string|nil message
---@return integer|nil errno
function Services:get(vip)
  local state = states[self]
  check_vip(state, vip, 2)
  local services, message, errno = live(state)
  if message then
    return nil, message, errno
  elseif services == nil then
    local declared = state.declared and state.declared.backends[vip]
    return declared and backend.declared(declared)
  end
  local count = ffi.new "uint32_t[1]"
  local result = C.tg_services_find(services, vip, count)
  if result <= 0 then
    if result < 0 then
      return library.failure(result)
    end
    return nil
  end
  return backend.read(function(position, info) return C.tg_services_backend(services, vip, position, info) end)
end

--- The services, in no order: `for vip, backends in svc:each() do`.
---@return fun(): string|nil, tidegate.Backend[]|nil
function Services:each()
  local state = states[self]
  local services = live(state) or fail(state, "are not in force yet; attach or commit first", 2)
  local cursor, info = ffi.new "uint64_t[1]", ffi.new "struct tg_vip_info"
  return function()
    while C.tg_services_next(services, cursor, info) == 1 do
      local vip = backend.vip_text(info)
      local backends = Services.get(self, vip)
      if backends then
        return vip, backends
      end
    end
  end
end

--- What is known of them.
---@return { name: string, count: integer, size: integer, bytes: integer }|nil
---@return string|nil message
---@return integer|nil errno
function Services:info()
  local state = states[self]
  local services, message, errno = live(state)
  if message then
    return nil, message, errno
  elseif services == nil then
    local declared = state.declared or { backends = {}, size = 0 }
    return { name = state.name, count = #sorted(declared.backends), size = declared.size, bytes = 0 }
  end
  local info = library.sized "struct tg_services_info"
  local result = C.tg_services_info(services, info)
  if result ~= 0 then
    return library.failure(result)
  end
  return { name = state.name, count = tonumber(info.count), size = tonumber(info.room), bytes = tonumber(info.bytes) }
end

-- Handles -----------------------------------------------------------------------------

local computed = {
  name = function(self) return states[self].name end,
  size = function(self) return assert(Services.info(self)).size end,
}

local function read(self, key)
  if computed[key] then
    return computed[key](self)
  elseif Services[key] then
    return Services[key]
  end
  local backends, message = Services.get(self, key)
  if message then
    error(message, 2)
  end
  return backends
end

local function write(self, vip, list)
  local ok, message = Services.set(self, vip, list)
  if ok == nil then
    error(message, 2)
  end
end

local function new_handle(state)
  local handle = newproxy(true)
  local meta = getmetatable(handle)
  states[handle] = state
  meta.__index, meta.__newindex = read, write
  meta.__len = function(self) return assert(Services.info(self)).count end
  meta.__tostring = function(self) return M.text(self) end
  meta.__call = function(self, spec)
    local ok, message = M.declare(self, spec, state.named_at)
    if not ok then
      state.complain(message)
    end
    return self
  end
  meta.__metatable = false
  return handle
end

--- A handle for services of a policy; they are declared by M.declare().
---@param policy tidegate.Policy
---@param name string
---@return tidegate.Services
function M.of_policy(policy, name)
  return new_handle { name = name, policy = policy }
end

--- A handle for services of a gate whose image declares them.
---@param gate tidegate.Gate
---@param name string
---@return tidegate.Services
function M.of_gate(gate, name)
  return new_handle { name = name, gate = gate }
end

--- The handle, named at a place: a table behind it declares them.
---@param services tidegate.Services
---@param where string "web.lua:4"
---@param complain fun(message: string)
---@return tidegate.Services
function M.named(services, where, complain)
  states[services].named_at, states[services].complain = where, complain
  return services
end

--- Say what services there are.
---@param services tidegate.Services
---@param spec table
---@param where string|nil "web.lua:4"
---@return true|nil
---@return string|nil message
function M.declare(services, spec, where)
  local state = states[services]
  local prefix = (where and where .. ": " or "") .. ('services "%s"'):format(state.name)
  if not state.policy then
    return nil, prefix .. ": the gate comes from an image file, which declares its services itself"
  elseif state.declared then
    return nil, ("%s: are declared already%s"):format(prefix, state.where and " at " .. state.where or "")
  end
  local declared, message = declaration(spec)
  if not declared then
    return nil, prefix .. ": " .. message
  end
  state.declared, state.where = declared, where
  local ok, problem = state.policy:declare(services, state.name)
  if not ok then
    state.declared = nil
    return nil, problem
  end
  return true
end

---@param value any
---@return boolean
function M.is(value)
  return states[value] ~= nil
end

--- `services "name"`, as a rule names them.
---@param services tidegate.Services
---@return string
function M.text(services)
  return "services " .. literal.quote(states[services].name)
end

--- Take a declaration back; redeclare() makes it again.
---@param services tidegate.Services
function M.undeclare(services)
  local state = states[services]
  state.declared, state.taken_back = nil, state.declared or state.taken_back
end

---@param services tidegate.Services
function M.redeclare(services)
  local state = states[services]
  state.declared = state.declared or state.taken_back
end

--- Whether they have been declared.
---@param services tidegate.Services
---@return boolean
function M.is_declared(services)
  return states[services].declared ~= nil
end

return M

--- Live services, a kind of live table: VIPs and their backends, which can change while a policy
--- is in force.
--
-- A key of a handle that is not a method is a VIP.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local suggest = require "tidegate.suggest"

local C = library.C

---@type tidegate.LiveKind
local M = {}

--- Services that rules name.  `svc["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" }` gives a VIP its
--- backends, and nil removes it; `svc["10.96.0.10:80/tcp"]` is the list of backends, or nil.
---@class tidegate.Services
---@field name string
---@field size integer services that there is room for; 0: not known yet
local Services = {}

M.word, M.plural, M.verb, M.pronoun = "services", "services", "are", "their"
M.elements = "services"
M.methods, M.properties, M.open = Services, { size = true }, C.tg_gate_services
M.of_image, M.info, M.info_type = C.tg_image_services, C.tg_services_info, "struct tg_services_info"

-- Declaring ----------------------------------------------------------------------------

--- Check the table of `services "name" { … }`.
function M.declaration(spec)
  if type(spec) ~= "table" or getmetatable(spec) then
    return nil, ('wants a table such as { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" } }; got %s')
      :format(literal.describe(spec))
  end
  local size, problem = live.take_size(M, spec.size)
  if not size then
    return nil, problem
  end
  local declared = { size = size, backends = {} }
  for key, value in pairs(spec) do
    if type(key) ~= "string" then
      return nil, ('wants VIPs such as ["10.96.0.10:80/tcp"] = { … }; got the value %s without one')
        :format(literal.describe(value))
    elseif key:find "[:/]" then
      local backends, message = backend.take(value, true)
      if not backends then
        return nil, ("%s: %s"):format(literal.quote(key), message)
      end
      declared.backends[key] = backends
    elseif key ~= "size" then
      return nil, suggest.unknown("option", key, { "size" })
    end
  end
  return declared
end

--- Backends as an array for C, which is valid as long as the list.
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

--- Declare them in a tg_policy; with `empty`, without their first VIPs.
function M.put(state, object, empty)
  local declared = state.declared
  local result = C.tg_policy_services(object, state.name, declared.size)
  for _, vip in ipairs(empty and {} or sorted(declared.backends)) do
    if result == 0 then
      result = C.tg_policy_service(object, state.name, vip, specs(declared.backends[vip]))
    end
  end
  return result
end

function M.held(declared)
  return #sorted(declared.backends)
end

-- Live ---------------------------------------------------------------------------------

local function check_vip(state, vip)
  if not literal.is_text(vip) then
    live.fail(state, ('wants VIPs such as "10.96.0.10:80/tcp"; got %s')
      :format(literal.describe(vip)))
  end
end

--- Change the declaration of services that are not in force yet.
local function stage(state, vip, backends)
  live.stage(state).backends[vip] = backends
  return true
end

--- Whether the options ask to end sockets.
local function wants_kill(state, options)
  if options == nil then
    return false
  elseif type(options) ~= "table" then
    live.fail(state, ("wants options such as { kill = true }; got %s")
      :format(literal.describe(options)))
  end
  for key in pairs(options) do
    if key ~= "kill" then
      live.fail(state, suggest.unknown("option", key, { "kill" }))
    end
  end
  if options.kill ~= nil and type(options.kill) ~= "boolean" then
    live.fail(state, ("kill: wants true or false; got %s"):format(literal.describe(options.kill)))
  end
  return options.kill == true
end

--- Give a VIP its backends, or, with nil, remove it.  `svc["VIP"] = …` does the same, but raises
--- what this returns.  With kill, sockets to backends that are removed or down are ended, in every
--- network namespace; without it they stay.
---@param vip string "10.96.0.10:80/tcp"
---@param list table|string|nil { "10.0.1.5:8080", { "10.0.1.6", weight = 3, state = "draining" } }
---@param options { kill: boolean|nil }|nil
---@return boolean|nil true; when removing: whether there was such a VIP
---@return string|integer|nil message; with kill: the number of sockets that were ended
---@return integer|nil errno
function Services:set(vip, list, options)
  local state = live.state(self)
  check_vip(state, vip)
  local kill = wants_kill(state, options)
  local backends, message, errno
  if list ~= nil then
    backends, message = backend.take(list, true)
    if not backends then
      live.fail(state, ("%s: %s"):format(literal.quote(vip), message))
    end
  end
  local services
  services, message, errno = live.object(state)
  if message then
    return nil, message, errno
  elseif services == nil then
    return stage(state, vip, backends)
  end
  local ended = kill and library.index() or nil
  local result
  if backends then
    local array, count = specs(backends)
    result = C.tg_services_put(services, vip, array, count, ended)
  else
    result = C.tg_services_remove(services, vip, ended)
  end
  if result < 0 then
    return library.failure(result)
  end
  return backends ~= nil or result == 1, kill and tonumber(ended[0]) or nil
end

--- The backends of a VIP, with how often each was picked; nil: there is no such VIP.
---@param vip string
---@return tidegate.Backend[]|nil
---@return string|nil message
---@return integer|nil errno
function Services:get(vip)
  local state = live.state(self)
  check_vip(state, vip)
  local services, message, errno = live.object(state)
  if message then
    return nil, message, errno
  elseif services == nil then
    local declared = state.declared and state.declared.backends[vip]
    return declared and backend.declared(declared)
  end
  return backend.read_all(function(infos, room, count)
    return C.tg_services_backends(services, vip, infos, room, count)
  end)
end

--- The services, in no particular order: `for vip, backends in svc:each() do`.
---@return fun(): string|nil, tidegate.Backend[]|nil
function Services:each()
  local state = live.state(self)
  local services = live.object(state) or live.not_in_force(state)
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

--- Facts about them.
---@return { name: string, count: integer, size: integer, bytes: integer }|nil
---@return string|nil message
---@return integer|nil errno
Services.info = live.info

-- Handles ------------------------------------------------------------------------------

local function read(self, key)
  local member = live.member(self, key)
  if member ~= nil then
    return member
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

function M.equip(meta)
  meta.__index, meta.__newindex = read, write
end

return M

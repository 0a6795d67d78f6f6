--- Live services, a kind of live table: VIPs and their backends, which can change while a policy
--- is in force.
--
-- A key of a handle that is not a method is a VIP.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local meant = require "tidegate.meant"
local suggest = require "tidegate.suggest"

local C = library.C

---@type tidegate.LiveKind
local M = {}

--- Services that rules name.  `svc["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" }` gives a VIP its
--- backends, and nil removes it; `svc["10.96.0.10:80/tcp"]` is the list of backends, or nil.
---@class tidegate.Services
---@field name string
---@field size integer services that there is room for; 0: not known yet
---@field readonly boolean processes that have restricted the gate may only read them
local Services = {}

M.word, M.plural, M.verb, M.pronoun = "services", "services", "are", "their"
M.what, M.elements = "a table of services", "services"
M.methods, M.properties, M.open = Services, { "size", "readonly" }, C.tg_gate_find_services
M.of_image, M.info = C.tg_image_services_next, C.tg_services_info
M.info_type = "struct tg_services_info"
M.change = "svc[VIP] = BACKENDS changes them"
M.hints = {
  set = "put(VIP, BACKENDS)", add = "put(VIP, BACKENDS)", replace = "put(VIP, BACKENDS)",
  delete = "remove(VIP)", del = "remove(VIP)",
  add_backend = "put_backend(VIP, BACKEND)", set_backend = "put_backend(VIP, BACKEND)",
  delete_backend = "remove_backend(VIP, ADDRESS)",
  drain = [[put_backend(VIP, { ADDRESS, state = "draining" })]],
  list = "each()",
}

-- Declaring ----------------------------------------------------------------------------

--- A key with a colon, a slash or a dot is a VIP, any other the name of an option, of a field or of
--- a method.
local function is_vip(key)
  return type(key) ~= "string" or key:find "[:/.]" ~= nil
end

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
  local readonly, wrong = live.take_readonly(spec.readonly)
  if wrong then
    return nil, wrong
  end
  local declared = { size = size, readonly = readonly, backends = {} }
  for key, value in pairs(spec) do
    if type(key) ~= "string" then
      return nil, ('wants VIPs such as ["10.96.0.10:80/tcp"] = { … }; got the value %s without one')
        :format(literal.describe(value))
    elseif is_vip(key) then
      local backends, message = backend.take(value, true)
      if not backends then
        return nil, ("%s: %s"):format(literal.quote(key), message)
      end
      declared.backends[key] = backends
    elseif key ~= "size" and key ~= "readonly" then
      return nil, suggest.unknown("option", key, { "size", "readonly" }, meant.services)
    end
  end
  return declared
end

--- Backends as an array for C, which is valid as long as the list.
local function specs(backends)
  local array = ffi.new("struct tg_backend_spec[?]", #backends + 1)
  array[0].size = ffi.sizeof "struct tg_backend_spec"
  for position, item in ipairs(backends) do
    local spec = array[position - 1]
    spec.address, spec.weight = item[1], item[2] or 1
    spec.state = backend.state_number(item[3] or "up")
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
  local options = library.sized "struct tg_services_options"
  options.capacity = declared.size
  options.flags = declared.readonly and C.TG_TABLE_READONLY or 0
  local result = C.tg_policy_declare_services(object, state.name, options)
  for _, vip in ipairs(empty and {} or sorted(declared.backends)) do
    if result == 0 then
      result = C.tg_policy_services_put(object, state.name, vip, specs(declared.backends[vip]))
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

--- The flags of the options of a change.
local function take_options(state, options)
  if options == nil then
    return 0
  elseif type(options) ~= "table" then
    live.fail(state, ("wants options such as { kill_sockets = true }; got %s")
      :format(literal.describe(options)))
  end
  for key in pairs(options) do
    if key ~= "kill_sockets" then
      live.fail(state, ("unknown option %s; the only one is kill_sockets")
        :format(literal.describe(key)))
    end
  end
  local kill = options.kill_sockets
  if kill ~= nil and type(kill) ~= "boolean" then
    live.fail(state, ("kill_sockets: wants true or false; got %s"):format(literal.describe(kill)))
  end
  return kill and C.TG_KILL_SOCKETS or 0
end

--- Give a VIP its backends in the declaration, if the library accepts them.
local function stage_put(state, vip, list)
  local all, size = state.declared.backends, state.declared.size
  local tried = { [vip] = list }
  if size > 0 and not all[vip] and #sorted(all) >= size then
    for other, backends in pairs(all) do
      tried[other] = backends
    end
  end
  local ok, message, errno = live.try(state, "backends", tried)
  if not ok then
    return nil, message, errno
  end
  all[vip] = list
  live.touch(state)
  return true
end

--- Make a change of services in force, or, before they are in force, of their declaration.
---@param state tidegate.LiveState
---@param flags integer
---@param change fun(services: ffi.cdata*, ended: ffi.cdata*): integer 1, 0 or -errno
---@param stage fun(backends: table<string, table>): boolean|nil, string|nil, integer|nil
---@return boolean|nil
---@return string|integer|nil message; the number of sockets that were ended
---@return integer|nil errno
local function make(state, flags, change, stage)
  local services, message, errno = live.object(state)
  if message then
    return nil, message, errno
  elseif services == nil then
    return stage(state.declared.backends)
  end
  live.note_change(state)
  local ended = library.index()
  local result = change(services, ended)
  if result < 0 then
    return library.failure(result)
  end
  local killed = bit.band(flags, C.TG_KILL_SOCKETS) ~= 0
  return result == 1, killed and tonumber(ended[0]) or nil
end

--- A change that has nothing to find, so that it returns true.
local function made(result, message, errno)
  if result == nil then
    return nil, message, errno
  end
  return true, message
end

--- Give a VIP its backends.  `svc["VIP"] = …` does the same, but raises what this returns.  With
--- kill_sockets, sockets to backends that are removed or down are ended, in every network
--- namespace; without it they stay.
---@param vip string "10.96.0.10:80/tcp"; "10.96.0.10:*/tcp": any port; "10.96.0.10": any protocol
---@param list table|string { "10.0.1.5:8080", { "10.0.1.6", weight = 3, state = "draining" } }
---@param options { kill_sockets: boolean|nil }|nil
---@return true|nil
---@return string|integer|nil message; with kill_sockets, the second result is how many were ended
---@return integer|nil errno
function Services:put(vip, list, options)
  check_vip(self, vip)
  local flags = take_options(self, options)
  local backends, message = backend.take(list, true)
  if not backends then
    live.fail(self, ("%s: %s"):format(literal.quote(vip), message))
  end
  local array, count = specs(backends)
  return made(make(self, flags, function(services, ended)
    return C.tg_services_put(services, vip, array, count, flags, ended)
  end, function()
    return stage_put(self, vip, backends)
  end))
end

--- Remove a VIP.  `svc["VIP"] = nil` does the same, but raises what this returns.
---@param vip string
---@param options { kill_sockets: boolean|nil }|nil as for put()
---@return boolean|nil whether there was such a VIP
---@return string|integer|nil message; with kill_sockets, the second result is how many were ended
---@return integer|nil errno
function Services:remove(vip, options)
  check_vip(self, vip)
  local flags = take_options(self, options)
  return make(self, flags, function(services, ended)
    return C.tg_services_remove(services, vip, flags, ended)
  end, function(declared)
    local there = declared[vip] ~= nil
    declared[vip] = nil
    live.touch(self)
    return there
  end)
end

--- The place of a backend in a declared list.
local function find(list, address)
  for position, item in ipairs(list) do
    if item[1] == address then
      return position
    end
  end
end

--- Add one backend to those of a VIP, or change it, in one step: changes that others make at the
--- same time stay.  A weight or a state that is not given stays as it is.
---@param vip string
---@param member string|table { "10.0.1.5:8080", weight = 3, state = "draining" }
---@param options { kill_sockets: boolean|nil }|nil as for put()
---@return true|nil
---@return string|integer|nil message; with kill_sockets, the second result is how many were ended
---@return integer|nil errno
function Services:put_backend(vip, member, options)
  check_vip(self, vip)
  local flags = take_options(self, options)
  local item, message = backend.take_one(member, true)
  if not item then
    live.fail(self, ("%s: %s"):format(literal.quote(vip), message))
  end
  local keep = (item[2] and 0 or C.TG_KEEP_WEIGHT) + (item[3] and 0 or C.TG_KEEP_STATE)
  return made(make(self, flags, function(services, ended)
    return C.tg_services_put_backend(services, vip, specs { item }, flags + keep, ended)
  end, function(declared)
    local list = { unpack(declared[vip] or {}) }
    local position = find(list, item[1]) or #list + 1
    local old = list[position] or {}
    list[position] = { item[1], item[2] or old[2] or 1, item[3] or old[3] or "up" }
    return stage_put(self, vip, list)
  end))
end

--- Remove one backend of a VIP, in one step, like put_backend().  The VIP stays, even without
--- backends: then calls for it fail.
---@param vip string
---@param address string "10.0.1.5:8080"
---@param options { kill_sockets: boolean|nil }|nil as for put()
---@return boolean|nil whether there was such a backend
---@return string|integer|nil message; with kill_sockets, the second result is how many were ended
---@return integer|nil errno
function Services:remove_backend(vip, address, options)
  check_vip(self, vip)
  local flags = take_options(self, options)
  if not literal.is_text(address) then
    live.fail(self, ("%s: wants the address of a backend; got %s")
      :format(literal.quote(vip), literal.describe(address)))
  end
  return make(self, flags, function(services, ended)
    return C.tg_services_remove_backend(services, vip, address, flags, ended)
  end, function(declared)
    local position = declared[vip] and find(declared[vip], address)
    if position then
      table.remove(declared[vip], position)
      live.touch(self)
    end
    return position ~= nil
  end)
end

--- The backends of a VIP, with how often each was picked.  `svc["VIP"]` does the same, but raises
--- what this returns.  The list is a copy, and cannot be assigned to.
---@param vip string
---@return tidegate.Backend[]|nil or nil alone: there is no such VIP
---@return string|nil message
---@return integer|nil errno
function Services:get(vip)
  check_vip(self, vip)
  local services, message, errno = live.object(self)
  if message then
    return nil, message, errno
  end
  local backends
  if services == nil then
    local declared = self.declared and self.declared.backends[vip]
    backends = declared and backend.declared(declared)
  else
    backends, message, errno = backend.read_all(function(infos, capacity, count)
      return C.tg_services_backends(services, vip, infos, capacity, count)
    end)
  end
  if not backends then
    return nil, message, errno
  end
  return backend.seal(backends)
end

--- The services, in no particular order: `for vip, backends in svc:each() do`.  Raises if they are
--- not in force, or cannot be read.
---@return fun(): string|nil, tidegate.Backend[]|nil
function Services:each()
  local services = live.in_force(self)
  local cursor, info = ffi.new "uint64_t[1]", library.sized "struct tg_vip_info"
  return function()
    services = live.object(self) or services -- raises if the gate was closed in between
    while live.found(C.tg_services_next(services, cursor, info)) do
      local vip = backend.vip_text(info)
      local backends = Services.get(self, vip)
      if backends then
        return vip, backends
      end
    end
  end
end

--- Facts about them.
---@return { name: string, count: integer, size: integer, bytes: integer, readonly: boolean }|nil
---@return string|nil message
---@return integer|nil errno
Services.info = live.info

-- Handles ------------------------------------------------------------------------------


function M.equip(meta, state)
  local member = meta.__index
  function meta.__index(self, key)
    if not is_vip(key) then
      return member(self, key)
    end
    local backends, message = Services.get(state, key)
    if message then
      error(message, 2)
    end
    return backends
  end
  local assign = meta.__newindex
  function meta.__newindex(self, vip, list)
    if not is_vip(vip) then
      return assign(self, vip)
    end
    local ok, message
    if list == nil then
      ok, message = Services.remove(state, vip)
    else
      ok, message = Services.put(state, vip, list)
    end
    if ok == nil then
      error(message, 2)
    end
  end
end

return live.kind(M)

--- Live tables, that is sets and services: what their handles have in common.
--
-- A handle is a userdata, because LuaJIT ignores __len of tables.  Behind it is its state: the
-- declaration, and the gate that runs it.

local library = require "tidegate.ffi"
local literal = require "tidegate.literal"

local M = {}

--- A kind of live table, and the words for it in messages.
---@class tidegate.LiveKind
---@field word "set"|"services" declares one in a policy
---@field plural string
---@field verb "is"|"are"
---@field pronoun "its"|"their"
---@field elements string what it contains: "elements", "services"
---@field methods table<string, function> of handles
---@field properties table<string, true> the fields of info() that handles have too
---@field equip fun(meta: table) adds what only this kind has to the metatable of a handle
---@field declaration fun(spec: any): table|nil, string|nil checks the table of `word "name" { … }`
---@field put fun(state: tidegate.LiveState, object: ffi.cdata*, empty: boolean|nil): integer
--- declares it in a tg_policy
---@field open fun(gate: ffi.cdata*, name: string, slot: ffi.cdata*): integer tg_gate_set() or alike
---@field of_image fun(image: ffi.cdata*, index: integer, info: ffi.cdata*): integer
--- tg_image_set() or alike
---@field info fun(object: ffi.cdata*, info: ffi.cdata*): integer tg_set_info() or alike
---@field info_type string "struct tg_set_info" or alike
---@field held fun(declared: table): integer the number of elements in a declaration

--- The state behind a handle.
---@class tidegate.LiveState
---@field kind tidegate.LiveKind
---@field name string
---@field policy tidegate.Policy|nil may declare it
---@field gate tidegate.Gate|nil its image declares it
---@field declared table|nil the result of kind.declaration()
---@field where string|nil "web.lua:4", where it is declared
---@field object ffi.cdata*|nil the tg_set or tg_services in force
---@field of ffi.cdata*|nil the tg_gate that `object` belongs to

local states = setmetatable({}, { __mode = "k" })

---@param handle tidegate.Set|tidegate.Services
---@return tidegate.LiveState
function M.state(handle)
  return states[handle]
end

--- Whether a value is a handle, and of this kind, if one is given.
---@param value any
---@param kind tidegate.LiveKind|nil
---@return boolean
function M.is(value, kind)
  local state = states[value]
  return state ~= nil and (kind == nil or state.kind == kind)
end

--- `set "banned"`, as in a rule.
---@param handle tidegate.Set|tidegate.Services
---@return string
function M.text(handle)
  local state = states[handle]
  return state.kind.word .. " " .. literal.quote(state.name)
end

-- "@/usr/share/lua/5.1/tidegate/"; "" if the library is stripped: then messages name no place.
local folder = debug.getinfo(1, "S").source:match "^(.*/)" or ""

--- Raise an error about the misuse of a handle, and blame the first line outside the library,
--- whether it calls a method, asks for `#set` or does `svc["VIP"] = …`.
---@param state tidegate.LiveState
---@param message string
function M.fail(state, message)
  local level, caller = 2, debug.getinfo(2, "S")
  while caller and caller.source:sub(1, #folder) == folder do
    level = level + 1
    caller = debug.getinfo(level, "S")
  end
  error(('%s "%s": %s'):format(state.kind.word, state.name, message), level)
end

-- Declaring ----------------------------------------------------------------------------

--- Declare a table: what it contains at first, and its options.
---@param handle tidegate.Set|tidegate.Services
---@param spec table
---@param where string|nil "web.lua:4"
---@return true|nil
---@return string|nil message
function M.declare(handle, spec, where)
  local state = states[handle]
  local kind = state.kind
  local prefix = (where and where .. ": " or "") .. ('%s "%s": '):format(kind.word, state.name)
  if not state.policy then
    return nil, ("%sthe gate comes from an image file, which declares its %s itself")
      :format(prefix, kind.plural)
  elseif state.declared then
    return nil, ("%s%s declared already%s")
      :format(prefix, kind.verb, state.where and " at " .. state.where or "")
  end
  local declared, message = kind.declaration(spec)
  if not declared then
    return nil, prefix .. message
  end
  state.declared, state.where = declared, where
  local ok, problem = state.policy:declare(handle)
  if not ok then
    state.declared = nil
    return nil, problem
  end
  return true
end

---@param handle tidegate.Set|tidegate.Services
---@return boolean
function M.is_declared(handle)
  return states[handle].declared ~= nil
end

--- Take back a declaration; redeclare() restores it.
---@param handle tidegate.Set|tidegate.Services
function M.undeclare(handle)
  local state = states[handle]
  state.declared, state.taken_back = nil, state.declared or state.taken_back
end

---@param handle tidegate.Set|tidegate.Services
function M.redeclare(handle)
  local state = states[handle]
  state.declared = state.declared or state.taken_back
end

--- Declare a table in a tg_policy; with `empty`, without the elements that it has at first.
---@param handle tidegate.Set|tidegate.Services
---@param object ffi.cdata* struct tg_policy
---@param empty boolean|nil
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function M.add_to(handle, object, empty)
  local state = states[handle]
  local result = state.kind.put(state, object, empty)
  if result == 0 then
    return true
  end
  local _, message, errno = library.failure(result)
  return nil, (state.where and state.where .. ": " or "") .. message, errno
end

--- The option `size` of a declaration.
---@param kind tidegate.LiveKind
---@param value any
---@return integer|nil 0: the library chooses
---@return string|nil message
function M.take_size(kind, value)
  if value ~= nil and (type(value) ~= "number" or value < 1 or value % 1 ~= 0) then
    return nil, ("size: wants a whole number of %s, 1 or more; got %s")
      :format(kind.elements, literal.describe(value))
  end
  return value or 0
end

-- In force -----------------------------------------------------------------------------

--- The tg_set or tg_services in force; nil: nothing is in force yet.
---@param state tidegate.LiveState
---@return ffi.cdata*|nil
---@return string|nil message
---@return integer|nil errno
function M.object(state)
  local gate = state.gate or (state.policy and state.policy.gate)
  if gate and gate.closed then
    M.fail(state, state.kind.pronoun .. " gate is closed")
  elseif not gate or not gate.published then
    return nil
  elseif state.of ~= gate.cdata then
    local slot = library.slot(state.kind.word)
    local result = state.kind.open(gate.cdata, state.name, slot)
    if result ~= 0 then
      return library.failure(result)
    end
    state.object, state.of = slot[0], gate.cdata
  end
  return state.object
end

--- The declaration, for the caller to change: before a table is in force, its declaration is all
--- that there is of it.
---@param state tidegate.LiveState
---@return table
function M.stage(state)
  local kind = state.kind
  if not state.declared then
    M.fail(state, ('%s not declared: write %s "%s" { … } first')
      :format(kind.verb, kind.word, state.name))
  end
  state.policy:touch()
  return state.declared
end

--- Raise that the table has to be in force.
---@param state tidegate.LiveState
function M.not_in_force(state)
  M.fail(state, state.kind.verb .. " not in force yet; attach or commit first")
end

--- Facts about a table.
---@param handle tidegate.Set|tidegate.Services
---@return { name: string, count: integer, size: integer, ttl: number|nil, bytes: integer }|nil
---@return string|nil message
---@return integer|nil errno
function M.info(handle)
  local state = states[handle]
  local kind, declared = state.kind, state.declared
  local object, message, errno = M.object(state)
  if message then
    return nil, message, errno
  elseif object == nil then
    return {
      name = state.name, bytes = 0, ttl = declared and declared.ttl and declared.ttl / 1000,
      count = declared and kind.held(declared) or 0, size = declared and declared.size or 0,
    }
  end
  local info = library.sized(kind.info_type)
  local result = kind.info(object, info)
  if result ~= 0 then
    return library.failure(result)
  end
  local ttl = kind.properties.ttl and tonumber(info.ttl_ms) or 0
  return {
    name = state.name, bytes = tonumber(info.bytes), ttl = ttl > 0 and ttl / 1000 or nil,
    count = tonumber(info.count), size = tonumber(info.room),
  }
end

-- Handles ------------------------------------------------------------------------------

--- A property or a method of a handle; nil: it has none by this name.
---@param handle tidegate.Set|tidegate.Services
---@param key any
---@return any
function M.member(handle, key)
  local state = states[handle]
  local kind = state.kind
  if key == "name" then
    return state.name
  elseif kind.properties[key] then
    return assert(M.info(handle))[key]
  end
  return kind.methods[key]
end

local function new_handle(state)
  local handle = newproxy(true)
  local meta = getmetatable(handle)
  states[handle] = state
  meta.__index = M.member
  meta.__len = function(self) return assert(M.info(self)).count end
  meta.__tostring = M.text
  meta.__call = function(self, spec)
    local ok, message = M.declare(self, spec, state.named_at)
    if not ok then
      state.complain(message)
    end
    return self
  end
  meta.__metatable = false
  state.kind.equip(meta)
  return handle
end

--- The handle of a table among the handles of its owner: one for each kind and name.
---@param handles table<tidegate.LiveKind, table<string, tidegate.Set|tidegate.Services>>
---@param kind tidegate.LiveKind
---@param name string
---@param role "policy"|"gate" of the owner: a policy declares the table, a gate's image contains it
---@param owner tidegate.Policy|tidegate.Gate
---@return tidegate.Set|tidegate.Services
function M.handle(handles, kind, name, role, owner)
  local named = handles[kind] or {}
  handles[kind] = named
  named[name] = named[name] or new_handle { kind = kind, name = name, [role] = owner }
  return named[name]
end

--- Note where a handle is named: a call of the handle declares the table there.
---@param handle tidegate.Set|tidegate.Services
---@param where string "web.lua:4"
---@param complain fun(message: string)
---@return tidegate.Set|tidegate.Services
function M.named(handle, where, complain)
  local state = states[handle]
  state.named_at, state.complain = where, complain
  return handle
end

return M

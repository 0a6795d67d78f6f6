--- Live tables, which are sets and services: what their handles have in common.
--
-- A handle is a userdata, since LuaJIT asks tables for no length.  What it
-- stands for is its state: the declaration, and the gate that runs it.

local library = require "tidegate.ffi"
local literal = require "tidegate.literal"

local M = {}

--- One of the two, and how messages speak of it.
---@class tidegate.LiveKind
---@field word "set"|"services" that declares one
---@field plural string
---@field verb "is"|"are"
---@field pronoun "its"|"their"
---@field methods table<string, function> of handles
---@field properties table<string, true> what handles have of what info() tells
---@field equip fun(meta: table) puts what only this kind does into the metatable of a handle
---@field declaration fun(spec: any): table|nil, string|nil what `word "name" { … }` says, checked
---@field put fun(state: tidegate.LiveState, object: ffi.cdata*, empty: boolean|nil): integer into a tg_policy
---@field open fun(gate: ffi.cdata*, name: string, slot: ffi.cdata*): integer tg_gate_set() or its like
---@field of_image fun(image: ffi.cdata*, index: integer, info: ffi.cdata*): integer tg_image_set() or its like
---@field info fun(object: ffi.cdata*, info: ffi.cdata*): integer tg_set_info() or its like
---@field info_type string "struct tg_set_info" or its like
---@field held fun(declared: table): integer how many elements a declaration has

--- What a handle stands for.
---@class tidegate.LiveState
---@field kind tidegate.LiveKind
---@field name string
---@field policy tidegate.Policy|nil that may declare it
---@field gate tidegate.Gate|nil whose image declares it
---@field declared table|nil what kind.declaration() made of it
---@field where string|nil "web.lua:4", where it is declared
---@field object ffi.cdata*|nil what is in force, in the tg_gate `of`

local states = setmetatable({}, { __mode = "k" })

---@param handle tidegate.Set|tidegate.Services
---@return tidegate.LiveState
function M.state(handle)
  return states[handle]
end

--- Whether a value is a handle, of this kind if one is named.
---@param value any
---@param kind tidegate.LiveKind|nil
---@return boolean
function M.is(value, kind)
  local state = states[value]
  return state ~= nil and (kind == nil or state.kind == kind)
end

--- `set "banned"`, as a rule names it.
---@param handle tidegate.Set|tidegate.Services
---@return string
function M.text(handle)
  local state = states[handle]
  return state.kind.word .. " " .. literal.quote(state.name)
end

-- "@/usr/share/lua/5.1/tidegate/"; empty where the library is stripped: then messages tell no place.
local folder = debug.getinfo(1, "S").source:match "^(.*)live_table%.lua$" or ""

--- Raise what was done wrong with a handle, where that was: at the first line
--- that is not the library's, be it of a call, of `#set` or of `svc["VIP"] = …`.
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

-- Declaring ----------------------------------------------------------------------

--- Say what the table holds at first, and the rest that a declaration has.
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
    return nil, ("%sthe gate comes from an image file, which declares its %s itself"):format(prefix, kind.plural)
  elseif state.declared then
    return nil, ("%s%s declared already%s"):format(prefix, kind.verb, state.where and " at " .. state.where or "")
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

--- Take a declaration back; redeclare() makes it again.
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

--- Declare it in a tg_policy; with `empty`, without what it holds at first.
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

-- In force -----------------------------------------------------------------------

--- The tg_set or tg_services in force, or nil where nothing is yet.
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

--- The declaration, to be changed: before it is in force a table is what that says.
---@param state tidegate.LiveState
---@return table
function M.stage(state)
  local kind = state.kind
  if not state.declared then
    M.fail(state, ('%s not declared: write %s "%s" { … } first'):format(kind.verb, kind.word, state.name))
  end
  state.policy:touch()
  return state.declared
end

--- Raise that it has to be in force.
---@param state tidegate.LiveState
function M.not_in_force(state)
  M.fail(state, state.kind.verb .. " not in force yet; attach or commit first")
end

--- What is known of a table.
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
    return { name = state.name, count = declared and kind.held(declared) or 0, size = declared and declared.size or 0,
             ttl = declared and declared.ttl and declared.ttl / 1000, bytes = 0 }
  end
  local info = library.sized(kind.info_type)
  local result = kind.info(object, info)
  if result ~= 0 then
    return library.failure(result)
  end
  local ttl = kind.properties.ttl and tonumber(info.ttl_ms) or 0
  return { name = state.name, count = tonumber(info.count), size = tonumber(info.room),
           ttl = ttl > 0 and ttl / 1000 or nil, bytes = tonumber(info.bytes) }
end

-- Handles ------------------------------------------------------------------------

--- A property or a method of a handle; nil where it has none of the name.
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

--- The handle of a table, one a kind and name, among those that its owner has.
---@param handles table<tidegate.LiveKind, table<string, tidegate.Set|tidegate.Services>>
---@param kind tidegate.LiveKind
---@param name string
---@param role "policy"|"gate" what the owner is: of a policy declare() says what the table is, of a gate its image has
---@param owner tidegate.Policy|tidegate.Gate
---@return tidegate.Set|tidegate.Services
function M.handle(handles, kind, name, role, owner)
  local named = handles[kind] or {}
  handles[kind] = named
  named[name] = named[name] or new_handle { kind = kind, name = name, [role] = owner }
  return named[name]
end

--- The handle, named at a place: a table behind it declares it.
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

--- Live tables, that is sets and services: what their handles have in common.
--
-- Behind a handle is its state: the declaration, and the gate that runs it.

local handles = require "tidegate.handle"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local named_range = require "tidegate.named_range"
local suggest = require "tidegate.suggest"

local M = {}

--- A kind of live table, and the words for it in messages.
---@class tidegate.LiveKind
---@field word "set"|"services" declares one in a policy
---@field plural string
---@field what string|nil "a table of services"; default: the word with its article
---@field verb "is"|"are"
---@field pronoun "its"|"their" of their gate
---@field elements string what it contains: "elements", "services"
---@field methods table<string, function> of handles; they take the state
---@field properties string[] the fields of info() that handles have too
---@field hints table<string, string> what to write instead of another method
---@field change string what to write instead of an assignment
---@field equip fun(meta: table, state: tidegate.LiveState) adds what only this kind has to the
--- metatable of a handle
---@field declaration fun(spec: any): table|nil, string|nil checks the table of `word "name" { … }`
---@field put fun(state: tidegate.LiveState, object: ffi.cdata*, empty: boolean|nil): integer|nil,
--- string|nil, integer|nil declares it in a tg_policy
---@field open fun(gate: ffi.cdata*, name: string, slot: ffi.cdata*): integer
--- tg_gate_find_set() or alike
---@field of_image fun(image: ffi.cdata*, cursor: ffi.cdata*, info: ffi.cdata*): integer
--- tg_image_set_next() or alike
---@field info fun(object: ffi.cdata*, info: ffi.cdata*): integer tg_set_info() or alike
---@field info_type string "struct tg_set_info" or alike
---@field held fun(declared: table): integer the number of elements in a declaration
---@field ttl (fun(info: ffi.cdata*|nil, declared: table|nil): number)|nil in seconds
---@field refused (fun(info: ffi.cdata*|nil): integer)|nil elements that there was no room for
---@field class tidegate.HandleClass of its handles

--- The state behind a handle.
---@class tidegate.LiveState
---@field kind tidegate.LiveKind
---@field name string
---@field policy tidegate.Policy|nil may declare it
---@field gate tidegate.Gate|nil its image declares it
---@field declared table|nil the result of kind.declaration()
---@field where string|nil "web.lua:4", where it is declared
---@field handle tidegate.Set|tidegate.Services
---@field guest tidegate.Set|tidegate.Services|nil the handle that its policy has
---@field object ffi.cdata*|nil the tg_set or tg_services in force
---@field of ffi.cdata*|nil the tg_gate that `object` belongs to
---@field changes integer|nil how often its elements in force were changed

local kinds = {}

--- The state of a handle of any kind; nil: the value is no handle of a live table.
local function state_of(value)
  for _, kind in ipairs(kinds) do
    local state = handles.state(value, kind.class)
    if state then
      return state
    end
  end
end

--- Whether a value is a handle, and of this kind, if one is given.
---@param value any
---@param kind tidegate.LiveKind|nil
---@return boolean
function M.is(value, kind)
  local state = state_of(value)
  return state ~= nil and (kind == nil or state.kind == kind)
end

local function title(state)
  return state.kind.word .. " " .. literal.quote(state.name)
end

--- `set "banned"`, as in a rule.
---@param handle tidegate.Set|tidegate.Services
---@return string
function M.text(handle)
  return title(state_of(handle))
end

--- Why nothing can be asked of a table, or changed, any more; nil: its gate is not closed.
local function gone(state)
  local gate = state.gate or (state.policy and state.policy.gate)
  return gate and gate.closed
    and ("%s: %s gate is closed"):format(title(state), state.kind.pronoun) or nil
end

local function not_declared(word, verb, name, names)
  local hint = suggest.hint(name, names)
  return ('%s "%s": %s not declared%s'):format(word, name, verb,
    hint ~= "" and hint or (': write %s "%s" { … } first'):format(word, name))
end

--- What to say of "@name" in a list if no table of this name is declared.
---@param name string
---@param tables (tidegate.Set|tidegate.Services)[] that are declared
---@return string
function M.unknown(name, tables)
  local names = {}
  for position, handle in ipairs(tables) do
    names[position] = handle.name
  end
  local range = named_range.hint(name)
  if range ~= "" and not suggest.nearest(name, names) then
    return ('"@%s": is neither a built-in range nor a set%s'):format(name, range)
  end
  return not_declared("set", "is", name, names)
end

--- The names of the tables of one kind that a gate or a policy has.
local function known_names(state)
  if not state.policy then
    return state.gate.fixed:table_names(state.kind)
  end
  local names = {}
  for position, handle in ipairs(state.policy:declared(state.kind)) do
    names[position] = handle.name
  end
  return names
end

--- What is wrong with a table if it is not declared.
local function undeclared(state)
  local names = known_names(state)
  for _, name in ipairs(names) do
    if name == state.name then
      return nil
    end
  end
  local other = state.policy and state.policy.tables[state.name]
  if other then
    local kind = state_of(other).kind
    return ('%s: this is %s: write %s "%s"'):format(title(state), kind.what or "a " .. kind.word,
      kind.word, state.name)
  end
  return not_declared(state.kind.word, state.kind.verb, state.name, names)
end

--- What is wrong with a handle whose table is not declared; nil: it is.
---@param handle tidegate.Set|tidegate.Services
---@return string|nil
function M.undeclared(handle)
  return undeclared(state_of(handle))
end

-- "@/usr/share/lua/5.1/tidegate/"; "" if the library is stripped: then messages name no place.
local folder = debug.getinfo(1, "S").source:match "^(.*/)" or ""

--- Raise an error, and blame the first line outside the library, whether it calls a method, asks
--- for `#set` or does `svc["VIP"] = …`.
local function blame(message)
  local level, caller = 2, debug.getinfo(2, "S")
  while caller and caller.source:sub(1, #folder) == folder do
    level = level + 1
    caller = debug.getinfo(level, "S")
  end
  error(message, level)
end

--- Raise an error about the misuse of a handle.
---@param state tidegate.LiveState
---@param message string
function M.fail(state, message)
  blame(('%s "%s": %s'):format(state.kind.word, state.name, message))
end

-- Declaring ----------------------------------------------------------------------------

--- Declare a table: what it contains at first, and its options.
---@param handle tidegate.Set|tidegate.Services
---@param spec table
---@param where string|nil "web.lua:4"
---@return true|nil
---@return string|nil message
function M.declare(handle, spec, where)
  local state = state_of(handle)
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
  local ok, problem = state.policy:declare(state.handle)
  if not ok then
    state.declared = nil
    return nil, problem
  end
  return true
end

--- Take back a declaration; redeclare() restores it.
---@param handle tidegate.Set|tidegate.Services
function M.undeclare(handle)
  local state = state_of(handle)
  state.declared, state.taken_back = nil, state.declared or state.taken_back
end

---@param handle tidegate.Set|tidegate.Services
function M.redeclare(handle)
  local state = state_of(handle)
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
  local state = state_of(handle)
  local result, message, errno = state.kind.put(state, object, empty)
  if result == 0 then
    return true
  elseif result then
    message, errno = select(2, library.failure(result))
  end
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

--- The option `readonly` of a declaration.
---@param value any
---@return boolean
---@return string|nil message
function M.take_readonly(value)
  if value ~= nil and type(value) ~= "boolean" then
    return false, ("readonly: wants true or false; got %s"):format(literal.describe(value))
  end
  return value or false
end

-- In force -----------------------------------------------------------------------------

--- Raise if a table is not declared: a mistyped name must not be an empty table.
local function check_declared(state)
  local problem = undeclared(state)
  if problem then
    blame(problem)
  end
end

--- The tg_set or tg_services in force; nil: nothing is in force yet.  Raises if the table is not
--- declared.
---@param state tidegate.LiveState
---@return ffi.cdata*|nil
---@return string|nil message
---@return integer|nil errno
function M.object(state)
  local gate, why = state.gate or (state.policy and state.policy.gate), gone(state)
  if why then
    blame(why)
  elseif not gate or not gate.published then
    check_declared(state)
    return nil
  elseif state.of ~= gate.cdata then
    local slot = library.slot(state.kind.word)
    local result = state.kind.open(gate.cdata, state.name, slot)
    if result ~= 0 then
      local _, message, errno = library.failure(result)
      check_declared(state)
      return nil, message, errno
    end
    state.object, state.of = slot[0], gate.cdata
  end
  return state.object
end

--- Note that elements in force are about to be changed through this handle.
---@param state tidegate.LiveState
function M.note_change(state)
  state.changes = (state.changes or 0) + 1
end

--- How often elements in force were changed through this handle.
---@param handle tidegate.Set|tidegate.Services
---@return integer
function M.changes(handle)
  return state_of(handle).changes or 0
end

--- Whether the library accepts other contents of a declaration: before a table is in force, its
--- declaration is all that there is of it.
---@param state tidegate.LiveState
---@param field string of the declaration
---@param contents table
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function M.try(state, field, contents)
  local declared, where = state.declared, state.where
  state.declared, state.where = setmetatable({ [field] = contents }, { __index = declared }), nil
  local ok, message, errno = state.policy:try_table(state.handle)
  state.declared, state.where = declared, where
  return ok, message, errno
end

--- Note that a declaration has changed.
---@param state tidegate.LiveState
function M.touch(state)
  state.policy:touch()
end

--- Raise that the table has to be in force.
---@param state tidegate.LiveState
function M.not_in_force(state)
  M.fail(state, state.kind.verb .. " not in force yet; attach or commit first")
end

--- The tg_set or tg_services in force, for a walk.  Raises if there is none.
---@param state tidegate.LiveState
---@return ffi.cdata*
function M.in_force(state)
  local object, message = M.object(state)
  if message then
    blame(message)
  end
  return object or M.not_in_force(state)
end

--- Whether a walk has found one more.  Raises if it failed.
---@param result integer 1, 0 or -errno
---@return boolean
function M.found(result)
  if result < 0 then
    blame((select(2, library.failure(result))))
  end
  return result == 1
end

--- Facts about a table: the method info() of handles.
---@param state tidegate.LiveState
---@return { name: string, count: integer, size: integer, ttl: number|nil, bytes: integer,
--- readonly: boolean, refused: integer|nil }|nil
---@return string|nil message
---@return integer|nil errno
function M.info(state)
  local kind, declared = state.kind, state.declared
  local object, message, errno = M.object(state)
  if message then
    return nil, message, errno
  elseif object == nil then
    return {
      name = state.name, bytes = 0, ttl = kind.ttl and kind.ttl(nil, declared),
      count = declared and kind.held(declared) or 0, size = declared and declared.size or 0,
      readonly = declared and declared.readonly or false,
      refused = kind.refused and kind.refused(nil),
    }
  end
  local info = library.sized(kind.info_type)
  local result = kind.info(object, info)
  if result ~= 0 then
    return library.failure(result)
  end
  return {
    name = state.name, bytes = tonumber(info.bytes), ttl = kind.ttl and kind.ttl(info),
    count = tonumber(info.count), size = tonumber(info.capacity),
    readonly = bit.band(info.flags, library.C.TG_TABLE_READONLY) ~= 0,
    refused = kind.refused and kind.refused(info),
  }
end

-- Handles ------------------------------------------------------------------------------

--- "3 elements", "1 element"
local function counted(state, number)
  local word = state.kind.elements
  return ("%d %s"):format(number, number == 1 and word:sub(1, -2) or word)
end

--- `set "banned": 3 of 65536 elements`, without a failure.
local function describe(state)
  local problem = gone(state) or undeclared(state)
  local info = not problem and M.info(state)
  if not info then
    return problem or title(state)
  elseif info.bytes == 0 then
    return ("%s: %s, not in force yet"):format(title(state), counted(state, info.count))
  end
  return ("%s: %d of %d %s"):format(title(state), info.count, info.size, state.kind.elements)
end

local function count(state)
  local info, message = M.info(state)
  if not info then
    blame(message)
  end
  return info.count
end

local function property(name)
  return function(state)
    local info, message = M.info(state)
    if not info then
      blame(message)
    end
    return info[name]
  end
end

--- Prepare a kind: make the class of its handles.
---@param kind tidegate.LiveKind
---@return tidegate.LiveKind
function M.kind(kind)
  local fields = { name = function(state) return state.name end }
  for _, name in ipairs(kind.properties) do
    fields[name] = property(name)
  end
  kind.class = handles.class {
    noun = kind.word, what = kind.what, fields = fields, methods = kind.methods,
    hints = kind.hints, change = kind.change, text = describe, count = count, gone = gone,
  }
  kinds[#kinds + 1] = kind
  return kind
end

--- A handle; with `load`, that is what its method of this name does.
local function new_handle(state, load)
  local handle = handles.new(state.kind.class, state)
  local meta = debug.getmetatable(handle)
  if load then
    local index = meta.__index
    function meta.__index(self, key)
      local member = index(self, key)
      return key == "load" and member and load(member) or member
    end
  end
  function meta.__call(self, spec)
    local why = gone(state)
    if why then
      error(why, 2)
    end
    local ok, message = M.declare(self, spec, state.named_at)
    if not ok then
      state.complain(message)
      -- The policy fails: that its rules name a table without contents is no second mistake.
      M.declare(self, {}, state.named_at)
    end
    return self
  end
  state.kind.equip(meta, state)
  return handle
end

--- The handle of a table among the handles of its owner: one for each kind and name.
---@param owned table<tidegate.LiveKind, table<string, tidegate.Set|tidegate.Services>>
---@param kind tidegate.LiveKind
---@param name string
---@param role "policy"|"gate" of the owner: a policy declares the table, a gate's image contains it
---@param owner tidegate.Policy|tidegate.Gate
---@return tidegate.Set|tidegate.Services
function M.handle(owned, kind, name, role, owner)
  local named = owned[kind] or {}
  owned[kind] = named
  if not named[name] then
    local state = { kind = kind, name = name, [role] = owner }
    state.handle = new_handle(state)
    named[name] = state.handle
  end
  return named[name]
end

--- The handle that a policy has of a table.  Its method load() reads the file that `file` makes of
--- a path.
---@param handle tidegate.Set|tidegate.Services
---@param file fun(path: string): tidegate.File
---@return tidegate.Set|tidegate.Services
function M.guest(handle, file)
  local state = state_of(handle)
  state.guest = state.guest or new_handle(state, function(load)
    return function(self, path, options)
      return load(self, type(path) == "string" and file(path) or path, options)
    end
  end)
  return state.guest
end

--- Note where a handle is named: a call of the handle declares the table there.
---@param handle tidegate.Set|tidegate.Services
---@param where string "web.lua:4"
---@param complain fun(message: string)
---@return tidegate.Set|tidegate.Services
function M.named(handle, where, complain)
  local state = state_of(handle)
  state.named_at, state.complain = where, complain
  return handle
end

return M

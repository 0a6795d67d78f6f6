--- Handles: what users hold of gates, rules, images and timers.
--
-- A handle has no fields of its own.  Its state lies behind it, so an assignment is an error, and
-- completion finds only what is public.  A handle is a userdata, because in LuaJIT a table has no
-- __len.  The state is kept in the handle's own metatable: a weak table would never let go of a
-- state that refers to its handle, as a handler does that uses its gate.

local literal = require "tidegate.literal"
local suggest = require "tidegate.suggest"

local M = {}

local metatable_of = debug.getmetatable

--- A kind of handle.
---@class tidegate.HandleClass
---@field noun string "gate"
---@field what string|nil "a gate"; default: the noun with its article
---@field fields table<string, fun(state: table): any> computed when they are read
---@field methods table<string, function> of the state, by their public names
---@field hints table<string, string>|nil what to write instead of an old or a foreign word
---@field assign table<string, string>|nil what to write instead of an assignment, by field
---@field change string what to write instead of any other assignment
---@field gone (fun(state: table): string|nil)|nil why its methods cannot be called any more
---@field always table<string, true>|nil the methods that can be called all the same
---@field text fun(state: table): string
---@field count (fun(state: table): integer)|nil

--- The state behind a handle; nil: the value is no handle of this class.
---@param value any
---@param class tidegate.HandleClass
---@return table|nil
function M.state(value, class)
  local meta = type(value) == "userdata" and metatable_of(value)
  return meta and meta.class == class and meta.state or nil
end

--- A public method: it takes a handle, and calls the method of its state.  The tail call keeps the
--- caller of the handle's method one level above the method, for messages about misuse.
local function public(class, name, method)
  local lasts = not class.gone or class.always and class.always[name]
  return function(self, ...)
    local state = M.state(self, class)
    if not state then
      error(("%s: call it with a colon, as in %s:%s()"):format(name, class.noun, name), 2)
    end
    local gone = not lasts and class.gone(state)
    if gone then
      error(gone, 2)
    end
    return method(state, ...)
  end
end

--- Prepare a class: its methods take handles from then on.
---@param class tidegate.HandleClass
---@return tidegate.HandleClass
function M.class(class)
  local names, methods, method_names = {}, {}, {}
  for name, method in pairs(class.methods) do
    methods[name], names[#names + 1] = public(class, name, method), name
    method_names[#method_names + 1] = name
  end
  for name in pairs(class.fields) do
    names[#names + 1] = name
  end
  table.sort(names)
  class.names, class.method_names = names, method_names
  local fields, what = class.fields, class.what or literal.a(class.noun)

  function class.index(self, key)
    local field = fields[key]
    if field then
      return field(metatable_of(self).state)
    end
    return methods[key] or suggest.member(what, key, names, class.hints)
  end

  function class.newindex(_, key)
    error(("%s.%s cannot be assigned to; %s")
      :format(class.noun, tostring(key), class.assign and class.assign[key] or class.change), 2)
  end

  function class.tostring(self)
    return class.text(metatable_of(self).state)
  end

  function class.len(self)
    local state = metatable_of(self).state
    local gone = class.gone and class.gone(state)
    if gone then
      error(gone, 2)
    end
    return class.count(state)
  end
  return class
end

--- A new handle.
---@param class tidegate.HandleClass
---@param state table
---@return userdata
function M.new(class, state)
  local handle = newproxy(true)
  local meta = metatable_of(handle)
  meta.class, meta.state, meta.noun = class, state, class.noun
  meta.__index, meta.__newindex, meta.__tostring = class.index, class.newindex, class.tostring
  meta.__len = class.count and class.len
  meta.__metatable = false
  return handle
end

--- The class of a handle; nil: the value is no handle.
---@param value any
---@return tidegate.HandleClass|nil
function M.class_of(value)
  local meta = type(value) == "userdata" and metatable_of(value)
  return meta and meta.class or nil
end

--- The names of the fields and methods of a handle; nil: the value is no handle.
---@param value any
---@return string[]|nil
function M.names(value)
  local class = M.class_of(value)
  return class and class.names
end

return M

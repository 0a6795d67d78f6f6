--- The part of Lua's library that a policy may use.
--
-- All tables are copies, so that a policy cannot change what the host uses.  What reaches beyond
-- the policy (files, programs, the environment) is there only if the caller trusts the policy.

local meant = require "tidegate.meant"
local trust = require "tidegate.trust"
local word_set = require "tidegate.word_set"

local M = {}

--- The print() of policies, to standard error: standard output belongs to the host. A host may have
--- another.
function M.print(...)
  local parts = {}
  for index = 1, select("#", ...) do
    parts[index] = tostring((select(index, ...)))
  end
  io.stderr:write(table.concat(parts, "\t"), "\n")
end

--- The functions of a library, all or those that are named.
local function copy(library, names)
  local copied = {}
  for name, value in pairs(library) do
    copied[name] = (not names or names[name]) and value or nil
  end
  return copied
end

-- What a policy without trust has.  math.randomseed() is not in it, because the host has the same
-- random numbers; os.getenv() is not, because a variable may be a secret, and a policy can tell it
-- to a name server.
local base = word_set [[assert error ipairs next pairs pcall select tonumber tostring type
  unpack xpcall rawequal rawget rawset _VERSION]]
local of_os = word_set "clock date difftime time"
local of_math = copy(math)
of_math.randomseed = nil

--- Let a library say why it has not all its functions.
local function explain(copied, name, library, meta)
  function meta.__index(_, key)
    if library[key] ~= nil then
      error(("%s.%s is not for every policy; %s"):format(name, key, trust.ASK), 2)
    end
  end
  meta.__metatable = false
  return setmetatable(copied, meta)
end

--- getmetatable() and setmetatable() for the tables of a policy alone: the metatable of strings,
--- and those of tables that the host made, belong to the host.
local function metatables()
  local own = setmetatable({}, { __mode = "k" })
  local function get(value)
    if own[value] then
      return getmetatable(value)
    end
    return getmetatable(value) ~= nil and false or nil
  end
  local function set(value, meta)
    if type(value) == "table" and not own[value] and getmetatable(value) ~= nil then
      error("cannot change a protected metatable", 2)
    end
    setmetatable(value, meta)
    own[value] = true
    return value
  end
  return get, set
end

--- The names of a new environment and their values.
---@param trusted boolean|nil
---@return table<string, any>
function M.new(trusted)
  local words = copy(_G, base)
  words.print = M.print
  words.getmetatable, words.setmetatable = metatables()
  words.string, words.coroutine, words.bit = copy(string), copy(coroutine), copy(require "bit")
  words.table = setmetatable(copy(table), { __metatable = false, __call = function()
    error("table is a library of Lua; " .. meant.names.table, 2)
  end })
  if trusted then
    words.math, words.os, words.io = copy(math), copy(os), copy(io)
  else
    words.math = explain(copy(of_math), "math", math, {})
    words.os = explain(copy(os, of_os), "os", os, {})
  end
  return words
end

return M

--- The names at the prompt: the policy language, the prompt's own words, and the user's variables.

local help = require "tidegate.repl.help"
local language = require "tidegate.language"
local meant = require "tidegate.repl.meant"
local other_tools = require "tidegate.meant"
local schema = require "tidegate.schema"
local show = require "tidegate.repl.show"
local suggest = require "tidegate.suggest"
local vocabulary = require "tidegate.repl.vocabulary"
local where = require "tidegate.where"

local M = {}

--- The sorted keys of several tables, for hints and completion.
local function names_of(...)
  local names = {}
  for _, part in ipairs { ... } do
    for name in pairs(part) do
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

---@class tidegate.Environment
---@field globals table<string, any> what the user has assigned, and _
---@field words table<string, any>
---@field table table the environment of a chunk

--- A collector of errors that raises each one at once, so that a script does not go on without
--- the rule.
local raise = { add = function(_, message) error(message, 0) end }

---@param session tidegate.Session
---@return tidegate.Environment
function M.new(session)
  local source = session.source
  local staged = setmetatable({}, { __newindex = function(_, _, entry)
    session.handlers[#session.handlers + 1] = entry
  end })
  -- What is typed is the caller's own.
  local place = { path = source, folder = "", trusted = true }
  local known = language.words(place, session.policy, staged, raise)
  for name, word in pairs(vocabulary.new(session, known)) do
    known[name] = word
  end
  local globals = {}
  local self = { globals = globals, words = known }

  function self.names()
    return names_of(known, globals)
  end

  --- A value as it is printed: a word of the language as its page of help.
  function self.show(value)
    if type(value) == "function" then
      for name, word in pairs(known) do
        if rawequal(word, value) and help.words[name] then
          return name == "help" and help.overview() or tostring(help.page(name))
        end
      end
    end
    return show.value(value)
  end

  self.table = setmetatable({}, {
    __index = function(_, name)
      local value = globals[name]
      if value == nil then
        value = known[name]
      end
      -- The value of a field's name is its page of help, so that help(egress) works.
      if value == nil and type(name) == "string" and schema.fields[name] then
        value = help.page(name)
      end
      if value == nil and name ~= "_" then
        local declared = session.policy.tables[name]
        local hint = declared and ("; write %s"):format(tostring(declared):match "^[^:]*")
          or meant.names[name] and "; " .. meant.names[name]
          or suggest.hint(name, self.names(), other_tools.names)
        error(("%s: unknown name %q%s"):format(where.at(2, source), tostring(name), hint), 0)
      end
      return value
    end,
    __newindex = function(_, name, value)
      if known[name] ~= nil then
        error(("%s: %q is a word of the language; choose another name")
          :format(where.at(2, source), tostring(name)), 0)
      end
      globals[name] = value
    end,
    __metatable = false,
  })
  -- There is no folder whose modules go with what is typed.
  language.add_require({ path = source, trusted = true }, known, self.table)
  return self
end

return M

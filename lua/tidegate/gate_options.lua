--- What a new gate may be given: the options of tidegate.load() and its like.

local literal = require "tidegate.literal"
local suggest = require "tidegate.suggest"

local M = {}

local EOPNOTSUPP = 95

--- What a new gate may be given.
---@class tidegate.GateOptions
---@field share? string a name in this process: the Lua states that give it have one gate.  What a
--- later one publishes replaces what is in force, without a moment in which nothing is enforced.
--- The gate ends with the last state that holds it.  Processes that are forked from this one take
--- turns at its timers: what one has called, another does not call again
---@field ring_bytes? integer the size of the event ring, a power of two of whole pages (default:
--- 1 MiB); a shared gate keeps the ring that it has
---@field trust? boolean true: the policy may use files, programs and every module of this process.
--- Default: only the language, Lua's own functions, and files in its folder
---@field pin? string not supported yet

local function number_of(name, value)
  if type(value) ~= "number" or value % 1 ~= 0 or value < 0 or value >= 2 ^ 32 then
    return ("%s: wants a number of bytes, such as 2^20; got %s")
      :format(name, literal.describe(value))
  end
end

local function name_of(name, value)
  if not literal.is_text(value) or value == "" then
    return ("%s: wants a name; got %s"):format(name, literal.describe(value))
  end
end

--- Each function says what is wrong with a value, with an errno if it is no misuse.
local checks = {
  share = name_of,
  ring_bytes = number_of,
  pin = function(name, value)
    local wrong = name_of(name, value)
    if wrong then
      return wrong
    end
    return "pin: pinned gates are not supported yet; leave it out, and keep the process that holds "
      .. "the gate running", EOPNOTSUPP
  end,
  trust = function(_, value)
    if type(value) ~= "boolean" then
      return ("trust: wants true or false; got %s"):format(literal.describe(value))
    end
  end,
}

--- Their names, for messages.
M.names = { "pin", "ring_bytes", "share", "trust" }

--- What is wrong with an option, or nil.
---@param key any
---@param value any
---@param names string[] of all options that may be meant
---@param meant table<string, string>|nil what to write instead, by word: see meant.lua
---@return string|nil
---@return integer|nil errno nil: it is misuse
function M.wrong(key, value, names, meant)
  local check = checks[key]
  if check then
    return check(key, value)
  end
  return suggest.option(key, value, names, meant)
end

--- Check options.  Raises if they are misused, and blames the caller's caller.
---@param given tidegate.GateOptions|nil
---@param verb string "load"
---@return tidegate.GateOptions|nil
---@return string|nil message
---@return integer|nil errno
function M.check(given, verb)
  if given == nil then
    return {}
  elseif type(given) ~= "table" then
    error(('%s: wants options such as { share = "nginx" }; got %s')
      :format(verb, literal.describe(given)), 3)
  end
  for key, value in pairs(given) do
    local wrong, errno = M.wrong(key, value, M.names)
    if errno then
      return nil, verb .. ": " .. wrong, errno
    elseif wrong then
      error(verb .. ": " .. wrong, 3)
    end
  end
  return given
end

return M

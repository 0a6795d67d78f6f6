--- The values of effects and of policy { … }: from what a policy file gives to plain data, and
--- from there to Lua source and to the texts that the library takes.
--
-- A row of the schema says what it takes.  The lists of operations and conditions are list.lua's.

local backend = require "tidegate.backend"
local duration = require "tidegate.duration"
local literal = require "tidegate.literal"
local meant = require "tidegate.meant"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"
local version = require "tidegate.version"

local M = {}

--- `; write "deny"` for the word of another tool, or "".
local function hint(row, value)
  local words = meant.values[row.name]
  local said = words and suggest.meant(value, words)
  if said then
    return "; " .. said
  elseif row.takes == "target" and type(value) == "number" and value % 1 == 0 and value > 0
    and value < 65536 then
    return ('; for a port write "*:%d"'):format(value)
  elseif row.takes == "target" and type(value) == "table" then
    return "; rewrite has one, as a text; balance has several"
  end
  return ""
end

local function wrong(row, value)
  return nil, ("%s: wants %s; got %s%s")
    :format(row.name, row.wants, literal.describe(value), hint(row, value))
end

local function is_verdict(value)
  return value == "allow" or value == "deny"
end

-- Checking -----------------------------------------------------------------------------

local take = {}

function take.text(row, value)
  if not literal.is_text(value) or hint(row, value) ~= "" then
    return wrong(row, value)
  end
  return value
end

--- One target; for balance, a list of backends.
function take.target(row, value, verb)
  if verb ~= "balance" then
    return take.text(row, value)
  end
  local backends, message = backend.take(value)
  if not backends then
    return nil, row.name .. ": " .. message
  end
  return backends
end

function take.errno(row, value)
  if type(value) == "number" and value % 1 == 0 and value >= 0 and value < 2 ^ 31 then
    return ("%d"):format(value)
  end
  return take.text(row, value)
end

function take.flag(row, value)
  if type(value) ~= "boolean" then
    return wrong(row, value)
  end
  return value
end

function take.version(row, value)
  if not version.is(value) then
    return wrong(row, value)
  end
  local message = version.too_old(value)
  if message then
    return nil, message
  end
  return value
end

--- One of the values that the row lists.
function take.choice(row, value)
  for _, choice in ipairs(row.values) do
    if value == choice then
      return value
    end
  end
  return wrong(row, value)
end

function take.duration(row, value)
  local ms, message = duration.parse(value)
  if not ms then
    return nil, ("%s: %s"):format(row.name, message)
  end
  return ms
end

function take.log(row, value)
  if type(value) == "boolean" then
    return tostring(value)
  end
  return take.text(row, value)
end

--- The verdicts by operation.
function take.verdicts(row, value)
  if is_verdict(value) then
    return { egress = value, bind = value }
  elseif type(value) ~= "table" then
    return wrong(row, value)
  end
  local verdicts = {}
  for op, verdict in pairs(value) do
    local operation = schema.fields[op]
    if not operation or operation.kind ~= "what" then
      return nil, ("%s: %s is no operation%s"):format(row.name, literal.describe(op),
        suggest.hint(op, schema.op_names, meant.conditions))
    elseif not is_verdict(verdict) then
      return nil, ('%s: %s wants "allow" or "deny"; got %s%s')
        :format(row.name, op, literal.describe(verdict), hint(row, verdict))
    elseif verdict == "deny" and operation.reports then
      return nil, ("%s: %s cannot be denied: the kernel lets its hook only change what is reported")
        :format(row.name, op)
    end
    verdicts[op] = verdict
  end
  return verdicts
end

local lua_types = { flag = "boolean", number = "number", text = "string" }

--- Socket options, in the order of the schema: { { name, value }, … }.
function take.options(row, value)
  if type(value) ~= "table" then
    return wrong(row, value)
  end
  for key in pairs(value) do
    if type(key) ~= "string" or not schema.options_of_sockets[key] then
      return nil, ("%s: %s")
        :format(row.name,
          suggest.unknown("option", key, schema.socket_option_names, meant.sockopts))
    end
  end
  local taken = {}
  for _, option in ipairs(schema.options_of_sockets) do
    local given = value[option.name]
    if given ~= nil then
      if type(given) ~= lua_types[option.takes] or tostring(given):find "[%s%z]" then
        return nil, ("%s: %s: wants a %s; got %s")
          :format(row.name, option.name, option.takes, literal.describe(given))
      end
      taken[#taken + 1] = { option.name, given }
    end
  end
  return taken
end

--- Check a value.
---@param row tidegate.Word that it is for
---@param value any
---@param verb string|nil of the rule
---@return any plain data, or nil
---@return string|nil message
function M.take(row, value, verb)
  return take[row.takes](row, value, verb)
end

-- Out ----------------------------------------------------------------------------------

--- Socket options as struct tg_rule holds them: "mark=16 keepalive=1".
---@param options table
---@return string
function M.options_text(options)
  local words = {}
  for index, pair in ipairs(options) do
    local value = pair[2]
    words[index] = pair[1] .. "=" .. tostring(value == true and 1 or value == false and 0 or value)
  end
  return table.concat(words, " ")
end

local function options_literal(options)
  local words = {}
  for index, pair in ipairs(options) do
    local value = type(pair[2]) == "string" and literal.quote(pair[2]) or tostring(pair[2])
    words[index] = pair[1] .. " = " .. value
  end
  return "{ " .. table.concat(words, ", ") .. " }"
end

--- A checked value of an effect as Lua source.
---@param row tidegate.Word
---@param value any
---@return string
function M.text(row, value)
  if row.takes == "flag" or (row.takes == "log" and (value == "true" or value == "false")) then
    return tostring(value)
  elseif row.takes == "options" then
    return options_literal(value)
  elseif row.takes == "duration" then
    return literal.quote(duration.text(value))
  elseif type(value) == "table" then
    return backend.text(value)
  end
  return literal.quote(value)
end

return M

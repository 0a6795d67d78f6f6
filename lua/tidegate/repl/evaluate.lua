--- Compile what is typed: an expression, a statement, or the beginning of one.

local meant = require "tidegate.repl.meant"
local statements = require "tidegate.repl.statements"
local syntax = require "tidegate.syntax"
local where = require "tidegate.where"

local M = {}

--- Whether a message of the compiler says that the input goes on.
local function is_incomplete(message)
  return message:find "near '<eof>'$" ~= nil
end

--- Statements whose last one is a bare value, such as `x = 1; x`, as statements that return it;
--- nil: the last one is none.
local function with_last_value(text)
  local found = statements.split(text)
  local last = #found > 1 and found[#found]
  if last and load("return " .. text:sub(last.first)) then
    return text:sub(1, last.first - 1) .. "return nil, " .. text:sub(last.first)
  end
end

--- A nil, and what a chunk returns.
local function values_of(chunk)
  return nil, chunk()
end
where.stop_at(values_of)

--- Compile an input. The function returns nil, followed by the values of an expression, or by what
--- the input returns. The nil prevents a tail call, which would hide the line number from the
--- rules.
---@param text string
---@param source string the name of the input in messages
---@param line integer the number of its first line
---@param environment table
---@return function|nil
---@return string|nil message nil without a function: the input is incomplete
function M.compile(text, source, line, environment)
  if text:byte(1) == 27 then
    return nil, "compiled Lua is not accepted; type its source"
  end
  local path = meant.path(text)
  if path then
    return nil, ("%s:%d: %s"):format(source, line, path)
  end
  local name, lead = "@" .. source, ("\n"):rep(line - 1)
  -- `= x` is what Lua's own prompt takes.
  local expression = text:gsub("^%s*return%f[^%w_]", "", 1):gsub("^%s*=%s*%f[^%s=]", "", 1)
  local chunk, as_expression = load(lead .. "return nil, " .. expression, name, "t", environment)
  if chunk then
    return chunk
  end
  local as_statement
  chunk, as_statement = load(lead .. text, name, "t", environment)
  if chunk then
    return function() return values_of(chunk) end
  elseif is_incomplete(as_expression) or is_incomplete(as_statement) then
    local ends_in_value = with_last_value(text)
    return ends_in_value and load(lead .. ends_in_value, name, "t", environment) or nil
  end
  return nil, as_statement .. syntax.hint(as_statement, text, line, meant.line)
end

--- A message as the prompt shows it. The user sees the input, so its name and line are left out;
--- if the input has several lines, "line N: " replaces them.
---@param message any
---@param source string
---@param first integer the number of the input's first line
---@param last integer the number of its last line
---@return string
function M.complaint(message, source, first, last)
  local text = tostring(message)
  local prefix = source:gsub("%p", "%%%0") .. ":(%d+): "
  return (("\n" .. text):gsub("\n" .. prefix, function(number)
    return first == last and "\n" or ("\nline %d: "):format(number - first + 1)
  end):sub(2))
end

return M

--- From what is typed to a function: an expression, a statement, or the
--- beginning of one.

local M = {}

--- Whether a message of the compiler says that there is more to come.
local function is_incomplete(message)
  return message:find "near '<eof>'$" ~= nil
end

--- Compile an input.  The function returns nil and then the values of an
--- expression, without a tail call: rules tell their line.
---@param text string
---@param source string names it in messages
---@param line integer of its first line
---@param environment table
---@return function|nil
---@return string|nil message nil also here: the input is incomplete
function M.compile(text, source, line, environment)
  if text:byte(1) == 27 then
    return nil, "compiled Lua is not taken; type its source"
  end
  local name, lead = "@" .. source, ("\n"):rep(line - 1)
  local chunk, as_expression = load(lead .. "return nil, " .. text, name, "t", environment)
  if chunk then
    return chunk
  end
  local as_statement
  chunk, as_statement = load(lead .. text, name, "t", environment)
  if chunk then
    return chunk
  elseif is_incomplete(as_expression) or is_incomplete(as_statement) then
    return nil
  end
  return nil, as_statement
end

--- A message as the prompt shows it: where it was typed is in view, but for the
--- line of several.
---@param message any
---@param source string
---@param first integer line of the input
---@param last integer
---@return string
function M.complaint(message, source, first, last)
  local text = tostring(message)
  local prefix = source:gsub("%p", "%%%0") .. ":(%d+): "
  return (("\n" .. text):gsub("\n" .. prefix, function(number)
    return first == last and "\n" or ("\nline %d: "):format(number - first + 1)
  end):sub(2))
end

return M

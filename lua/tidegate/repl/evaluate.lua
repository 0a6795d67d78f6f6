--- Compile what is typed: an expression, a statement, or the beginning of one.

local M = {}

--- Whether a message of the compiler says that the input goes on.
local function is_incomplete(message)
  return message:find "near '<eof>'$" ~= nil
end

--- Compile an input. The function returns nil, followed by the values if the input is an
--- expression. The nil prevents a tail call, which would hide the line number from the rules.
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

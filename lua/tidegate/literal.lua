--- Lua values as Lua source, on one line.

local M = {}

local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }

--- A string as a Lua literal without a line break.
---@param text string
---@return string
function M.quote(text)
  return '"' .. text:gsub('[%c"\\\127]', function(char)
    return escapes[char] or ("\\%03d"):format(char:byte())
  end) .. '"'
end

--- Whether a value is a text that C can take: a string without a zero byte.
---@param value any
---@return boolean
function M.is_text(value)
  return type(value) == "string" and not value:find "%z"
end

--- A value of the wrong kind, for an error message.
---@param value any
---@return string
function M.describe(value)
  local kind = type(value)
  if kind == "string" then
    return M.quote(value)
  elseif kind == "number" or kind == "boolean" or value == nil then
    return tostring(value)
  end
  return "a " .. kind
end

--- Text from elsewhere, such as the name of a process, made safe for a terminal.
---@param text string
---@return string
function M.printable(text)
  return (text:gsub("[%c\127-\255]", function(char)
    return ("\\x%02x"):format(char:byte())
  end))
end

-- The patterns of one character in UTF-8, from table 3-7 of the Unicode standard.
local characters = {
  "^[%z\1-\127]", "^[\194-\223][\128-\191]", "^\224[\160-\191][\128-\191]",
  "^[\225-\236\238\239][\128-\191][\128-\191]", "^\237[\128-\159][\128-\191]",
  "^\240[\144-\191][\128-\191][\128-\191]", "^[\241-\243][\128-\191][\128-\191][\128-\191]",
  "^\244[\128-\143][\128-\191][\128-\191]",
}

local function character(text, at)
  for _, pattern in ipairs(characters) do
    local found = text:match(pattern, at)
    if found then
      return found
    end
  end
end

--- Text from elsewhere as UTF-8, which JSON requires.  A byte that is not UTF-8, as in a name that
--- was cut in the middle of a character, becomes \xff.
---@param text string
---@return string
function M.utf8(text)
  if not text:find "[\128-\255]" then
    return text
  end
  local parts, at = {}, 1
  while at <= #text do
    local found = character(text, at)
    parts[#parts + 1] = found or ("\\x%02x"):format(text:byte(at))
    at = at + #(found or " ")
  end
  return table.concat(parts)
end

return M

--- Statements of the policy language that are plain data, such as the texts of an image's rules:
--- read as literals, and never compiled, because they are data of whoever made the image.

local literal = require "tidegate.literal"

local M = {}

local MAX_NESTING = 20

---@class tidegate.LiteralReader
---@field text string
---@field at integer
local Reader = {}
Reader.__index = Reader

local function fail(self, wanted)
  error({ message = ("wants %s at %s")
    :format(wanted, literal.quote(self.text:sub(self.at, self.at + 20))) }, 0)
end

--- Take what matches a pattern, after blanks; nil: something else follows.
function Reader:take(pattern)
  local first, last, captured = self.text:find("^%s*" .. pattern, self.at)
  if first then
    self.at = last + 1
    return captured or true
  end
end

function Reader:must(pattern, wanted)
  return self:take(pattern) or fail(self, wanted)
end

local escapes = { n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\" }

--- The rest of a string, after its first quote.
function Reader:string()
  local parts = {}
  while true do
    local plain = self.text:match('^[^"\\\n]*', self.at)
    parts[#parts + 1] = plain
    self.at = self.at + #plain
    local code, letter = self.text:match("^\\(%d%d%d)", self.at),
      self.text:match('^\\([nrt"\\])', self.at)
    if code and tonumber(code) < 256 then
      parts[#parts + 1], self.at = string.char(tonumber(code)), self.at + 4
    elseif letter then
      parts[#parts + 1], self.at = escapes[letter], self.at + 2
    elseif self.text:sub(self.at, self.at) == '"' then
      self.at = self.at + 1
      return table.concat(parts)
    else
      fail(self, "the end of a text")
    end
  end
end

local words = { ["true"] = true, ["false"] = false, ["math.huge"] = math.huge }

function Reader:value(depth)
  if self:take '"' then
    return self:string()
  elseif self:take "{" then
    return self:table(depth + 1)
  end
  local number = self:take "(%-?%d[%w.+-]*)"
  if number then
    return tonumber(number) or fail(self, "a number")
  elseif self:take 'file%s*"' then
    return self.file(self:string())
  end
  local word = self:must("([%a_][%w_.]*)", "a value")
  if words[word] == nil then
    fail(self, "a value")
  end
  return words[word]
end

--- The rest of a table, after its brace.
function Reader:table(depth)
  if depth > MAX_NESTING then
    fail(self, "fewer braces")
  end
  local read = {}
  while not self:take "}" do
    local key = self:take "([%a_][%w_]*)%s*=%f[^=]"
    if not key and self:take '%[%s*"' then
      key = self:string()
      self:must("%]%s*=", "]")
    end
    read[key or #read + 1] = self:value(depth)
    if not self:take "," then
      self:must("}", "} or a comma")
      break
    end
  end
  return read
end

--- `word { … }` or `word "name" { … }`
function Reader:statement()
  local word = self:must("(%l+)", "a word")
  local name = self:take '"' and self:string() or nil
  self:must("{", "{")
  return { word = word, name = name, value = self:table(1) }
end

--- The statements of a text.
---@param text string
---@param open fun(path: string): tidegate.File
---@return { word: string, name: string|nil, value: table }[]|nil
---@return string|nil message
function M.read(text, open)
  local self = setmetatable({ text = text, at = 1, file = open }, Reader)
  local ok, result = pcall(function()
    local statements = {}
    while self.text:find("%S", self.at) do
      statements[#statements + 1] = self:statement()
    end
    return statements
  end)
  if not ok and type(result) == "table" then
    return nil, result.message
  end
  return ok and result or error(result, 0)
end

return M

--- What to say to a line that is no Lua, because it is written for a shell or for another tool.

local meant = require "tidegate.meant"
local schema = require "tidegate.schema"

local M = {}

--- The line of a text that a message of the compiler is about, or the last one that is not empty.
local function line_of(message, text, first)
  local number = tonumber(message:match ":(%d+): ") or 0
  local index, last = first, ""
  for line in (text .. "\n"):gmatch "(.-)\n" do
    last = line:find "%S" and line or last
    if index == number and line:find "%S" then
      return line
    end
    index = index + 1
  end
  return last
end

--- Whether a word is a verb or another word of policies.
---@param word string
---@return boolean
function M.is_ours(word)
  return schema.verbs[word] ~= nil or schema.words[word] ~= nil
end

--- What to say to a line of a policy that begins with a word of ours, or of another tool.
---@param word string
---@param rest string|nil of the line
---@return string|nil
function M.words(word, rest)
  local row = schema.verbs[word] or schema.words[word]
  if word == "policy" and rest and meant.values.default[rest:match "^%a+"] then
    return ("write policy { default = %s }"):format(meant.values.default[rest:match "^%a+"]:sub(7))
  elseif row and rest then
    return "write " .. (row.example:match "^.-}" or row.example)
  end
  return meant.names[word] or rest and [[a policy is Lua, as in deny { connect = "10.0.0.1:25" }]]
end

--- A hint for a message of Lua's compiler, or "".
---@param message string
---@param text string that it compiled
---@param first integer the number of the first line
---@param words fun(word: string, rest: string|nil, line: string): string|nil
---@return string
function M.hint(message, text, first, words)
  local line = line_of(message, text, first)
  if line:find "^%s*#" then
    return "; a comment is -- …"
  elseif message:find "near 'in'$" and line:find "[{,]%s*in%s*=" then
    return "; " .. meant.conditions.ingress
  elseif message:find "near '!'$" and line:find "!=" then
    return line:find "[{,]%s*[%a_]+%s*!="
      and [[; what is left out is marked in the text: egress = "!10.0.0.1"]]
      or "; not equal is ~= in Lua"
  elseif message:find "near '!'$" then
    return [[; what is left out is a text: "!10.0.0.1"]]
  elseif message:find "near '@'$" then
    return [[; a range or a set is a text: "@private"]]
  elseif line:find "^%s*%-%u" then
    return "; " .. meant.names.iptables
  elseif message:find "<name>' expected" and line:find "%a%s*:%s*[\"%d]" then
    return [[; a field is written connect = "*:25"]]
  elseif message:find "unexpected symbol" then
    -- `move "x" 1` is a call, and then a value.
    local word = line:match "^%s*([%a_][%w_]*)[ \t]+[\"']"
    local said = word and not M.is_ours(word) and words(word, nil, line)
    return said and "; " .. said or ""
  elseif not message:find "'=' expected" and not message:find "malformed number" then
    return ""
  end
  local word, rest = line:match "^%s*([%a_][%w_]*)[ \t]+([^%s={(\"'].*)$"
  word = word or line:match "^%s*([%a_][%w_]*)[%s;]*$"
  local said = word and words(word, rest, line:match "^%s*(.-)%s*$")
  return said and "; " .. said or ""
end

return M

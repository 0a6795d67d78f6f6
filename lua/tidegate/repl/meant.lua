--- What to write at the prompt instead of the words of shells and of other tools.

local help = require "tidegate.repl.help"
local literal = require "tidegate.literal"
local other_tools = require "tidegate.meant"
local syntax = require "tidegate.syntax"
local word_set = require "tidegate.word_set"

local M = {}

--- What to say to a name, by word.
---@type table<string, string>
M.names = {}

local function add(words, text)
  for word in words:gmatch "%S+" do
    M.names[word] = text
  end
end

add("try decide why simulate test", 'did you mean "explain"?')
add("quit q bye logout", 'did you mean "exit"?')
add("run exec system shell bash", 'did you mean "sh"?')
add("write", 'did you mean "save"?')
add("revert rollback abort", 'did you mean "undo"?')
add("list ls ps show status ruleset counter counters count hits top chain chains tables nft "
  .. "iptables",
  'did you mean "rules"?')
add("stats metrics", "write gate:stats()")
add("dump inspect export", "write print(gate:dump())")
add("flush reset clear delete del remove rm", [[write rules["NAME"]:remove()]])
add("add insert append rule prepend", "a verb adds a rule: deny { … }; "
  .. "before = NAME or after = NAME in it says where")
add("replace edit change modify", [[write rules["NAME"]:replace { … }]])
add("move", [[write rules["NAME"]:move("before", NAME)]])
add("describe desc databases", 'did you mean "rules"?')
add("man info apropos usage commands", 'did you mean "help"?')
add("echo printf", "write print(…)")
add("events logs log_events monitor trace journal follow tail",
  "events are printed as they come; observe { … } reports more")
add("commit apply reload", "a rule is in force as soon as it is typed")
add("load restore include import source", "the prompt starts from a file: tidegate repl POLICY")
add("version", "in the shell: tidegate --version")
for _, word in ipairs { "serve", "check", "compile", "doctor" } do
  add(word, "in the shell: tidegate " .. word)
end

--- The words that are written with a text.
local with_text = word_set "sh save attach"
local values = word_set "rules sets services gate"
local commands = word_set "run exec system shell bash"
local questions = word_set "explain try decide why simulate test"

--- What to say to a path without quotes, which Lua reads as a division; nil: there is none.
---@param text string
---@return string|nil
function M.path(text)
  local word, path = text:match "^%s*(%a+)[ \t]+(/%S[^\n]-)%s*$"
  return with_text[word] and ("write %s %s"):format(word, literal.quote(path))
    or nil
end

--- What to say to a line that begins with a word and is no Lua.
---@param word string
---@param rest string|nil
---@param line string
---@return string|nil
function M.line(word, rest, line)
  if commands[word] and rest then
    return "write sh " .. literal.quote(rest)
  elseif with_text[word] and rest then
    return ("write %s %s"):format(word, literal.quote(rest))
  elseif word == "help" then
    return rest and "write help " .. literal.quote(rest:match "^%S+") or "write help()"
  elseif word == "exit" then
    return ("write exit(%s)"):format(rest and rest:match "^%d+$" or "")
  elseif values[word] then
    return "write " .. word .. (rest and word == "rules" and " " .. literal.quote(rest) or "")
  elseif questions[word] then
    return "write " .. help.words.explain.example
  elseif help.words[word] then
    return "write " .. help.words[word].example
  end
  local text = M.names[word] or other_tools.names[word]
  if text or not rest then
    return text
  elseif syntax.is_ours(word) then
    return syntax.words(word, rest)
  end
  return "to run a command, write sh " .. literal.quote(line)
end

return M

--- Lines that are no Lua: single words, and what people type at the prompts of other tools.

local literal = require "tidegate.literal"
local suggest = require "tidegate.suggest"
local word_set = require "tidegate.word_set"

local M = {}

--- The words that are called if they stand alone.
local called = word_set "help undo diff save detach exit traceback"

local leave = word_set [[\q \quit .q .quit .exit :q :q! :quit :x /quit /exit /q]]
local help = word_set [[? \? \h \help .help .h :h :help /help /? .]]
local list = word_set [[\d \d+ \dt \l .tables .ls .list .show]]
--- Leave, too, unless they are names of something.
local names = word_set "quit q bye logout"

--- The lines that begin with a mark with which no Lua begins; `!` runs a command at many prompts.
local MARK = "^%s*([\\.:/?!][%w!?+/]*)[ \t]*(.-)%s*$"

--- Words of other prompts that these marks lead.
local known = { "q", "quit", "exit", "help", "d", "l" }

local function with_mark(word, rest)
  if leave[word] then
    return "exit()"
  elseif help[word] then
    return rest == "" and "help()" or "help " .. literal.quote(rest:match "^%w*")
  elseif list[word] then
    return rest == "" and "rules" or "rules " .. literal.quote(rest)
  elseif word:sub(1, 1) == "!" or word == "\\!" then
    local command = ((word:match "^!(.*)" or "") .. " " .. rest):match "^%s*(.-)%s*$"
    return nil, "to run a command, write sh " .. literal.quote(command)
  elseif word == "\\i" or word == "\\ir" or word == ".load" or word == "\\c" then
    return nil, "the prompt starts from a file: tidegate repl POLICY"
  elseif word == "\\w" or word == ".save" or word == ":w" then
    return nil, ("write save %s"):format(literal.quote(rest ~= "" and rest or "web.lua"))
  end
  return nil, ("there is no command %s%s; help shows what there is"):format(word,
    suggest.hint(word:sub(2), known))
end

--- The Lua that a line stands for; nil: it is no such line.
---@param line string
---@param is_name fun(word: string): boolean whether the user has given something this name
---@return string|nil text
---@return string|nil message what to write instead
function M.lua(line, is_name)
  local word = line:match "^%s*(%a+)[%s;]*$"
  if called[word] then
    return (line:gsub(word, "%0()", 1))
  elseif names[word] and not is_name(word) then
    return "exit()"
  end
  local mark, rest = line:match(MARK)
  if mark and not line:find "^%s*%.+%d" and not line:find "^%s*::" then
    return with_mark(mark, rest)
  end
end

return M

--- The text of a policy file with the changes of a session in it.
--
-- The rules of the file and those of the session are compared as texts. What a person wrote stays:
-- comments, loops, handlers and the layout. Only the statements of rules that are gone are cut out,
-- and new rules are put after the rule that they follow. Whether the result is the policy of the
-- session is for the caller to check, so a guess here can fail but not deceive.

local diff = require "tidegate.diff"
local schema = require "tidegate.schema"
local statements = require "tidegate.repl.statements"

local M = {}

---@class tidegate.FileRule
---@field text string `deny { "no-lan", egress = "10.0.0.0/8" }`
---@field line integer|nil of the file

--- The statements on each line.
local function by_line(found)
  local lines = {}
  for _, statement in ipairs(found) do
    for line = statement.line, statement.last_line do
      lines[line] = lines[line] or {}
      table.insert(lines[line], statement)
    end
  end
  return lines
end

--- Whether a statement is a rule and nothing else: `deny { … }`, `local rule = deny { … }`.
local function is_rule(statement)
  local tokens, at = statement.tokens, 1
  if tokens[1].text == "local" and tokens[3] and tokens[3].text == "=" then
    at = 4
  end
  return tokens[at] and schema.verbs[tokens[at].text] ~= nil
end

--- The statement of a rule; nil: it is not told apart, as if a loop makes several rules.
local function statement_of(rules, index, lines)
  local statements_here, rules_before, rules_here = {}, 0, 0
  local there = lines[rules[index].line] or {}
  for _, statement in ipairs(there) do
    statements_here[#statements_here + 1] = is_rule(statement) and statement or nil
  end
  for other, rule in ipairs(rules) do
    if there[1] and rule.line and rule.line >= there[1].line
      and rule.line <= there[#there].last_line then
      rules_here = rules_here + 1
      rules_before = rules_before + (other < index and 1 or 0)
    end
  end
  return rules_here == #statements_here and statements_here[rules_before + 1] or nil
end

--- Cut out a statement: its lines, with the comment behind it, or only itself if other statements
--- share its lines.
local function cut(text, statement)
  local first, last = statement.first, statement.last
  local begin = text:sub(1, first - 1):match "()[ \t]*$"
  local line_begins = begin == 1 or text:sub(begin - 1, begin - 1) == "\n"
  local _, ending = text:find("^[ \t]*;?[ \t]*", last + 1)
  local _, comment = text:find("^%-%-%f[^%-][^\n]*", ending + 1)
  if comment and text:find("^%-%-%[=*%[", ending + 1) then
    comment = nil -- it may go on
  end
  local after = (comment or ending) + 1
  local line_ends = after > #text or text:sub(after, after) == "\n"
  if line_begins and line_ends then
    return text:sub(1, begin - 1) .. text:sub(after + 1)
  end
  return text:sub(1, (line_ends and begin or first) - 1) .. text:sub(ending + 1)
end

--- Where the line ends that holds a place, or the first place of the next line.
local function next_line(text, place)
  local _, last = text:find("\n", place, true)
  return last and last + 1 or #text + 1
end

--- The changes from the rules of the file to those of the session: which rules of the file go, and
--- which new ones follow each rule of the file, or come before all (0).
local function compare(file, now)
  local from, gone, added = {}, {}, {}
  for index, rule in ipairs(file) do
    from[index] = rule.text
  end
  local edits = diff.edits(from, now)
  for _, edit in ipairs(edits or {}) do
    if edit.sign == "-" then
      gone[edit.at] = true
    else
      added[edit.at] = added[edit.at] or {}
      table.insert(added[edit.at], edit.text)
    end
  end
  return edits and gone, added
end

--- Apply edits, each of which begins at a place of the text, from the last one to the first.
local function apply(text, edits)
  table.sort(edits, function(a, b)
    if a.at ~= b.at then
      return a.at > b.at
    end
    local replaces_a, replaces_b = (a.cut or a.last) ~= nil, (b.cut or b.last) ~= nil
    if replaces_a ~= replaces_b then
      return replaces_a -- what is put before it moves it
    end
    return a.order > b.order
  end)
  for _, edit in ipairs(edits) do
    text = edit.cut and cut(text, edit.cut)
      or text:sub(1, edit.at - 1) .. edit.text .. text:sub((edit.last or edit.at - 1) + 1)
  end
  return text
end

--- Where the line begins that holds a place.
local function line_of(text, place)
  return text:sub(1, place - 1):match "()[^\n]*$"
end

---@class tidegate.Edits
---@field rules string[] all rules
---@field head string[] statements that come before the rules, such as `set "banned" { … }`
---@field options string|nil `policy { … }`, if that has changed

--- The edits that put new rules after those that they follow.
local function add_rules(add, text, file, lines, added)
  for index, texts in pairs(added) do
    local neighbour = file[index > 0 and index or 1]
    local there = neighbour and lines[neighbour.line or 0]
    local place = #text + 1
    if index == 0 and there then
      place = line_of(text, there[1].first)
    elseif index < #file and there then
      place = next_line(text, there[#there].last)
    end
    add { at = place, text = table.concat(texts, "\n") .. "\n" }
  end
end

--- The edit that changes the options.
local function add_options(add, found, options)
  for _, statement in ipairs(found) do
    if statement.tokens[1].text == "policy" then
      add { at = statement.first, last = statement.last, text = options }
      return
    end
  end
  add { at = found[1] and found[1].first or 1, text = options .. "\n" }
end

--- The text of a file with other rules.
---@param text string
---@param file tidegate.FileRule[] the rules of the text
---@param wanted tidegate.Edits
---@return string|nil
---@return string|nil message why the text cannot be changed so
function M.text(text, file, wanted)
  text = text:gsub("([^\n])$", "%1\n")
  local found = statements.split(text)
  local lines = by_line(found)
  local gone, added = compare(file, wanted.rules)
  if not gone then
    return nil, "too many rules have changed"
  end
  local edits = {}
  local function add(edit)
    edits[#edits + 1], edit.order = edit, #edits
  end
  if wanted.options then
    add_options(add, found, wanted.options)
  end
  for index in pairs(gone) do
    local statement = statement_of(file, index, lines)
    if not statement then
      return nil, ("line %s makes several rules, and one of them has changed")
        :format(file[index].line or "?")
    end
    add { at = statement.first, cut = statement }
  end
  if wanted.head[1] then
    local there = file[1] and lines[file[1].line or 0]
    add { at = there and line_of(text, there[1].first) or #text + 1,
      text = table.concat(wanted.head, "\n") .. "\n" }
  end
  add_rules(add, text, file, lines, added)
  return apply(text, edits)
end

return M

--- help(): pages made from the schema, so that they cannot differ from what the language does.

local meant = require "tidegate.meant"
local named_range = require "tidegate.named_range"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"

local M = {}

--- The prompt's own words.
---@type tidegate.Word[]
M.words = {
  {
    name = "rules",
    doc = "The rules in order, with their hits and backends. "
      .. [[rules "lan" shows those with this text; rules[1] and rules["name"] are handles.]],
    example = [[rules["no-metadata"]:remove()]],
  },
  {
    name = "sets",
    doc = [[The live sets, with how many elements they hold. sets["name"] is the handle of a set.]],
    example = [[sets["banned"]:add("192.0.2.1", "10m")]],
  },
  {
    name = "services",
    doc = "By itself: the live services, and for each backend how often it was picked "
      .. [[and its share of future calls. services["name"] is the handle of a table.]],
    example = [[services["svc"]:put_backend("10.96.0.10:80/tcp", "10.0.1.5:8080")]],
  },
  {
    name = "explain",
    doc = "Show which rule decides a call, and why the earlier rules do not. "
      .. "A call is written like a rule, without a verb.",
    example = [[explain { connect = "1.2.3.4:80", uid = 33 }]],
  },
  {
    name = "sh",
    doc = "Run a command under the rules, in the prompt's own cgroup. Returns its exit status.",
    example = [[sh "curl http://1.2.3.4/"]],
  },
  {
    name = "attach",
    doc = [[Put the rules in force on a cgroup: a path, "self", "pid:42", "unit:nginx".]],
    example = [[attach "/sys/fs/cgroup/app"]],
  },
  {
    name = "detach",
    doc = "Detach from the cgroups that attach named.",
    example = "detach()",
  },
  {
    name = "undo",
    doc = "Take back the last change of rules, options, handlers and timers, and show what this "
      .. "changes. Elements of sets and services stay as they are.",
    example = "undo()",
  },
  {
    name = "diff",
    doc = "Show how the rules differ from the policy's file: + is new, - was removed.",
    example = "diff()",
  },
  {
    name = "save",
    doc = "Write the policy to a file. Without a name: to the file that it came from.",
    example = [[save "web.lua"]],
  },
  {
    name = "gate",
    doc = "The gate, with all its methods.",
    example = "gate:stats()",
  },
  {
    name = "help",
    doc = [[Explain a word: help(deny), help(egress), help "explain".]],
    example = "help(deny)",
  },
  {
    name = "exit",
    doc = "Leave, with an exit status. Ctrl-D leaves with status 0.",
    example = "exit(1)",
  },
  {
    name = "traceback",
    doc = "Show where the last error was raised, call by call.",
    example = "traceback()",
  },
}
M.word_names = {}
for index, row in ipairs(M.words) do
  M.word_names[index], M.words[row.name] = row.name, row
end

local WIDTH, MARGIN = 78, 12

--- A title and names, such as "effects  errno to …", in lines of a readable width.
local function paragraph(title, names)
  local lines, line = {}, title .. (" "):rep(MARGIN - #title)
  for _, name in ipairs(names) do
    if #line + #name + 1 > WIDTH then
      lines[#lines + 1], line = line, (" "):rep(MARGIN)
    end
    line = line .. name .. " "
  end
  lines[#lines + 1] = line
  for index, text in ipairs(lines) do
    lines[index] = text:gsub(" +$", "")
  end
  return table.concat(lines, "\n")
end

local function fields_of(kind, verb)
  local names = {}
  for _, row in ipairs(schema.fields) do
    if row.kind == kind and (not verb or schema.accepts(row, verb)) then
      names[#names + 1] = row.name
    end
  end
  return names
end

local function verb_page(row)
  return table.concat({
    row.doc,
    "  " .. row.example,
    paragraph("operation", fields_of("what", row.name)),
    paragraph("conditions", fields_of("who", row.name)),
    paragraph("effects", fields_of("effect", row.name)),
    paragraph("place", fields_of("place", row.name)),
  }, "\n")
end

local function field_page(row)
  local lines = { ("%s = %s"):format(row.name, row.wants), row.doc, "  " .. row.example }
  if row.name == "sockopt" then
    for _, option in ipairs(schema.options_of_sockets) do
      lines[#lines + 1] = ("  %-12s%s"):format(option.name, option.doc)
    end
  end
  if row.verbs then
    lines[#lines + 1] = "for " .. schema.enumerate(row.verbs, "and")
  end
  return table.concat(lines, "\n")
end

local function word_page(row)
  return row.doc .. "\n  " .. row.example
end

local function option_page(row)
  return ("policy { %s = … }: %s\n%s\n  %s"):format(row.name, row.wants, row.doc, row.example)
end

local function policy_page(row)
  local lines = { word_page(row) }
  for _, option in ipairs(schema.options) do
    lines[#lines + 1] = ("  %-12s%s"):format(option.name, option.doc)
  end
  return table.concat(lines, "\n")
end

local ranges_row = {
  name = "ranges",
  doc = "Built-in ranges, which stand wherever a rule names addresses:",
  example = [[deny { egress = { "@private", "@metadata:80" } }]],
}

local function ranges_page(row)
  local lines = { word_page(row) }
  for _, name in ipairs(named_range.names) do
    lines[#lines + 1] = ("  @%-11s%s"):format(name, named_range.docs[name])
  end
  return table.concat(lines, "\n")
end

--- The page of a range: what it lists.
local function range_page(name)
  local lines = { ("@%s: %s"):format(name, named_range.docs[name]) }
  for _, part in ipairs(named_range.contents(name)) do
    lines[#lines + 1] = ("  %-20s%s"):format(part.prefix, part.what)
  end
  return table.concat(lines, "\n")
end

--- The pages of a name. A name can have several: "services" declares services, and prints them.
local function pages(name)
  local found = {}
  local function add(row, page)
    found[#found + 1] = row and page(row)
  end
  add(schema.verbs[name], verb_page)
  add(schema.fields[name], field_page)
  add(schema.words[name], name == "policy" and policy_page or word_page)
  add(schema.options[name], option_page)
  add(M.words[name], word_page)
  add(name == ranges_row.name and ranges_row or nil, ranges_page)
  local range = name:match "^@(.+)"
  add(range and named_range.is(range) and range or nil, range_page)
  return found
end

--- Every name that has a page.
---@return string[]
function M.names()
  local names, seen = {}, {}
  local lists = {
    schema.verb_names, schema.field_names, schema.word_names, schema.option_names, M.word_names,
  }
  for _, list in ipairs(lists) do
    for _, name in ipairs(list) do
      names[#names + 1] = not seen[name] and name or nil
      seen[name] = true
    end
  end
  names[#names + 1] = ranges_row.name
  for _, name in ipairs(named_range.names) do
    names[#names + 1] = "@" .. name
  end
  return names
end

---@class tidegate.HelpPage
---@field name string
local Page = {}
Page.__index = Page

function Page:__tostring()
  return table.concat(pages(self.name), "\n\n")
end

--- The page of a word, to be printed.
---@param name string
---@return tidegate.HelpPage|nil
---@return string|nil message
function M.page(name)
  if #pages(name) == 0 then
    local words = meant.names[name] and meant.names or meant.fields
    return nil, ("help: there is no word %q%s")
      :format(name, suggest.hint(name, M.names(), words))
  end
  return setmetatable({ name = name }, Page)
end

function M.is_page(value)
  return getmetatable(value) == Page
end

--- The page of help(): all words.
---@return string
function M.overview()
  local ranges = {}
  for position, name in ipairs(named_range.names) do
    ranges[position] = "@" .. name
  end
  return table.concat({
    [[A verb and a table make a rule, in force at once: deny { "no-lan", egress = "10.0.0.0/8" }]],
    "",
    paragraph("verbs", schema.verb_names),
    paragraph("operations", schema.op_names),
    paragraph("conditions", fields_of "who"),
    paragraph("effects", fields_of "effect"),
    paragraph("place", fields_of "place"),
    paragraph("ranges", ranges),
    paragraph("policy file", schema.word_names),
    paragraph("prompt", M.word_names),
    "",
    [[help(deny), help(uid), help "@private" explain a word. Tab completes; _ is the last value.]],
    "help, undo, diff, save, detach, traceback and exit need no () if they stand alone.",
    "Ctrl-C gives up a line or stops a script; Ctrl-R searches; Ctrl-D detaches and leaves.",
  }, "\n")
end

return M

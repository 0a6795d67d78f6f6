-- docs/generate.lua FILE ... - write the generated parts of the documents again.
--
-- A part lies between <!-- generated: NAME --> and <!-- end -->.  The tables come
-- from lua/tidegate/schema.lua, from the prompt's help, from the table of exit
-- statuses and from the library, so that a page lists exactly what exists; the
-- references come from the comments of what they describe.  `make docs` runs this, and
-- spec/unit/docs_spec.lua checks that the pages are current.

local c_reference = require "c_reference"
local exit_status = require "tidegate.host.exit_status"
local lua_reference = require "lua_reference"
local help = require "tidegate.repl.help"
local named_range = require "tidegate.named_range"
local schema = require "tidegate.schema"

--- Text in a cell of a table.
local function cell(text)
  return (text:gsub("|", "\\|"))
end

local function code(text)
  return "`" .. cell(text) .. "`"
end

--- A table.  Each row is a list of cells.
local function grid(head, rows)
  local lines = { "| " .. table.concat(head, " | ") .. " |", "|" .. ("---|"):rep(#head) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

--- The words of a list, or those of one kind, with their examples.
local function words(title, list, kind)
  local rows = {}
  for _, word in ipairs(list) do
    if not kind or word.kind == kind then
      rows[#rows + 1] = { code(word.name), cell(word.doc), code(word.example) }
    end
  end
  return grid({ title, "what it means", "example" }, rows)
end

--- What the words of a list take; effects also say for which verbs they are.
local function values(title, list, kind)
  local rows = {}
  for _, word in ipairs(list) do
    if not kind or word.kind == kind then
      local verbs = word.verbs and schema.enumerate(word.verbs, "and") or "every verb"
      rows[#rows + 1] = { code(word.name), cell(word.wants), kind == "effect" and verbs or nil }
    end
  end
  return grid({ title, "takes", kind == "effect" and "for" or nil }, rows)
end

local function socket_options()
  local rows = {}
  for _, word in ipairs(schema.options_of_sockets) do
    rows[#rows + 1] = { code(word.name), "a " .. word.takes, cell(word.doc) }
  end
  return grid({ "socket option", "takes", "what it sets" }, rows)
end

--- What each range lists; "local" lists nothing.
local function named_ranges()
  local rows = {}
  for _, name in ipairs(named_range.names) do
    for position, part in ipairs(named_range.contents(name)) do
      rows[#rows + 1] = {
        position == 1 and code("@" .. name) or "", code(part.prefix), cell(part.what),
      }
    end
  end
  return grid({ "range", "addresses", "what they are" }, rows)
end

local parts = {
  verbs = function() return words("verb", schema.verbs) end,
  operations = function() return words("operation", schema.fields, "what") end,
  conditions = function() return words("condition", schema.fields, "who") end,
  ["condition values"] = function() return values("condition", schema.fields, "who") end,
  effects = function() return words("effect", schema.fields, "effect") end,
  ["effect values"] = function() return values("effect", schema.fields, "effect") end,
  places = function() return words("place", schema.fields, "place") end,
  ["socket options"] = socket_options,
  options = function() return words("option", schema.options) end,
  ["option values"] = function() return values("option", schema.options) end,
  ["named ranges"] = named_ranges,
  words = function() return words("word", schema.words) end,
  ["exit status of run"] = function() return grid({ "status", "meaning" }, exit_status.of_run) end,
  ["exit status"] = function() return grid({ "status", "meaning" }, exit_status.of_others) end,
  ["lua reference"] = lua_reference.markdown,
  ["c rules"] = c_reference.rules,
  ["c reference"] = c_reference.markdown,
  prompt = function() return words("word", help.words) end,
}

--- A document with its generated parts written again.
local function generate(path, text)
  local pattern = "(<!%-%- generated: ([%l ]+) %-%->)(.-)(<!%-%- end %-%->)"
  return (text:gsub(pattern, function(first, name, old, last)
    local part = parts[name] or error(("%s: there is no part %q"):format(path, name), 0)
    assert(not old:find("<!-- generated", 1, true), ("%s: part %q does not end"):format(path, name))
    return first .. "\n\n" .. part() .. "\n\n" .. last
  end))
end

for _, path in ipairs(arg) do
  local handle = assert(io.open(path, "rb"))
  local text = handle:read "*a"
  handle:close()
  local new = generate(path, text)
  if new ~= text then
    handle = assert(io.open(path, "wb"))
    assert(handle:write(new))
    handle:close()
    print("  DOCS     " .. path)
  end
end

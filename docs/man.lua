-- docs/man.lua FOLDER - write the manual pages: those of the command from its option parser, that
-- of policies from docs/policy.md, those of the libraries from the annotations and the header.

local c_reference = require "c_reference"
local exit_status = require "tidegate.host.exit_status"
local lua_reference = require "lua_reference"
local roff = require "roff"
local version = require("tidegate")._VERSION

local folder = arg[1]

-- A package that is built again has the same pages.
local date = os.date("!%Y-%m-%d", tonumber(os.getenv "SOURCE_DATE_EPOCH"))

local function page(name, section, what, body)
  local handle = assert(io.open(("%s/%s.%s"):format(folder, name, section), "wb"))
  assert(handle:write(('.TH %s %s %s "Tidegate %s"\n.SH NAME\n%s \\- %s\n%s\n'):format(
    roff.text(name:upper()), section, date, version, roff.text(name), roff.text(what), body)))
  handle:close()
end

--- A document, whose title is a section of the page.
local function document(path)
  local handle = assert(io.open(path, "rb"))
  local text = handle:read "*a"
  handle:close()
  return (text:gsub("^# [^\n]*\n", "## Description\n", 1))
end

-- Commands ---------------------------------------------------------------------------------

local function paragraphs(text)
  return (roff.text(text):gsub("\n\n+", "\n.PP\n"))
end

local function sentence(summary)
  return (summary:gsub("%.$", ""):gsub("^%u", string.lower))
end

--- The options, or the arguments, of a command; hidden ones are for the parser alone.
local function elements(out, title, list)
  local begun = false
  for _, element in ipairs(list) do
    if not element._hidden then
      if not begun then
        out[#out + 1] = ".SH " .. title
        begun = true
      end
      out[#out + 1] = ".TP\n\\fB"
        .. roff.text(table.concat(element:_get_label_lines(), ", ")) .. "\\fR"
      out[#out + 1] = roff.text(element:_get_description())
    end
  end
end

local function statuses(out, list)
  out[#out + 1] = ".SH EXIT STATUS"
  for _, row in ipairs(list) do
    out[#out + 1] = ".TP\n" .. roff.inline(row[1]) .. "\n" .. roff.inline(row[2])
  end
end

--- What is said after "Examples:", as it is.
local function epilog(out, text)
  local title, body = text:match "^(%u%l+):\n(.*)"
  if not title then
    return
  end
  out[#out + 1] = ".SH " .. title:upper()
  local lines = {}
  for line in (body .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = (line:gsub("^   ", ""))
  end
  out[#out + 1] = roff.example(lines)
end

local function command_page(command)
  local usage = command:get_usage():gsub("^Usage: ", ""):gsub("%s+", " ")
  local out = { ".SH SYNOPSIS\n" .. roff.text(usage), ".SH DESCRIPTION",
    paragraphs(command._description) }
  elements(out, "ARGUMENTS", command._arguments)
  elements(out, "OPTIONS", command._options)
  statuses(out, command._name == "run" and exit_status.of_run or exit_status.of_others)
  epilog(out, command._epilog or "")
  out[#out + 1] = ".SH SEE ALSO\n.BR tidegate (1),\n.BR tidegate\\-policy (5)"
  page("tidegate-" .. command._name, 1, sentence(command._summary), table.concat(out, "\n"))
end

local function main_page(parser)
  local out = { ".SH SYNOPSIS\n.B tidegate\nCOMMAND [OPTION ...] [ARGUMENT ...]",
    ".SH DESCRIPTION", paragraphs(parser._description), ".SH COMMANDS" }
  local also = {}
  for _, command in ipairs(parser._commands) do
    out[#out + 1] = (".TP\n.BR tidegate\\-%s (1)\n%s"):format(command._name,
      roff.text(command._summary))
    also[#also + 1] = (".BR tidegate\\-%s (1),"):format(command._name)
  end
  elements(out, "OPTIONS", parser._options)
  statuses(out, exit_status.of_others)
  out[#out + 1] = ".SH SEE ALSO\n" .. table.concat(also, "\n")
    .. "\n.BR tidegate\\-policy (5),\n.BR tidegate (3lua),\n.BR libtidegate (3)"
  page("tidegate", 1, "policies for the socket calls of cgroups", table.concat(out, "\n"))
end

local parser = require("tidegate.command").parser()
main_page(parser)
for _, command in ipairs(parser._commands) do
  command_page(command)
end
page("tidegate-policy", 5, "the language of Tidegate's policies",
  roff.convert(document "docs/policy.md"))
page("tidegate", "3lua", "the Lua module of Tidegate", roff.convert(lua_reference.markdown()))
page("libtidegate", 3, "the C library of Tidegate",
  roff.convert("## Description\n\n" .. c_reference.rules() .. "\n\n" .. c_reference.markdown()))

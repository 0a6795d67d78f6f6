--- Markdown, as the documents use it, in the language of manual pages.

local M = {}

--- Text of a manual page: nothing in it is a request or an escape.
---@param text string
---@return string
function M.text(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("\n([.'])", "\n\\&%1")
  return (text:gsub("^([.'])", "\\&%1"))
end

local entities = { ["&lt;"] = "<", ["&gt;"] = ">", ["&amp;"] = "&" }

--- A line of Markdown: code is bold, a link is its text.
---@param line string
---@return string
function M.inline(line)
  local out = {}
  for plain, code in (line .. "``"):gmatch "([^`]*)`([^`]*)`" do
    plain = plain:gsub("%[([^%]]*)%]%([^)]*%)", "%1"):gsub("%*%*", ""):gsub("&%l+;", entities)
      :gsub("\\([|*_<])", "%1")
    out[#out + 1] = M.text(plain)
    out[#out + 1] = code ~= "" and "\\fB" .. M.text((code:gsub("\\|", "|"))) .. "\\fR" or nil
  end
  local text = table.concat(out)
  return text:find "^[.']" and "\\&" .. text or text
end

--- An example, as it is.
---@param lines string[]
---@return string
function M.example(lines)
  local out = { ".in +4n", ".nf" }
  for _, line in ipairs(lines) do
    line = M.text(line)
    out[#out + 1] = line ~= "" and line or "\\&"
  end
  out[#out + 1] = ".fi\n.in"
  return table.concat(out, "\n")
end

local function cells(row)
  local out = {}
  for cell in (row:gsub("\\|", "\1"):gsub("^%s*|", "")):gmatch "%s*([^|]-)%s*|" do
    out[#out + 1] = M.inline((cell:gsub("\1", "|")))
  end
  return out
end

--- A table: its first column is the tag of a paragraph with the others.
local function grid(rows)
  local out, head = {}, cells(rows[1])
  for index = 3, #rows do
    local row = cells(rows[index])
    local rest = {}
    for column = 2, #row do
      if row[column] ~= "" then
        rest[#rest + 1] = column > 2 and head[column] .. ": " .. row[column] or row[column]
      end
    end
    out[#out + 1] = ".TP\n" .. (row[1] ~= "" and row[1] or "\\&")
    out[#out + 1] = #rest > 0 and table.concat(rest, "\n.br\n") or "\\&"
  end
  return table.concat(out, "\n")
end

local function quoted(text)
  return '"' .. M.inline(text):gsub('"', "\\(dq") .. '"'
end

--- Take lines from `at` on, as long as they match.
local function take(lines, at, pattern)
  local out = {}
  while lines[at] and lines[at]:find(pattern) do
    out[#out + 1] = lines[at]
    at = at + 1
  end
  return out, at
end

local function fenced(lines, at)
  local out = {}
  at = at + 1
  while lines[at] and not lines[at]:find "^%s*```" do
    out[#out + 1] = lines[at]
    at = at + 1
  end
  return M.example(out), at + 1
end

--- Convert a document. Headings of the levels 2 and 3 are sections, those below are subsections.
---@param markdown string
---@return string
function M.convert(markdown)
  local lines, out, at = {}, {}, 1
  for line in (markdown:gsub("<!%-%-.-%-%->\n?", "") .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line
  end
  local listed = false -- whether the text is an item of a list
  local begin = true -- whether the next line of text begins a paragraph
  while lines[at] do
    local line = lines[at]
    local marks, title = line:match "^(#+) (.*)"
    if line:find "^%s*```" then
      out[#out + 1] = not (out[#out] or ".S"):find "^%.S" and ".PP" or nil
      out[#out + 1], at = fenced(lines, at)
      begin = true
    elseif line:find "^|" then
      local rows
      rows, at = take(lines, at, "^|")
      out[#out + 1] = grid(rows)
      begin = true
    else
      if marks and #marks > 1 then
        out[#out + 1] = (#marks < 4 and ".SH " .. quoted(title:upper()) or ".SS " .. quoted(title))
        begin = false
      elseif line:find "^%s*$" then
        begin, listed = begin or not (out[#out] or ""):find "^%.S[HS]", false
      elseif line:find "^%s*[-*] %[[^%]]*%]%(#[^)]*%)$" then
        begin = true -- a line of the table of contents, which a page has not
      elseif line:find "^%s*[-*] " then
        out[#out + 1] = ".IP \\(bu 2\n" .. M.inline((line:gsub("^%s*[-*] ", "")))
        begin, listed = false, true
      elseif not marks then
        local row = not begin and not listed and line:find "^  " -- of what is laid out by hand
        out[#out + 1] = (begin and ".PP\n" or row and ".br\n" or "")
          .. M.inline((line:gsub("^%s+", "")))
        begin = false
      end
      at = at + 1
    end
  end
  return table.concat(out, "\n")
end

return M

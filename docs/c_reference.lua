--- The reference of the C library, in Markdown, from the comments of tidegate.h.
--
-- A public header is sections (`/* --- Title --- */`) of entries.  An entry is a
-- comment (`/** … */`) and the declarations below it, up to the next comment of
-- that kind.

local M = {}

--- The public part of a header.
local function public_part(path)
  local handle = assert(io.open(path, "rb"))
  local text = handle:read "*a"
  handle:close()
  return assert(text:match "/%* cdef { %*/\n(.-)/%* } cdef %*/", path)
end

--- The release that a function came with: the node of the symbol map that has it.
local function releases(map_path)
  local handle = assert(io.open(map_path, "rb"))
  local text, since = handle:read "*a", {}
  handle:close()
  for version, body in text:gmatch "TIDEGATE_(%d[%d.]*) {(.-)}" do
    for name in body:gmatch "(tg_[%w_]+);" do
      since[name] = version
    end
  end
  return since
end

--- A comment without its stars.
local function prose_of(comment)
  local lines = {}
  for line in (comment:gsub("^/%*%*%s?", ""):gsub("%s*%*/$", "") .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = (line:gsub("^%s*%*%s?", ""))
  end
  return table.concat(lines, "\n")
end

--- Markdown reads `*cursor` as emphasis unless it is code.
local function mark_pointers(text)
  local out = {}
  for plain, quoted in (text .. "``"):gmatch "([^`]*)(`[^`]*`)" do
    out[#out + 1] = plain:gsub("%*([%l_][%w_]*)", "`*%1`")
    out[#out + 1] = quoted
  end
  return (table.concat(out):gsub("``$", ""))
end

--- Paragraphs of one line each.  Lines that are indented, or begin a list, stay lines.
local function paragraphs(comment)
  local out = {}
  for paragraph in (prose_of(comment) .. "\n\n"):gmatch "(.-)\n\n+" do
    local text = paragraph:find "^  " and "```h\n" .. paragraph .. "\n```" or paragraph
    text = text:gsub("\nThreads: ", "\n\nThreads: ")
    if not text:find "^```" then
      text = mark_pointers(text:gsub("([^\n])\n([^\n%-%s])", "%1 %2"):gsub("%.  ", ". "))
    end
    if text:find "%S" then
      out[#out + 1] = text
    end
  end
  return out
end

--- What an entry declares: its title, and its functions.
local function title_of(code)
  local functions = {}
  for name in code:gmatch "%f[%w_](tg_[%w_]+)%(" do
    functions[#functions + 1] = name
  end
  if #functions > 0 then
    return table.concat(functions, "(), ") .. "()", functions
  end
  local kind, name = code:match "%f[%w_](%l+) (tg_[%w_]+)"
  return name and kind .. " " .. name or code:match "#define (TG_[%w_]+)" or code:match "TG_[%w_]+",
    functions
end

local function entry(out, comment, code, since)
  code = code:gsub("^%s+", ""):gsub("%s+$", "")
  if code == "" then
    for _, text in ipairs(paragraphs(comment)) do
      out[#out + 1] = text
    end
    return
  end
  local title, functions = title_of(code)
  out[#out + 1] = "#### " .. title
  out[#out + 1] = "```h\n" .. code:gsub("\n\n+", "\n\n") .. "\n```"
  for _, text in ipairs(paragraphs(comment)) do
    out[#out + 1] = text
  end
  if functions[1] then
    out[#out + 1] = "Since: " .. assert(since[functions[1]], functions[1] .. " is not in the map")
      .. "."
  end
end

--- The entries of one section.  A struct's members have comments of their own, which
--- belong to its code: a comment begins an entry only at the start of a line.
local function section(out, text, since)
  local at = text:find "%f[^\n%z]/%*%*" or #text + 1
  while at <= #text do
    local _, finish = text:find("*/", at, true)
    local following = text:find("\n/**", finish, true) or #text
    entry(out, text:sub(at, finish), text:sub(finish + 1, following), since)
    at = following + 1
  end
end

--- What holds for all of it: the comment at the head of the header.
---@return string
function M.rules()
  local handle = assert(io.open("core/tidegate.h", "rb"))
  local comment = handle:read "*a":match "%*/\n(/%*.-%*/)"
  handle:close()
  local text = paragraphs("/**" .. comment:sub(3))
  table.remove(text, 1) -- the name of the file
  return table.concat(text, "\n\n")
end

--- The reference.
---@return string
function M.markdown()
  local since, out = releases "core/tidegate.map", {}
  for _, part in ipairs { { "core/tidegate.h" }, { "bpf/layout/enums.h", "Numbers" } } do
    local text = public_part(part[1])
    local title, at = part[2] or "Versions and errors", 1
    while true do
      local first, last, following = text:find("\n/%* %-+ (.-) %-+ %*/\n", at)
      out[#out + 1] = "### " .. title
      section(out, "\n" .. text:sub(at, first or #text), since)
      if not first then
        break
      end
      title, at = following, last
    end
  end
  return table.concat(out, "\n\n")
end

return M

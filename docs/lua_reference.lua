--- The reference of the Lua module in Markdown, and its definitions for the Lua language
--- server, both from the annotations in the sources: see lua_classes.lua.

local classes = require "lua_classes"

local M = {}

--- Every function is in the first release.
local SINCE = "0.1"

local function cell(text)
  return (text:gsub("|", "\\|"):gsub("%.  ", ". "))
end

--- The type at the start of a text, and the rest: "fun(x: integer): string what" has spaces
--- inside.
local function split_type(text)
  local at, depth = 1, 0
  while at <= #text do
    local char = text:sub(at, at)
    if char:find "[({<]" then
      depth = depth + 1
    elseif char:find "[)}>]" then
      depth = depth - 1
    elseif char == " " and depth == 0 and not text:sub(1, at - 1):find "[:|,]$" then
      break
    end
    at = at + 1
  end
  return text:sub(1, at - 1), text:sub(at + 1)
end

local function prose(lines)
  local text = {}
  for _, line in ipairs(lines) do
    if line:find "^@" then
      break
    end
    text[#text + 1] = (line:gsub("^ ", ""))
  end
  local joined = table.concat(text, "\n"):gsub("^%s+", ""):gsub("%s+$", "")
  -- Paragraphs are one line each; an indented example stays as it is.
  return (joined:gsub("([^\n])\n([^\n%s])", "%1 %2"):gsub("%.  ", ". "))
end

--- The comments of a method's parameters and results.  A line that begins with a space goes on
--- with the line above it.
local function tagged(lines)
  local params, returns, last = {}, {}, nil
  for _, line in ipairs(lines) do
    local tag, text = line:match "^@(%l+) (.*)"
    if tag == "param" then
      local name, rest = text:match "^(%S+) (.*)"
      local kind, what = split_type(rest)
      last = { name = name, kind = kind, what = what }
      params[#params + 1] = last
    elseif tag == "return" then
      local kind, what = split_type(text)
      last = { kind = kind, what = what }
      returns[#returns + 1] = last
    elseif last and line:find "^ " then
      last.what = last.what .. line
    end
  end
  return params, returns
end

local function optional(name, kind)
  return name:find "%?$" ~= nil or kind:find "|nil$" ~= nil
end

local function describe_params(out, params)
  for _, param in ipairs(params) do
    out[#out + 1] = ("- `%s` (`%s`%s)%s"):format(param.name:gsub("%?$", ""),
      (param.kind:gsub("|nil$", "")), optional(param.name, param.kind) and ", optional" or "",
      param.what ~= "" and ": " .. param.what or "")
  end
end

local function describe_returns(returns)
  local parts = {}
  local fails = #returns >= 3 and returns[#returns].what:find "errno" and returns[#returns - 1]
  for index = 1, fails and #returns - 2 or #returns do
    local result = returns[index]
    local kind = fails and index == 1 and result.kind:gsub("|nil$", "") or result.kind
    parts[#parts + 1] = ("`%s`%s"):format(kind, result.what ~= "" and " " .. result.what or "")
  end
  if fails then
    local second = fails.what:match "^message; (.+)"
    if second then
      parts[1] = ("%s (%s)"):format(parts[1], second)
    end
    local detail = fails.what:match "^message (.+)"
    parts[#parts + 1] = "on failure `nil`, a message" .. (detail and " (" .. detail .. ")" or "")
      .. " and an errno"
  end
  return #parts > 0 and "Returns: " .. table.concat(parts, "; ") .. "." or "Returns nothing."
end

--- "gate" for tidegate.Gate, "tidegate.nginx" for that module.
local function receiver(class)
  local last = class.name:match "[^.]+$"
  return last:find "^%l" and class.name or last:lower()
end

local function describe_method(out, class, method)
  if method.name:find "^__" then
    return
  end
  out[#out + 1] = ("#### %s%s%s(%s)"):format(receiver(class), method.self and ":" or ".",
    method.name, method.params)
  out[#out + 1] = prose(method.comment)
  local params, returns = tagged(method.comment)
  local list = {}
  describe_params(list, params)
  if #list > 0 then
    out[#out + 1] = table.concat(list, "\n")
  end
  out[#out + 1] = describe_returns(returns) .. " Since " .. SINCE .. "."
end

local function describe_fields(out, class)
  local rows = { "| field | type | what |", "|---|---|---|" }
  for _, field in ipairs(class.fields) do
    local name, rest = field:match "^(%S+) (.*)"
    local kind, what = split_type(rest)
    rows[#rows + 1] = ("| `%s` | `%s` | %s |"):format(name, cell(kind), cell(what))
  end
  if #rows > 2 then
    out[#out + 1] = table.concat(rows, "\n")
  end
end

--- The reference.
---@return string
function M.markdown()
  local all, out = classes.read(), {}
  for _, entry in ipairs(classes.public) do
    local class = assert(all[entry[1]], entry[1])
    if entry[2] then
      out[#out + 1] = "### " .. entry[2]
    end
    out[#out + 1] = ("#### %s"):format(class.name)
    out[#out + 1] = class.parent and ("Like [%s](#%s)."):format(class.parent,
      (class.parent:lower():gsub("%.", ""))) or nil
    local text = prose(class.comment)
    out[#out + 1] = text ~= "" and text or nil
    describe_fields(out, class)
    for _, method in ipairs(class.methods) do
      describe_method(out, class, method)
    end
  end
  return table.concat(out, "\n\n")
end

--- The definitions: a Lua file that the language server reads, and nobody runs.
---@return string
function M.definitions()
  local all, out = classes.read(), { "---@meta tidegate\n" }
  for _, entry in ipairs(classes.public) do
    local class = assert(all[entry[1]], entry[1])
    local holder = class.name:gsub("%.", "_")
    local lines = {}
    for _, line in ipairs(class.comment) do
      lines[#lines + 1] = "---" .. line
    end
    lines[#lines + 1] = "---@class " .. class.name .. (class.parent and ": " .. class.parent or "")
    for _, field in ipairs(class.fields) do
      lines[#lines + 1] = "---@field " .. field
    end
    lines[#lines + 1] = "local " .. holder .. " = {}\n"
    for _, method in ipairs(class.methods) do
      if not method.name:find "^__" then
        for _, line in ipairs(method.comment) do
          lines[#lines + 1] = "---" .. line
        end
        lines[#lines + 1] = ("function %s%s%s(%s) end\n"):format(holder, method.self and ":" or ".",
          method.name, method.params)
      end
    end
    out[#out + 1] = table.concat(lines, "\n")
  end
  out[#out + 1] = "return tidegate\n"
  return table.concat(out, "\n")
end

return M

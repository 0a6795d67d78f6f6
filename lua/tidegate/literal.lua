--- Texts that others chose, for whoever reads them: a terminal, a parser of JSON, Lua.

local ffi = require "ffi"
local library = require "tidegate.ffi"

local C = library.C

local M = {}

--- @param how integer enum tg_escape
local function escape(how, text)
  local size = C.TG_ESCAPE_MOST * #text + 1
  local escaped = ffi.new("char[?]", size)
  return ffi.string(escaped, C.tg_escape(how, text, #text, escaped, size))
end

--- A string as a Lua literal: printable UTF-8 on one line.
---@param text string
---@return string
function M.quote(text)
  return text:find '[%c"\\\127-\255]' and '"' .. escape(C.TG_ESCAPE_LUA, text) .. '"'
    or '"' .. text .. '"'
end

--- A string of JSON. A byte that is not UTF-8, as in a name that was cut in the middle of a
--- character, becomes \xff.
---@param text string
---@return string
function M.json(text)
  return '"' .. escape(C.TG_ESCAPE_JSON, text) .. '"'
end

--- Made safe for a terminal or a log: printable ASCII; other bytes become \xff.
---@param text string
---@return string
function M.printable(text)
  return text:find "[%c\127-\255]" and escape(C.TG_ESCAPE_ASCII, text) or text
end

--- The same, but printable characters of UTF-8 remain.
---@param text string
---@return string
function M.line(text)
  return text:find "[%c\127-\255]" and escape(C.TG_ESCAPE_UTF8, text) or text
end

--- The same for a text of several lines: newlines and tabs remain, too.
---@param text string
---@return string
function M.lines(text)
  return text:find "[%c\127-\255]" and escape(C.TG_ESCAPE_LINES, text) or text
end

--- Whether a value is a text that C can take: a string without a zero byte.
---@param value any
---@return boolean
function M.is_text(value)
  return type(value) == "string" and not value:find "%z"
end

--- "a gate", "an image"
---@param noun string
---@return string
function M.a(noun)
  return (noun:find "^[aeio]" and "an " or "a ") .. noun
end

--- A value of the wrong kind, for an error message.
---@param value any
---@return string
function M.describe(value)
  local kind = type(value)
  if kind == "string" then
    return M.quote(value)
  elseif kind == "number" or kind == "boolean" or value == nil then
    return tostring(value)
  end
  local meta = kind == "userdata" and debug.getmetatable(value)
  return M.a(meta and meta.noun or kind)
end

return M

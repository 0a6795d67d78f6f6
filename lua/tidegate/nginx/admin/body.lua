--- The body of a request, as JSON.

local cjson = require "cjson.safe"
local ngx = require "ngx"
local literal = require "tidegate.literal"
local reply = require "tidegate.nginx.admin.reply"

local M = {}

--- More than this is refused; a list of 65,536 addresses needs about a third of it.
M.MOST_BYTES = 4 * 1024 * 1024

local function check_type(types)
  local given = ngx.var.http_content_type
  local found = (given or ""):lower():match "^%s*([^;%s]+)"
  for _, wanted in ipairs(types) do
    if found == wanted then
      return
    end
  end
  reply.fail(415, ("Content-Type: wants %s; got %s"):format(table.concat(types, " or "),
    given and literal.describe(given) or "none"))
end

local function bytes()
  ngx.req.read_body()
  local data, path = ngx.req.get_body_data(), ngx.req.get_body_file()
  if data or not path then
    return data or ""
  end
  local handle = assert(io.open(path, "rb"))
  data = handle:read "*a"
  handle:close()
  return data
end

--- The body; nil if there is none and it may be left out.
---@param types string[] media types
---@param optional boolean|nil
---@return any
function M.read(types, optional)
  local length = tonumber(ngx.var.http_content_length)
  if ngx.var.http_transfer_encoding or (not length and ngx.req.http_version() >= 2) then
    reply.fail(411, "wants a body with a Content-Length")
  elseif (length or 0) == 0 then
    if optional then
      return nil
    end
    reply.fail(400, "wants a body")
  elseif length > M.MOST_BYTES then
    reply.fail(413, ("the body has %d bytes, and %d are the most; send a part at a time")
      :format(length, M.MOST_BYTES))
  elseif ngx.var.http_content_encoding then
    reply.fail(415, "Content-Encoding: wants none")
  end
  check_type(types)
  local value, message = cjson.decode(bytes())
  if value == nil then
    reply.fail(400, "the body is no JSON: " .. tostring(message))
  end
  return value
end

--- A value of the wrong kind, for an error message.
---@param value any
---@return string
function M.describe(value)
  if value == cjson.null then
    return "null"
  elseif type(value) == "table" then
    return #value > 0 and "a list" or "an object"
  end
  return literal.describe(value)
end

--- What an argument of the address asks for: ?empty=true.
---@param name string
---@return boolean
function M.flag(name)
  for key, value in pairs(ngx.req.get_uri_args()) do
    if key ~= name or (value ~= "true" and value ~= "false") then
      reply.fail(400, ("unknown argument %s=%s; the only one is %s=true")
        :format(literal.printable(key), literal.printable(tostring(value)), name))
    end
  end
  return ngx.req.get_uri_args()[name] == "true"
end

return M

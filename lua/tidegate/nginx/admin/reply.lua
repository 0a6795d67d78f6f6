--- What the API answers: JSON, also if something is wrong.

local cjson = require "cjson"
local ngx = require "ngx"

local M = {}

--- JSON that is written already.
local Json = {}

local function encode(value)
  return getmetatable(value) == Json and value.text or (cjson.encode(value):gsub("\\/", "/"))
end

--- JSON that is written already, for send() and object() to take as it is.
---@param text string
local function json(text)
  return setmetatable({ text = text }, Json)
end
M.json = json

--- An object with its fields in this order; one whose value is nil is left out.
function M.object(...)
  local parts = {}
  for position = 1, select("#", ...), 2 do
    local name, value = select(position, ...)
    parts[#parts + 1] = value ~= nil and encode(name) .. ":" .. encode(value) or nil
  end
  return json("{" .. table.concat(parts, ",") .. "}")
end

--- An object of objects: `describe` gives the value of each.
function M.map(list, name_of, describe)
  local parts = {}
  for position, member in ipairs(list) do
    parts[position] = encode(name_of(member)) .. ":" .. encode(describe(member))
  end
  return json("{" .. table.concat(parts, ",") .. "}")
end

-- What fail() raises.
local Failure = {}

--- End the request with an error.
---@param status integer
---@param message string
---@param headers table<string, string>|nil
function M.fail(status, message, headers)
  error(setmetatable({ status = status, message = message, headers = headers }, Failure), 0)
end

--- Answer; once in a request.
---@param status integer
---@param body any nil: none
---@param headers table<string, string>|nil
function M.send(status, body, headers)
  if ngx.ctx.tidegate_answered then
    return
  end
  ngx.ctx.tidegate_answered = true
  -- nginx would compare them with what is true after a change.
  ngx.req.clear_header "If-Match"
  ngx.req.clear_header "If-None-Match"
  ngx.status = status
  ngx.header["Cache-Control"] = "no-store"
  for name, value in pairs(headers or {}) do
    ngx.header[name] = value
  end
  if body == nil then
    return ngx.exit(status)
  end
  ngx.header.content_type = "application/json"
  ngx.print(encode(body), "\n")
end

--- Call a function, and answer what goes wrong.
function M.guard(work)
  local ok, failure = pcall(work)
  if ok then
    return
  elseif getmetatable(failure) ~= Failure then
    ngx.log(ngx.ERR, "tidegate: admin: ", failure)
    failure = { status = 500, message = "something is wrong here; the error log says what" }
  end
  M.send(failure.status, M.object("error", failure.message), failure.headers)
end

return M

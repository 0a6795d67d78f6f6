--- Changes of live tables by requests: their preconditions, and what goes wrong.

local ngx = require "ngx"
local lock = require "tidegate.nginx.admin.lock"
local reply = require "tidegate.nginx.admin.reply"

local M = {}

local EPERM, E2BIG, EACCES, EINVAL, ENOSPC, EROFS = 1, 7, 13, 22, 28, 30

local statuses = {
  [EPERM] = 403, [EACCES] = 403, [EROFS] = 403,
  [E2BIG] = 400, [EINVAL] = 400, [ENOSPC] = 507,
}

--- What an error text is about, without the place in Lua where it was raised; "for ever" is null
--- in JSON.
local function plain(handle, message)
  message = tostring(message):gsub("math%.huge", "null")
  local at = message:find(('[%%a]+ "%s": '):format((handle.name:gsub("%p", "%%%0"))))
  return at and message:sub(at) or message
end

--- End the request, because a live table has refused something.
---@param handle tidegate.Set|tidegate.Services
---@param message string
---@param errno integer
function M.fail(handle, message, errno)
  reply.fail(statuses[errno] or 500, plain(handle, message))
end

--- Call a method of a live table; misuse and failures end the request.
---@param handle tidegate.Set|tidegate.Services
---@param method string
---@return any what the method returns
---@return any
function M.call(handle, method, ...)
  local called, result, message, errno = pcall(handle[method], handle, ...)
  if not called then
    reply.fail(400, plain(handle, result))
  elseif result == nil then
    M.fail(handle, message, errno)
  end
  return result, message
end

--- The tag of a list of texts, in whatever order it was read.
---@param texts string[]
---@return string
function M.tag(texts)
  table.sort(texts)
  return ('"%s"'):format(ngx.md5(table.concat(texts, "\n")))
end

--- Whether a tag is among those of a header.
local function among(header, tag)
  for given in header:gmatch '[^%s,]+' do
    if given == tag then
      return true
    end
  end
  return false
end

--- End the request if its preconditions do not hold.
---@param tag string|nil nil: there is no such thing yet
local function check(tag)
  local wanted, unwanted = ngx.var.http_if_match, ngx.var.http_if_none_match
  if wanted and (not tag or (wanted ~= "*" and not among(wanted, tag))) then
    reply.fail(412, "If-Match: it has changed meanwhile; read it again", { ETag = tag })
  elseif unwanted == "*" and tag then
    reply.fail(412, "If-None-Match: it is there already", { ETag = tag })
  end
end

--- Make a change, if the preconditions of the request hold, while no other request makes one.
---@generic T
---@param tag_of fun(): string|nil
---@param work fun(): T
---@return T
function M.make(tag_of, work)
  local result = lock.hold(function()
    if ngx.var.http_if_match or ngx.var.http_if_none_match then
      check(tag_of())
    end
    return work()
  end)
  ngx.log(ngx.NOTICE, "tidegate: admin: ", ngx.req.get_method(), " ", ngx.var.request_uri, " by ",
    ngx.var.remote_addr)
  return result
end

--- Answer with what was read, or with 304 if the client has it.
---@param tag string
---@param body any
function M.show(tag, body)
  if among(ngx.var.http_if_none_match or "", tag) then
    return reply.send(304, nil, { ETag = tag })
  end
  return reply.send(200, body, { ETag = tag })
end

return M

--- Which requests the API answers: those with the token, except from pages of other sites.
--
-- The token is what counts.  The checks of Host and Origin are for browsers: a page from elsewhere
-- must not reach an API on the loopback, neither by a name that resolves to it (DNS rebinding) nor
-- with what the browser remembers.

local bit = require "bit"
local ngx = require "ngx"
local literal = require "tidegate.literal"
local reply = require "tidegate.nginx.admin.reply"

local M = {}

local SHORTEST = 16
local ENOENT = 2

local token_digest
local hosts = {}

local function read(path)
  if path:sub(1, 1) ~= "/" then
    path = ngx.config.prefix() .. path
  end
  local handle, message, errno = io.open(path)
  if not handle then
    return nil, errno == ENOENT
      and ("%s; make it with: (umask 077; openssl rand -hex 24 > %s)"):format(message, path)
      or message
  end
  local text = handle:read "*a" or ""
  handle:close()
  return (text:gsub("%s+$", ""))
end

local function take_token(options)
  local token, file = options.token, options.token_file
  if (token == nil) == (file == nil) then
    return nil, 'wants either token = "…" or token_file = "/etc/tidegate/token"'
  elseif file ~= nil then
    if type(file) ~= "string" then
      return nil, ("token_file: wants a path; got %s"):format(literal.describe(file))
    end
    local message
    token, message = read(file)
    if not token then
      return nil, "token_file: " .. message
    end
  end
  if type(token) ~= "string" or not token:find "^[%w._~+/=-]+$" or #token < SHORTEST then
    return nil, ("%s: wants at least %d letters, digits and -._~+/=; make one with: "
      .. "openssl rand -hex 24"):format(file and "token_file" or "token", SHORTEST)
  end
  return token
end

--- Take the options of init().
---@return string|nil problem
function M.init(options)
  local token, problem = take_token(options)
  if not token then
    return problem
  end
  local given = options.hosts or {}
  if type(given) ~= "table" then
    return ('hosts: wants names such as { "admin.example.com" }; got %s')
      :format(literal.describe(given))
  end
  hosts = { localhost = true }
  for key, name in pairs(given) do
    if type(key) ~= "number" or type(name) ~= "string" or not name:find "^[%w.-]+$" then
      return ('hosts: wants names such as "admin.example.com"; got %s')
        :format(literal.describe(type(key) == "number" and name or key))
    end
    hosts[name:lower()] = true
  end
  token_digest = ngx.sha1_bin(token)
end

function M.ready()
  return token_digest ~= nil
end

--- Whether two digests are equal, in a time that does not depend on where they differ.
local function same(one, two)
  local differ = 0
  for position = 1, #one do
    differ = bit.bor(differ, bit.bxor(one:byte(position), two:byte(position)))
  end
  return differ == 0
end

local function check_host(host)
  local name = (host or ""):match "^(%[[%x:.]+%])$" or (host or ""):match "^(%[[%x:.]+%]):%d+$"
    or (host or ""):match "^([^:]*):?%d*$"
  local is_address = name and (name:find "^%[" or name:find "^%d+%.%d+%.%d+%.%d+$")
  if not is_address and not hosts[(name or ""):lower()] then
    reply.fail(403, ("Host: %s is no name of this server; init can take it as one of its hosts")
      :format(literal.describe(host)))
  end
end

local function check_origin(origin, host)
  if origin and origin ~= ngx.var.scheme .. "://" .. host then
    reply.fail(403, ("Origin: pages of %s may not use this"):format(literal.describe(origin)))
  end
end

local function check_token(header)
  local token = (header or ""):match "^[Bb][Ee][Aa][Rr][Ee][Rr] +([^%s]+)$"
  if not token then
    reply.fail(401, "wants the token, as Authorization: Bearer TOKEN",
      { ["WWW-Authenticate"] = 'Bearer realm="tidegate"' })
  elseif not same(ngx.sha1_bin(token), token_digest) then
    reply.fail(401, "this is not the token",
      { ["WWW-Authenticate"] = 'Bearer realm="tidegate", error="invalid_token"' })
  end
end

--- Fail unless this request may go on.
function M.check()
  local host = ngx.var.http_host
  check_host(host)
  check_origin(ngx.var.http_origin, host)
  check_token(ngx.var.http_authorization)
end

return M

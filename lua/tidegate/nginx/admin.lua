--- An API in JSON for the live tables of nginx's gate.
--
--    init_by_lua_block {
--      require("tidegate.nginx").init { policy = "web.lua", attach = "self" }
--      require("tidegate.nginx.admin").init { token_file = "token" }
--    }
--    location /admin/ { content_by_lua_block { require("tidegate.nginx.admin").serve "/admin" } }
--
-- What each address answers is in docs/nginx.md.

require("tidegate.luajit").check()
local ngx = require "ngx"
local access = require "tidegate.nginx.admin.access"
local literal = require "tidegate.literal"
local lock = require "tidegate.nginx.admin.lock"
local reply = require "tidegate.nginx.admin.reply"
local services = require "tidegate.nginx.admin.services"
local sets = require "tidegate.nginx.admin.sets"
local suggest = require "tidegate.suggest"
local tidegate = require "tidegate"
local tidegate_nginx = require "tidegate.nginx"

---@class tidegate.nginx.admin
local M = {}

M._VERSION = tidegate._VERSION

---@class tidegate.nginx.admin.Options
---@field token? string what a client has to send, as `Authorization: Bearer TOKEN`
---@field token_file? string path of a file with the token; a relative path starts at nginx's prefix
---@field hosts? string[] names that clients may use for this server; addresses and "localhost" are
--- always right

local option_names = { "hosts", "token", "token_file" }

--- A lock that a worker makes is its own: changes by other workers would come between.
local function check_place()
  if ngx.get_phase() ~= "init" then
    error("init: belongs in init_by_lua, where the lock is made that all workers share; this is "
      .. ngx.get_phase(), 3)
  end
end

local function check(options)
  if rawequal(options, M) then
    error("init: call it with a dot, as in tidegate.nginx.admin.init()", 3)
  elseif type(options) ~= "table" then
    error(('init: wants options such as { token_file = "token" }; got %s')
      :format(literal.describe(options)), 3)
  end
  local known = {}
  for _, name in ipairs(option_names) do
    known[name] = true
  end
  for key, value in pairs(options) do
    if not known[key] then
      error("init: " .. suggest.option(key, value, option_names), 3)
    end
  end
end

--- Prepare the API; belongs in init_by_lua, where a file that only root can read is readable.
---@param options tidegate.nginx.admin.Options
function M.init(options)
  check_place()
  check(options)
  local problem = access.init(options)
  if problem then
    error("init: " .. problem, 2)
  end
  lock.make()
end

-- Addresses ----------------------------------------------------------------------------

--- The table of a kind by its name.
local function find(gate, plural, name)
  local names = {}
  for position, handle in ipairs(gate[plural](gate)) do
    if handle.name == name then
      return handle
    end
    names[position] = handle.name
  end
  reply.fail(404, ("the policy has no %s %s%s"):format(plural == "sets" and "set" or plural,
    literal.quote(name), suggest.hint(name, names)))
end

--- All tables, by kind and name.
local function index(gate)
  return reply.object("name", gate.name, "sets", sets.index(gate), "services",
    services.index(gate))
end

--- What a path stands for: its methods, and their arguments.
---@return table<string, function> methods
---@return any ...
local function resource(gate, path)
  local kind, name, rest = path:match "^/(%l+)/?([^/]*)/?(.*)$"
  if path == "" or path == "/" then
    return { GET = index }, gate
  elseif kind == "sets" and name == "" then
    return { GET = sets.index }, gate
  elseif kind == "services" and name == "" then
    return { GET = services.index }, gate
  elseif kind == "sets" then
    return sets.resource(find(gate, "sets", name), rest)
  elseif kind == "services" then
    return services.resource(find(gate, "services", name), rest)
  end
  reply.fail(404, "there is nothing here; /sets and /services list what there is")
end

local function allowed(methods)
  local names = { "OPTIONS" }
  for method in pairs(methods) do
    names[#names + 1] = method
  end
  names[#names + 1] = methods.GET and "HEAD" or nil
  table.sort(names)
  return table.concat(names, ", ")
end

local function call(method, methods, ...)
  local handle = methods[method == "HEAD" and "GET" or method]
  if method == "OPTIONS" then
    return reply.send(204, nil, { Allow = allowed(methods) })
  elseif not handle then
    reply.fail(405, ("%s is not for this address; %s are"):format(method, allowed(methods)),
      { Allow = allowed(methods) })
  end
  return handle(...)
end

--- Answer the request.
---@param prefix string|nil what the addresses begin with, such as "/admin" (default: nothing)
function M.serve(prefix)
  if prefix ~= nil and (type(prefix) ~= "string" or not prefix:find "^/.*[^/]$") then
    error(('serve: wants what the addresses begin with, such as "/admin"; got %s')
      :format(literal.describe(prefix)), 2)
  elseif not access.ready() then
    error("serve: there is no token: call tidegate.nginx.admin.init() in init_by_lua", 2)
  end
  local there, gate = pcall(tidegate_nginx.gate)
  if not there then
    error(gate:gsub("^gate:", "serve:"), 2)
  end
  local path = ngx.var.uri
  if prefix and path:sub(1, #prefix) == prefix then
    path = path:sub(#prefix + 1)
  end
  reply.guard(function()
    access.check()
    local method = ngx.req.get_method()
    return reply.send(200, call(method, resource(gate, path)))
  end)
end

return suggest.module(M, "tidegate.nginx.admin", { start = "init { token_file = PATH }",
  handle = "serve(PREFIX)", run = "serve(PREFIX)", content = "serve(PREFIX)" })

--- A gate for nginx with its Lua module, and for OpenResty.
--
--    init_by_lua_block        { require("tidegate.nginx").init { policy = "web.lua", attach = "self" } }
--    init_worker_by_lua_block { require("tidegate.nginx").init_worker() }
--
-- The master process holds the gate.  The policy holds for the cgroup before
-- the first worker starts, through every reload, and until the master ends.

local ngx = require "ngx"
local process = require "ngx.process"
local literal = require "tidegate.literal"
local pump = require "tidegate.nginx.pump"
local stats = require "tidegate.nginx.metrics"
local suggest = require "tidegate.suggest"
local tidegate = require "tidegate"
local upstream = require "tidegate.nginx.upstream"

---@class tidegate.nginx
local M = {}

--- What the master process knows the gate by.
local NAME = "nginx"

--- Of this Lua state, from init() on.
---@type tidegate.Gate|nil
local gate
local wake
--- Whether a privileged agent reads the events.
local agent = false

---@class tidegate.nginx.Options
---@field policy string path of a policy or an image; a relative one starts at nginx's prefix
---@field attach string|{ pid: integer }|{ unit: string } "self": the cgroup that nginx is in
---@field wake "socket"|nil hear of events at once; without it, every 10 ms

local known = { "policy", "attach", "wake" }

local function check(options)
  if type(options) ~= "table" then
    error(('init: wants a table such as { policy = "web.lua", attach = "self" }; got %s')
      :format(literal.describe(options)), 3)
  end
  for key in pairs(options) do
    if not (key == "policy" or key == "attach" or key == "wake") then
      error(("init: unknown option %s%s"):format(literal.describe(key), suggest.hint(key, known)), 3)
    end
  end
  if type(options.policy) ~= "string" then
    error(("init: policy wants the path of a policy; got %s"):format(literal.describe(options.policy)), 3)
  elseif options.attach == nil then
    error('init: says no attach; attach = "self" is the cgroup that nginx is in', 3)
  elseif type(options.attach) ~= "string" and type(options.attach) ~= "table" then
    error(('init: attach wants "self" or another cgroup; got %s'):format(literal.describe(options.attach)), 3)
  elseif options.wake ~= nil and options.wake ~= "socket" then
    error(('init: wake is "socket" or left out; got %s'):format(literal.describe(options.wake)), 3)
  end
end

--- init_by_lua runs in the master process, or in what becomes it.
local function check_place()
  local kind = process.type()
  if kind == "worker" and ngx.get_phase() == "init" then
    error("tidegate.nginx: lua_code_cache is off: nginx runs init_by_lua anew for every request, in a worker, which "
      .. "may neither load nor attach programs; set lua_code_cache on, and reload to have changes seen", 0)
  elseif ngx.get_phase() ~= "init" then
    error("init: belongs into init_by_lua, where nginx is still privileged; this is " .. ngx.get_phase(), 3)
  end
end

--- Fail as init_by_lua has to for nginx to keep what it has: not to start, or,
--- at a reload, to go on with the configuration and the policy before.
local function must(value, message)
  if not value then
    error("tidegate: " .. message, 0)
  end
  return value
end

--- Load a policy and have it enforced.  At a reload it replaces the one before
--- in one step.  An error raises, and then nothing has changed.
---@param options tidegate.nginx.Options
---@return tidegate.Gate for gate:on() and such; to be changed here only
function M.init(options)
  check(options)
  check_place()
  local path = options.policy
  if path:sub(1, 1) ~= "/" then
    path = ngx.config.prefix() .. path
  end
  local loaded = must(tidegate.load(path))
  loaded.onerror = function(message) ngx.log(ngx.ERR, "tidegate: ", message) end
  must(loaded:keep(NAME))
  must(loaded:move(options.attach))
  for _, warning in ipairs(loaded:warnings()) do
    ngx.log(ngx.WARN, "tidegate: ", warning)
  end
  gate, wake = loaded, options.wake
  agent = process.enable_privileged_agent() == true
  return gate
end

local function running(verb)
  return gate or error(verb .. ": there is no gate; call init in init_by_lua first", 3)
end

--- Take a worker's part: give up the master's links, and compete for the events.
function M.init_worker()
  local mine, kind = running "init_worker", process.type()
  if kind ~= "single" then
    -- A worker that lives on after a reload must not keep attached what the
    -- new policy has no need of.
    must(mine:detach())
  end
  if not agent or kind == "privileged agent" then
    pump.start(mine, wake)
  end
end

--- The gate of this Lua state.
---@return tidegate.Gate
function M.gate()
  return running "gate"
end

--- Answer the request with the gate's counters.
---@param format "json"|"prometheus"|nil nil: JSON
function M.stats(format)
  local mine = running "stats"
  local write = stats.formats[format or "json"]
  if not write then
    error(('stats: there is "json" and "prometheus"; got %s'):format(literal.describe(format)), 2)
  end
  ngx.header.content_type = write.content_type
  ngx.print(write.text(must(stats.collect(mine))))
end

--- Which rule refused this request its upstream, by denying it or because none of
--- its backends is up; nil where none did: for a location that error_page sends a
--- 502 to.
---@return tidegate.Decision|nil
function M.refusal()
  return upstream.refusal(running "refusal", ngx.var.upstream_addr)
end

return M

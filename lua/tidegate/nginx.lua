--- A gate for nginx with its Lua module, and for OpenResty.
--
--    init_by_lua_block {
--      require("tidegate.nginx").init { policy = "web.lua", attach = "self" }
--    }
--    init_worker_by_lua_block { require("tidegate.nginx").init_worker() }
--
-- The master process has the gate.  The policy is in force for the cgroup before the first worker
-- starts, through every reload, and until the master ends.

local ngx = require "ngx"
local process = require "ngx.process"
local literal = require "tidegate.literal"
local metrics = require "tidegate.nginx.metrics"
local pump = require "tidegate.nginx.pump"
local suggest = require "tidegate.suggest"
local tidegate = require "tidegate"
local upstream = require "tidegate.nginx.upstream"

---@class tidegate.nginx
local M = {}

--- The name of the gate in the master process.
local NAME = "nginx"

--- The gate of this Lua state, from init() on.
---@type tidegate.Gate|nil
local gate
local wake
--- Whether a privileged agent reads the events.
local agent = false

---@class tidegate.nginx.Options
---@field policy string path of a policy or an image; a relative path starts at nginx's prefix
---@field attach string|{ pid: integer }|{ unit: string } "self": the cgroup that nginx is in
---@field wake "socket"|nil read events at once; default: every 10 ms

local option_names = { "policy", "attach", "wake" }

local function check(options)
  if type(options) ~= "table" then
    error(('init: wants a table such as { policy = "web.lua", attach = "self" }; got %s')
      :format(literal.describe(options)), 3)
  end
  for key in pairs(options) do
    if not (key == "policy" or key == "attach" or key == "wake") then
      error("init: " .. suggest.unknown("option", key, option_names), 3)
    end
  end
  if type(options.policy) ~= "string" then
    error(("init: policy wants the path of a policy; got %s")
      :format(literal.describe(options.policy)), 3)
  elseif options.attach == nil then
    error('init: says no attach; attach = "self" is the cgroup that nginx is in', 3)
  elseif type(options.attach) ~= "string" and type(options.attach) ~= "table" then
    error(('init: attach wants "self" or another cgroup; got %s')
      :format(literal.describe(options.attach)), 3)
  elseif options.wake ~= nil and options.wake ~= "socket" then
    error(('init: wake is "socket" or left out; got %s')
      :format(literal.describe(options.wake)), 3)
  end
end

--- init_by_lua runs in the master process, or in the process that becomes it.
local function check_place()
  local kind = process.type()
  if kind == "worker" and ngx.get_phase() == "init" then
    error("tidegate.nginx: lua_code_cache is off: nginx runs init_by_lua again for every request, "
      .. "in a worker, which may neither load nor attach programs; set lua_code_cache on, and "
      .. "reload nginx after a change", 0)
  elseif ngx.get_phase() ~= "init" then
    error("init: belongs in init_by_lua, where nginx is still privileged; this is "
      .. ngx.get_phase(), 3)
  end
end

--- Raise a failure.  An error in init_by_lua keeps nginx from starting, or, at a reload, makes it
--- continue with the configuration and the policy that it had.
local function must(value, message)
  if not value then
    error("tidegate: " .. message, 0)
  end
  return value
end

--- Load a policy and enforce it.  At a reload it replaces the policy before it in one step.  An
--- error raises, and then nothing has changed.
---@param options tidegate.nginx.Options
---@return tidegate.Gate for gate:on() and the like; change its rules only in init_by_lua
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

--- Set up a worker: it gives up the master's links, and competes for the events.
function M.init_worker()
  local mine, kind = running "init_worker", process.type()
  if kind ~= "single" then
    -- A worker that outlives a reload must not keep hooks attached that the new policy does not
    -- need.
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
---@param format "json"|"prometheus"|nil default: "json"
function M.stats(format)
  local mine = running "stats"
  local write = metrics.formats[format or "json"]
  if not write then
    error(('stats: wants "json" or "prometheus"; got %s'):format(literal.describe(format)), 2)
  end
  ngx.header.content_type = write.content_type
  ngx.print(write.text(must(metrics.collect(mine))))
end

--- The decision that refused this request its upstream: a denial, or a balance rule without a
--- backend that is up.  Call it in the location to which error_page sends a 502.
---@return tidegate.Decision|nil nil: no rule refused it
function M.refusal()
  return upstream.refusal(running "refusal", ngx.var.upstream_addr)
end

return M

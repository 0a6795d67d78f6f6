--- A gate for nginx with its Lua module, and for OpenResty.
--
--    init_by_lua_block {
--      require("tidegate.nginx").init { policy = "web.lua", attach = "self" }
--    }
--    init_worker_by_lua_block { require("tidegate.nginx").init_worker() }
--
-- The master process has the gate.  The policy is in force for the cgroup before the first worker
-- starts, through every reload, and until the master ends.

require("tidegate.luajit").check()
local ngx = require "ngx"
local process = require "ngx.process"
local gate_options = require "tidegate.gate_options"
local literal = require "tidegate.literal"
local metrics = require "tidegate.nginx.metrics"
local pump = require "tidegate.nginx.pump"
local standard = require "tidegate.standard"
local suggest = require "tidegate.suggest"
local tidegate = require "tidegate"
local upstream = require "tidegate.nginx.upstream"
local worker = require "tidegate.nginx.worker"

---@class tidegate.nginx
local M = {}

M._VERSION = tidegate._VERSION

--- The name by which the master process shares the gate with its next Lua state.
local SHARE = "nginx"

--- After so many parts of a page, other requests get their turn.
local TURN = 2048

--- The gate of this Lua state, from init() on.
---@type tidegate.Gate|nil
local gate
--- How the reader learns of events: "socket" or "timer".
local events
--- Whether a privileged agent reads the events.
local agent = false

local log_notice = print

--- nginx's print() puts nothing between its arguments.  Because of the tail call, it logs the line
--- of the policy, and not this one.
function standard.print(...)
  local texts = { ... }
  for position = 1, select("#", ...) do
    texts[position] = tostring(texts[position])
  end
  return log_notice(table.concat(texts, "\t"))
end

---@class tidegate.nginx.Options: tidegate.GateOptions
---@field policy string path of a policy or an image; a relative path starts at nginx's prefix
---@field attach string as for gate:attach(); "self": the cgroup that nginx is in
---@field events? "socket"|"timer" how the reader learns of events: woken by a unix socket, at once
--- (the default), or by a timer, every 10 ms

local own = { policy = true, attach = true, events = true }
local option_names = { "policy", "attach", "events", unpack(gate_options.names) }

--- What is wrong with an option of init(), or nil.
local function wrong_option(key, value)
  if key == "wake" then
    return 'unknown option "wake"; leave it out, because a socket wakes the reader unless '
      .. 'events = "timer"'
  end
  return not own[key] and gate_options.wrong(key, value, option_names) or nil
end

--- What is wrong with the options of init(), or nil.
local function wrong_options(options)
  for key, value in pairs(options) do
    local wrong = wrong_option(key, value)
    if wrong then
      return wrong
    end
  end
  local policy, attach, how = options.policy, options.attach, options.events
  if type(policy) ~= "string" then
    return ("policy wants the path of a policy; got %s"):format(literal.describe(policy))
  elseif attach == nil then
    return 'says no attach; attach = "self" is the cgroup that nginx is in'
  elseif type(attach) ~= "string" then
    return ('attach wants "self" or another cgroup; got %s'):format(literal.describe(attach))
  elseif how ~= nil and how ~= "socket" and how ~= "timer" then
    return ('events wants "socket" (the default) or "timer"; got %s')
      :format(literal.describe(how))
  end
end

local function check(options)
  if type(options) ~= "table" then
    error(('init: wants a table such as { policy = "web.lua", attach = "self" }; got %s')
      :format(literal.describe(options)), 3)
  end
  local wrong = wrong_options(options)
  if wrong then
    error("init: " .. wrong, 3)
  end
end

--- The options of tidegate.load() among those of init().
local function of_gate(options)
  local picked = {}
  for _, name in ipairs(gate_options.names) do
    picked[name] = options[name]
  end
  picked.share = picked.share or SHARE
  return picked
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
  local loaded = must(tidegate.load(path, of_gate(options)))
  loaded:on("error", function(message) ngx.log(ngx.ERR, "tidegate: ", message) end)
  local attached = must(loaded:attach(options.attach, { only = true }))
  ngx.log(ngx.NOTICE, "tidegate: ", path, " is enforced on ", attached.path, ", which has ",
    attached.processes, attached.processes == 1 and " process" or " processes",
    ", until this nginx ends")
  for _, skipped in ipairs(loaded:skipped()) do
    ngx.log(ngx.WARN, "tidegate: ", skipped.text)
  end
  local early, why = worker.restrict_at_fork(loaded)
  if not early then
    ngx.log(ngx.WARN, "tidegate: ", why)
  end
  gate, events = loaded, options.events or "socket"
  agent = process.enable_privileged_agent() == true
  return gate
end

local function running(verb)
  return gate or error(verb .. ": there is no gate; call init in init_by_lua first", 3)
end

--- Set up a worker: it gives up control of the gate and the privileges that it does not need, ends
--- with the master, and competes for the events.
function M.init_worker()
  local mine, kind = running "init_worker", process.type()
  if kind ~= "single" then
    worker.end_with_master()
  end
  if kind == "worker" then
    must(worker.drop_capabilities())
    -- It keeps what its handlers and requests use. In particular, if it outlives a reload, it keeps
    -- no hooks attached that the new policy does not need.
    must(mine:restrict { "events", "tables", "stats" })
  elseif kind ~= "single" then
    must(mine:restrict { "events", "tables", "stats" })
  end
  if not agent or kind == "privileged agent" then
    pump.start(mine, events)
  end
end

--- The gate of this Lua state.
---@return tidegate.Gate
function M.gate()
  return running "gate"
end

--- Answer the request with the gate's counters, its live tables and its attachments.
---@param format "json"|"prometheus"|nil default: "json"
function M.send_stats(format)
  local mine = running "send_stats"
  local page = metrics.formats[format or "json"]
  if not page then
    error(('send_stats: wants "json" or "prometheus"; got %s')
      :format(literal.describe(format)), 2)
  end
  local found = must(metrics.collect(mine))
  ngx.header.content_type = page.content_type
  local parts, count = {}, 0
  page.write(found, function(text)
    count = count + 1
    parts[count] = text
    if count == TURN then
      ngx.print(parts)
      ngx.sleep(0)
      parts, count = {}, 0
    end
  end)
  ngx.print(parts)
end

--- The decision that refuses this worker a connection: a denial, or a balance rule without a
--- backend that is up.
---@param addr string|nil "10.0.0.1:80", "[::1]:80" or "unix:/run/x.sock", to which a cosocket could
--- not connect; nil: the addresses of this request's upstream (call it in the location to which
--- error_page sends a 502)
---@param source string|nil the address that proxy_bind, or bind() of the cosocket, named; nil: none
---@return tidegate.Decision|nil nil: no rule refused it
function M.refusal(addr, source)
  local mine = running "refusal"
  if addr ~= nil and not upstream.is_address(addr) then
    error(('refusal: wants an address such as "10.0.0.1:80", "[::1]:80" or "unix:/run/x.sock"; '
      .. "got %s"):format(literal.describe(addr)), 2)
  end
  local decision, message = upstream.refusal(mine, addr or ngx.var.upstream_addr, source)
  if message then
    error("refusal: " .. message, 2)
  end
  return decision
end

return suggest.module(M, "tidegate.nginx", { stats = "send_stats(FORMAT)" })

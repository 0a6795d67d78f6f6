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

local ENOENT = 2

--- The gate of this Lua state, from init() on.
---@type tidegate.Gate|nil
local gate
--- How the reader learns of events: "socket" or "timer".
local events
--- Whether a privileged agent reads the events.
local agent = false
--- Whether this process has called init_worker(), or was told that it has not.
local set_up = false

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

local THE_PATH = 'write policy = "web.lua", the path of the policy'
local A_CGROUP = 'write attach = "self", or another cgroup'

-- What other words lead to.
local meant = {
  wake = 'leave it out, because a socket wakes the reader unless events = "timer"',
  path = THE_PATH, file = THE_PATH, policy_file = THE_PATH, rules = THE_PATH,
  cgroup = A_CGROUP, target = A_CGROUP, unit = A_CGROUP,
}

--- What is wrong with an option of init(), or nil.
local function wrong_option(key, value)
  return not own[key] and gate_options.wrong(key, value, option_names, meant) or nil
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
  if type(policy) ~= "string" or policy == "" then
    return ("policy: wants the path of a policy; got %s"):format(literal.describe(policy))
  elseif attach == nil then
    return 'says no attach; attach = "self" is the cgroup that nginx is in'
  elseif type(attach) ~= "string" or attach == "" then
    return ('attach: wants "self" or another cgroup; got %s'):format(literal.describe(attach))
  elseif how ~= nil and how ~= "socket" and how ~= "timer" then
    return ('events: wants "socket" (the default) or "timer"; got %s')
      :format(literal.describe(how))
  end
end

local function check(options)
  if rawequal(options, M) then
    error("init: call it with a dot, as in tidegate.nginx.init()", 3)
  elseif type(options) ~= "table" then
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
  elseif gate then
    error("init: was called already, and nginx has one policy; call it once", 3)
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

--- Load the policy of a path, which starts at nginx's prefix if it is relative.
---@return tidegate.Gate
---@return string path
local function load(path, options)
  local prefix = path:sub(1, 1) ~= "/" and ngx.config.prefix() or ""
  local loaded, message, errno = tidegate.load(prefix .. path, options)
  if errno == ENOENT and prefix ~= "" then
    message = ("%s; a relative path starts at nginx's prefix, %s: write the whole path")
      :format(message, prefix)
  end
  return must(loaded, message), prefix .. path
end

--- Load a policy and enforce it.  At a reload it replaces the policy before it in one step.  An
--- error raises, and then nothing has changed.
---@param options tidegate.nginx.Options
---@return tidegate.Gate for gate:on() and the like; change its rules only in init_by_lua, and then
--- call its commit()
function M.init(options)
  check(options)
  check_place()
  local loaded, path = load(options.policy, of_gate(options))
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

--- A worker whose init_worker() was forgotten enforces the policy, and nothing else is amiss there
--- that anybody would see.
local function tell_if_not_set_up()
  local phase = ngx.get_phase()
  if set_up or phase == "init" or phase == "init_worker" then
    return
  end
  set_up = true
  ngx.log(ngx.ERR, "tidegate: this worker keeps privileges and calls no function of the policy: "
    .. "call tidegate.nginx.init_worker() in init_worker_by_lua")
end

local function running(verb)
  if not gate then
    error(verb .. ": there is no gate: call tidegate.nginx.init() in init_by_lua", 3)
  end
  tell_if_not_set_up()
  return gate
end

--- Anywhere else it would take from the master what enforces the policy, or compete with itself.
local function check_worker_place()
  if ngx.get_phase() ~= "init_worker" then
    error("init_worker: belongs in init_worker_by_lua; this is " .. ngx.get_phase(), 3)
  elseif set_up then
    error("init_worker: was called already in this worker; call it once", 3)
  end
end

--- Workers cannot publish what init_by_lua has left staged, so that it would never be in force.
local function tell_if_staged(mine)
  if ngx.worker.id() == 0 and must(mine:status()).staged then
    ngx.log(ngx.ERR, "tidegate: rules that init_by_lua has staged are not in force: call the "
      .. "gate's commit() there")
  end
end

--- Set up a worker: it gives up control of the gate and the privileges that it does not need, ends
--- with the master, and competes for the events.
function M.init_worker()
  check_worker_place()
  local mine, kind = running "init_worker", process.type()
  set_up = true
  tell_if_staged(mine)
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
  local mine = running "gate" -- no tail call: see its level
  return mine
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
---@param source string|nil the address that proxy_bind, or bind() of the cosocket, named; nil or
--- "": none
---@return tidegate.Decision|nil nil: no rule refused it
function M.refusal(addr, source)
  local mine = running "refusal"
  if addr ~= nil and not upstream.is_address(addr) then
    error(('refusal: wants an address such as "10.0.0.1:80", "[::1]:80" or "unix:/run/x.sock"; '
      .. "got %s"):format(literal.describe(addr)), 2)
  elseif source == "" then -- a variable of nginx that this location does not set
    source = nil
  elseif source ~= nil and not upstream.is_source(source) then
    error(('refusal: source: wants an address such as "127.0.0.101" or "::1"; got %s')
      :format(literal.describe(source)), 2)
  end
  local decision, message = upstream.refusal(mine, addr or ngx.var.upstream_addr, source)
  if message then
    error("refusal: " .. message, 2)
  end
  return decision
end

local INIT = "init { policy = PATH, attach = TARGET }"

return suggest.module(M, "tidegate.nginx", {
  stats = "send_stats(FORMAT)", metrics = "send_stats(FORMAT)", status = "gate():status()",
  load = INIT, start = INIT, attach = INIT, policy = INIT, worker = "init_worker()",
})

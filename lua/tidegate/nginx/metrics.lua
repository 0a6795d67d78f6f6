--- The counters of a gate, as JSON and for Prometheus.

local cjson = require "cjson"
local schema = require "tidegate.schema"
local stats = require "tidegate.stats"

local M = {}

-- If a table has more services than this, only their number is shown: the worker answers no other
-- request meanwhile, and the monitoring has to keep as many series.
local MOST_SERVICES = 1000

--- The services of a table, each a VIP with its backends; nil: there are too many.
local function vips_of(handle, count)
  if count > MOST_SERVICES then
    return nil
  end
  local vips = {}
  for vip, backends in handle:each() do
    vips[#vips + 1] = { vip = vip, backends = backends }
  end
  return vips
end

--- All counters; `rules` in the order of the policy, `services` in the order of their declarations.
---@param gate tidegate.Gate
---@return table|nil
---@return string|nil message
function M.collect(gate)
  local found, message = gate:stats()
  if not found then
    return nil, message
  end
  local rules, services = {}, {}
  for position, rule in ipairs(gate:rules()) do
    local counted = found.rules[rule.name]
    rules[position] = {
      name = rule.name, verb = rule.verb, hits = counted.hits, suppressed = counted.suppressed,
      backends = counted.backends,
    }
  end
  for _, handle in ipairs(gate:services()) do
    local counted = found.services[handle.name]
    if counted then
      services[#services + 1] = {
        name = handle.name, count = counted.count, size = counted.size,
        vips = vips_of(handle, counted.count),
      }
    end
  end
  local status
  status, message = stats.gate_status(gate.cdata)
  if not status then
    return nil, message
  end
  found.name, found.rules, found.services = gate.name, rules, services
  found.generation, found.image_bytes = tonumber(status.generation), tonumber(status.image_bytes)
  return found
end

-- JSON ---------------------------------------------------------------------------------

-- Objects, by name, because cjson cannot tell an empty array from an empty object.

local function by_address(backends)
  local named = {}
  for _, member in ipairs(backends) do
    named[member.address] = {
      weight = member.weight, state = member.state, picked = member.picked, share = member.share,
    }
  end
  return named
end

local function by_vip(vips)
  local named = {}
  for _, service in ipairs(vips) do
    named[service.vip] = by_address(service.backends)
  end
  return named
end

local function json(found)
  local rules, services = {}, {}
  for _, rule in ipairs(found.rules) do
    rules[rule.name] = {
      verb = rule.verb, hits = rule.hits, suppressed = rule.suppressed,
      backends = rule.backends and by_address(rule.backends),
    }
  end
  for _, table_of in ipairs(found.services) do
    services[table_of.name] = {
      count = table_of.count, size = table_of.size, vips = table_of.vips and by_vip(table_of.vips),
    }
  end
  found.rules, found.services = rules, services
  return cjson.encode(found)
end

-- Prometheus ---------------------------------------------------------------------------

local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

--- `{gate="web",rule="x"}` from "gate", "web", "rule", "x".
local function labels(...)
  local parts = {}
  for index = 1, select("#", ...), 2 do
    local name, value = select(index, ...)
    parts[#parts + 1] = name .. '="' .. value:gsub('[\\"\n]', escapes) .. '"'
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- The lines of a page for Prometheus.
---@class tidegate.Exposition
local Exposition = {}
Exposition.__index = Exposition

--- Add a metric with a sample for each member; nothing if there are no members.
---@param members table[] each with its labels
---@param read fun(member: table): number
function Exposition:metric(name, kind, help, members, read)
  if #members == 0 then
    return
  end
  self[#self + 1] = ("# HELP tidegate_%s %s"):format(name, help)
  self[#self + 1] = ("# TYPE tidegate_%s %s"):format(name, kind)
  for _, member in ipairs(members) do
    self[#self + 1] = ("tidegate_%s%s %.16g"):format(name, member.labels, read(member))
  end
end

local function hits(member) return member.hits end
local function suppressed(member) return member.suppressed end
local function picked(member) return member.picked end
local function share(member) return member.share end

local function add_rules(text, found)
  local backends = {}
  for _, rule in ipairs(found.rules) do
    rule.labels = labels("gate", found.name, "rule", rule.name, "verb", rule.verb)
    for _, member in ipairs(rule.backends or {}) do
      member.labels = labels("gate", found.name, "rule", rule.name, "backend", member.address)
      backends[#backends + 1] = member
    end
  end
  text:metric("rule_hits_total", "counter", "Calls that a rule decided.", found.rules, hits)
  text:metric("rule_suppressed_total", "counter", "Events that a rule's log rate held back.",
    found.rules, suppressed)
  text:metric("backend_picked_total", "counter", "Calls for which a rule chose a backend.",
    backends, picked)
  text:metric("backend_share", "gauge", "Share of a rule's future choices that a backend gets.",
    backends, share)
end

local function add_services(text, found)
  local backends = {}
  for _, table_of in ipairs(found.services) do
    table_of.labels = labels("gate", found.name, "services", table_of.name)
    for _, service in ipairs(table_of.vips or {}) do
      for _, member in ipairs(service.backends) do
        member.labels = labels("gate", found.name, "services", table_of.name,
          "vip", service.vip, "backend", member.address)
        backends[#backends + 1] = member
      end
    end
  end
  text:metric("services", "gauge", "Live services of a table.", found.services,
    function(member) return member.count end)
  text:metric("services_size", "gauge", "Live services that a table has room for.", found.services,
    function(member) return member.size end)
  text:metric("service_backend_picked_total", "counter",
    "Calls for which a live service chose a backend.", backends, picked)
  text:metric("service_backend_share", "gauge",
    "Share of a live service's future choices that a backend gets.", backends, share)
end

local function add_hooks(text, found)
  local names, outcomes = {}, {}
  for name in pairs(found.hooks) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local hook = found.hooks[name]
    for _, outcome in ipairs {
      { "passed", hook.calls - hook.denied - hook.rewritten - hook.errors },
      { "denied", hook.denied }, { "rewritten", hook.rewritten }, { "error", hook.errors },
    } do
      outcomes[#outcomes + 1] = {
        labels = labels("gate", found.name, "hook", name, "outcome", outcome[1]),
        calls = outcome[2],
      }
    end
  end
  text:metric("calls_total", "counter", "Calls of a hook, by outcome.", outcomes,
    function(member) return member.calls end)
end

local function add_defaults(text, found)
  local defaults = {}
  for _, op in ipairs(schema.call_names) do
    local counted = found.default[op]
    defaults[#defaults + 1] = {
      labels = labels("gate", found.name, "op", op), hits = counted.hits,
    }
  end
  text:metric("default_hits_total", "counter", "Calls that no rule matched.", defaults, hits)
end

local function add_gate(text, found)
  local gate = { { labels = labels("gate", found.name) } }
  for _, metric in ipairs {
    { "events_lost_total", "counter", found.lost, "Events lost because the ring was full." },
    { "errors_total", "counter", found.errors,
      "Calls decided by on_error, or whose source could not be bound." },
    { "generation", "gauge", found.generation,
      "Number of the policy in force; each reload adds one." },
    { "image_bytes", "gauge", found.image_bytes, "Size of the policy in force." },
  } do
    text:metric(metric[1], metric[2], metric[4], gate, function() return metric[3] end)
  end
end

local function prometheus(found)
  local text = setmetatable({}, Exposition)
  add_rules(text, found)
  add_services(text, found)
  add_hooks(text, found)
  add_defaults(text, found)
  add_gate(text, found)
  text[#text + 1] = ""
  return table.concat(text, "\n")
end

---@type table<string, { content_type: string, text: fun(found: table): string }>
M.formats = {
  json = { content_type = "application/json", text = json },
  prometheus = { content_type = "text/plain; version=0.0.4; charset=utf-8", text = prometheus },
}

return M

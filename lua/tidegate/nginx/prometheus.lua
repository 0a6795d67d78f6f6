--- The metrics of a gate in the text format of Prometheus.

local schema = require "tidegate.schema"

local M = {}

M.content_type = "text/plain; version=0.0.4; charset=utf-8"

local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

--- `gate="web",rule="x"` from "gate", "web", "rule", "x".
local function labels(...)
  local parts = {}
  for index = 1, select("#", ...), 2 do
    local name, value = select(index, ...)
    parts[#parts + 1] = name .. '="' .. value:gsub('[\\"\n]', escapes) .. '"'
  end
  return table.concat(parts, ",")
end

local function head(put, name, kind, help)
  put(("# HELP tidegate_%s %s\n# TYPE tidegate_%s %s\n"):format(name, help, name, kind))
end

--- Write a metric with a sample for each member; nothing if there are none.
---@param put fun(text: string)
---@param members table[] each with its labels
---@param read fun(member: table): number
local function metric(put, name, kind, help, members, read)
  if #members == 0 then
    return
  end
  head(put, name, kind, help)
  for _, member in ipairs(members) do
    put(("tidegate_%s{%s} %.16g\n"):format(name, member.labels, read(member)))
  end
end

local function field(name)
  return function(member) return member[name] end
end

-- Rules --------------------------------------------------------------------------------

-- The labels of the rules of an image, which do not change; made when they are first written.
local rule_labels = setmetatable({}, { __mode = "k" })

local function labels_of(found)
  local rules = found.rules
  local image, rule_names = rules.image, rules.names
  local known = rule_labels[image] or {}
  rule_labels[image] = known
  return function(index)
    local text = known[index]
    if not text then
      text = labels("gate", found.name, "rule", rule_names[index], "verb", image:verb(index))
      known[index] = text
    end
    return text
  end
end

--- Write a counter of all rules.
local function rule_metric(put, found, name, help, key)
  local rules, label = found.rules, labels_of(found)
  head(put, name, "counter", help)
  local begin = "tidegate_" .. name .. "{"
  for index = 0, rules.count - 1 do
    put(begin)
    put(label(index))
    put(("} %d\n"):format(tonumber(rules.counters[index][key])))
  end
end

--- Write when each rule last decided a call, if it ever did.
local function last_hits(put, found)
  local rules, label, hit = found.rules, labels_of(found), {}
  for index = 0, rules.count - 1 do
    local last_ns = rules.counters[index].last_ns
    if last_ns > 0 then
      hit[#hit + 1] = { labels = label(index), last = tonumber(last_ns) / 1e9 + rules.epoch }
    end
  end
  metric(put, "rule_last_hit_timestamp_seconds", "gauge", "When a rule last decided a call.", hit,
    field "last")
end

local function add_rules(put, found)
  if found.rules.count == 0 then
    return
  end
  rule_metric(put, found, "rule_hits_total", "Calls that a rule decided.", "hits")
  rule_metric(put, found, "rule_suppressed_total", "Events that a rule's log rate held back.",
    "suppressed")
  last_hits(put, found)
end

-- Backends -----------------------------------------------------------------------------

local states = { "up", "draining", "down" }

--- Write the metrics of backends, each with its labels.
---@param of string whose they are: "a rule", "a live service"
local function add_backends(put, prefix, of, members)
  metric(put, prefix .. "_picked_total", "counter",
    ("Calls for which %s chose a backend."):format(of), members, field "picked")
  metric(put, prefix .. "_share", "gauge",
    ("Share of the future choices of %s that a backend gets."):format(of), members, field "share")
  metric(put, prefix .. "_weight", "gauge", ("Weight of a backend of %s."):format(of), members,
    field "weight")
end

local function add_rule_backends(put, found)
  local rules, members = found.rules, {}
  for index = 0, rules.count - 1 do
    for _, member in ipairs(rules.backends[index] or {}) do
      member.labels =
        labels("gate", found.name, "rule", rules.names[index], "backend", member.address)
      members[#members + 1] = member
    end
  end
  add_backends(put, "backend", "a rule", members)
end

--- A sample for each state that something may be in: 1 for the one that it is in.
local function state_samples(samples, label, state, all)
  for _, name in ipairs(all) do
    samples[#samples + 1] = {
      labels = label .. "," .. labels("state", name), value = name == state and 1 or 0,
    }
  end
end

local function add_services(put, found)
  local members, samples = {}, {}
  for _, tables in ipairs(found.services) do
    tables.labels = labels("gate", found.name, "services", tables.name)
    for _, service in ipairs(tables.vips or {}) do
      for _, member in ipairs(service.backends) do
        member.labels = labels("gate", found.name, "services", tables.name, "vip", service.vip,
          "backend", member.address)
        members[#members + 1] = member
        state_samples(samples, member.labels, member.state, states)
      end
    end
  end
  metric(put, "services", "gauge", "Live services of a table.", found.services, field "count")
  metric(put, "services_capacity", "gauge", "Live services that a table has room for.",
    found.services, field "size")
  add_backends(put, "service_backend", "a live service", members)
  metric(put, "service_backend_state", "gauge",
    "1 for the state that a backend of a live service is in.", samples, field "value")
end

local function add_sets(put, found)
  for _, set in ipairs(found.sets) do
    set.labels = labels("gate", found.name, "set", set.name)
  end
  metric(put, "set_elements", "gauge", "Elements of a live set.", found.sets, field "count")
  metric(put, "set_capacity", "gauge", "Elements that a live set has room for.", found.sets,
    field "size")
  metric(put, "set_refused_total", "counter", "Elements that a live set had no room for.",
    found.sets, field "refused")
end

-- The gate -----------------------------------------------------------------------------

local function add_hooks(put, found)
  local hooks, outcomes = {}, {}
  for name, hook in pairs(found.hooks) do
    hooks[#hooks + 1] = {
      name = name, labels = labels("gate", found.name, "hook", name), counted = hook,
    }
  end
  table.sort(hooks, function(a, b) return a.name < b.name end)
  for _, hook in ipairs(hooks) do
    local counted = hook.counted
    for _, outcome in ipairs {
      { "passed", counted.calls - counted.denied - counted.rewritten - counted.errors
        - counted.refused_before },
      { "denied", counted.denied }, { "rewritten", counted.rewritten },
      { "error", counted.errors }, { "refused_before", counted.refused_before },
    } do
      outcomes[#outcomes + 1] = {
        labels = hook.labels .. "," .. labels("outcome", outcome[1]), calls = outcome[2],
      }
    end
  end
  metric(put, "calls_total", "counter", "Calls of a hook, by outcome.", outcomes, field "calls")
  metric(put, "hook_events_lost_total", "counter",
    "Events of a hook lost because the ring was full.", hooks,
    function(hook) return hook.counted.lost end)
end

local function add_defaults(put, found)
  local defaults, hit = {}, {}
  for _, op in ipairs(schema.call_names) do
    local counted = found.defaults[op]
    local member = {
      labels = labels("gate", found.name, "op", op), hits = counted.hits,
      suppressed = counted.suppressed, last = counted.last,
    }
    defaults[#defaults + 1] = member
    hit[#hit + 1] = counted.last and member
  end
  metric(put, "default_hits_total", "counter", "Calls that no rule matched.", defaults,
    field "hits")
  metric(put, "default_suppressed_total", "counter",
    "Events of the default that a log rate held back.", defaults, field "suppressed")
  metric(put, "default_last_hit_timestamp_seconds", "gauge",
    "When a call last matched no rule.", hit, field "last")
end

local function add_attachments(put, found)
  local samples, seen = {}, {}
  for _, attachment in ipairs(found.attachments) do
    attachment.labels = labels("gate", found.name, "cgroup", attachment.path)
    state_samples(samples, attachment.labels, attachment.state,
      { "attached", "severed", "gone", "unknown" })
    seen[#seen + 1] = attachment.processes and attachment
  end
  metric(put, "attachment_processes", "gauge",
    "Processes in a cgroup that the gate is attached to, and below it.", seen, field "processes")
  metric(put, "attachment_state", "gauge", "1 for the state that an attachment is in.", samples,
    field "value")
end

local function add_gate(put, found)
  local health = {}
  local gate = { { labels = labels("gate", found.name) } }
  state_samples(health, gate[1].labels, found.health, { "ok", "idle", "degraded", "unknown" })
  metric(put, "health", "gauge", "1 for the health of the gate, by its attachments.", health,
    field "value")
  for _, one in ipairs {
    { "events_lost_total", "counter", found.lost, "Events lost because the ring was full." },
    { "errors_total", "counter", found.errors,
      "Calls decided by on_error, or by a rule whose effect failed." },
    { "rates_evicted_total", "counter", found.rates_evicted,
      "Rate buckets dropped to make room for others." },
    { "clients_evicted_total", "counter", found.clients_evicted,
      "Sticky clients dropped to make room for others." },
    { "generation", "gauge", found.generation,
      "Number of the policy in force; each publish adds one." },
    { "image_bytes", "gauge", found.image_bytes, "Size of the policy in force." },
    { "shadow", "gauge", found.shadow and 1 or 0, "1 if the policy only counts and reports." },
  } do
    metric(put, one[1], one[2], one[4], gate, function() return one[3] end)
  end
  metric(put, "build_info", "gauge", "The version of Tidegate.",
    { { labels = labels("gate", found.name, "version", found.version) } }, function() return 1 end)
end

--- Write all metrics.
---@param found tidegate.Metrics
---@param put fun(text: string) takes one part of the page after the other
function M.write(found, put)
  add_rules(put, found)
  add_rule_backends(put, found)
  add_sets(put, found)
  add_services(put, found)
  add_hooks(put, found)
  add_defaults(put, found)
  add_attachments(put, found)
  add_gate(put, found)
end

return M

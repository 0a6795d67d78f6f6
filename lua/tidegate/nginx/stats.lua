--- What a gate has done, for those who watch nginx.

local cjson = require "cjson"
local schema = require "tidegate.schema"
local stats = require "tidegate.stats"

local M = {}

--- Everything that is told; `rules` in the order of the policy.
---@param gate tidegate.Gate
---@return table|nil
---@return string|nil message
function M.collect(gate)
  local found, message = gate:stats()
  if not found then
    return nil, message
  end
  local rules = {}
  for position, rule in ipairs(gate:rules()) do
    local counted = found.rules[rule.name]
    rules[position] = { name = rule.name, verb = rule.verb, hits = counted.hits, suppressed = counted.suppressed }
  end
  local status
  status, message = stats.gate_status(gate.cdata)
  if not status then
    return nil, message
  end
  found.name, found.rules = gate.name, rules
  found.generation, found.image_bytes = tonumber(status.generation), tonumber(status.image_bytes)
  return found
end

--- Rules by name: an empty array cannot be told from an empty object.
local function json(found)
  local rules = {}
  for _, rule in ipairs(found.rules) do
    rules[rule.name] = { verb = rule.verb, hits = rule.hits, suppressed = rule.suppressed }
  end
  found.rules = rules
  return cjson.encode(found)
end

-- Prometheus --------------------------------------------------------------------------

local escapes = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

--- { gate = "web", rule = "x" } as `{gate="web",rule="x"}`, in the order of `names`.
local function labels(names, values)
  local parts = {}
  for position, name in ipairs(names) do
    parts[position] = ('%s="%s"'):format(name, values[name]:gsub('[\\"\n]', escapes))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

---@class tidegate.Exposition
local Exposition = {}
Exposition.__index = Exposition

function Exposition:family(name, kind, help)
  self[#self + 1] = ("# HELP tidegate_%s %s"):format(name, help)
  self[#self + 1] = ("# TYPE tidegate_%s %s"):format(name, kind)
end

function Exposition:sample(name, names, values, number)
  self[#self + 1] = ("tidegate_%s%s %.17g"):format(name, labels(names, values), number)
end

local function rule_samples(text, found, name, key, help)
  text:family(name, "counter", help)
  for _, rule in ipairs(found.rules) do
    text:sample(name, { "gate", "rule", "verb" }, { gate = found.name, rule = rule.name, verb = rule.verb }, rule[key])
  end
end

local function prometheus(found)
  local text = setmetatable({}, Exposition)
  rule_samples(text, found, "rule_hits_total", "hits", "Calls that a rule decided.")
  rule_samples(text, found, "rule_suppressed_total", "suppressed", "Events that a rule's log rate held back.")
  text:family("default_hits_total", "counter", "Calls that no rule matched.")
  for _, op in ipairs(schema.op_names) do
    local counted = found.default[op]
    if counted then
      text:sample("default_hits_total", { "gate", "op" }, { gate = found.name, op = op }, counted.hits)
    end
  end
  for _, metric in ipairs {
    { "events_lost_total", "counter", "Events that found the ring full.", found.lost },
    { "errors_total", "counter", "Calls that met on_error, or whose source could not be bound.", found.errors },
    { "generation", "gauge", "Number of the policy in force; a reload moves it by one.", found.generation },
    { "image_bytes", "gauge", "Size of the policy in force.", found.image_bytes },
  } do
    text:family(metric[1], metric[2], metric[3])
    text:sample(metric[1], { "gate" }, { gate = found.name }, metric[4])
  end
  text[#text + 1] = ""
  return table.concat(text, "\n")
end

---@type table<string, { content_type: string, text: fun(found: table): string }>
M.formats = {
  json = { content_type = "application/json", text = json },
  prometheus = { content_type = "text/plain; version=0.0.4; charset=utf-8", text = prometheus },
}

return M

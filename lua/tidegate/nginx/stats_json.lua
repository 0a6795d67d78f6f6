--- The metrics of a gate as JSON.
--
-- What has names is an object, because cjson cannot tell an empty list from an empty object.

local cjson = require "cjson"

local M = {}

M.content_type = "application/json"

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

local function by_name(list, describe)
  local named = {}
  for _, member in ipairs(list) do
    named[member.name or member.path] = describe(member)
  end
  return named
end

local function of_set(set)
  return { count = set.count, size = set.size, refused = set.refused }
end

local function of_services(services)
  return {
    count = services.count, size = services.size, vips = services.vips and by_vip(services.vips),
  }
end

local function of_attachment(attachment)
  return { state = attachment.state, processes = attachment.processes }
end

-- What each rule of an image begins with, which does not change; made when it is first written.
local beginnings = setmetatable({}, { __mode = "k" })

local function beginning_of(rules)
  local image, rule_names = rules.image, rules.names
  local known = beginnings[image] or {}
  beginnings[image] = known
  return function(index)
    local text = known[index]
    if not text then
      text = ('%s%s:{"verb":"%s"'):format(index > 0 and "," or "",
        cjson.encode(rule_names[index]), image:verb(index))
      known[index] = text
    end
    return text
  end
end

local function write_rules(rules, put)
  local begin, counters, backends = beginning_of(rules), rules.counters, rules.backends
  put "{"
  for index = 0, rules.count - 1 do
    local counted = counters[index]
    put(begin(index))
    put((',"hits":%d,"suppressed":%d'):format(tonumber(counted.hits), tonumber(counted.suppressed)))
    if counted.last_ns > 0 then
      put((',"last":%.3f'):format(tonumber(counted.last_ns) / 1e9 + rules.epoch))
    end
    if backends[index] then
      put(',"backends":' .. cjson.encode(by_address(backends[index])))
    end
    put "}"
  end
  put "}"
end

--- Write all metrics.
---@param found tidegate.Metrics
---@param put fun(text: string) takes one part of the page after the other
function M.write(found, put)
  put '{"rules":'
  write_rules(found.rules, put)
  for _, key in ipairs { "name", "version", "generation", "image_bytes", "shadow", "health", "lost",
    "errors", "rates_evicted", "clients_evicted", "defaults", "hooks" } do
    put((',"%s":%s'):format(key, cjson.encode(found[key])))
  end
  put(',"sets":' .. cjson.encode(by_name(found.sets, of_set)))
  put(',"services":' .. cjson.encode(by_name(found.services, of_services)))
  put(',"attachments":' .. cjson.encode(by_name(found.attachments, of_attachment)))
  put "}\n"
end

return M

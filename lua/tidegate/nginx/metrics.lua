--- The figures of a gate that send_stats() writes, all read at one moment.
--
-- A policy may have many thousands of rules, and a worker that writes them answers nobody else
-- meanwhile.  So counters are read by one call into an array, what does not change of a rule's text
-- is kept for the next time, and the pages are written in parts.

local backend = require "tidegate.backend"
local gates = require "tidegate.gate"
local prometheus = require "tidegate.nginx.prometheus"
local stats = require "tidegate.stats"
local stats_json = require "tidegate.nginx.stats_json"
local tidegate = require "tidegate"

local M = {}

-- If a table has more services than this, only their number is shown: the monitoring has to keep as
-- many series.
local MOST_SERVICES = 1000

---@class tidegate.Metrics: tidegate.Stats
---@field name string of the gate
---@field version string
---@field generation integer
---@field image_bytes integer
---@field shadow boolean
---@field attachments tidegate.Attachment[]
---@field health string
---@field rules tidegate.RuleMetrics
---@field sets { name: string, count: integer, size: integer, refused: integer }[]
---@field services { name: string, count: integer, size: integer, vips: table[]|nil }[]

--- The rules in force, by index from 0.
---@class tidegate.RuleMetrics
---@field image tidegate.Image that they are of
---@field count integer
---@field names table<integer, string>
---@field counters ffi.cdata* struct tg_counters[]
---@field epoch number seconds that are added to the times in them
---@field backends table<integer, tidegate.Backend[]>

--- The services of a table, each a VIP with its backends; nil: there are too many.
local function vips_of(handle, count)
  if count > MOST_SERVICES then
    return nil
  end
  local vips = {}
  for vip, backends in handle:each() do
    vips[#vips + 1] = { vip = vip, backends = backend.plain(backends) }
  end
  table.sort(vips, function(a, b) return a.vip < b.vip end)
  return vips
end

--- The live tables of a kind that are in force, in the order of their declarations.
local function tables_of(handles, describe)
  local found = {}
  for _, handle in ipairs(handles) do
    local info = handle:info() -- nil: it is staged in a gate that is in force
    if info and info.bytes > 0 then
      found[#found + 1] = describe(handle, info)
    end
  end
  return found
end

local function set_of(handle, info)
  return { name = handle.name, count = info.count, size = info.size, refused = info.refused }
end

local function services_of(handle, info)
  return {
    name = handle.name, count = info.count, size = info.size, vips = vips_of(handle, info.count),
  }
end

--- Read everything.
---@param gate tidegate.Gate
---@return tidegate.Metrics|nil
---@return string|nil message
function M.collect(gate)
  local state = gates.state(gate)
  local found, message = stats.read(state)
  if not found then
    return nil, message
  end
  local status
  status, message = stats.add_in_force(state, {})
  if not status then
    return nil, message
  end
  for _, key in ipairs { "generation", "image_bytes", "shadow", "attachments", "health" } do
    found[key] = status[key]
  end
  found.rules.image = state.published
  found.name, found.version = gate.name, tidegate._VERSION
  found.sets = tables_of(gate:sets(), set_of)
  found.services = tables_of(gate:services(), services_of)
  return found
end

---@alias tidegate.Page { content_type: string, write: fun(found: table, put: fun(text: string)) }

---@type table<string, tidegate.Page>
M.formats = { json = stats_json, prometheus = prometheus }

return M

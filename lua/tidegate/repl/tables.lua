--- The tables that the prompt shows: rules, sets and services.

local duration = require "tidegate.duration"
local literal = require "tidegate.literal"
local schema = require "tidegate.schema"
local show = require "tidegate.repl.show"

local M = {}

-- How many are shown of one rule, and of one table, so that all fits on a screen.
local MOST_BACKENDS, MOST_SERVICES = 16, 16

--- The tables of a gate that is closed are gone.
local function check_open(session)
  if session.gate.closed then
    error("the gate is closed", 0)
  end
end

local function show_table(session, head, rows, right)
  return show.table(head, rows, right, session.columns and session.columns())
end

--- A backend's share of future choices, such as "75 %"; or its state, if it gets none.
local function share(member)
  return member.state == "up" and ("%.3g %%"):format(member.share * 100) or member.state
end

-- Rules ------------------------------------------------------------------------------

--- The text of a rule without its verb and name.
local function body(rule)
  local text = tostring(rule):match "^%a+ { ?(.-) ?}$"
  local name = literal.quote(rule.name) .. ", "
  return text:sub(1, #name) == name and text:sub(#name + 1) or text
end

local function add_backends(rows, rule)
  local backends, width = rule.backends or {}, 0
  for _, member in ipairs(backends) do
    width = math.max(width, #share(member))
  end
  for position, member in ipairs(backends) do
    if position > MOST_BACKENDS then
      rows[#rows + 1] = { "", "", "", "", ("… %d more: rules[%s].backends")
        :format(#backends - MOST_BACKENDS, literal.quote(rule.name)) }
      break
    end
    rows[#rows + 1] = { "", tostring(member.picked), "", "",
      ("%" .. width .. "s  %s"):format(share(member), member.address) }
  end
end

--- What the defaults decided.
local function add_defaults(rows, session)
  local stats = assert(session.gate:stats())
  for _, op in ipairs(schema.op_names) do
    local counted = stats.defaults[op]
    if counted and counted.hits > 0 then
      rows[#rows + 1] = { "", tostring(counted.hits), "", "(default)", op }
    end
  end
end

--- The rules. Below each balance rule come its backends; at the end, what the defaults decided.
---@param session tidegate.Session
---@param wanted string|nil only the rules that contain this text
---@return string
function M.rules(session, wanted)
  check_open(session)
  local rows, all = {}, session:rules()
  for position, rule in ipairs(all) do
    local row = { tostring(position), tostring(rule.hits), rule.verb, rule.name, body(rule) }
    local text = ("%s %s %s"):format(row[3], row[4], row[5])
    if not wanted or text:lower():find(wanted:lower(), 1, true) then
      rows[#rows + 1] = row
      add_backends(rows, rule)
    end
  end
  if not wanted then
    add_defaults(rows, session)
  elseif #rows == 0 then
    return "no rule contains " .. literal.quote(wanted)
  end
  if #rows == 0 then
    return "no rules yet"
  end
  return show_table(session, { "#", "hits", "verb", "name", "" }, rows, { true, true })
end

-- Live tables ------------------------------------------------------------------------

--- The live sets.
---@param session tidegate.Session
---@return string
function M.sets(session)
  check_open(session)
  local rows = {}
  for position, set in ipairs(session.gate:sets()) do
    local info = assert(set:info())
    rows[position] = { info.name, tostring(info.count), tostring(info.size),
      info.ttl == math.huge and "for ever" or duration.text(info.ttl * 1000) }
  end
  if #rows == 0 then
    return "no sets yet"
  end
  return show_table(session, { "name", "holds", "room for", "ttl" }, rows, { false, true, true })
end

--- The first services of a table, sorted by VIP.
local function first_of(services)
  local first = {}
  for vip, backends in services:each() do
    first[#first + 1] = { vip = vip, backends = backends }
    if #first == MOST_SERVICES then
      break
    end
  end
  table.sort(first, function(a, b) return a.vip < b.vip end)
  return first
end

local function add_services(rows, services, info)
  local first = info.bytes > 0 and first_of(services) or {} -- 0 bytes: they are not in force yet
  for _, service in ipairs(first) do
    for position, member in ipairs(service.backends) do
      rows[#rows + 1] = { "", position == 1 and service.vip or "", tostring(member.picked),
        share(member), member.address }
    end
    if #service.backends == 0 then
      rows[#rows + 1] = { "", service.vip, "", "", "none" }
    end
  end
  if info.count > #first then
    rows[#rows + 1] = { "", ("… %d more"):format(info.count - #first), "", "", "" }
  end
end

--- The live services.
---@param session tidegate.Session
---@return string
function M.services(session)
  check_open(session)
  local rows = {}
  for _, services in ipairs(session.gate:services()) do
    local info = assert(services:info())
    local used = ("%d, room for %d"):format(info.count, info.size)
    rows[#rows + 1] = { info.name, used, "", "", "" }
    add_services(rows, services, info)
  end
  if #rows == 0 then
    return "no services yet"
  end
  return show_table(session, { "name", "service", "picked", "share", "backend" }, rows,
    { [3] = true, [4] = true })
end

return M

--- What the prompt shows of a policy in columns: its rules, sets and services.

local duration = require "tidegate.duration"
local literal = require "tidegate.literal"
local schema = require "tidegate.schema"
local show = require "tidegate.repl.show"

local M = {}

-- What is shown of one rule, or of one table: a screen has no room for more.
local MOST_BACKENDS, MOST_SERVICES = 16, 16

local function show_table(session, head, rows, right)
  return show.table(head, rows, right, session.columns and session.columns())
end

--- "75 %" of the choices to come, or why there are none.
local function share(member)
  return member.state == "up" and ("%.3g %%"):format(member.share * 100) or member.state
end

-- Rules ------------------------------------------------------------------------------

--- What a rule says, but for its verb and name.
local function body(rule)
  local text = rule:text(rule.ordinal):match "^%a+ { ?(.-) ?}$"
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

--- The rules, below those that balance their backends, and in the end what the defaults decided.
---@param session tidegate.Session
---@return string
function M.rules(session)
  local rows = {}
  for position, rule in ipairs(session.gate:rules()) do
    rows[#rows + 1] = { tostring(position), tostring(rule.hits), rule.verb, rule.name, body(rule) }
    add_backends(rows, rule)
  end
  local stats = assert(session.gate:stats())
  for _, op in ipairs(schema.op_names) do
    local counted = stats.default[op]
    if counted and counted.hits > 0 then
      rows[#rows + 1] = { "", tostring(counted.hits), "", "(default)", op }
    end
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
  local rows = {}
  for position, set in ipairs(session.gate:sets()) do
    local info = assert(set:info())
    rows[position] = { info.name, tostring(info.count), tostring(info.size),
      info.ttl and duration.text(info.ttl * 1000) or "for ever" }
  end
  if #rows == 0 then
    return "no sets yet"
  end
  return show_table(session, { "name", "holds", "room for", "ttl" }, rows, { false, true, true })
end

--- Some of the services of a table, each a VIP with its backends, sorted.
local function some_of(services)
  local some = {}
  for vip, backends in services:each() do
    some[#some + 1] = { vip = vip, backends = backends }
    if #some == MOST_SERVICES then
      break
    end
  end
  table.sort(some, function(a, b) return a.vip < b.vip end)
  return some
end

local function add_services(rows, services, info)
  local some = info.bytes > 0 and some_of(services) or {} -- none: they are not in force
  for _, service in ipairs(some) do
    for position, member in ipairs(service.backends) do
      rows[#rows + 1] = { "", position == 1 and service.vip or "", tostring(member.picked), share(member),
        member.address }
    end
    if #service.backends == 0 then
      rows[#rows + 1] = { "", service.vip, "", "", "none" }
    end
  end
  if info.count > #some then
    rows[#rows + 1] = { "", ("… %d more"):format(info.count - #some), "", "", "" }
  end
end

--- The live services.
---@param session tidegate.Session
---@return string
function M.services(session)
  local rows = {}
  for _, services in ipairs(session.gate:services()) do
    local info = assert(services:info())
    rows[#rows + 1] = { info.name, ("%d, room for %d"):format(info.count, info.size), "", "", "" }
    add_services(rows, services, info)
  end
  if #rows == 0 then
    return "no services yet"
  end
  return show_table(session, { "name", "service", "picked", "share", "backend" }, rows, { [3] = true, [4] = true })
end

return M

--- Live sets in the API: /sets, /sets/NAME, /sets/NAME/ITEM.
--
-- An element is "192.0.2.1", or { "item": "192.0.2.1", "ttl": 60 } if it expires.  If the set has a
-- time to live of its own, one that does not expire is { "item": "192.0.2.1", "ttl": null }.

local cjson = require "cjson"
local ngx = require "ngx"
local body = require "tidegate.nginx.admin.body"
local change = require "tidegate.nginx.admin.change"
local literal = require "tidegate.literal"
local reply = require "tidegate.nginx.admin.reply"

local M = {}

local JSON = { "application/json" }
local WANTS = 'wants a list such as ["192.0.2.1", { "item": "10.0.0.0/8", "ttl": "10m" }]; got '

local function seconds(left)
  return left ~= math.huge and left or nil
end

local function describe(handle)
  local info = handle:info()
  return reply.object("count", info.count, "size", info.size, "ttl", seconds(info.ttl), "readonly",
    info.readonly)
end

--- How full all sets are.
function M.index(gate)
  return reply.map(gate:sets(), function(handle) return handle.name end, describe)
end

-- After so many elements, other requests get their turn.
local TURN = 2048

--- The elements, by their text, and the tag of their list: of what is in it, not of the time left.
---@param pause fun()|nil called now and then
local function read(handle, pause)
  local items, left = {}, {}
  for item, time in handle:each() do
    items[#items + 1], left[item] = item, time
    if pause and #items % TURN == 0 then
      pause()
    end
  end
  return items, left, change.tag(items)
end

local function tag_of(handle)
  return function() return (select(3, read(handle))) end
end

--- An element as JSON, which can be put back; addresses need no escapes.
---@param expire boolean whether elements expire if nothing is said of them
local function element(item, left, expire)
  if left == math.huge and not expire then
    return '"' .. item .. '"'
  end
  return ('{"item":"%s","ttl":%s}'):format(item,
    left ~= math.huge and ("%.3f"):format(left) or "null")
end

local function expires(handle)
  return handle:info().ttl ~= math.huge
end

local function pause()
  ngx.sleep(0)
end

local function list(handle)
  local items, left, tag = read(handle, pause)
  local parts, expire = {}, expires(handle)
  for position, item in ipairs(items) do
    parts[position] = element(item, left[item], expire)
    if position % TURN == 0 then
      pause()
    end
  end
  change.show(tag, reply.json("[" .. table.concat(parts, ",") .. "]"))
end

--- A time to live from JSON, in which null is for ever.
local function take_ttl(ttl)
  return ttl == cjson.null and math.huge or ttl
end

local function take_one(member)
  if type(member) ~= "table" then
    reply.fail(400, ("%s%s in it"):format(WANTS, body.describe(member)))
  end
  for field in pairs(member) do
    if field ~= "item" and field ~= "ttl" then
      reply.fail(400, ("%sa field %s"):format(WANTS, literal.describe(field)))
    end
  end
  if member.item == nil then
    reply.fail(400, WANTS .. "an element without an item")
  elseif type(member.item) ~= "string" then
    reply.fail(400, ("%sthe item %s"):format(WANTS, body.describe(member.item)))
  end
  return { member.item, ttl = take_ttl(member.ttl) }
end

--- Elements from JSON.
local function take(value)
  if type(value) ~= "table" then
    reply.fail(400, WANTS .. body.describe(value))
  end
  local elements = {}
  for key, member in pairs(value) do
    if type(key) ~= "number" then
      reply.fail(400, ("%sa field %s"):format(WANTS, literal.describe(key)))
    end
    elements[key] = type(member) == "string" and { member } or take_one(member)
  end
  return elements
end

--- Make a change, and answer how full the set is then; without a tag, for which all its elements
--- would have to be read.
local function make(handle, work)
  change.make(tag_of(handle), work)
  reply.send(200, describe(handle))
end

local all = {}

all.GET = list

--- Replace all elements.
function all.PUT(handle)
  local elements = take(body.read(JSON))
  if #elements == 0 then
    reply.fail(400, "an empty list would remove all elements; DELETE does that")
  end
  make(handle, function() change.call(handle, "replace", elements) end)
end

--- Add elements.
function all.POST(handle)
  local elements = take(body.read(JSON))
  make(handle, function() change.call(handle, "add", elements) end)
end

--- Add and remove elements: { "add": […], "remove": […] }.
function all.PATCH(handle)
  local said = body.read(JSON)
  local wants = 'wants { "add": […], "remove": […] }'
  if type(said) ~= "table" then
    reply.fail(400, wants)
  end
  for key in pairs(said) do
    if key ~= "add" and key ~= "remove" then
      reply.fail(400, ("%s; got %s"):format(wants, literal.describe(key)))
    end
  end
  local added, removed = take(said.add or {}), take(said.remove or {})
  make(handle, function()
    if #added > 0 then -- first, because it is all or nothing
      change.call(handle, "add", added)
    end
    if #removed > 0 then
      change.call(handle, "remove", removed)
    end
  end)
end

--- Remove all elements.
function all.DELETE(handle)
  make(handle, function() change.call(handle, "clear") end)
end

local one = {}

--- The element that holds an address.
function one.GET(handle, item)
  local found, left = change.call(handle, "find", item)
  if not found then
    reply.fail(404, ('set "%s" does not contain %s'):format(handle.name, literal.quote(item)))
  end
  reply.send(200, reply.object("item", found, "ttl",
    seconds(left) or (expires(handle) and cjson.null or nil)))
end

--- Add an element: { "ttl": "10m" }.
function one.PUT(handle, item)
  local said = body.read(JSON, true) or {}
  if type(said) ~= "table" or (next(said) ~= nil and next(said) ~= "ttl") then
    reply.fail(400, 'wants { "ttl": "10m" }, or no body')
  end
  make(handle, function() change.call(handle, "add", { { item, ttl = take_ttl(said.ttl) } }) end)
end

function one.DELETE(handle, item)
  make(handle, function()
    if change.call(handle, "remove", item) == 0 then
      reply.fail(404, ('set "%s" has no element %s')
        :format(handle.name, literal.quote(item)))
    end
  end)
end

--- The methods of an address.
function M.resource(handle, item)
  if item == "" then
    return all, handle
  end
  return one, handle, item
end

return M

--- Live services in the API: /services, /services/NAME, /services/NAME/VIP,
--- /services/NAME/VIP/ADDRESS.
--
-- Backends are { "10.0.1.5:8080": { "weight": 3, "state": "up" } }.

local cjson = require "cjson"
local body = require "tidegate.nginx.admin.body"
local change = require "tidegate.nginx.admin.change"
local literal = require "tidegate.literal"
local reply = require "tidegate.nginx.admin.reply"

local M = {}

local JSON = { "application/json" }
local PATCHES = { "application/json", "application/merge-patch+json" }
local WANTS = 'wants backends such as { "10.0.1.5:8080": { "weight": 3 }, "10.0.1.6:8080": {} }; '
  .. "got "

local function name_of(handle)
  return handle.name
end

local function describe(handle)
  local info = handle:info()
  return reply.object("count", info.count, "size", info.size, "readonly", info.readonly)
end

--- How full all tables are.
function M.index(gate)
  return reply.map(gate:services(), name_of, describe)
end

local function by_address(backends)
  local list = {}
  for position, member in ipairs(backends) do
    list[position] = member
  end
  table.sort(list, function(a, b) return a.address < b.address end)
  return reply.map(list, function(member) return member.address end, function(member)
    return reply.object("weight", member.weight, "state", member.state, "picked", member.picked,
      "share", member.share)
  end)
end

--- The tag of a list of backends: of what a client can change of them.
local function tag(backends)
  local texts = {}
  for position, member in ipairs(backends) do
    texts[position] = ("%s %d %s"):format(member.address, member.weight, member.state)
  end
  return change.tag(texts)
end

--- The tag of what a VIP has; nil: there is no such VIP.
local function tag_of(handle, vip)
  return function()
    local backends = handle[vip]
    return backends and tag(backends)
  end
end

--- The backends of a VIP; nil: there is no such VIP.  Ends the request if it cannot be one.  By a
--- method, because handle[vip] may be another member: "size" in an address is no VIP.
local function get(handle, vip)
  local backends, message, errno = handle:get(vip)
  if message then
    change.fail(handle, message, errno)
  end
  return backends
end

local function must_exist(handle, vip)
  return get(handle, vip) or reply.fail(404, ('services "%s": there is no VIP %s')
    :format(handle.name, literal.quote(vip)))
end

--- Answer with the backends of a VIP, and with the tag of these and no others.
local function send(status, handle, vip)
  local backends = handle[vip] or {}
  reply.send(status, by_address(backends), { ETag = tag(backends) })
end

--- A backend from JSON.
local function take_one(address, fields)
  if type(address) ~= "string" then
    reply.fail(400, WANTS .. "a list")
  elseif type(fields) ~= "table" then
    reply.fail(400, ("%s%s for %s"):format(WANTS, body.describe(fields), literal.quote(address)))
  end
  local backend = { address }
  for field, value in pairs(fields) do
    if field ~= "picked" and field ~= "share" then -- as they were read
      backend[field] = value ~= cjson.null and value or nil
    end
  end
  return backend
end

local function sorted(backends)
  table.sort(backends, function(a, b) return a[1] < b[1] end)
  return backends
end

local function take(value)
  if type(value) ~= "table" then
    reply.fail(400, WANTS .. body.describe(value))
  end
  local backends = {}
  for address, fields in pairs(value) do
    backends[#backends + 1] = take_one(address, fields)
  end
  return sorted(backends)
end

-- A table ------------------------------------------------------------------------------

local whole = {}

function whole.GET(handle)
  local vips = {}
  for vip, backends in handle:each() do
    vips[#vips + 1] = { vip = vip, backends = backends }
  end
  table.sort(vips, function(a, b) return a.vip < b.vip end)
  reply.send(200, reply.map(vips, function(service) return service.vip end,
    function(service) return by_address(service.backends) end))
end

-- A VIP --------------------------------------------------------------------------------

local all = {}

function all.GET(handle, vip)
  local backends = must_exist(handle, vip)
  change.show(tag(backends), by_address(backends))
end

--- Give the VIP these backends, and no others.
function all.PUT(handle, vip)
  local backends, empty = take(body.read(JSON)), body.flag "empty"
  if #backends == 0 and not empty then
    reply.fail(400, "an empty list would let all calls fail; if you mean that, add ?empty=true; "
      .. "DELETE removes the VIP")
  end
  local status = change.make(tag_of(handle, vip), function()
    local known = get(handle, vip) ~= nil
    change.call(handle, "put", vip, backends)
    return known and 200 or 201
  end)
  send(status, handle, vip)
end

--- The backends of a VIP, changed as RFC 7396 says: null removes one.
local function merged(backends, patch)
  local list = {}
  for _, member in ipairs(backends) do
    list[member.address] = { member.address, weight = member.weight, state = member.state }
  end
  for address, fields in pairs(patch) do
    if fields == cjson.null then
      list[address] = nil
    else
      local backend = take_one(address, fields)
      for field, value in pairs(list[address] or {}) do
        if backend[field] == nil and fields[field] ~= cjson.null then
          backend[field] = value
        end
      end
      list[address] = backend
    end
  end
  local result = {}
  for _, backend in pairs(list) do
    result[#result + 1] = backend
  end
  return sorted(result)
end

--- Change some backends in one step.
function all.PATCH(handle, vip)
  local patch = body.read(PATCHES)
  if type(patch) ~= "table" then
    reply.fail(400, WANTS .. body.describe(patch))
  end
  change.make(tag_of(handle, vip), function()
    change.call(handle, "put", vip, merged(must_exist(handle, vip), patch))
  end)
  send(200, handle, vip)
end

--- Remove the VIP.
function all.DELETE(handle, vip)
  change.make(tag_of(handle, vip), function()
    must_exist(handle, vip)
    change.call(handle, "remove", vip)
  end)
  reply.send(204)
end

-- A backend ----------------------------------------------------------------------------

local one = {}

local function no_backend(handle, vip, address)
  reply.fail(404, ('services "%s": %s is no backend of %s')
    :format(handle.name, literal.quote(address), literal.quote(vip)))
end

--- The backend of a VIP that has this address.  Raises if there is none.
local function find(handle, vip, address)
  for _, member in ipairs(must_exist(handle, vip)) do
    if member.address == address then
      return member
    end
  end
  no_backend(handle, vip, address)
end

function one.GET(handle, vip, address)
  local member = find(handle, vip, address)
  reply.send(200, reply.object("weight", member.weight, "state", member.state, "picked",
    member.picked, "share", member.share))
end

--- Add a backend, or give it this weight and state.
function one.PUT(handle, vip, address)
  local backend = take_one(address, body.read(JSON, true) or {})
  backend.weight, backend.state = backend.weight or 1, backend.state or "up"
  change.make(tag_of(handle, vip), function()
    change.call(handle, "put_backend", vip, backend)
  end)
  send(200, handle, vip)
end

--- Change a backend: what is not said stays.
function one.PATCH(handle, vip, address)
  local backend = take_one(address, body.read(PATCHES))
  change.make(tag_of(handle, vip), function()
    find(handle, vip, address)
    change.call(handle, "put_backend", vip, backend)
  end)
  send(200, handle, vip)
end

--- Remove a backend.
function one.DELETE(handle, vip, address)
  change.make(tag_of(handle, vip), function()
    must_exist(handle, vip)
    if not change.call(handle, "remove_backend", vip, address) then
      no_backend(handle, vip, address)
    end
  end)
  send(200, handle, vip)
end

--- The methods of an address: a VIP may have a slash before its protocol.
function M.resource(handle, rest)
  if rest == "" then
    return whole, handle
  end
  local vip, address = (rest .. "/"):match "^([^/]+/%l+)/(.*)$"
  if not vip then
    vip, address = (rest .. "/"):match "^([^/]+)/(.*)$"
  end
  address = address:gsub("/$", "")
  if address == "" then
    return all, handle, vip
  end
  return one, handle, vip, address
end

return M

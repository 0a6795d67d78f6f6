-- The backends of $vip. Any worker can change them, and the next connect sees the change.
--
--   GET    /backends                 list the backends, as this object:
--       { "10.0.1.5:8080": { "weight": 3, "state": "up", "picked": 17 } }
--   PUT    /backends                 replace them all in one step, by such an object
--   PUT    /backends/10.0.1.5:8080   add a backend, or change it: ?weight=3&state=draining
--   DELETE /backends/10.0.1.5:8080   remove a backend
--
-- A backend that is draining, down or removed gets no new connections; those that it has go on.
-- The answer to a change is the new list.

local cjson = require "cjson.safe"
local ngx = require "ngx"
local tidegate = require "tidegate.nginx"

local changing = ngx.shared.changing
local backends = tidegate.gate():service "backends"
local vip = ngx.var.vip

--- The backends without the one at an address, and that one.
local function without(address)
  local rest, found = {}, nil
  for _, backend in ipairs(backends[vip] or {}) do
    local item = { backend.address, weight = backend.weight, state = backend.state }
    if backend.address == address then
      found = item
    else
      rest[#rest + 1] = item
    end
  end
  return rest, found
end

--- Only addresses are allowed: a name would be looked up, and the worker would wait for that.
local function is_address(text)
  return text:find "^[%d.]+$" or text:find "^[%d.]+:%d+$" or text:find "^%[[%x:.]+%]:%d+$"
end

--- Replace the backends. A connect sees either the old list or the new one, whole.
local function replace(list)
  for _, item in ipairs(list) do
    if not is_address(item[1]) then
      return 400, ("%q: wants an address such as 10.0.1.5:8080"):format(item[1])
    end
  end
  local called, done, message = pcall(backends.set, backends, vip, list)
  if not called or not done then
    return 400, message or done
  end
  return 200
end

local function put_all()
  local said = cjson.decode(ngx.req.get_body_data() or "")
  local list = {}
  for address, fields in pairs(type(said) == "table" and said or { false }) do
    if type(address) ~= "string" or type(fields) ~= "table" then
      return 400, 'wants { "10.0.1.5:8080": { "weight": 3 }, "10.0.1.6:8080": {} }'
    end
    fields[1], fields.picked = address, nil
    list[#list + 1] = fields
  end
  return replace(list)
end

local function put_one(address)
  local list, backend = without(address)
  backend = backend or { address }
  for field, value in pairs(ngx.req.get_uri_args()) do
    backend[field] = field == "weight" and tonumber(value) or value
  end
  list[#list + 1] = backend
  return replace(list)
end

local function delete_one(address)
  local list, found = without(address)
  if not found then
    return 404, ("%s is no backend of %s"):format(address, vip)
  end
  return replace(list)
end

--- Run a change while no other worker makes one: a change reads the list, then writes it.
local function alone(change, address)
  while not changing:add(vip, true, 1) do
    ngx.sleep(0.001)
  end
  local fine, status, message = pcall(change, address)
  changing:delete(vip)
  if not fine then
    return 500, status
  end
  return status, message
end

local function answer(status, message)
  ngx.status = status
  if message then
    ngx.header.content_type = "text/plain"
    return ngx.say(message)
  end
  local found = {}
  for _, backend in ipairs(backends[vip] or {}) do
    found[backend.address] = {
      weight = backend.weight, state = backend.state, picked = backend.picked,
    }
  end
  ngx.header.content_type = "application/json"
  ngx.say(cjson.encode(found))
end

local method, address = ngx.req.get_method(), ngx.var.uri:match "^/backends/(.+)$"
if method == "GET" then
  answer(address and 404 or 200, address and "GET /backends lists all backends")
elseif method == "PUT" then
  ngx.req.read_body()
  answer(alone(address and put_one or put_all, address))
elseif method == "DELETE" and address then
  answer(alone(delete_one, address))
else
  ngx.header.allow = address and "PUT, DELETE" or "GET, PUT"
  answer(405, "wants GET or PUT of /backends, PUT or DELETE of /backends/ADDRESS")
end

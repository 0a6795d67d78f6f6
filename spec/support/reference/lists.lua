--- Lists and their items, in the reference: which calls they match.
--
-- Functions are called through M, as in spec/support/reference.lua.

local address = require "spec.support.reference.address"
local balance = require "spec.support.reference.balance"
local named_range = require "spec.support.reference.named_range"
local names = require "spec.support.reference.names"

local M = {}

-- Items ----------------------------------------------------------------------------

--- "80", "80-90", "https", "*" as a first and a last number.
local function parse_numbers(field, text)
  if text == "*" then
    return 0, 2 ^ 32 - 1
  end
  local first, last = text:match "^(0x%x+)%-(0x%x+)$"
  if not first then
    first, last = text:match "^(%d+)%-(%d+)$"
  end
  if first then
    return tonumber(first), tonumber(last)
  end
  local number = tonumber(text) or names.number(field, text)
  return number, number
end

-- From the text of an item to a function that says whether a call has it.
local read = {}

local function number_reader(field)
  return function(text)
    local first, last = parse_numbers(field, text)
    return function(call)
      return first <= call[field] and call[field] <= last
    end
  end
end

for _, field in ipairs {
  "port", "proto", "family", "uid", "gid", "pid", "type", "mark", "device", "netns", "source_port",
} do
  read[field] = number_reader(field)
end

local read_proto_number = read.proto

--- "tcp" means MPTCP too.
function read.proto(text)
  local matches = read_proto_number(text)
  return function(call)
    return matches(call) or (text == "tcp" and call.proto == names.protos.mptcp)
  end
end

function read.comm(text)
  local prefix = text:match "^(.*)%*$"
  return function(call)
    if prefix then
      return call.comm:sub(1, #prefix) == prefix
    end
    return call.comm == text
  end
end

function read.exe(text)
  return function(call) return text == "*" or call.exe == text end
end

--- Whether a cgroup is another one, or below it.
function M.below(path, above)
  return (path .. "/"):sub(1, #above + 1) == above .. "/"
end

function read.cgroup(text)
  return function(call)
    return text == "*" or text == "/" or M.below(call.cgroup, text)
  end
end

-- The address that a field's endpoints are about.
local addr_keys = { endpoint = "target", source = "source_addr" }

--- Whether an address is among those of a text: "@private", "10.0.0.0/8", "*".
local function read_addresses(text)
  local name = text:match "^@(.*)$"
  if name then
    return function(addr) return named_range.contains(name, addr) end
  end
  local ranges = address.ranges(text)
  return function(addr)
    for _, range in ipairs(ranges or {}) do
      if address.within(addr, range) then
        return true
      end
    end
    return not ranges
  end
end

local function read_endpoint(text, addr_key, read_port)
  local addr, port = text:match "^%[(.-)%]:?(.*)$"
  if not addr and text:find ":.*:" then
    addr, port = text, ""
  elseif not addr then
    addr, port = text:match "^([^:]*):?(.*)$"
  end
  local has_addr = read_addresses(addr)
  local has_port = port ~= "" and read_port(port)
  return function(call)
    return has_addr(call[addr_key]) and (not has_port or has_port(call))
  end
end

function read.endpoint(text) return read_endpoint(text, addr_keys.endpoint, read.port) end
function read.source(text) return read_endpoint(text, addr_keys.source, read.source_port) end

-- Lists ----------------------------------------------------------------------------

--- A list is the union of its items, or everything if there are only negative ones, minus the
--- negative ones; it is empty if it has no items.
function M.holds(list, call)
  local positive, found = false, false
  for _, item in ipairs(list) do
    if not item.negative then
      positive = true
      found = found or item.matches(call)
    elseif item.matches(call) then
      return false
    end
  end
  return found or (#list > 0 and not positive)
end

--- The contents of the policy's live sets, as ranges.
local sets = {}

--- Declare the live sets that the lists to be read may name.
---@param items_by_name table<string, string[]>|nil
function M.read_sets(items_by_name)
  sets = {}
  for name, items in pairs(items_by_name or {}) do
    local ranges = {}
    for _, item in ipairs(items) do
      ranges[#ranges + 1] = address.ranges(item)[1]
    end
    sets[name] = ranges
  end
end

local function read_set(field, name, port)
  local ranges, addr_key = sets[name], addr_keys[field]
  local has_port = port and read[field == "source" and "source_port" or "port"](port)
  return function(call)
    if has_port and not has_port(call) then
      return false
    end
    for _, range in ipairs(ranges) do
      if address.within(call[addr_key], range) then
        return true
      end
    end
    return false
  end
end

local function read_product(field, value)
  local addrs = value.addr ~= nil and M.read(field, value.addr)
  local port_field = field == "source" and "source_port" or "port"
  local ports = value.port ~= nil and M.read(port_field, value.port)
  local item = { negative = false, inner = addrs }
  function item.matches(call)
    return (not addrs or M.holds(addrs, call)) and (not ports or M.holds(ports, call))
  end
  return item
end

local function read_services(name)
  local function service(call) return balance.service(name, call) end
  return { negative = false, service = service, matches = service }
end

--- The first service of a list that a call asks for and that matches it.
function M.service(list, call)
  for _, item in ipairs(list) do
    local found = item.service and item.service(call) or item.inner and M.service(item.inner, call)
    if found and item.matches(call) then
      return found
    end
  end
end

--- The items of a value: a text, a number, { addr =, port = }, or a list of such.
function M.read(field, value, list)
  list = list or {}
  if type(value) ~= "table" then
    local sign, text = tostring(value):match "^(!?)(.*)$"
    list[#list + 1] = { negative = sign == "!", matches = read[field](text) }
  elseif value.set then
    list[#list + 1] = { negative = value.negative or false,
      matches = read_set(field, value.set, value.at) }
  elseif value.services then
    list[#list + 1] = read_services(value.services)
  elseif value.addr ~= nil or value.port ~= nil then
    list[#list + 1] = read_product(field, value)
  else
    for _, inner in ipairs(value) do
      M.read(field, inner, list)
    end
  end
  return list
end

return M

--- Comparing the simulator with the reference, and reporting where they differ.

local address = require "spec.support.reference.address"
local gates = require "tidegate.gate"
local literal = require "tidegate.literal"
local addresses = require "spec.support.random.address"
local reference = require "spec.support.reference"

local M = {}

local errnos = setmetatable({ EHOSTUNREACH = reference.EHOSTUNREACH },
  { __index = reference.errnos })

--- A value as Lua source.
local function show(value)
  if type(value) ~= "table" then
    return type(value) == "string" and literal.quote(value) or tostring(value)
  end
  local parts = {}
  for _, inner in ipairs(value) do
    parts[#parts + 1] = show(inner)
  end
  local named = {}
  for key in pairs(value) do
    if type(key) == "string" then
      named[#named + 1] = key
    end
  end
  table.sort(named)
  for _, key in ipairs(named) do
    parts[#parts + 1] = key .. " = " .. show(value[key])
  end
  return "{ " .. table.concat(parts, ", ") .. " }"
end

local type_names = { "stream", "dgram", "raw", nil, "seqpacket" }

--- A socket's own address, "::" if it is bound to a port alone.
local function own_text(call)
  if not call.source_addr and not call.source_port then
    return nil
  end
  local hook4 = reference.family { op = call.op, family = call.family, target = call.addr } == 2
  local addr = call.source_addr or address.parse(hook4 and "0.0.0.0" or "::")
  return ("[%s]:%d"):format(addresses.text(addr, "inet6"), call.source_port or 0)
end

--- A call as gate:decide() takes it.
---@param call spec.Call
---@return tidegate.Question
function M.question(call)
  return {
    [call.op] = { addr = addresses.text(call.addr, call.family), port = call.port },
    family = call.family,
    proto = call.proto, uid = call.uid, gid = call.gid, pid = call.pid,
    comm = call.comm ~= "" and call.comm or nil,
    type = call.type and type_names[call.type], source = own_text(call), exe = call.exe,
    cgroup = call.cgroup,
    netns = call.netns, mark = call.mark, device = call.device,
  }
end

--- A disagreement as text that can be run again: the policy, the call, both answers.
---@param policy table
---@param call spec.Call
---@param expected string
---@param got string
---@return string
function M.story(policy, call, expected, got)
  local lines = { "policy " .. show { default = policy.default, shadow = policy.shadow },
    "sets " .. show(policy.sets or {}), "services " .. show(policy.services or {}) }
  for index, rule in ipairs(policy.rules) do
    local fields = {}
    for key, value in pairs(rule) do
      fields[key] = key ~= "verb" and value or nil
    end
    lines[#lines + 1] = ("%s %s -- #%d"):format(rule.verb, show(fields), index)
  end
  lines[#lines + 1] = "call      " .. show(M.question(call))
  lines[#lines + 1] = "reference " .. expected
  lines[#lines + 1] = "found     " .. got
  return table.concat(lines, "\n")
end

--- A value in which live sets and services are as a policy spells them: by name, or by handle.
local function with_sets(gate, value)
  if type(value) ~= "table" then
    return value
  elseif value.set then
    local plain = not value.negative and not value.at
    return plain and gate:set(value.set)
      or (value.negative and "!@" or "@") .. value.set .. (value.at and ":" .. value.at or "")
  elseif value.services then
    return gate:services(value.services)
  end
  local copy = {}
  for key, inner in pairs(value) do
    copy[key] = with_sets(gate, inner)
  end
  return copy
end

--- The VIPs of services that are in force, or declared.
local function vips_of(handle)
  local vips = {}
  for vip in handle:each() do
    vips[#vips + 1] = vip
  end
  return vips
end

--- Declare the contents of sets, or replace them if the sets are in force.
local function stage_sets(gate, sets)
  for name, items in pairs(sets or {}) do
    if gates.state(gate).source.tables[name] then
      assert(gate:set(name):replace(items))
    else
      gate:set(name)(items)
    end
  end
end

--- Like stage_sets(), for services.
local function stage_services(gate, services)
  for name, by_vip in pairs(services or {}) do
    local handle = gate:services(name)
    if not gates.state(gate).source.tables[name] then
      handle(by_vip)
    else
      for _, vip in ipairs(vips_of(handle)) do
        handle[vip] = nil
      end
      for vip, backends in pairs(by_vip) do
        handle[vip] = backends
      end
    end
  end
end

--- Stage a policy's rules in a gate, in place of those that it has.
---@param gate tidegate.Gate
---@param policy table
---@return tidegate.Rule[] handles
function M.stage(gate, policy)
  for _, handle in ipairs(gate:rules()) do
    handle:remove()
  end
  gate:policy { default = policy.default, shadow = policy.shadow }
  stage_sets(gate, policy.sets)
  stage_services(gate, policy.services)
  local handles = {}
  for index, rule in ipairs(policy.rules) do
    local fields = {}
    for key, value in pairs(rule) do
      fields[key == "name" and 1 or key] = key ~= "verb" and with_sets(gate, value) or nil
    end
    handles[index] = gate[rule.verb](gate, fields)
  end
  return handles
end

local function endpoint_text(addr, port)
  return ("%s port %s"):format(addr and addresses.text(addr, "inet6") or "-", tostring(port))
end

--- Several places as text, in any order.
local function places_text(places)
  local texts = {}
  for index, place in ipairs(places) do
    texts[index] = endpoint_text(place.addr, place.port)
  end
  table.sort(texts)
  return table.concat(texts, " or ")
end

--- What the simulator should say, as one line.
local function expectation(policy, verdict, call, handles)
  local rule = verdict.rule and handles[verdict.rule].name or "default"
  local text = ("%s by %s"):format(verdict.verb, rule)
  if policy.shadow then
    text = text .. " as a shadow"
  end
  if verdict.errno then
    text = text .. " errno " .. verdict.errno
  end
  local places = { verdict }
  if verdict.balance and not verdict.errno then
    for index, place in ipairs(verdict.balance.places) do
      places[index] = reference.settled(verdict, call, place)
    end
  end
  text = text .. " to " .. places_text(places)
  if verdict.bind_source then
    text = text .. " from " .. endpoint_text(verdict.bind_source, verdict.bind_source_port or 0)
  end
  return text .. (verdict.low_port and " low_port" or "")
end

--- The places to which a decision may redirect.
local function places_of(decision)
  local places = {}
  for _, backend in ipairs(decision.by_chance and decision.backends or {}) do
    if backend.state == "up" then
      local addr, port = address.single(backend.address)
      places[#places + 1] = { addr = addr, port = port or decision.port }
    end
  end
  return decision.by_chance and places or { { addr = address.parse(decision.addr),
    port = decision.port } }
end

--- What the simulator says, as a line of the same form.
local function finding(decision)
  local text = ("%s by %s"):format(decision.verb, decision.rule or "default")
    .. (decision.shadow and " as a shadow" or "")
  if decision.errno then
    text = text .. " errno " .. tostring(errnos[decision.errno])
  end
  text = text .. " to " .. places_text(places_of(decision))
  if decision.bind_source then
    local addr, port = address.single(decision.bind_source)
    text = text .. " from " .. endpoint_text(addr, port or 0)
  end
  return text .. (decision.low_port and " low_port" or "")
end

--- nil if the simulator decides a call as the reference does, else the story.
---@param gate tidegate.Gate that the policy is staged in
---@param policy table
---@param verdict spec.Verdict
---@param call spec.Call
---@param handles tidegate.Rule[]
---@return string|nil
function M.simulator(gate, policy, verdict, call, handles)
  local decision, message = gate:decide(M.question(call))
  local expected = expectation(policy, verdict, call, handles)
  local got = decision and finding(decision) or message
  if expected ~= got then
    return M.story(policy, call, expected, got)
  end
end

--- The number of the last rule that matches, to replace reference.deciding().
function M.last_deciding(rules, call)
  for index = #rules, 1, -1 do
    if reference.rule_matches(rules[index], call) then
      return index
    end
  end
end

--- Do some work with one of the reference's functions replaced by a broken one.
---@param part table of the reference: where the function is
---@param name string
---@param broken function
---@param work fun(): any
---@return any
function M.with_broken(part, name, broken, work)
  local whole = part[name]
  part[name] = broken
  local ok, result = pcall(work)
  part[name] = whole
  assert(ok, result)
  return result
end

return M

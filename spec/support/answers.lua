--- What a caller's socket calls should do under a policy, as the reference says, and what they did.

local address = require "spec.support.reference.address"
local addresses = require "spec.support.random.address"
local reference = require "spec.support.reference"

local UDP = 17
-- TCP and UDP, whose connects succeed if the policy lets them through.
local CONNECTED = { [6] = true, [UDP] = true }
local EAFNOSUPPORT = 97

local M = {}

--- The errnos with which random policies deny.
---@type table<integer, boolean>
M.is_denial = {}
for _, number in pairs(reference.errnos) do
  M.is_denial[number] = true
end

M.is_rewritten = { rewrite = true, balance = true }

function M.is_bound(call)
  return call.source_addr or call.source_port
end

--- The bind of a call's socket, as a separate call that comes first.
function M.binding_of(call)
  local family = call.socket or call.family
  return setmetatable({ op = "bind", addr = call.source_addr
    or address.parse(family == "inet" and "0.0.0.0" or "::"),
    port = call.source_port or 0, family = family, source_addr = false, source_port = false },
    { __index = call })
end

--- The getpeername() query for a socket that is connected to an address.
function M.naming_of(call, addr, port, answer)
  return setmetatable({ op = "getpeername", addr = addr, port = port,
    family = call.socket or call.family,
    source_addr = answer.own_addr, source_port = answer.own_port }, { __index = call })
end

--- What happens to a call under a policy.
function M.acting(policy, call)
  return reference.acted(policy, reference.decide(policy, call), call)
end

--- Change a random call so that a caller can make it under a policy.
function M.possible(call, callers, policy)
  call.caller = callers[1]
  for _, candidate in ipairs(callers) do
    call.caller = candidate.pid == call.pid and candidate or call.caller
  end
  call.pid, call.cgroup, call.exe = call.caller.pid, call.caller.cgroup, call.caller.program
  call.netns = call.caller.netns
  call.proto = call.op == "sendmsg" and UDP or call.proto
  call.type = nil
  call.device = call.device == 0 and 0 or 1
  if call.op == "sendmsg" then
    -- An unbound socket gets a port that we cannot know.
    call.source_port = call.source_port or math.random(1024, 65535)
  end
  -- Sometimes pass the same address to the kernel in another form.
  if call.family == "inet" and call.proto == UDP and call.op ~= "bind" then
    call.socket = math.random(4) == 1 and not call.source_addr and "inet6" or "inet"
    call.sockaddr = call.op == "sendmsg" and call.socket == "inet" and math.random(4) == 1
      and "unspec" or "inet"
  end
  local bound = M.is_bound(call) and M.acting(policy, M.binding_of(call))
  if bound and bound.verb ~= "allow" then
    call.source_addr, call.source_port = nil, nil
    if call.op == "sendmsg" then
      -- Then we cannot know the port that a datagram is sent from.
      call.op, call.socket, call.sockaddr = "connect", nil, nil
    end
  end
  return call
end

--- An address and a port, in words.
function M.endpoint_text(addr, port)
  return addr and ("%s port %d"):format(addresses.text(addr, "inet6"), port) or "nowhere"
end

--- Where an event's call went in the end, in the words of endpoint_text().
function M.final_text(event)
  local host, port = event.final:match "^%[?([^%]]*)%]?:(%d+)$"
  return M.endpoint_text(address.parse(host), tonumber(port))
end

--- Like M.compare(), for a bind.
local function compare_bind(verdict, call, answer)
  if answer.errno ~= 0 then
    return "", ""
  end
  local hidden = M.is_rewritten[verdict.verb] and not verdict.reveal
  local port = hidden and call.port ~= 0 and call.port or verdict.port
  local expected = "seen at " .. M.endpoint_text(hidden and call.addr or verdict.addr, port)
  local found = "seen at " .. M.endpoint_text(answer.own_addr, port ~= 0 and answer.own_port or 0)
  if call.proto == UDP then -- the kernel's tables do not list a TCP socket that is only bound
    expected = expected .. ", bound to " .. M.endpoint_text(verdict.addr, verdict.port)
    found = found .. ", bound to " .. M.endpoint_text(answer.local_addr,
      verdict.port ~= 0 and answer.local_port or 0)
  end
  return expected, found
end

--- The address that a call goes to.  A datagram to :: from a socket that is bound to IPv4 goes to
--- 127.0.0.1.  If a connect to an unknown backend failed, the first one serves, because all
--- backends of a list are of one family.
local function going_to(verdict, call)
  if verdict.balance and not verdict.place then
    verdict = reference.settled(verdict, call, verdict.balance.places[1])
  end
  return call.op == "sendmsg" and reference.target(verdict.addr, call.source_addr) or verdict.addr
end

--- The verdict with the backend that a connect went to, if the choice was random or by socket;
--- otherwise the verdict itself.
function M.settled(verdict, call, answer)
  if verdict.balance and not verdict.place and call.op == "connect" and answer.errno == 0 then
    for _, place in ipairs(verdict.balance.places) do
      local one = reference.settled(verdict, call, place)
      if one.port == answer.port
        and reference.target(one.addr, call.source_addr) == answer.addr then
        return one
      end
    end
  end
  return verdict
end

--- The expected answer to a call, and the actual one, each as one line; `named`: what getpeername's
--- rules say.
function M.compare(verdict, named, call, answer)
  if verdict.errno then
    return "errno " .. verdict.errno, "errno " .. answer.errno
  elseif M.is_denial[answer.errno] then
    return "no denial", "errno " .. answer.errno
  elseif call.op == "bind" then
    return compare_bind(verdict, call, answer)
  elseif verdict.bind_source and (call.op == "sendmsg" or not M.is_bound(call))
    and address.is_v4(verdict.bind_source) ~= address.is_v4(going_to(verdict, call)) then
    return "errno " .. EAFNOSUPPORT, "errno " .. answer.errno
  elseif call.op == "sendmsg" or answer.errno ~= 0 or not CONNECTED[call.proto] then
    return "", ""
  end
  local final = reference.target(verdict.addr, call.source_addr)
  local expected = "connected to " .. M.endpoint_text(final, verdict.port)
  local found = "connected to " .. M.endpoint_text(answer.addr, answer.port)
  if verdict.port ~= 0 then -- a socket has no peer without a port
    local hidden = M.is_rewritten[verdict.verb] and not verdict.reveal
    -- If only the port was rewritten, 0.0.0.0 is shown as 127.0.0.1.
    local rewritten = verdict.addr ~= call.addr
    expected = expected .. ", seen as "
      .. M.endpoint_text(hidden and (rewritten and call.addr or final) or named.addr,
        hidden and call.port or named.port)
    found = found .. ", seen as " .. M.endpoint_text(answer.peer_addr, answer.peer_port)
  end
  if verdict.bind_source then
    expected = expected .. ", from "
      .. M.endpoint_text(verdict.bind_source, verdict.bind_source_port or 0)
    found = found .. ", from " .. M.endpoint_text(answer.own_addr,
      verdict.bind_source_port and answer.own_port or 0)
  end
  return expected, found
end

return M

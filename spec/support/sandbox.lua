--- Where a kernel spec runs: this process in its own cgroup and network namespace, with gates
--- attached to the cgroup.
--
--   sandbox.describe("deny", function(here)
--     it("…", function() local gate = here:enforce [[deny { connect = "*" }]] … end)
--   end)

local busted = require "busted"
local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local netns = require "spec.support.netns"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"

local M = {}

---@class spec.Sandbox
---@field cgroup string
local Sandbox = {}
Sandbox.__index = Sandbox

--- Why hooks cannot be tried here, or nil.
---@type string|nil
M.reason = command.no_kernel()

--- A sandbox, to enter before each test and leave after it.
---@return spec.Sandbox
function M.new()
  return setmetatable({}, Sandbox)
end

--- Why rules for unix sockets cannot be tried here, or nil.
---@return string|nil
function M.no_unix()
  if M.reason then
    return M.reason
  end
  local here = M.new()
  here:enter()
  local gate = here:gate [[deny { connect = "unix:@tidegate-spec-none" }]]
  local ok, message = gate:attach(here.cgroup)
  here:leave()
  return not ok and message or nil
end

--- Like describe(), with a new sandbox for each test; skipped if hooks cannot be tried.
---@param title string
---@param body fun(here: spec.Sandbox)
function M.describe(title, body)
  if M.reason then
    busted.pending(M.reason)
    return
  end
  busted.describe(title, function()
    local here = M.new()
    busted.before_each(function() here:enter() end)
    body(here)
    busted.after_each(function() here:leave() end)
  end)
end

function Sandbox:enter()
  self.home, self.netns = cgroup.own(), netns.enter()
  self.gates, self.sockets, self.cgroups = {}, {}, {}
  self.cgroup = self:another()
  cgroup.enter(self.cgroup)
end

--- Close the sockets that the sandbox keeps.
function Sandbox:close_sockets()
  for _, each in ipairs(self.sockets) do
    each:close()
  end
  self.sockets = {}
end

--- Close the sandbox's gates and sockets, and remove its cgroups.
function Sandbox:leave()
  for _, gate in ipairs(self.gates) do
    gate:close()
  end
  self:close_sockets()
  cgroup.enter(self.home)
  for index = #self.cgroups, 1, -1 do
    cgroup.remove(self.cgroups[index])
  end
  netns.leave(self.netns)
end

--- A gate with this policy, not attached; closed when the sandbox is left.
---@param policy string
---@param options tidegate.GateOptions|nil
---@return tidegate.Gate
function Sandbox:gate(policy, options)
  local gate = assert(tidegate.load_text(policy, nil, options))
  self.gates[#self.gates + 1] = gate
  return gate
end

--- A gate with this policy, attached to the sandbox's cgroup.
---@param policy string
---@param options tidegate.GateOptions|nil
---@return tidegate.Gate
function Sandbox:enforce(policy, options)
  local gate = self:gate(policy, options)
  assert(gate:attach(self.cgroup))
  return gate
end

--- Close a socket when the sandbox is left.
---@param kept spec.Socket
---@return spec.Socket
function Sandbox:keep(kept)
  self.sockets[#self.sockets + 1] = kept
  return kept
end

--- A socket that waits at an endpoint until the sandbox is left; port 0 takes a free one.
---@param kind string as for socket.serve()
---@param endpoint string
---@return spec.Socket
---@return string endpoint with its port, if that was 0
function Sandbox:serve(kind, endpoint)
  local server = self:keep(socket.serve(kind, endpoint))
  return server, (endpoint:gsub("0$", function() return tostring(server:port()) end))
end

--- Another cgroup, below `parent` (default: the root).
---@param parent string|nil
---@return string
function Sandbox:another(parent)
  local path = cgroup.make(parent)
  self.cgroups[#self.cgroups + 1] = path
  return path
end

--- Do some work outside the sandbox's cgroup.
---@param work function
function Sandbox:outside(work)
  cgroup.enter(self.home)
  local results = { n = 0 }
  local function keep(...)
    results = { n = select("#", ...), ... }
  end
  keep(pcall(work))
  cgroup.enter(self.cgroup)
  assert(results[1], results[2])
  return unpack(results, 2, results.n)
end

return M

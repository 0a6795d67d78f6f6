--- Unix sockets of the specs, and names for them that no other socket has.

local env = require "spec.support.env"
local socket = require "spec.support.socket"

local M = {}

---@class spec.UnixSockets
---@field here spec.Sandbox
---@field folder string
---@field made integer
local Sockets = {}
Sockets.__index = Sockets

--- For the tests of a sandbox; env.clean() removes the folder of the pathnames.
---@param here spec.Sandbox
---@return spec.UnixSockets
function M.new(here)
  return setmetatable({ here = here, folder = env.folder(), made = 0 }, Sockets)
end

--- A pathname that no socket has yet.
---@return string endpoint
function Sockets:path()
  self.made = self.made + 1
  return ("unix:%s/s%d"):format(self.folder, self.made)
end

--- An abstract name that no socket of the sandbox's network namespace has yet.
---@return string endpoint
function Sockets:name()
  self.made = self.made + 1
  return "unix:@tidegate-spec-" .. self.made
end

--- A socket that waits at an endpoint until the sandbox is left.
---@param kind "stream"|"seqpacket"|"datagram"
---@param endpoint string
---@return spec.Socket
function Sockets:serve(kind, endpoint)
  return (self.here:serve("unix_" .. kind, endpoint))
end

--- A socket, closed when the sandbox is left.
---@param kind "stream"|"seqpacket"|"datagram"
---@return spec.Socket
function Sockets:client(kind)
  return self.here:keep(socket.kinds["unix_" .. kind]())
end

--- The result of connecting a new socket: "ok" or the errno's name.
---@param kind "stream"|"seqpacket"|"datagram"
---@param endpoint string
---@return string
function M.try(kind, endpoint)
  return socket.try("unix_" .. kind, endpoint)
end

return M

--- A name server that knows a few names.

local process = require "spec.support.process"
local socket = require "spec.support.socket"

local M = {}

--- The name that a query asks for, and where the question ends.
local function question(query)
  local labels, at = {}, 13
  while query:byte(at) ~= 0 do
    labels[#labels + 1] = query:sub(at + 1, at + query:byte(at))
    at = at + query:byte(at) + 1
  end
  return table.concat(labels, "."), at + 4
end

--- The bytes of an IPv4 address.
local function packed(address)
  return (address:gsub("(%d+)%.?", function(number) return string.char(tonumber(number)) end))
end

--- Answer queries for IPv4 addresses; every answer expires at once.
---@param endpoint string
---@param names table<string, string[]> addresses by name, one a query, then the last
---@return spec.Fork to be killed
function M.serve(endpoint, names)
  local server = socket.serve("udp", endpoint)
  local child = process.fork(function()
    while true do
      local query, from = server:receive()
      local name, ends = question(query)
      local addresses = names[name]
      local wanted = query:sub(ends - 3, ends - 2) == "\0\1"
      local address = addresses and wanted and (#addresses > 1 and table.remove(addresses, 1)
        or addresses[1])
      local flags = addresses and "\129\128" or "\129\131" -- NOERROR or NXDOMAIN
      local count = address and "\1" or "\0"
      local record = address and "\192\12\0\1\0\1\0\0\0\0\0\4" .. packed(address) or ""
      server:sendto(query:sub(1, 2) .. flags .. "\0\1\0" .. count .. "\0\0\0\0"
        .. query:sub(13, ends) .. record, from)
    end
  end)
  server:close()
  return child
end

--- What the server answers for a name now.
---@return string address
function M.ask(endpoint, name)
  local client = socket.udp "inet"
  local labels = name:gsub("([^.]+)%.?", function(label) return string.char(#label) .. label end)
  client:sendto("id\1\0\0\1\0\0\0\0\0\0" .. labels .. "\0\0\1\0\1", endpoint)
  local answer = client:receive()
  client:close()
  return table.concat({ answer:byte(-4, -1) }, ".")
end

return M

--- HTTP, as little as the nginx specs need: one request a connection.

local ffi = require "ffi"
local libc = require "spec.support.libc"
local socket = require "spec.support.socket"

local M = {}

local function read_all(fd)
  local room, parts = ffi.new "char[4096]", {}
  while true do
    local count = tonumber(libc.call.read(fd, room, 4096))
    if count <= 0 then
      return table.concat(parts)
    end
    parts[#parts + 1] = ffi.string(room, count)
  end
end

--- GET a path, or POST where there is a body.
---@param endpoint string "127.0.0.1:80"
---@param path string
---@param body string|nil
---@return integer|nil status nil: no answer
---@return string body, or the errno's name
---@return string head
function M.get(endpoint, path, body)
  local client = socket.tcp "inet"
  local ok, errno = client:connect(endpoint)
  if not ok then
    client:close()
    return nil, errno, ""
  end
  client:send(("%s %s HTTP/1.0\r\nHost: spec\r\nContent-Length: %d\r\n\r\n%s")
    :format(body and "POST" or "GET", path, #(body or ""), body or ""))
  local answer = read_all(client.fd)
  client:close()
  local head, rest = answer:match "^(.-\r\n)\r\n(.*)$"
  if not head then
    return nil, "no answer", answer
  end
  return tonumber(head:match "^HTTP/1%.%d (%d+)"), rest, head
end

return M

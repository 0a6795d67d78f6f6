--- HTTP, as little as the nginx specs need: one request a connection.

local libc = require "spec.support.libc"
local socket = require "spec.support.socket"

local M = {}

--- Send a request for a path.
---@param method string "PUT"
---@param endpoint string "127.0.0.1:80"
---@param path string
---@param body string|nil
---@return integer|nil status nil: no answer
---@return string body, or the errno's name
---@return string head
function M.request(method, endpoint, path, body)
  local client = socket.tcp "inet"
  local ok, errno = client:connect(endpoint)
  if not ok then
    client:close()
    return nil, errno, ""
  end
  local length = body and ("Content-Length: %d\r\n"):format(#body) or ""
  client:send(("%s %s HTTP/1.0\r\nHost: spec\r\n%s\r\n%s"):format(method, path, length, body or ""))
  local answer = libc.read_all(client.fd)
  client:close()
  local head, rest = answer:match "^(.-\r\n)\r\n(.*)$"
  if not head then
    return nil, "no answer", answer
  end
  return tonumber(head:match "^HTTP/1%.%d (%d+)"), rest, head
end

---@param endpoint string
---@param path string
---@return integer|nil status
---@return string body
---@return string head
function M.get(endpoint, path)
  return M.request("GET", endpoint, path)
end

return M

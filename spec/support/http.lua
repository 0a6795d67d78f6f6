--- HTTP, as little as the nginx specs need: one request a connection.

local libc = require "spec.support.libc"
local socket = require "spec.support.socket"

local M = {}

--- Send a request for a path.
---@param method string "PUT"
---@param endpoint string "127.0.0.1:80"
---@param path string
---@param body string|nil
---@param headers table<string, string|false>|nil beside Content-Length; Host is "spec" unless it
--- says another, or false: none
---@return integer|nil status nil: no answer
---@return string body, or the errno's name
---@return string head
function M.request(method, endpoint, path, body, headers)
  local client = socket.tcp "inet"
  local ok, errno = client:connect(endpoint)
  if not ok then
    client:close()
    return nil, errno, ""
  end
  local lines = { ("%s %s HTTP/1.0"):format(method, path) }
  headers = headers or {}
  lines[2] = headers.Host == nil and "Host: spec" or nil
  lines[#lines + 1] = body and "Content-Length: " .. #body
  for name, value in pairs(headers) do
    lines[#lines + 1] = value and name .. ": " .. value or nil
  end
  client:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""))
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

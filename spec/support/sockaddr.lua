--- Socket addresses, and their texts as spec/support/socket.lua takes and returns them.

local ffi = require "ffi"
local libc = require "spec.support.libc"

local C, outcome = libc.call, libc.outcome

local M = {}

M.families = { inet = 2, inet6 = 10, unix = 1 }

--- The size of the largest sockaddr.
M.BYTES = 128

local function be16(number)
  return math.floor(number / 256), number % 256
end

--- The sockaddr of a unix socket.  A pathname includes its zero, as servers pass it.
local function unix_address(path)
  local to = ffi.new "struct spec_sockaddr"
  local bytes = path:gsub("@", "\0")
  to.family = M.families.unix
  ffi.copy(to.bytes, bytes, #bytes)
  return to, 2 + #bytes + (path:sub(1, 1) == "/" and #bytes < 108 and 1 or 0)
end

--- A sockaddr and its length.
---@param text string an endpoint
---@return ffi.cdata* sockaddr
---@return integer length
function M.of(text)
  if text:find "^unix:" then
    return unix_address(text:sub(6))
  end
  local host, port = text:match "^%[(.*)%]:(%d+)$"
  local family, at, length = "inet6", 6, 28
  if not host then
    host, port = text:match "^([%d.]+):(%d+)$"
    family, at, length = "inet", 2, 16
  end
  local to = ffi.new "struct spec_sockaddr"
  to.family = M.families[family]
  to.bytes[0], to.bytes[1] = be16(tonumber(port))
  assert(C.inet_pton(to.family, host, to.bytes + at) == 1, text)
  return to, length
end

--- The text of a unix sockaddr.  The kernel returns a pathname with its zero; an abstract name may
--- contain zeros.
local function unix_text(from, length)
  local path = ffi.string(from.bytes, math.max(length - 2, 0))
  return "unix:" .. (path:find "^/" and path:match "^%Z+" or path:gsub("%z", "@"))
end

--- The endpoint of a sockaddr.
---@param from ffi.cdata* a sockaddr
---@param length integer|nil of the sockaddr of a unix socket
---@return string
function M.text(from, length)
  if from.family == M.families.unix then
    return unix_text(from, length)
  end
  if from.family ~= M.families.inet and from.family ~= M.families.inet6 then
    return "family " .. from.family
  end
  local inet = from.family == M.families.inet
  local room = ffi.new "char[64]"
  C.inet_ntop(from.family, from.bytes + (inet and 2 or 6), room, 64)
  local port = from.bytes[0] * 256 + from.bytes[1]
  return (inet and "%s:%d" or "[%s]:%d"):format(ffi.string(room), port)
end

--- Make a call with room for an address; returns the address as text.
---@param call fun(from: ffi.cdata*, length: ffi.cdata*): integer
---@return string|nil endpoint
---@return any the result of the call, or the errno's name
function M.asked(call)
  local from, length = ffi.new "struct spec_sockaddr", ffi.new("uint32_t[1]", M.BYTES)
  local result, errno = outcome(call(from, length))
  if not result then
    return nil, errno
  end
  return M.text(from, length[0]), result
end

return M

--- The built-in ranges of addresses: "@private", "@metadata" …  The library has their contents.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local meant = require "tidegate.meant"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

--- One line about each range, by name.
---@type table<string, string>
M.docs = {
  private = "Addresses for use inside a network: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, "
    .. "100.64.0.0/10, fc00::/7 and fec0::/10.",
  metadata = "The metadata services of cloud providers, such as 169.254.169.254 and fd00:ec2::254.",
  loopback = "127.0.0.0/8 and ::1.",
  linklocal = "169.254.0.0/16 and fe80::/10.",
  multicast = "224.0.0.0/4 and ff00::/8.",
  global = "Every address that can be reached from anywhere on the internet, and none that another "
    .. "range contains.",
  ["local"] = "The addresses of this host, as they come and go.",
}

--- All names, without "@", in the library's order.
---@type string[]
M.names = {}
local is_name = {}
for index = 0, math.huge do
  local name = library.text(C.tg_range_name(index))
  if not name then
    break
  end
  M.names[index + 1], is_name[name] = name, true
end

--- Whether a name, without "@", is that of a range.
---@param name string
---@return boolean
function M.is(name)
  return is_name[name] == true
end

--- What a range lists: addresses and prefixes, and what they are.
---@param name string
---@return { prefix: string, what: string }[]
function M.contents(name)
  local found, cursor = {}, ffi.new "uint64_t[1]"
  local prefix, what = ffi.new "const char *[1]", ffi.new "const char *[1]"
  for position, candidate in ipairs(M.names) do
    while candidate == name and C.tg_range_next(position - 1, cursor, prefix, what) == 1 do
      found[#found + 1] = { prefix = ffi.string(prefix[0]), what = ffi.string(what[0]) }
    end
  end
  return found
end

--- `; did you mean "@private"?`, or what else to write; "" if no range is meant.
---@param name string without "@"
---@return string
function M.hint(name)
  local text = meant.ranges[name:lower()]
  local nearest = not text and suggest.nearest(name, M.names)
  return text and "; " .. text or nearest and ('; did you mean "@%s"?'):format(nearest) or ""
end

return M

--- The numbers and addresses of names, in the reference.

local M = {}

M.protos = {
  tcp = 6, udp = 17, icmp = 1, icmpv6 = 58, sctp = 132, mptcp = 262, udplite = 136, dccp = 33,
  raw = 255,
}
M.families = { inet = 2, inet6 = 10 }
M.types = { stream = 1, dgram = 2, raw = 3, seqpacket = 5 }
local devices = { none = 0, lo = 1 }

--- The cookies of network namespaces by path, for a spec to fill in.
---@type table<string, integer>
M.netns_cookies = {}

local files = {}

--- The words of each line of a file of the machine, without comments.
local function lines_of(path, separator)
  if files[path] then
    return files[path]
  end
  local found = {}
  files[path] = found
  local handle = io.open(path)
  for line in handle and handle:lines() or function() end do
    local words = {}
    for word in line:gsub("#.*", ""):gmatch(separator) do
      words[#words + 1] = word
    end
    found[#found + 1] = words
  end
  if handle then
    handle:close()
  end
  return found
end

--- The addresses of a host, as /etc/hosts writes them.
---@param name string
---@return string[]
function M.addresses(name)
  local texts = {}
  for _, words in ipairs(lines_of("/etc/hosts", "%S+")) do
    for index = 2, #words do
      if words[index] == name then
        texts[#texts + 1] = words[1]
      end
    end
  end
  return texts
end

--- A number of a name in the nth column of a line of /etc/passwd or /etc/group.
local function id_in(path)
  return function(name)
    for _, words in ipairs(lines_of(path, "[^:]+")) do
      if words[1] == name then
        return tonumber(words[3])
      end
    end
  end
end

local function port_of_service(name)
  for _, words in ipairs(lines_of("/etc/services", "%S+")) do
    for index, word in ipairs(words) do
      if index ~= 2 and word == name then
        return tonumber(words[2]:match "^%d+")
      end
    end
  end
end

local number_of_name = {
  port = port_of_service,
  proto = function(name) return M.protos[name] end,
  family = function(name) return M.families[name] end,
  uid = id_in "/etc/passwd",
  gid = id_in "/etc/group",
  type = function(name) return M.types[name] end,
  device = function(name) return devices[name] end,
  netns = function(name) return M.netns_cookies[name] end,
}
number_of_name.source_port = port_of_service

--- The number of a name in a field.
---@param field string
---@param name string
---@return integer|nil
function M.number(field, name)
  return number_of_name[field](name)
end

return M

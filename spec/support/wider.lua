--- Denials each of which needs programs that can do more than those before: another field of
--- another operation.  They match nothing that specs ask for.

local M = {}

local fields = {
  { "proto", 17 }, { "family", "inet6" }, { "uid", 7 }, { "gid", 7 }, { "comm", "nobody" },
  { "pid", 7 }, { "type", "raw" }, { "source", "192.0.2.9:7" }, { "exe", "/bin/sh" },
  { "cgroup", "/" }, { "netns", 7 }, { "mark", 7 }, { "device", "lo" },
}

--- How many there are; those of connect come first.
M.count, M.of_connect = 2 * #fields, #fields

--- Denial `number`, as deny takes it.
---@param number integer from 1 to count
---@return table
function M.rule(number)
  local field = fields[(number - 1) % #fields + 1]
  return {
    [number <= #fields and "connect" or "sendmsg"] = { "198.51.100.1", "2001:db8::99" },
    [field[1]] = field[2],
  }
end

return M

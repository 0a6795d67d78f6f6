--- The TARGET arguments of serve: declare them, and find their cgroups.

local cgroup = require "tidegate.host.cgroup"

local M = {}

--- Declare the arguments.
---@param command table of argparse
function M.arguments(command)
  command:argument("TARGET", "A cgroup: a path, self, pid:42 or unit:nginx.service.")
    :argname "TARGET":target "targets":args "+"
end

--- Whether a word looks like a target.
---@param word string
---@return boolean
function M.is(word)
  return word == "self" or word:find "^%l+:." ~= nil or word:find "^/sys/fs/cgroup" ~= nil
end

--- Why a cgroup cannot be a target beside another: the programs would run twice for each call.
local function overlap(path, other)
  if path == other then
    return ("%s is named twice"):format(path)
  elseif path:sub(1, #other + 1) == other .. "/" then
    return ("%s is below %s, which is enough: a policy holds for all that is below, too")
      :format(path, other)
  end
end

--- The cgroups of targets.
---@param targets string[]
---@return { target: string, path: string }[]|nil
---@return string|nil message
function M.find(targets)
  local places = {}
  for _, target in ipairs(targets) do
    local path, message = cgroup.find_target(target)
    for _, place in ipairs(path and places or {}) do
      message = message or overlap(path, place.path) or overlap(place.path, path)
    end
    if message then
      return nil, message
    end
    places[#places + 1] = { target = target, path = path }
  end
  return places
end

return M

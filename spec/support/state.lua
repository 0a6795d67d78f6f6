--- What the programs of this process's gates remember, as bpftool shows it.

local command = require "spec.support.command"
local footprint = require "spec.support.footprint"

local M = {}

local bpftool = "/usr/sbin/bpftool"

--- The ids of this process's maps of a name.
local function map_ids(name)
  local ids, own = {}, footprint.maps()
  for id, found in command.run({ bpftool, "map", "show" }).out:gmatch "(%d+): %S+%s+name (%S+)" do
    if own[tonumber(id)] and found == name then
      ids[#ids + 1] = id
    end
  end
  return ids
end

--- How many further destinations of datagrams are remembered.
---@return integer
function M.sents()
  local ids = map_ids "tg_sents"
  assert(#ids == 1, #ids .. " maps")
  local dump = command.run { bpftool, "-j", "map", "dump", "id", ids[1] }.out
  return select(2, dump:gsub('"key":%[', ""))
end

return M

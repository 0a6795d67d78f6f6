--- The resources of this process: memory, descriptors, maps.

local command = require "spec.support.command"
local uv = require "luv"

local M = {}

local PAGE_BYTES = 4096
local bpftool = "/usr/sbin/bpftool"

--- The maps that this process has open: their ids, and the memory that the kernel says they take.
---@return table<integer, true> ids
---@return integer bytes
function M.maps()
  local ids, bytes = {}, 0
  local folder = "/proc/self/fdinfo/"
  for name in uv.fs_scandir_next, assert(uv.fs_scandir(folder)) do
    local handle = io.open(folder .. name)
    local text = handle and handle:read "*a" or ""
    if handle then
      handle:close()
    end
    local id = tonumber(text:match "map_id:%s*(%d+)")
    if id and not ids[id] then
      ids[id], bytes = true, bytes + tonumber(text:match "memlock:%s*(%d+)")
    end
  end
  return ids, bytes
end

--- Whether a map still exists in the kernel, whatever holds it.
---@param id integer
---@return boolean
function M.map_exists(id)
  return command.run({ bpftool, "map", "show", "id", tostring(id) }).status == 0
end

--- Resident memory, in bytes, after garbage has been collected.
---@return integer
function M.memory()
  collectgarbage()
  collectgarbage()
  local handle = assert(io.open "/proc/self/statm")
  local pages = handle:read "*l":match "^%d+ (%d+)"
  handle:close()
  return tonumber(pages) * PAGE_BYTES
end

---@return integer
function M.descriptors()
  local count = 0
  for _ in uv.fs_scandir_next, assert(uv.fs_scandir "/proc/self/fd") do
    count = count + 1
  end
  return count
end

return M

--- The resources of this process: memory, descriptors, maps.

local uv = require "luv"

local M = {}

local PAGE_BYTES = 4096

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

--- How many mappings of maps of the kernel this process has.
---@return integer
function M.mappings()
  local count = 0
  for line in io.lines "/proc/self/maps" do
    count = count + (line:find("bpf-map", 1, true) and 1 or 0)
  end
  return count
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

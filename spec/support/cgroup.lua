--- Cgroups that the specs make.

local ffi = require "ffi"
local libc = require "spec.support.libc"
local library = require "tidegate.ffi"

local C = libc.call

local M = {}

local PATH_BYTES = 4096
local made = 0

local function library_path(find)
  local path = ffi.new("char[?]", PATH_BYTES)
  assert(find(path) == 0)
  return ffi.string(path)
end

--- Where cgroup2 is mounted.
function M.root()
  return library_path(function(path) return library.C.tg_cgroup_root(path, PATH_BYTES) end)
end

--- The cgroup of this process.
function M.own()
  return library_path(function(path) return library.C.tg_cgroup_find("self", path, PATH_BYTES) end)
end

--- Make a cgroup below `parent` (default: the root).
---@param parent string|nil
---@return string path
function M.make(parent)
  local path, ok, problem
  repeat -- a process that was killed may have left one
    made = made + 1
    path = ("%s/tidegate-spec-%d-%d"):format(parent or M.root(), C.getpid(), made)
    ok, problem = libc.outcome(C.mkdir(path, tonumber("755", 8)))
  until problem ~= "EEXIST"
  assert(ok, problem)
  return path
end

--- Move this process to a cgroup.
---@param path string
function M.enter(path)
  local file = assert(io.open(path .. "/cgroup.procs", "w"))
  file:setvbuf "no"
  assert(file:write "0")
  file:close()
end

--- Remove a cgroup that has no process.
---@param path string
function M.remove(path)
  for _ = 1, 500 do -- a process that was reaped may still be on its way out
    local ok, errno = libc.outcome(C.rmdir(path))
    if ok or errno == "ENOENT" then
      return
    end
    assert(errno == "EBUSY", errno)
    os.execute "sleep 0.01"
  end
  error(path .. " is busy")
end

--- The id of a cgroup, as events report it.
---@param path string
---@return integer
function M.id(path)
  local pipe = assert(io.popen("stat -c %i " .. path))
  local id = pipe:read "*n"
  pipe:close()
  return id
end

return M

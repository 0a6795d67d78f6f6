--- Cgroups: find, enter and empty them.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local uv = require "luv"
local uv_error = require "tidegate.host.uv_error"

local M = {}

local C = library.C
local PATH_BYTES = 4096

--- The path that a function of the library finds for a name.
local function path_of(find, name)
  local path = ffi.new("char[?]", PATH_BYTES)
  local result = find(name, path, PATH_BYTES)
  if result ~= 0 then
    return library.failure(result)
  end
  return ffi.string(path)
end

--- The folder of a cgroup, which is named as for tg_cgroup_find().
---@param name string a path, "self", "pid:42", "unit:nginx.service"
---@return string|nil path
---@return string|nil message
---@return integer|nil errno
function M.find(name)
  return path_of(C.tg_cgroup_find, name)
end

--- The folder of a cgroup that a gate is to be attached to: the root of all only by its path.
---@param name string as for find()
---@return string|nil path
---@return string|nil message
---@return integer|nil errno
function M.find_target(name)
  return path_of(C.tg_target_find, name)
end

--- Where cgroup2 is mounted; nil if it is not.
---@return string|nil
function M.root()
  local path = ffi.new("char[?]", PATH_BYTES)
  return C.tg_cgroup_root(path, PATH_BYTES) == 0 and ffi.string(path) or nil
end

local function write(path, text)
  local fd, message = uv.fs_open(path, "w", 0)
  if not fd then
    return nil, uv_error(message)
  end
  local written
  written, message = uv.fs_write(fd, text, -1)
  uv.fs_close(fd)
  return written and true, uv_error(message)
end

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text
end

--- The names of the cgroups directly below one.
local function children(path)
  local names = {}
  local scan = uv.fs_scandir(path)
  while scan do
    local name, kind = uv.fs_scandir_next(scan)
    if not name then
      break
    elseif kind == "directory" then
      names[#names + 1] = name
    end
  end
  return names
end

--- Move this process into a cgroup.
---@param path string
---@return true|nil
---@return string|nil message
function M.enter(path)
  return write(path .. "/cgroup.procs", "0")
end

--- The processes in a cgroup and below it.
---@param path string
---@param found? table
---@return { pid: integer, name: string }[]
function M.processes(path, found)
  found = found or {}
  for line in (read(path .. "/cgroup.procs") or ""):gmatch "%d+" do
    local name = read("/proc/" .. line .. "/comm") or "?"
    found[#found + 1] = { pid = tonumber(line), name = literal.printable((name:gsub("\n$", ""))) }
  end
  for _, child in ipairs(children(path)) do
    M.processes(path .. "/" .. child, found)
  end
  return found
end

--- "sh (pid 42), nc (pid 43)"
---@param processes { pid: integer, name: string }[]
---@return string
function M.names(processes)
  local names = {}
  for index, process in ipairs(processes) do
    names[index] = ("%s (pid %d)"):format(process.name, process.pid)
  end
  return table.concat(names, ", ")
end

--- Whether a process is in a cgroup or below it.
---@param path string
---@return boolean
function M.populated(path)
  return (read(path .. "/cgroup.events") or ""):find "populated 1" ~= nil
end

--- Send a signal to every process in a cgroup and below it.
---@param path string
---@param signal string|integer "sigterm", 15
function M.signal(path, signal)
  for _, process in ipairs(M.processes(path)) do
    uv.kill(process.pid, signal)
  end
end

--- Kill every process at once. cgroup.kill also catches a process that forks meanwhile. Kernels
--- before 5.14 lack it: there the caller has to call this again until the cgroup is empty.
---@param path string
function M.kill(path)
  write(path .. "/cgroup.kill", "1")
  M.signal(path, "sigkill") -- the file misses a process whose first thread has ended
end

return M

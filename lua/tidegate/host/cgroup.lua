--- The cgroup of `tidegate run POLICY -- CMD`: made, entered, emptied, removed.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local reason = require "tidegate.host.uv_error"
local uv = require "luv"

local M = {}

local C = library.C
local PATH_BYTES = 4096

--- The folder of a cgroup, named as tg_cgroup_find() takes it.
---@param name string a path, "self", "pid:42", "unit:nginx.service"
---@return string|nil path
---@return string|nil message
---@return integer|nil errno
function M.find(name)
  local path = ffi.new("char[?]", PATH_BYTES)
  local result = C.tg_cgroup_find(name, path, PATH_BYTES)
  if result ~= 0 then
    return library.failure(result)
  end
  return ffi.string(path)
end

--- Whether cgroup2 is there at all.
---@return boolean
function M.mounted()
  return C.tg_cgroup_root(ffi.new("char[?]", PATH_BYTES), PATH_BYTES) == 0
end

local function write(path, text)
  local fd, message = uv.fs_open(path, "w", 0)
  if not fd then
    return nil, reason(message)
  end
  local written
  written, message = uv.fs_write(fd, text, -1)
  uv.fs_close(fd)
  return written and true, reason(message)
end

local function read(path)
  local file = io.open(path)
  local text = file and file:read "*a"
  if file then
    file:close()
  end
  return text
end

--- The cgroups directly below one.
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

--- Remove a cgroup and those below it, which must hold no process.
---@param path string
---@return true|nil
---@return string|nil message
function M.remove(path)
  for _, name in ipairs(children(path)) do
    M.remove(path .. "/" .. name)
  end
  local ok, message = uv.fs_rmdir(path)
  return ok and true, reason(message)
end

--- What earlier runs left behind below `parent` because they were killed.  One
--- that still holds a process stays: rmdir refuses it.
---@param parent string
function M.remove_stale(parent)
  for _, name in ipairs(children(parent)) do
    local pid = tonumber(name:match "^tidegate%-(%d+)$" or name:match "^tidegate%-(%d+)%.%d+$")
    local _, _, code = uv.kill(pid or 0, 0)
    if pid and code == "ESRCH" then
      M.remove(parent .. "/" .. name)
    end
  end
end

--- Make a cgroup of this process's own.
---@param parent string
---@param number integer|nil of a further one
---@return string|nil path
---@return string|nil message
function M.make(parent, number)
  M.remove_stale(parent)
  local path = ("%s/tidegate-%d%s"):format(parent, uv.os_getpid(), number and "." .. number or "")
  local ok, message = uv.fs_mkdir(path, 493) -- 0755
  if not ok then
    return nil, reason(message)
  end
  return path
end

--- Move this process.
---@param path string
---@return true|nil
---@return string|nil message
function M.enter(path)
  return write(path .. "/cgroup.procs", "0")
end

--- Move every process of a cgroup to another.
---@param from string
---@param to string
function M.move(from, to)
  for _, process in ipairs(M.processes(from)) do
    write(to .. "/cgroup.procs", tostring(process.pid))
  end
end

--- The processes in a cgroup and below it.
---@param path string
---@param found? table
---@return { pid: integer, name: string }[]
function M.processes(path, found)
  found = found or {}
  for line in (read(path .. "/cgroup.procs") or ""):gmatch "%d+" do
    local name = read("/proc/" .. line .. "/comm") or "?"
    found[#found + 1] = { pid = tonumber(line), name = (name:gsub("\n", "")) }
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

--- End every process at once.  cgroup.kill misses none that forks meanwhile;
--- where the kernel has none (before 5.14), going round again does.
---@param path string
function M.kill(path)
  if not write(path .. "/cgroup.kill", "1") then
    M.signal(path, "sigkill")
  end
end

return M

--- A cgroup that this process makes for a command. It ends with this process, however that ends: a
--- guard, which is another process, then kills what is in it and removes it.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local uv = require "luv"

local C = library.C

local M = {}

---@class tidegate.GuardedCgroup
---@field path string
local Guarded = {}
Guarded.__index = Guarded

--- Make one below a cgroup. Those that others have left behind there are removed.
---@param parent string
---@return tidegate.GuardedCgroup|nil
---@return string|nil message
function M.make(parent)
  local made = ffi.new "struct tg_own_cgroup *[1]"
  local result = C.tg_own_cgroup_make(parent, made)
  if result ~= 0 then
    local _, message = library.failure(result)
    return nil, message
  end
  return setmetatable({ cdata = made[0], path = ffi.string(C.tg_own_cgroup_path(made[0])) },
    Guarded)
end

--- From now on, call a function if something ends the guard. This happens in the event loop.
---@param ended fun()
function Guarded:watch_guard(ended)
  self.poll = assert(uv.new_poll(C.tg_own_cgroup_guard(self.cdata)))
  self.poll:start("r", function()
    self.poll:stop()
    ended()
  end)
end

--- What to say if another process has removed it: while nothing is in it, whoever may do so can.
---@return string|nil
function Guarded:lost()
  if not uv.fs_stat(self.path) then
    return self.path .. ": another process has removed this cgroup; start tidegate again"
  end
end

--- Kill what is still in it, remove it, and end the guard. If that fails, the guard goes on.
---@return true|nil
---@return string|nil message
function Guarded:close()
  if self.poll then
    self.poll:close()
    self.poll = nil
  end
  local result = C.tg_own_cgroup_end(self.cdata)
  if result ~= 0 then
    local _, message = library.failure(result)
    return nil, message
  end
  self.cdata = nil
  return true
end

return M

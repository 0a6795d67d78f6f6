--- Watching the cgroups that a gate is attached to. Others may remove them, or detach the gate from
--- them. The kernel does not report that, so a loop of libuv looks.

local dispatch = require "tidegate.dispatch"
local gates = require "tidegate.gate"
local literal = require "tidegate.literal"
local plural = require "tidegate.host.plural"
local uv = require "luv"

local M = {}

--- A removed cgroup is noticed at once through its parent's folder, or else within half a second.
--- Asking the kernel what is in force costs more, so that happens less often.
local LOOK_MS, LOOKS_A_QUERY = 500, 4

---@class tidegate.Watch
---@field gate tidegate.Gate
---@field stale boolean|nil whether `known` lacks what the caller has attached since
---@field known table<integer, tidegate.Attachment> by the id of the cgroup, as last seen
---@field changed (fun(attached: tidegate.Attachment))|nil called when one is severed, gone, or
--- whole again
---@field looked fun()|nil called after each look
local Watch = {}
Watch.__index = Watch

--- "/sys/fs/cgroup/app (3 processes)"
---@param place { path: string, processes: integer }
---@return string
function M.text(place)
  return ("%s (%s)"):format(literal.line(place.path), plural(place.processes, "process"))
end

--- Whether a cgroup is still there. One that is made again by its name has another number.
local function is_there(attached)
  local now = uv.fs_stat(attached.path)
  return now ~= nil and now.ino == attached.cgroup
end

--- The hooks of an attachment that are not in force.
---@param attached tidegate.Attachment
---@return string[]
function M.missing(attached)
  local effective, missing = {}, {}
  for _, hook in ipairs(attached.effective) do
    effective[hook] = true
  end
  for _, hook in ipairs(attached.hooks) do
    if not effective[hook] then
      missing[#missing + 1] = hook
    end
  end
  return missing
end

--- What is attached as it should be may want other hooks than before: that is another policy.
local function same(a, b)
  return a.state == b.state and (a.state ~= "severed" or #a.effective == #b.effective)
end

--- Watch one more parent folder, which tells at once when a cgroup in it is removed or made.
local function watch_parent(self, path)
  local parent = path:match "^(.+)/[^/]+$"
  if not parent or self.parents[parent] then
    return
  end
  local watcher = uv.new_fs_event()
  -- Without a watch to spare (fs.inotify.max_user_watches), the timer notices.
  local function renamed(_, _, events)
    if events and events.rename then -- "change" is a file of the parent itself
      self:look()
    end
  end
  if watcher:start(parent, {}, renamed) then
    self.parents[parent] = watcher
  else
    watcher:close()
  end
end

--- What has changed since the last look.
local function compare(self, now)
  local before, changes = self.known, {}
  self.known = {}
  for _, attached in ipairs(now) do
    local was = before[attached.cgroup]
    self.known[attached.cgroup] = attached
    watch_parent(self, attached.path)
    if not same(was or { state = "attached", effective = attached.hooks }, attached) then
      changes[#changes + 1] = attached
    end
  end
  return changes
end

--- Look now.
---@param ask boolean|nil whether to ask the kernel even if no cgroup was removed
function Watch:look(ask)
  if self.gate.closed then
    return
  end
  for _, attached in pairs(self.known) do
    ask = ask or not is_there(attached)
  end
  local status = (ask or self.stale) and self.gate:status()
  self.stale = self.stale and not status
  local changes = status and compare(self, status.attachments) or {}
  if changes[1] then
    dispatch.look_for_severed(gates.state(self.gate)) -- before we detach what is gone
  end
  for _, attached in ipairs(changes) do
    if self.changed then
      self.changed(attached)
    end
  end
  if self.looked then
    self.looked()
  end
end

--- Have the next look ask the kernel, because the caller has attached the gate to something.
function Watch:expect()
  self.stale = true
end

--- Whether anything is in force anywhere, as of the last look.
---@return boolean
function Watch:any_in_force()
  for _, attached in pairs(self.known) do
    if attached.state == "attached" or #attached.effective > 0 then
      return true
    end
  end
  return false
end

function Watch:close()
  self.timer:close()
  for _, watcher in pairs(self.parents) do
    watcher:close()
  end
  self.parents = {}
end

--- Watch a gate, which may be attached and detached meanwhile. The caller sets what is called.
---@param gate tidegate.Gate
---@return tidegate.Watch
function M.watch(gate)
  local self = setmetatable({ gate = gate, known = {}, parents = {}, looks = 0 }, Watch)
  self:look(true)
  self.timer = uv.new_timer()
  self.timer:start(LOOK_MS, LOOK_MS, function()
    self.looks = self.looks + 1
    self:look(self.looks % LOOKS_A_QUERY == 0)
  end)
  return self
end

return M

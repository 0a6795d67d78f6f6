--- A command that runs under a policy: start it inside a cgroup, pass signals on to it, wait for
--- it, and end what it leaves running.

local cgroup = require "tidegate.host.cgroup"
local ffi = require "ffi"
local launch = require "tidegate.host.launch"
local signals = require "tidegate.host.signals"
local terminal = require "tidegate.host.terminal"
local uv = require "luv"

local M = {}

ffi.cdef "int fcntl(int fd, int command, ...);"

local SIGINT, SIGQUIT, SIGWINCH, SIGURG =
  uv.constants.SIGINT, uv.constants.SIGQUIT, uv.constants.SIGWINCH, uv.constants.SIGURG

-- Signals that the terminal itself sends to the whole process group.
local from_terminal = { [SIGINT] = true, [SIGQUIT] = true, [SIGWINCH] = true }

local forwarded = { SIGWINCH, SIGURG, unpack(signals.ending) }

local F_GETFD, F_SETFD, FD_CLOEXEC = 1, 2, ffi.new("int", 1)

--- Call a function for each descriptor of this process but 0 to 2 that a program would inherit.
local function each_inherited(call)
  local scan = uv.fs_scandir "/proc/self/fd"
  while scan do
    local name = uv.fs_scandir_next(scan)
    if not name then
      break
    end
    local fd = tonumber(name)
    if fd > 2 and ffi.C.fcntl(fd, F_GETFD) == 0 then
      call(fd)
    end
  end
end

--- Those that whoever has started this process passes on: this file is loaded before any policy.
local passed_on = {}
each_inherited(function(fd) passed_on[fd] = true end)

--- Keep what a policy has opened from a command.
local function keep_descriptors()
  each_inherited(function(fd)
    if not passed_on[fd] then
      ffi.C.fcntl(fd, F_SETFD, FD_CLOEXEC)
    end
  end)
end

local POLL_MS, PATIENCE_MS, GIVE_UP_MS = 20, 2000, 7000

---@class tidegate.Child
---@field path string|nil its cgroup
---@field interrupted boolean whether a second SIGINT ended everything
local Child = {}
Child.__index = Child

--- A command that is not started yet.
---@return tidegate.Child
function M.new()
  local self = setmetatable({ interrupts = 0, interrupted = false }, Child)
  -- Signals are reset to their defaults in a program that is started. Under nohup, it has to ignore
  -- SIGHUP again.
  self.hangup_ignored = terminal.hangup_ignored()
  return self
end

---@class tidegate.Start
---@field cgroup string the cgroup to start the command in
---@field user tidegate.User|nil as whom it runs
---@field confine boolean|nil

--- Start a command inside a cgroup: it is never outside, not even for a moment.
---@param command string[]
---@param place tidegate.Start
---@return true|nil
---@return string|nil message
---@return integer|nil status the exit status for that message
function Child:start(command, place)
  self.path = place.cgroup
  keep_descriptors()
  local handle, message, code = launch.start(command, {
    cgroup = place.cgroup, user = place.user, confine = place.confine,
    ignore_hangup = self.hangup_ignored,
  }, function(exit_code, exit_signal)
    self.exited, self.code, self.signal = true, exit_code, exit_signal
  end)
  if not handle then
    return nil, message, code
  end
  self.handle = handle
  return true
end

--- From now on, pass on to the command every signal that would end this process, and some that
--- would not. This happens when the event loop runs.
function Child:catch_signals()
  for _, number in ipairs(forwarded) do
    uv.new_signal():start(number, function() self:signalled(number) end)
  end
end

function Child:signalled(number)
  if number == SIGINT then
    self.interrupts = self.interrupts + 1
    if self.interrupts > 1 or self.ending then
      self.interrupted = true
      cgroup.kill(self.path)
      return
    end
  end
  if not (from_terminal[number] and terminal.signals_us()) then
    self.handle:kill(number)
  end
end

--- Wait until the command ends.
---@return integer code
---@return integer signal 0 if the command ended by itself
function Child:wait()
  while not self.exited do
    uv.run "once"
  end
  return self.code, self.signal
end

--- End what the command left running in its cgroup: SIGTERM, and SIGKILL after two seconds.
---@param on_left fun(processes: { pid: integer, name: string }[]) called first, if there is any
function Child:finish(on_left)
  local left = cgroup.processes(self.path)
  if #left == 0 then
    return
  end
  on_left(left)
  self.ending = true
  cgroup.signal(self.path, "sigterm")
  local waited, timer = 0, uv.new_timer()
  timer:start(POLL_MS, POLL_MS, function()
    waited = waited + POLL_MS
    if waited >= PATIENCE_MS then
      cgroup.kill(self.path)
    end
  end)
  while cgroup.populated(self.path) and waited < GIVE_UP_MS do
    uv.run "once"
  end
  timer:close()
end

return M

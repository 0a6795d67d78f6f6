--- A command that runs under a policy: start it inside a cgroup, pass signals on to it, wait for
--- it, and end what it leaves running.

local cgroup = require "tidegate.host.cgroup"
local status = require "tidegate.host.exit_status"
local terminal = require "tidegate.host.terminal"
local uv = require "luv"
local uv_error = require "tidegate.host.uv_error"

local M = {}

-- Signals that the terminal itself sends to the whole process group.
local from_terminal = { sigint = true, sigquit = true, sigwinch = true }

local forwarded = { "sigterm", "sighup", "sigint", "sigquit", "sigusr1", "sigusr2", "sigwinch" }

local POLL_MS, PATIENCE_MS, GIVE_UP_MS = 20, 2000, 7000

---@class tidegate.Child
---@field path string|nil its cgroup
---@field interrupted boolean whether a second SIGINT ended everything
local Child = {}
Child.__index = Child

--- Why a command did not start, and the exit status that says so.
local function refusal(name, code, message)
  local is_path = name:find("/", 1, true)
  if code ~= "ENOENT" then
    return ("%s cannot be run: %s"):format(name, uv_error(message)), status.NOT_EXECUTABLE
  elseif not is_path then
    return name .. ": there is no such command", status.NOT_FOUND
  elseif not uv.fs_stat(name) then
    return name .. ": there is no such file", status.NOT_FOUND
  end
  return name .. " cannot be run: the interpreter in its first line is missing",
    status.NOT_EXECUTABLE
end

--- A command that is not started yet.
---@return tidegate.Child
function M.new()
  local self = setmetatable({ interrupts = 0, interrupted = false }, Child)
  -- libuv resets every signal to its default in the programs it starts. Under nohup, start()
  -- has to ignore SIGHUP again.
  self.hangup_ignored = terminal.hangup_ignored()
  return self
end

--- Start a command inside a cgroup. This process enters the cgroup, starts the command and goes
--- back. So the command is never outside, not even for a moment, and if it does not start, the
--- reason is known exactly.
---@param command string[]
---@param path string the cgroup to start the command in
---@param home string the cgroup to go back to
---@return true|nil
---@return string|nil message
---@return integer|nil status the exit status for that message
function Child:start(command, path, home)
  self.path = path
  local ok, message = cgroup.enter(path)
  if not ok then
    return nil, ("%s cannot be entered: %s"):format(path, message), status.KERNEL_REFUSED
  end
  if self.hangup_ignored then
    command = { "/bin/sh", "-c", 'trap "" HUP; exec "$@"', "tidegate", unpack(command) }
  end
  local handle, pid, code = uv.spawn(command[1], {
    args = { unpack(command, 2) },
    stdio = { 0, 1, 2 },
  }, function(exit_code, exit_signal)
    self.exited, self.code, self.signal = true, exit_code, exit_signal
  end)
  self.handle = handle
  local back, why = cgroup.enter(home)
  if not back then
    if handle then
      handle:kill "sigkill"
    end
    return nil, ("%s cannot be left for %s: %s"):format(path, home, why), status.KERNEL_REFUSED
  elseif not handle then
    return nil, refusal(command[1], code, pid)
  end
  return true
end

--- From now on, pass signals on to the command. This happens when the event loop runs.
function Child:catch_signals()
  for _, name in ipairs(forwarded) do
    local signal = uv.new_signal()
    signal:start(name, function() self:signalled(name) end)
  end
end

function Child:signalled(name)
  if name == "sigint" then
    self.interrupts = self.interrupts + 1
    if self.interrupts > 1 or self.ending then
      self.interrupted = true
      cgroup.kill(self.path)
      return
    end
  end
  if not (from_terminal[name] and terminal.signals_us()) then
    self.handle:kill(name)
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

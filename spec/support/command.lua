-- The real command, in its own process.

-- busted unloads modules between files, and luv's loop would go with its table
-- while luv goes on using it.
local registry = debug.getregistry()
registry.spec_luv = registry.spec_luv or require "luv"

local uv = registry.spec_luv

local M = {}

local cwd = uv.cwd()
local build = os.getenv "TIDEGATE_BUILD" or "build"

--- The build folder, as an absolute path.
M.build = build:sub(1, 1) == "/" and build or cwd .. "/" .. build

--- The command, as an absolute path.
M.path = M.build .. "/tidegate"

--- How long anything may take before a spec gives up on it.
local DEADLINE_MS = 30000

---@class spec.Process
---@field pid integer
---@field out string what it has written so far
---@field err string
---@field deadline integer|nil how long to wait for it, in milliseconds
---@field status integer|nil its exit status, 128 + N for a signal, once it has ended
local Process = {}
Process.__index = Process

local function collect(self, name, pipe)
  self.open = self.open + 1
  pipe:read_start(function(_, data)
    if data then
      self[name] = self[name] .. data
    else
      self.open = self.open - 1
      pipe:close()
    end
  end)
end

--- Run the event loop until `done()`; fails at the deadline.
local function run_until(done, what, deadline)
  local timer, late = uv.new_timer(), false
  uv.update_time() -- the loop's clock does not advance while it is not running
  timer:start(deadline or DEADLINE_MS, 0, function() late = true end)
  while not done() and not late do
    uv.run "once"
  end
  timer:close()
  uv.run "nowait" -- luv crashes at exit if a handle is still closing
  if late then
    error("waited in vain for " .. what(), 3)
  end
end

--- Start a program.  `options`: env (added to ours), cwd, session (true: its own session),
--- slow (it may take minutes).
---@param arguments string[] the program first
---@return spec.Process
function M.start(arguments, options)
  options = options or {}
  local env = {}
  for name, value in pairs(uv.os_environ()) do
    env[name] = value
  end
  for name, value in pairs(options.env or {}) do
    env[name] = value
  end
  local pairs_of = {}
  for name, value in pairs(env) do
    pairs_of[#pairs_of + 1] = name .. "=" .. value
  end
  local input, out, err = uv.new_pipe(), uv.new_pipe(), uv.new_pipe()
  local self = setmetatable({ out = "", err = "", open = 0, input = input }, Process)
  self.deadline = options.slow and 20 * DEADLINE_MS or nil
  self.handle, self.pid = uv.spawn(arguments[1], {
    args = { unpack(arguments, 2) }, stdio = { input, out, err },
    env = pairs_of, cwd = options.cwd, detached = options.session,
  }, function(code, signal)
    self.status = signal ~= 0 and 128 + signal or code
    self.handle:close()
  end)
  if not self.handle then
    for _, pipe in ipairs { input, out, err } do
      pipe:close()
    end
    uv.run "nowait"
    error(("%s: %s; run make"):format(arguments[1], self.pid), 2)
  end
  collect(self, "out", out)
  collect(self, "err", err)
  return self
end

--- Wait until the program ends.
---@return spec.Process itself
function Process:wait()
  run_until(function() return self.status and self.open == 0 end, function()
    return ("the end of pid %d, which said: %s%s"):format(self.pid, self.out, self.err)
  end, self.deadline)
  if not self.input:is_closing() then
    self.input:close()
    uv.run "nowait"
  end
  return self
end

--- Wait until a text is in its standard output or standard error.
function Process:wait_for(text)
  local function said()
    return self.out:find(text, 1, true) or self.err:find(text, 1, true)
  end
  run_until(function() return said() or self.status end, function() return text end, self.deadline)
  assert(said(),
    ("it ended without saying %q: %s%s"):format(text, self.out, self.err))
end

function Process:kill(signal)
  assert(uv.kill(self.pid, signal))
end

--- Write to the program's standard input.
function Process:write(text)
  self.input:write(text)
end

--- Run a program to its end.
---@return spec.Process
function M.run(arguments, options)
  return M.start(arguments, options):wait()
end

--- Run `tidegate ARGUMENTS...` to its end.
---@return spec.Process
function M.tidegate(...)
  return M.run { M.path, ... }
end

--- Wait until `done()` is true.
function M.wait_until(done, what)
  local timer = uv.new_timer()
  timer:start(10, 10, function() end)
  run_until(done, function() return what end)
  timer:close()
  uv.run "nowait" -- luv crashes at exit if a handle is still closing
end

--- A line of shell that unmounts cgroup2, for a mount namespace of its own.
M.UMOUNT_CGROUP2 = "for point in $(sed -n 's/.* \\(\\/[^ ]*\\) [^ ]* [^-]*- cgroup2 .*/\\1/p' "
  .. "/proc/self/mountinfo); do umount -l $point; done; "

--- Make a cgroup below our own and move there, so that what the specs start is
--- there too, and no other process is.  leave_cgroup() undoes it.
---@return string path
function M.enter_cgroup()
  local cgroup = require "tidegate.host.cgroup"
  M.home = assert(cgroup.find "self")
  local path = ("%s/tidegate-spec-%d"):format(M.home, uv.os_getpid())
  assert(uv.fs_mkdir(path, 493)) -- 0755
  assert(cgroup.enter(path))
  return path
end

--- Go back, and remove the cgroup and those below it, which must be empty.
function M.leave_cgroup()
  local cgroup = require "tidegate.host.cgroup"
  local path = assert(cgroup.find "self")
  assert(cgroup.enter(M.home))
  local removed
  M.wait_until(function() -- a process that was killed takes a moment to end
    removed = M.run { "find", path, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+" }
    return removed.status == 0
  end, "that " .. path .. " is empty")
end

--- A cgroup and those below it, one a line.
---@param path string
---@return string
function M.cgroups(path)
  return M.run({ "find", path, "-type", "d" }).out
end

--- The paths of the example policies, in order.
---@return string[]
function M.examples()
  local paths = {}
  for path in M.run({ "find", "examples", "-name", "[0-9]*.lua" }).out:gmatch "%S+" do
    paths[#paths + 1] = path
  end
  table.sort(paths)
  return paths
end

local function find_obstacle()
  if uv.getuid() ~= 0 then
    return "needs root"
  elseif M.run({ "grep", "-q", " - cgroup2 ", "/proc/self/mountinfo" }).status ~= 0 then
    return "needs cgroup2"
  elseif M.run({ "unshare", "-n", "-m", "true" }).status ~= 0 then
    return "needs to make namespaces"
  elseif not pcall(M.enter_cgroup) then
    return "needs to make cgroups"
  end
  M.leave_cgroup()
end

local obstacle

--- Why hooks cannot be tried here, or nil.
---@return string|nil
function M.no_kernel()
  if obstacle == nil then
    obstacle = find_obstacle() or false
  end
  return obstacle or nil
end

return M

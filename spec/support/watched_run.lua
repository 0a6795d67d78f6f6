--- A `tidegate run` whose command calls a denied address without pause: spec/c/watcher.c.

local command = require "spec.support.command"
local ffi = require "ffi"
local libc = require "spec.support.libc"
local uv = require "luv"

local M = {}

local WATCHERS, FIELD_BYTES = 3, 8
local ADDRESS, PORT = "192.0.2.1", "80"

ffi.cdef [[
  struct spec_limits { uint64_t soft, hard; };
]]

local SYS_PRLIMIT = ({ x64 = 302, arm64 = 261 })[jit.arch]

--- Resources, as the kernel numbers them.
M.CPU, M.FSIZE, M.NOFILE = 0, 1, 7

---@class spec.WatchedRun
---@field pid integer of tidegate
---@field status integer|nil once it has ended
local Run = {}
Run.__index = Run

--- The watcher without a policy, for a control.
function M.watcher(counts, how)
  return { command.build .. "/watcher", counts, ADDRESS, PORT, how }
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return text
end

--- What the watchers have counted: their calls, and how many of all went through.
---@param path string
---@return integer[] calls
---@return integer through
function M.counts(path)
  local fields = ffi.cast("const uint64_t *", read(path))
  local calls = {}
  for index = 1, WATCHERS do
    calls[index] = tonumber(fields[index - 1])
  end
  return calls, tonumber(fields[WATCHERS])
end

--- Make an empty file of counts.
function M.make_counts(path)
  local file = assert(io.open(path, "wb"))
  file:write(("\0"):rep((WATCHERS + 1) * FIELD_BYTES))
  file:close()
end

--- Start one. `shell` is what a shell does before it becomes tidegate.
---@param arguments string[] of run, with the policy
---@param counts string
---@param options { shell: string|nil, after: string|nil, how: string|nil, errors: string }
---@return spec.WatchedRun
function M.start(arguments, counts, options)
  M.make_counts(counts)
  local self = setmetatable({ counts = counts }, Run)
  local line = { "-c", (options.shell or "") .. 'exec "$@" ' .. (options.after or ""), "sh",
    command.path, "run", unpack(arguments) }
  line[#line + 1] = "--"
  for _, word in ipairs(M.watcher(counts, options.how)) do
    line[#line + 1] = word
  end
  local null, errors = assert(uv.fs_open("/dev/null", "r+", 0)),
    assert(uv.fs_open(options.errors, "w", 420))
  self.handle, self.pid = uv.spawn("/bin/sh", { args = line, stdio = { null, null, errors },
    detached = true }, function(code, signal)
    self.status = signal ~= 0 and 128 + signal or code
    self.handle:close()
  end)
  uv.fs_close(null)
  uv.fs_close(errors)
  assert(self.handle, self.pid)
  return self
end

--- Run the loop until something is true, for a time at most.
---@return boolean
function M.wait(done, milliseconds)
  local timer, late = uv.new_timer(), false
  uv.update_time()
  timer:start(1, 1, function()
    milliseconds = milliseconds - 1
    late = milliseconds <= 0
  end)
  while not done() and not late do
    uv.run "once"
  end
  timer:close()
  uv.run "nowait"
  return not not done()
end

--- Whether every watcher has called since then.
---@param path string
---@param before integer[]
function M.all_called(path, before)
  for index, calls in ipairs((M.counts(path))) do
    if calls <= before[index] then
      return false
    end
  end
  return true
end

--- Wait until all watchers call, or tidegate has ended.
function Run:wait_for_calls(milliseconds)
  return M.wait(function()
    return self.status or M.all_called(self.counts, { 0, 0, 0 })
  end, milliseconds) and not self.status
end

--- The process that guards the cgroup of the command.
---@return integer|nil
function Run:guard()
  for pid in read(("/proc/%d/task/%d/children"):format(self.pid, self.pid)):gmatch "%d+" do
    if read("/proc/" .. pid .. "/comm") == "tidegate-guard\n" then
      return tonumber(pid)
    end
  end
end

function Run:kill(number)
  return not self.status and uv.kill(self.pid, number)
end

--- Limit what tidegate, and nothing else, may use.
function Run:limit(resource, soft, hard)
  libc.call.syscall(SYS_PRLIMIT, ffi.cast("long", self.pid), ffi.cast("long", resource),
    ffi.new("struct spec_limits", soft, hard), ffi.cast("long", 0))
end

return M

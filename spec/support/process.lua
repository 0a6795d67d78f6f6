--- Child processes that run a Lua function.

local ffi = require "ffi"
local libc = require "spec.support.libc"

local C = libc.call

local M = {}

local SIGKILL = 9
local WNOHANG = 1

---@class spec.Fork
---@field pid integer
---@field from integer the end of the pipe that its result comes through
local Fork = {}
Fork.__index = Fork

local function write_all(fd, text)
  local at = 0
  while at < #text do
    local written = C.write(fd, ffi.cast("const char *", text) + at, #text - at)
    if written <= 0 then
      return
    end
    at = at + tonumber(written)
  end
end

--- Run a function in a child process.  The child ends without finalizers, so that
--- what it shares with us stays ours; it also holds the links that we hold.
---@param work fun(): string|nil
---@return spec.Fork
function M.fork(work)
  local ends = ffi.new "int[2]"
  assert(libc.outcome(C.pipe(ends)))
  io.flush()
  local pid = assert(libc.outcome(C.fork()))
  if pid == 0 then
    C.close(ends[0])
    local ok, result = xpcall(work, debug.traceback)
    write_all(ends[1], (ok and "+" or "-") .. tostring(result))
    C.exit(0)
  end
  C.close(ends[1])
  return setmetatable({ pid = pid, from = ends[0] }, Fork)
end

--- Wait for the end of the child; an error in it becomes an error here.
---@return string result
function Fork:wait()
  local text = libc.read_all(self.from)
  C.close(self.from)
  C.waitpid(self.pid, nil, 0)
  if text:sub(1, 1) ~= "+" then
    error(text == "" and "the child was killed" or text:sub(2), 2)
  end
  return text:sub(2)
end

--- Whether the child has ended; if so, it must not be waited for.
---@return boolean
function Fork:ended()
  if C.waitpid(self.pid, nil, WNOHANG) == 0 then
    return false
  end
  C.close(self.from)
  return true
end

--- Kill the child as `kill -9` does.
function Fork:kill()
  C.kill(self.pid, SIGKILL)
  C.close(self.from)
  C.waitpid(self.pid, nil, 0)
end

--- fork() and wait().
---@param work fun(): string|nil
---@return string
function M.run(work)
  return M.fork(work):wait()
end

--- A signal that one process gives, and another one waits for.
---@return { give: fun(), wait: fun(), close: fun() }
function M.signal()
  local ends = ffi.new "int[2]"
  assert(libc.outcome(C.pipe(ends)))
  return {
    give = function() C.write(ends[1], "x", 1) end,
    wait = function() C.read(ends[0], ffi.new "char[1]", 1) end,
    close = function()
      C.close(ends[0])
      C.close(ends[1])
    end,
  }
end

return M

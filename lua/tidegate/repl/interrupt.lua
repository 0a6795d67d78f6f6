--- Ctrl-C for a script that does not end.
--
-- A count hook of the interpreter checks whether a signal has come. Compiled traces call no
-- hooks, so the JIT compiler is off in this process. A C function that does not return (for
-- example string.find with a pattern that backtracks for ever) cannot be interrupted: a third
-- Ctrl-C then ends the process, and so does any other signal after five seconds.

local C = require "tidegate.repl.native"

local M = {}

--- Instructions between two checks.
local PERIOD = 1000

--- The error that is raised in the script. A pcall() in the script does not stop it.
M.INTERRUPTED = setmetatable({}, { __tostring = function() return "interrupted" end })

-- Whether the code that runs now may be interrupted.
local guarded = false

-- Functions of this file that run while `guarded` is set, but are no part of the script.
local ours = {}

local function stop()
  if guarded and not ours[debug.getinfo(2, "f").func] then
    error(M.INTERRUPTED, 0)
  end
end

local function check()
  if guarded and C.tg_signals_seen() ~= 0 and not ours[debug.getinfo(2, "f").func] then
    debug.sethook(stop, "crl", 1) -- raise at every step from now on, until guard() returns
    error(M.INTERRUPTED, 0)
  end
end

--- From now on signals are only noted, and scripts can be interrupted.
---@return integer fd polls readable when a signal has come
function M.start()
  local fd = C.tg_signals_catch()
  if fd < 0 then
    error(("tidegate: signals cannot be caught (errno %d)"):format(-fd), 0)
  end
  jit.off()
  debug.sethook(check, "", PERIOD)
  return fd
end

--- The number of the signal that has come, which is then forgotten.
---@return integer|nil number nil if none has come
function M.take()
  local number = C.tg_signals_take()
  return number ~= 0 and number or nil
end

local function finish(before, ...)
  guarded = before
  debug.sethook(check, "", PERIOD)
  return ...
end

--- Like pcall(), but a signal ends the function, with INTERRUPTED as the message.
function M.guard(fn, ...)
  local before = guarded
  guarded = true
  return finish(before, pcall(fn, ...))
end

local function resume(before, ok, ...)
  guarded = before
  if not ok then
    error((...), 0)
  end
  return ...
end

--- Call a function that no signal may interrupt, even inside guard().
function M.hold(fn, ...)
  local before = guarded
  guarded = false
  return resume(before, pcall(fn, ...))
end

ours[M.guard], ours[finish] = true, true

return M

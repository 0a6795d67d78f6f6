--- Ctrl-C for a script that does not end.
--
-- A count hook of the interpreter looks for a noted signal.  Compiled traces
-- call no hooks, so in this process nothing is compiled.  What cannot be
-- interrupted is one C function that does not return (string.find on a pattern
-- that backtracks for ever): there a third Ctrl-C ends the process, and so does
-- any other signal, after five seconds.

local C = require "tidegate.repl.native"

local M = {}

--- Instructions between two looks.
local PERIOD = 1000

--- What is raised in the script; it goes through pcall() of the script's own.
M.INTERRUPTED = setmetatable({}, { __tostring = function() return "interrupted" end })

-- Whether a script is running that may be interrupted.
local guarded = false

-- The functions of this file that run between a script's end and the hook's.
local ours = {}

local function stop()
  if guarded and not ours[debug.getinfo(2, "f").func] then
    error(M.INTERRUPTED, 0)
  end
end

local function look()
  if guarded and C.tg_signals_seen() ~= 0 and not ours[debug.getinfo(2, "f").func] then
    debug.sethook(stop, "crl", 1) -- at every step from now on, until guard() has it back
    error(M.INTERRUPTED, 0)
  end
end

--- From now on signals are noted, and scripts can be interrupted.
---@return integer fd polls readable once a signal has come
function M.start()
  local fd = C.tg_signals_catch()
  if fd < 0 then
    error(("tidegate: signals cannot be caught (errno %d)"):format(-fd), 0)
  end
  jit.off()
  debug.sethook(look, "", PERIOD)
  return fd
end

--- The number of a signal that has come, which is forgotten; nil: none.
---@return integer|nil
function M.take()
  local number = C.tg_signals_take()
  return number ~= 0 and number or nil
end

local function finish(before, ...)
  guarded = before
  debug.sethook(look, "", PERIOD)
  return ...
end

--- pcall() that a signal ends, with INTERRUPTED as the message.
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

--- Have no signal interrupt a function that a script calls.
function M.hold(fn, ...)
  local before = guarded
  guarded = false
  return resume(before, pcall(fn, ...))
end

ours[M.guard], ours[finish] = true, true

return M

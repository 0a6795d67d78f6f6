--- Ctrl-C for a script that does not end, and a time limit for the functions of a policy.
--
-- A count hook of the interpreter checks whether a signal has come, or the time is over. Compiled
-- traces call no hooks, so what is checked is not compiled: the code of the policy, and all code if
-- there is a prompt. A C function that does not return (for example string.find with a pattern that
-- backtracks for ever) cannot be interrupted: a third Ctrl-C then ends the process, and so does any
-- other signal after five seconds.

local clock = require "tidegate.clock"
local duration = require "tidegate.duration"
local library = require "tidegate.ffi"
local protect = require "tidegate.protect"
local where = require "tidegate.where"

local C = library.C
local xpcall = xpcall

local M = {}

--- Instructions between two checks.
local PERIOD = 1000

--- The error that is raised in the script. A pcall() in the script does not stop it.
M.INTERRUPTED = setmetatable({}, { __tostring = function() return "interrupted" end })

-- Whether the code that runs now may be interrupted by a signal.
local guarded = false

-- When the function of the policy that runs now has to end, and its time; nil: none runs.
local deadline, limit
-- Why it is being ended.
local ending

-- Functions that run while `guarded` or `deadline` is set, but are no part of the script.
local ours = {}

local function stop()
  if (guarded or ending) and not ours[debug.getinfo(2, "f").func] then
    error(ending or M.INTERRUPTED, 0)
  end
end

--- Raise an error at every step from now on, until the call that is guarded returns.
local function start_to_end(message)
  debug.sethook(stop, "crl", 1)
  error(message, 0)
end

local function check()
  if not guarded and not deadline or ours[debug.getinfo(2, "f").func] then
    return
  elseif C.tg_signals_seen() ~= 0 then
    ending = not guarded and where.traceback("ended by a signal", 2) or nil
    start_to_end(ending or M.INTERRUPTED)
  elseif deadline and clock.monotonic() > deadline then
    local at = debug.getinfo(2, "Sl")
    ending = where.traceback(("%s:%d: ended, because it has run for %s; policy { handler_timeout = "
      .. "… } allows more"):format(at.source:match "^@(.*)" or at.short_src, at.currentline,
        duration.text(limit)), 2)
    start_to_end(ending)
  end
end

-- Functions of policies --------------------------------------------------------------------

--- What xpcall() does with an error. The frames are looked at by our functions, which nothing ends.
local function trace(message)
  if ending then
    return ending
  end
  local before, was_guarded = deadline, guarded
  deadline, guarded = nil, false
  message = where.traceback(message, 2)
  deadline, guarded = before, was_guarded
  return message
end

local function finish_call(before, before_limit, ok, message)
  local ended = ending ~= nil
  deadline, limit = before, before_limit
  if ended then
    debug.sethook(check, "", PERIOD)
    ending = nil
    return false, message, true
  end
  return ok, message
end

--- Whether a function belongs to a policy, or was typed: it has an environment of its own.
local function is_foreign(handler)
  local meta = type(handler) ~= "function" and debug.getmetatable(handler)
  return getfenv(meta and meta.__call or handler) ~= _G
end

local function call(ms, handler, ...)
  if deadline or not is_foreign(handler) then
    return xpcall(handler, trace, ...)
  end
  local before, before_limit = deadline, limit
  deadline, limit = clock.monotonic() + ms / 1000, ms
  return finish_call(before, before_limit, xpcall(handler, trace, ...))
end

--- xpcall() for policies and scripts. LuaJIT calls the handler of an error where the error is
--- raised. For the error that ends a function, that is in our hook, and there no hook can end the
--- handler: so it is not called.
local function guarded_xpcall(fn, handler, ...)
  if type(handler) ~= "function" then
    return xpcall(fn, handler, ...)
  end
  return xpcall(fn, function(message)
    if ending or message == M.INTERRUPTED then
      return message
    end
    return handler(message)
  end, ...)
end
jit.off(guarded_xpcall, true)

--- From now on, policies that are loaded can be interrupted.
function M.keep()
  rawset(_G, "xpcall", guarded_xpcall)
  protect.keeper = { call = call, prepare = function(chunk) jit.off(chunk, true) end }
end

-- Signals ------------------------------------------------------------------------------------

--- From now on signals are noted, and scripts and functions of policies can be interrupted.
---@param pass boolean whether they are passed on to the handlers that they had
---@param kill integer|nil a descriptor of the cgroup.kill of what must not go on without us
---@return integer|nil fd polls readable when a signal has come
---@return string|nil message
function M.start(pass, kill)
  local fd = C.tg_signals_catch(kill or -1, pass and 1 or 0)
  if fd < 0 then
    return nil, "signals cannot be caught: " .. select(2, library.failure(fd))
  end
  debug.sethook(check, "", PERIOD)
  return fd
end

--- The number of the signal that has come, which is then forgotten.
---@return integer|nil number nil if none has come
function M.take()
  local number = C.tg_signals_take()
  return number ~= 0 and number or nil
end

-- Scripts --------------------------------------------------------------------------------------

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

for _, each in ipairs {
  M.guard, finish, call, finish_call, trace, protect.call, debug.sethook,
} do
  ours[each] = true
end

return M

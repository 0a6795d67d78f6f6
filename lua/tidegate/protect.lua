--- Calls of functions that a policy gave: an error in one is a text, and does not go further.
--
-- In the command, a keeper also ends a function that runs too long, or that a signal is to end.
-- The module alone cannot: a host that needs this runs the policy in a process of its own.

local where = require "tidegate.where"

local M = {}

local to_text = tostring

---@class tidegate.Keeper
---@field prepare fun(chunk: function) called with the code of a policy before it runs
---@field call fun(ms: number, call: function, ...): boolean, any, boolean|nil like xpcall() with
--- a traceback; the last: whether the function was ended

---@type tidegate.Keeper|nil
M.keeper = nil

--- The longest time for a function, in ms, unless the policy says another.
M.DEFAULT_MS = 1000

--- An error as a text.  A policy may raise anything, also what has a __tostring that fails, or that
--- does not end.
---@param message any
---@param ms number|nil the longest time for that (default: DEFAULT_MS)
---@return string
function M.text(message, ms)
  if type(message) == "string" then
    return message
  end
  local ok, text
  if M.keeper then
    -- With an environment of its own it is kept like a function of a policy.
    ok, text = M.keeper.call(ms or M.DEFAULT_MS, setfenv(function()
      return to_text(message)
    end, {}))
  else
    ok, text = pcall(tostring, message)
  end
  return ok and type(text) == "string" and text or "an error that is no text"
end

--- Take note of the code of a policy before it runs.
---@param chunk function
function M.prepare(chunk)
  if M.keeper then
    M.keeper.prepare(chunk)
  end
end

--- What xpcall() does with an error.
local function trace(message)
  return where.traceback(message, 2)
end

--- Call a function of a policy; an error in it is returned as a text with its traceback.
---@param ms number|nil the longest time for it (default: DEFAULT_MS)
---@param call function
---@return boolean ok
---@return string|nil message
---@return boolean|nil ended whether it was ended
function M.call(ms, call, ...)
  local ok, message, ended
  if M.keeper then
    ok, message, ended = M.keeper.call(ms or M.DEFAULT_MS, call, ...)
  else
    ok, message = xpcall(call, trace, ...)
  end
  return ok, not ok and M.text(message, ms) or nil, ended
end

where.stop_at(M.call)

return M

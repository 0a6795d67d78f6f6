--- A script on standard input: the language of the prompt, without a prompt.

local environment = require "tidegate.repl.environment"
local interrupt = require "tidegate.repl.interrupt"
local report = require "tidegate.host.report"
local status = require "tidegate.host.exit_status"
local uv = require "luv"

local M = {}

--- Run the script until it ends.
---@param session tidegate.Session
---@return integer status
function M.run(session)
  local out = report.open()
  if session.refused then
    report.say("the rules are only simulated: %s", session.refused)
  end
  session.on_command = function() end
  session.say = function() end -- a script prints what it wants to
  session:watch(function(event) out:event(event) end,
    function(message) report.say("%s", message) end)
  local text = io.stdin:read "*a" or ""
  local names = environment.new(session)
  local chunk, message = load(text:gsub("^#[^\n]*", ""), "@" .. session.source, "t", names.table)
  local ok = chunk ~= nil
  if chunk then
    ok, message = session:run(chunk)
  end
  io.stdout:flush()
  local number = session.signal or interrupt.take()
    or message == interrupt.INTERRUPTED and uv.constants.SIGINT
  if number then
    return status.SIGNAL + number
  elseif not ok then
    io.stderr:write(tostring(message), "\n")
    return message == session.kernel_failure and status.KERNEL_REFUSED or status.POLICY_ERROR
  end
  return session.status or status.OK
end

return M

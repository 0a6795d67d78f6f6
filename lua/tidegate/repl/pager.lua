--- Text that is longer than the screen: in the pager of the user, or in less.

local exit_status = require "tidegate.host.exit_status"
local interrupt = require "tidegate.host.interrupt"
local uv = require "luv"

local M = {}

local SIGINT = uv.constants.SIGINT
--- Quits if all fits, keeps colours, and leaves the text on the screen.
local DEFAULT = "less -FRX"

local function is_installed(program)
  for folder in (os.getenv "PATH" or ""):gmatch "[^:]+" do
    if uv.fs_access(folder .. "/" .. program, "X") then
      return true
    end
  end
  return false
end

--- The command; nil: there is none, or the user wants none.
---@return string|nil
function M.command()
  local wanted = os.getenv "PAGER"
  if wanted then
    return wanted:find "%S" and wanted ~= "cat" and wanted or nil
  end
  return is_installed "less" and DEFAULT or nil
end

--- The number of rows that a text takes on a screen.
---@param text string
---@param columns integer
---@return integer
function M.rows(text, columns)
  local rows = 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    local width = select(2, line:gsub("\27%[%d*m", ""):gsub("[^\128-\191]", ""))
    rows = rows + math.max(1, math.ceil(width / columns))
  end
  return rows
end

local function show(command, text, turn)
  local pipe, status, number = uv.new_pipe(), nil, nil
  local process = uv.spawn("/bin/sh", { args = { "-c", command }, stdio = { pipe, 1, 2 } },
    function(code) status = code end)
  if not process then
    pipe:close()
    return false
  end
  pipe:write(text .. "\n", function() pipe:close() end)
  while not status do
    uv.run "once"
    turn()
    local come = interrupt.take() -- Ctrl-C is the pager's own
    if come and come ~= SIGINT then
      number = come
      process:kill(come)
    end
  end
  process:close()
  return status ~= exit_status.NOT_FOUND and status ~= exit_status.NOT_EXECUTABLE, number
end

--- Show a text, and wait until the user has read it.
---@param command string
---@param text string
---@param turn fun() called after each turn of the event loop
---@return boolean shown false: there is no such pager
---@return integer|nil signal that ends the session
function M.show(command, text, turn)
  return interrupt.hold(show, command, text, turn)
end

return M

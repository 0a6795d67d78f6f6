--- The place in a script that calls the library: "web.lua:4".

local literal = require "tidegate.literal"

local M = {}

-- Functions of ours that call scripts: what is above them in a stack is no script.
local callers = {}

--- Take note of a function that calls scripts.
---@param caller function
function M.stop_at(caller)
  callers[caller] = true
end

--- "web.lua:4", the line that called into the library.  A tail call (`return deny {}`) leaves no
--- line: then it is the file alone.
---@param level integer 2: the caller of the function that calls this one
---@param path string|nil of the policy file that runs
---@return string
function M.at(level, path)
  for frame = level + 1, level + 16 do
    local info = debug.getinfo(frame, "Slf")
    if not info or callers[info.func] then
      break
    elseif info.currentline > 0 then
      local source = info.source:match "^@(.*)" or info.short_src
      return literal.line(source) .. ":" .. info.currentline
    end
  end
  return path and literal.line(path) or "?"
end

-- Our own files, whose frames tell the author of a script nothing.
local own = debug.getinfo(1, "S").source:match "^(@.*/)where%.lua$"

local MOST_FRAMES = 20

--- "web.lua:4: in function 'x'"
local function frame_text(info)
  local source = literal.line(info.source:match "^@(.*)" or info.short_src)
  local what = info.what == "main" and "in main chunk"
    or info.name and ("in function '%s'"):format(literal.line(info.name))
    or ("in function <%s:%d>"):format(source, info.linedefined)
  return ("%s:%d: %s"):format(source, info.currentline, what)
end

--- A message with a traceback of the scripts alone: not of our own functions, nor of those in C.
---@param message any what is not a text has no traceback
---@param level integer 1: the caller of this function
---@return any
function M.traceback(message, level)
  if type(message) ~= "string" then
    return message
  end
  local frames = {}
  for at = level + 1, math.huge do
    local info = debug.getinfo(at, "Slnf")
    if not info or callers[info.func] then
      break
    elseif info.currentline > 0 and info.source:sub(1, #own) ~= own then
      if #frames == MOST_FRAMES then
        frames[#frames + 1] = "..."
        break
      end
      frames[#frames + 1] = frame_text(info)
    end
  end
  if #frames == 0 then
    return message
  end
  return message .. "\nstack traceback:\n\t" .. table.concat(frames, "\n\t")
end

return M

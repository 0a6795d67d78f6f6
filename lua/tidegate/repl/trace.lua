--- Where an error was raised: the calls of what was typed and of the policy, without those of the
--- library.

local M = {}

-- "@/usr/share/lua/5.1/tidegate/"
local folder = debug.getinfo(1, "S").source:match "^(.*/)repl/[^/]*$" or "@tidegate/"

local MOST = 30

--- "prompt:3 in f", a line for each call down to one, the innermost first.
local function calls(level, last)
  local lines = {}
  for frame = level, level + 200 do
    local info = debug.getinfo(frame, "Snlf")
    if not info or info.func == last or #lines == MOST then
      break
    elseif info.currentline > 0 and info.source:sub(1, #folder) ~= folder then
      local source = info.source:match "^@(.*)" or info.short_src
      local inside = info.what == "main" and "" or info.name and (" in %s"):format(info.name)
        or (" in the function at line %d"):format(info.linedefined)
      lines[#lines + 1] = ("  %s:%d%s"):format(source, info.currentline, inside)
    end
  end
  return table.concat(lines, "\n")
end

local function pass(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

--- A function that does what another one does, and hands over where an error in it was raised.
---@param chunk function
---@param take fun(text: string)
---@return function
function M.keep(chunk, take)
  local function run()
    return pass(xpcall(chunk, function(message)
      local text = type(message) == "string" and message or "an error that is no text"
      local where = calls(3, run)
      take(where ~= "" and text .. "\n" .. where or text)
      return message
    end))
  end
  return run
end

return M

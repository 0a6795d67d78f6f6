--- Build and run the C programs in spec/c, with the core's own sources and the sanitizers.

local M = {}

local flags = table.concat({
  "-std=gnu11 -Wall -Wextra -Werror -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all",
  "-iquote core -iquote .",
  [['-DTG_VERSION="0"']], -- for base/version.c
}, " ")

-- The folders of core/ that make a policy in memory from its text: every program needs them.
local folders = { "base", "system", "parse", "policy" }

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

--- Build spec/c/NAME.c, run it, and return its output: "ok\n" if all is well.
---@param name string
---@param argument string|number
---@param more string[]|nil further folders of core/ that it needs
---@param parts string[]|nil further sources in spec/c that it needs
---@return string
function M.run(name, argument, more, parts)
  local program = os.tmpname()
  local paths = {}
  for _, list in ipairs { folders, more or {} } do
    for _, folder in ipairs(list) do
      paths[#paths + 1] = "core/" .. folder .. "/*.c"
    end
  end
  for _, part in ipairs { name, unpack(parts or {}) } do
    paths[#paths + 1] = "spec/c/" .. part .. ".c"
  end
  local output = output_of(("gcc %s %s -o %s -lbpf -lm")
    :format(flags, table.concat(paths, " "), program))
  if output == "" then
    output = output_of(program .. " " .. argument)
  end
  os.remove(program)
  return output
end

return M

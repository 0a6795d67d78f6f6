--- C programs under spec/c, built with the sanitizers from the core's own sources.

local M = {}

local flags = table.concat({
  "-std=gnu11 -Wall -Wextra -Werror -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all",
  "-Icore -Ibpf", [['-DTG_VERSION="0"']],
}, " ")

-- What stands between the text of patterns and a policy in memory.
local sources = {
  "address", "backend", "cgroup", "cgroup_chain", "cgroup_unit", "effect", "element", "endpoint", "error", "exe",
  "inside", "interval", "lines", "list", "list_file", "lots", "meaning", "netns", "options", "policy", "policy_check",
  "policy_tables", "products", "query", "rate", "set_use", "unix_path", "value", "vip", "words",
}

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

--- Build spec/c/NAME.c, run it, and return what it printed: "ok\n" where all was well.
---@param name string
---@param argument string|number
---@param more string[]|nil sources of the core that it needs beside
---@param parts string[]|nil sources in spec/c that it needs beside
---@return string
function M.run(name, argument, more, parts)
  local program = os.tmpname()
  local paths = {}
  for index, source in ipairs(sources) do
    paths[index] = "core/" .. source .. ".c"
  end
  for _, source in ipairs(more or {}) do
    paths[#paths + 1] = "core/" .. source .. ".c"
  end
  for _, part in ipairs { name, unpack(parts or {}) } do
    paths[#paths + 1] = "spec/c/" .. part .. ".c"
  end
  local output = output_of(("gcc %s %s -o %s -lbpf -lm"):format(flags, table.concat(paths, " "), program))
  if output == "" then
    output = output_of(program .. " " .. argument)
  end
  os.remove(program)
  return output
end

return M

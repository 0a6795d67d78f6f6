--- Build and run the C programs in spec/c, with the core and the sanitizers.

local command = require "spec.support.command"

local M = {}

local flags = table.concat({
  "-std=gnu11 -Wall -Wextra -Werror -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all",
  "-iquote core -iquote .",
}, " ")

local function output_of(line)
  local pipe = assert(io.popen(line .. " 2>&1"))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

--- Build spec/c/NAME.c, run it, and return its output: "ok\n" if all is well.
---@param name string
---@param argument string|number
---@param parts string[]|nil further sources in spec/c that it needs
---@param folder string|nil where it finds headers that a spec has written
---@return string
function M.run(name, argument, parts, folder)
  local program = os.tmpname()
  local paths = {}
  for _, part in ipairs { name, unpack(parts or {}) } do
    paths[#paths + 1] = "spec/c/" .. part .. ".c"
  end
  local output = output_of(("clang %s %s %s %s/sanitized.a -o %s -lbpf -lm")
    :format(flags, folder and "-I" .. folder or "",
      table.concat(paths, " "), command.build, program))
  if output == "" then
    output = output_of(program .. " " .. argument)
  end
  os.remove(program)
  return output
end

return M

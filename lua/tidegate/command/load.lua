--- The POLICY argument of the commands: declare it, load it, and print what is wrong with it.

local tidegate = require "tidegate"

local M = {}

--- Declare the argument.
---@param command table of argparse
---@param purpose string|nil ends its help text: "to start from"
function M.argument(command, purpose)
  local help = "A policy file, or an image" .. (purpose and ", " .. purpose or "") .. "."
  return command:argument("policy", help):argname "POLICY"
end

--- The gate of a policy or an image. Prints its errors, one a line, if there are any.
---@param path string
---@return tidegate.Gate|nil
function M.gate(path)
  local gate, message = tidegate.load(path)
  if not gate then
    io.stderr:write(message, "\n")
  end
  return gate
end

--- The image of a policy. Prints its errors, one a line, if there are any.
---@param path string
---@return tidegate.Image|nil
function M.image(path)
  local gate = M.gate(path)
  return gate and gate:image()
end

return M

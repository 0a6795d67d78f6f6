--- Load what a command's POLICY names, and say what is wrong with it.

local tidegate = require "tidegate"

local M = {}

--- A gate over a policy or an image; nil after its errors were printed, one a line.
---@param path string
---@return tidegate.Gate|nil
function M.gate(path)
  local gate, message = tidegate.load(path)
  if not gate then
    io.stderr:write(message, "\n")
  end
  return gate
end

--- The image of a policy; nil after its errors were printed.
---@param path string
---@return tidegate.Image|nil
function M.image(path)
  local gate = M.gate(path)
  return gate and gate:image()
end

return M

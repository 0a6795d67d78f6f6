--- Which of the live tables a handle is one of.

local services = require "tidegate.services"
local set = require "tidegate.set"

local M = {}

--- The module of a handle of a set or of services, nil of anything else.
---@param value any
---@return table|nil
function M.kind(value)
  return set.is(value) and set or services.is(value) and services or nil
end

return M

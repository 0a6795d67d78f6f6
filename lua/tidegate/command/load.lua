--- The POLICY argument of the commands: declare it and load it.

local ngx_stand_in = require "tidegate.command.ngx_stand_in"
local options = require "tidegate.command.options"
local source = require "tidegate.source"
local tidegate = require "tidegate"

local M = {}

source.be_strict()

--- Declare the argument, and --trust.
---@param command table of argparse
---@param purpose string|nil ends its help text: "to start from"
function M.argument(command, purpose)
  options.trust(command)
  local help = "A policy file, or an image" .. (purpose and ", " .. purpose or "") .. "."
  return command:argument("POLICY", help):argname "POLICY":target "policy"
end

--- The gate of a policy or an image; or what a command returns if there is none.
---@param path string
---@param trust boolean|nil
---@return tidegate.Gate|nil
---@return string|nil kind
---@return string|nil message every error, one a line
function M.gate(path, trust)
  local gate, message = tidegate.load(path, { trust = trust })
  if not gate then
    return nil, "policy", message
  end
  return gate
end

--- The image of a policy, for a command that runs no handler of it; or what a command returns if
--- there is none.
---@param path string
---@param trust boolean|nil
---@return tidegate.Image|nil
---@return string|nil kind
---@return string|nil message every error, one a line
function M.image(path, trust)
  if trust then
    ngx_stand_in.offer()
  end
  local gate, kind, message = M.gate(path, trust)
  if not gate then
    return nil, kind, message
  end
  return gate:compile()
end

return M

--- tidegate compile: write a policy's image to a file.

local policy = require "tidegate.command.load"
local report = require "tidegate.host.report"
local status = require "tidegate.host.exit_status"

local M = {}

function M.define(command)
  command:summary "Write a policy's image to a file."
    :description("Write a policy's image to a file. "
      .. "Every command that takes a POLICY also takes an image.")
  policy.argument(command)
  command:option("-o --output", "The file to write."):argname("IMAGE"):count(1)
end

function M.run(args)
  local image = policy.image(args.policy)
  if not image then
    return status.POLICY_ERROR
  end
  local ok, message = image:save(args.output)
  if not ok then
    report.say("%s", message)
    return status.USAGE_ERROR
  end
  return status.OK
end

return M

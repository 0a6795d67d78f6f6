--- tidegate compile: write a policy's image to a file.

local json = require "tidegate.host.json"
local options = require "tidegate.command.options"
local policy = require "tidegate.command.load"
local status = require "tidegate.host.exit_status"

local M = {}

function M.define(command)
  command:summary "Write a policy's image to a file."
    :description("Write a policy's image to a file. "
      .. "Every command that takes a POLICY also takes an image.")
  policy.argument(command)
  command:option("-o --output", "The file to write."):argname("IMAGE"):count(1)
  options.json(command, "Print what was written")
end

function M.run(args)
  local image, kind, problem = policy.image(args.policy, args.trust)
  if not image then
    return nil, kind, problem
  end
  local ok, message = image:save(args.output)
  if not ok then
    return nil, "usage", message
  end
  if args.json then
    print(tostring(json.object("policy", args.policy, "image", args.output, "rules", #image,
      "bytes", image.bytes)))
  end
  return status.OK
end

return M

--- tidegate dump: print the policy that an image is, as Lua.

local json = require "tidegate.host.json"
local literal = require "tidegate.literal"
local options = require "tidegate.command.options"
local plural = require "tidegate.host.plural"
local status = require "tidegate.host.exit_status"
local tidegate = require "tidegate"

local M = {}

function M.define(command)
  command:summary "Print the policy that an image is, as Lua; needs no privileges."
    :description("Print the policy that an image is, as Lua that compiles to the same image. "
      .. "A rule is in the words of its policy if they still mean the same here; if not, it is as "
      .. "the image has it in force: names are numbers, and files and ranges are what they "
      .. "contained. An image does not hold comments, handlers, and the options unsupported and "
      .. "requires.")
  command:argument("IMAGE", "An image file, as tidegate compile writes it."):argname "IMAGE"
    :target "image"
  options.json(command, "Print the policy, as a text,")
end

function M.run(args)
  local image, message = tidegate.load_image(args.image)
  if not image then
    return nil, "policy", message
  end
  local text = image:dump()
  if args.json then
    print(tostring(json.object("image", args.image, "name", image.name, "rules", #image,
      "text", text)))
  else
    print(("-- %s, %s; an image does not hold comments, handlers, unsupported and requires")
      :format(literal.line(args.image), plural(#image, "rule")))
    io.stdout:write(text)
  end
  return status.OK
end

return M

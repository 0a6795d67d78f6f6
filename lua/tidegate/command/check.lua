--- tidegate check: do policies compile, and is there anything in them that is probably a mistake?

local json = require "tidegate.host.json"
local literal = require "tidegate.literal"
local options = require "tidegate.command.options"
local plural = require "tidegate.host.plural"
local policy = require "tidegate.command.load"
local report = require "tidegate.host.report"
local status = require "tidegate.host.exit_status"

local M = {}

function M.define(command)
  command:summary "Check that policies compile, and warn about mistakes; needs no privileges."
    :description("Check that policies compile. Also warn about rules that can never match or that "
      .. "no hook sees, rewrites that go round in a loop, denials that are defeated or that catch "
      .. "the loopback, and what else is hardly meant. After warnings alone the exit status is 0.")
  command:argument("POLICY", "A policy file, or an image."):argname "POLICY"
    :target "policies":args "+"
  options.trust(command)
  options.json(command, "Print what is in each policy, and the warnings")
end

local function describe(path, image, findings)
  local hooks = image:hooks()
  for _, finding in ipairs(findings) do
    -- A finding about a rule already names its file and line; one about the default does not.
    report.warn((finding.rule and "" or path .. ": ") .. finding.text)
  end
  print(("%s: ok, %s, %d bytes, %s%s"):format(literal.line(path), plural(#image, "rule"),
    image.bytes, hooks[1] and "hooks: " .. table.concat(hooks, " ") or "no hooks",
    findings[1] and ", " .. plural(#findings, "warning") or ""))
end

local function print_json(path, image, findings)
  print(tostring(json.object("policy", path, "name", image.name, "rules", #image,
    "bytes", image.bytes, "hooks", json.list(image:hooks()),
    "warnings", json.list(findings, function(finding)
      return json.object("kind", finding.kind, "rule", finding.rule, "text", finding.text)
    end))))
end

function M.run(args)
  local result = status.OK
  for _, path in ipairs(args.policies) do
    local image, kind, message = policy.image(path, args.trust)
    if image then
      (args.json and print_json or describe)(path, image, assert(image:check()))
    else
      result = status.of(kind)
      report.fail({ kind = kind, status = result, message = message }, message)
    end
  end
  return result
end

return M

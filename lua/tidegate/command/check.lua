--- tidegate check: do policies compile, and is there anything in them that is probably a mistake?

local plural = require "tidegate.host.plural"
local policy = require "tidegate.command.load"
local status = require "tidegate.host.exit_status"

local M = {}

function M.define(command)
  command:summary "Check that policies compile, and warn about mistakes; needs no privileges."
    :description("Check that policies compile. Also warn about rules that can never match, "
      .. "rewrites that go round in a loop, and denials that are defeated or that catch the "
      .. "loopback. After warnings alone the exit status is 0.")
  command:argument("policies", "Policy files, or images."):args("+"):argname "POLICY"
end

--- Print the warnings about an image, and return how many there are.
local function warn(path, image)
  local findings = assert(image:findings())
  for _, finding in ipairs(findings) do
    -- A finding about a rule already names its file and line; one about the default does not.
    io.stderr:write(finding.rule and "" or path .. ": ", finding.text, "\n")
  end
  return #findings
end

local function report(path, image)
  local hooks, warnings = image:hooks(), warn(path, image)
  print(("%s: ok, %s, %d bytes, %s%s"):format(path, plural(image.count, "rule"), image.bytes,
    hooks[1] and "hooks: " .. table.concat(hooks, " ") or "no hooks",
    warnings > 0 and ", " .. plural(warnings, "warning") or ""))
end

function M.run(args)
  local result = status.OK
  for _, path in ipairs(args.policies) do
    local image = policy.image(path)
    if image then
      report(path, image)
    else
      result = status.POLICY_ERROR
    end
  end
  return result
end

return M

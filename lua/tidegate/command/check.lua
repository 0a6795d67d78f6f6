--- tidegate check: whether policies compile, and do what they seem to say.

local policy = require "tidegate.command.load"
local status = require "tidegate.host.exit_status"

local M = {}

function M.define(command)
  command:summary "Tell whether policies compile, and warn; needs no privileges."
    :description("Tell whether policies compile. Rules that can never match, rewrites that go round in a loop, denials "
      .. "that are defeated or that catch the loopback are warnings: they leave the exit status 0.")
  command:argument("policies", "Policy files, or images."):args("+"):argname "POLICY"
end

local function plural(count, what)
  return ("%d %s%s"):format(count, what, count == 1 and "" or "s")
end

--- Print the warnings about an image; how many there are.
local function warn(path, image)
  local findings = assert(image:findings())
  for _, finding in ipairs(findings) do
    -- The default stands nowhere in particular.
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

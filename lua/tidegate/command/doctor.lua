--- tidegate doctor: what this machine can do, and how to mend what it cannot.

local doctor_checks = require "tidegate.doctor_checks"
local json = require "tidegate.host.json"
local literal = require "tidegate.literal"
local options = require "tidegate.command.options"
local status = require "tidegate.host.exit_status"

local M = {}

function M.define(command)
  command:summary "Show what this kernel, this user and this cgroup tree can do."
    :description("Show what this kernel, this user and this cgroup tree can do, and how to mend "
      .. "what they cannot. This tries things out, and leaves nothing behind. The exit status is 3 "
      .. "if a gate would not work.")
  options.json(command, "Print the checks")
end

local function print_check(check)
  local mark = check.state == "ok" and "ok" or check.state:upper()
  print(("%-5s %-18s %s"):format(mark, check.name, literal.line(check.found)))
  if check.remedy ~= "" then
    print(("%-24s > %s"):format("", literal.line(check.remedy)))
  end
end

function M.run(args)
  local failed = false
  for check in doctor_checks.each() do
    failed = failed or check.state == "fail"
    if args.json then
      print(tostring(json.object("name", check.name, "state", check.state, "found", check.found,
        "remedy", check.remedy ~= "" and check.remedy or nil)))
    else
      print_check(check)
    end
  end
  return failed and status.KERNEL or status.OK
end

return M

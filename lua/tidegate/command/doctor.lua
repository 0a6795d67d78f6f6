--- tidegate doctor: what this machine can do, and how to mend what it cannot.

local cjson = require "cjson"
local doctor_checks = require "tidegate.doctor_checks"
local status = require "tidegate.host.exit_status"

local M = {}

function M.define(command)
  command:summary "Show what this kernel, this user and this cgroup tree can do."
    :description("Show what this kernel, this user and this cgroup tree can do, and how to mend "
      .. "what they cannot. This tries things out, and leaves nothing behind. The exit status is 3 "
      .. "if a gate would not work.")
  command:flag("--json", "Print one JSON object a line.")
end

local function print_check(check)
  local mark = check.state == "ok" and "ok" or check.state:upper()
  print(("%-5s %-18s %s"):format(mark, check.name, check.found))
  if check.remedy ~= "" then
    print(("%-24s > %s"):format("", check.remedy))
  end
end

function M.run(args)
  local failed = false
  for check in doctor_checks.each() do
    failed = failed or check.state == "fail"
    if args.json then
      print(cjson.encode(check))
    else
      print_check(check)
    end
  end
  return failed and status.KERNEL_REFUSED or status.OK
end

return M

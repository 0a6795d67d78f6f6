--- tidegate doctor: what this machine can do, and how to mend what it cannot.

local cjson = require "cjson"
local ffi = require "ffi"
local library = require "tidegate.ffi"
local status = require "tidegate.host.exit_status"

local M = {}

local C = library.C
local states = { [C.TG_CHECK_OK] = "ok", [C.TG_CHECK_WARN] = "warn", [C.TG_CHECK_FAIL] = "fail" }

function M.define(command)
  command:summary "Show what this kernel, this user and this cgroup tree can do."
    :description("Show what this kernel, this user and this cgroup tree can do, and how to mend "
      .. "what they cannot. This tries things out, and leaves nothing behind. The exit status is 3 "
      .. "if a gate would not work.")
  command:flag("--json", "Print one JSON object a line.")
end

local function checks()
  local index = -1
  local check = library.sized "struct tg_check"
  return function()
    index = index + 1
    if C.tg_doctor(index, check) == 0 then
      return {
        name = ffi.string(check.name),
        state = states[check.state],
        found = ffi.string(check.found),
        remedy = ffi.string(check.remedy),
      }
    end
  end
end

--- The first thing that keeps a gate from working, which often is why the rest does.
function M.first_failure()
  for check in checks() do
    if check.state == "fail" then
      return check
    end
  end
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
  for check in checks() do
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

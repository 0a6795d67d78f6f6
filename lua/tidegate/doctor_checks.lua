--- The checks of the doctor: what this machine can do.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local names = require "tidegate.names"

local C = library.C

local M = {}

---@class tidegate.Check
---@field name string "kernel", "BTF", "cgroup2" …
---@field state "ok"|"warn"|"fail"
---@field found string
---@field remedy string what would fix it; "" if nothing is wrong

--- Run the checks, one a turn: `for check in doctor_checks.each() do`.
---@return fun(): tidegate.Check|nil
function M.each()
  local index = -1
  local check = library.sized "struct tg_check"
  return function()
    index = index + 1
    if C.tg_doctor(index, check) == 0 then
      return {
        name = ffi.string(check.name), state = names.check_states[check.state],
        found = ffi.string(check.found), remedy = ffi.string(check.remedy),
      }
    end
  end
end

--- The first check that keeps a gate from working; often it is why the others fail.
---@return tidegate.Check|nil
function M.first_failure()
  for check in M.each() do
    if check.state == "fail" then
      return check
    end
  end
end

return M

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
  local cursor, check = ffi.new "uint64_t[1]", library.sized "struct tg_check"
  return function()
    if C.tg_doctor_next(cursor, check) == 1 then
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

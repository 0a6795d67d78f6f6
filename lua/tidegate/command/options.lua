--- The options that several commands have. They are the same everywhere.

local M = {}

---@param command table of argparse
---@param what string what is printed as JSON: "Print events"
function M.json(command, what)
  command:flag("--json", what .. " as JSON, one object a line; a failure too.")
end

---@param command table of argparse
function M.trust(command)
  command:flag("--trust", "Let the policy use files, programs and all modules of LuaJIT, as this "
    .. "user.")
end

---@param command table of argparse
function M.log(command)
  command:option("--log", "Append events to FILE instead of printing them; - is standard output.")
    :argname "FILE"
end

---@param command table of argparse
---@param what string what is not printed: "events and remarks"
function M.quiet(command, what)
  command:flag("-q --quiet", ("Print no %s, only errors."):format(what))
end

---@param command table of argparse
function M.dry_run(command)
  command:flag("-n --dry-run", "Show what would be enforced, and where; change nothing.")
end

return M

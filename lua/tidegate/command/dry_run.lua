--- The dry run of run and serve: what would be enforced, and where.

local attachments = require "tidegate.host.attachments"
local cgroup = require "tidegate.host.cgroup"
local json = require "tidegate.host.json"
local literal = require "tidegate.literal"
local plural = require "tidegate.host.plural"
local status = require "tidegate.host.exit_status"

local M = {}

--- Print where the policy would be enforced, and the policy itself, as Lua.
---@param where string for people
---@param ... any the same for JSON, names and values
local function show(gate, args, where, ...)
  local image = gate:compile()
  local hooks = image:hooks()
  if args.json then
    local fields = { "policy", args.policy, "rules", #image, "hooks", json.list(hooks), ... }
    fields[#fields + 1], fields[#fields + 2] = "text", image:dump()
    print(tostring(json.object(unpack(fields))))
  else
    print(literal.line(("-- %s, %s, would be enforced %s"):format(args.policy,
      plural(#image, "rule"), where)))
    print(("-- %s; nothing was changed"):format(hooks[1] and "hooks: " .. table.concat(hooks, " ")
      or "no hooks"))
    io.stdout:write(image:dump())
  end
  return status.OK
end

--- What serve would do.
---@param gate tidegate.Gate
---@param args table
---@param places { path: string }[]
---@return integer status
function M.on_cgroups(gate, args, places)
  local targets, lines = {}, {}
  for index, place in ipairs(places) do
    local processes = #cgroup.processes(place.path)
    targets[index] = json.object("cgroup", place.path, "processes", processes)
    lines[index] = attachments.text { path = place.path, processes = processes }
  end
  return show(gate, args, "on " .. table.concat(lines, ", "), "targets", json.list(targets))
end

--- What run would do.
---@param gate tidegate.Gate
---@param args table
---@param home string the cgroup below which one would be made
---@param user tidegate.User|nil
---@return integer status
function M.of_command(gate, args, home, user)
  local where = ("in a new cgroup below %s, on: %s%s"):format(home, table.concat(args.tail, " "),
    (user and (" (as %s)"):format(user.name) or "") .. (args.confine and " (confined)" or ""))
  return show(gate, args, where, "below", home, "command", json.list(args.tail),
    "user", user and user.name or json.null, "confined", args.confine == true)
end

return M

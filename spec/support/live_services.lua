--- A gate that redirects by live services.

local M = {}

--- Enforce a policy that balances all egress by the services "svc".
---@param here spec.Sandbox
---@param declaration string|nil what follows `services "svc"` in the policy
---@param rest string|nil further rules
---@return tidegate.Services
---@return tidegate.Gate
function M.enforce(here, declaration, rest)
  local gate = here:enforce(([[
    local svc = services "svc" %s
    balance { "all", egress = svc, reveal = true }
    %s]]):format(declaration or "{}", rest or ""))
  return gate:services "svc", gate
end

--- A list of backends that was read, as plain tables.
---@param backends tidegate.Backend[]
---@return table[]
function M.plain(backends)
  local plain = {}
  for position, member in ipairs(backends) do
    plain[position] = {
      address = member.address, weight = member.weight, state = member.state,
      picked = member.picked, share = member.share,
    }
  end
  return plain
end

return M

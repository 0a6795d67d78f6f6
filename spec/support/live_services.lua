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
  return gate:service "svc", gate
end

return M

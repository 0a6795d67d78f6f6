--- What a policy may use beyond its language is the decision of who loads it, never of the file.

local M = {}

--- Ends a message about what a policy may not use.
M.ASK = "whoever loads the policy can allow it, with --trust, or in Lua with { trust = true }"

return M

--- The words for the numbers of the library and the kernel.

local ffi = require "ffi"
local library = require "tidegate.ffi"

local C = library.C

local M = {}

M.AF_UNIX = 1

---@type table<integer, string> by enum tg_verb
M.verbs = {
  [C.TG_VERB_ALLOW] = "allow", [C.TG_VERB_DENY] = "deny", [C.TG_VERB_REWRITE] = "rewrite",
  [C.TG_VERB_BALANCE] = "balance", [C.TG_VERB_OBSERVE] = "observe",
}

---@type table<integer, string> by enum tg_backend_state
M.backend_states = {
  [C.TG_BACKEND_UP] = "up", [C.TG_BACKEND_DRAINING] = "draining", [C.TG_BACKEND_DOWN] = "down",
}

---@type table<integer, string> by enum tg_finding_kind
M.findings = {
  [C.TG_FINDING_NEVER] = "never", [C.TG_FINDING_LOOP] = "loop",
  [C.TG_FINDING_DEFEATED] = "defeated", [C.TG_FINDING_LOOPBACK] = "loopback",
}

---@type table<integer, string> by enum tg_check_state
M.check_states = {
  [C.TG_CHECK_OK] = "ok", [C.TG_CHECK_WARN] = "warn", [C.TG_CHECK_FAIL] = "fail",
}

---@type table<integer, string> by address family
M.families = { [M.AF_UNIX] = "unix", [2] = "inet", [10] = "inet6" }

---@type table<integer, string> by IP protocol
M.protocols = {
  [1] = "icmp", [6] = "tcp", [17] = "udp", [33] = "dccp", [58] = "icmpv6", [132] = "sctp",
  [136] = "udplite", [255] = "raw", [262] = "mptcp",
}

---@type table<integer, string> "connect4", by enum tg_hook
M.hooks = {}

---@type table<integer, string> "connect", by enum tg_hook
M.ops = {}

for hook = 0, C.TG_HOOKS - 1 do
  M.hooks[hook] = ffi.string(C.tg_hook_name(hook))
  M.ops[hook] = M.hooks[hook]:match "^%a+"
end

--- The names of the hooks in a mask.
---@param mask integer
---@return string[]
function M.hooks_in(mask)
  local found = {}
  for hook = 0, #M.hooks do
    if math.floor(tonumber(mask) / 2 ^ hook) % 2 == 1 then
      found[#found + 1] = M.hooks[hook]
    end
  end
  return found
end

--- "ECONNREFUSED" for 111; "999" for a number without a name; nil for 0.
---@param number integer
---@return string|nil
function M.errno(number)
  number = tonumber(number)
  if number ~= 0 then
    return library.text(C.tg_errno_name(number)) or tostring(number)
  end
end

return M

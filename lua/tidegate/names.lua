--- The words for the numbers of the library and the kernel.

local ffi = require "ffi"
local library = require "tidegate.ffi"

local C = library.C

local M = {}

M.AF_UNIX = 1

--- The names that a function of the library has for the numbers of an enum.
---@param name_of fun(number: integer): ffi.cdata*
---@param last integer
---@return table<integer, string>
local function named(name_of, last)
  local found = {}
  for number = 0, tonumber(last) do
    found[number] = library.text(name_of(number))
  end
  return found
end

---@type table<integer, string> by enum tg_verb
M.verbs = named(C.tg_verb_name, C.TG_VERB_COUNT)

---@type table<integer, string> by enum tg_backend_state
M.backend_states = named(C.tg_backend_state_name, C.TG_BACKEND_DOWN)

---@type table<integer, string> by enum tg_finding_kind
M.findings = {
  [C.TG_FINDING_NEVER] = "never", [C.TG_FINDING_LOOP] = "loop",
  [C.TG_FINDING_DEFEATED] = "defeated", [C.TG_FINDING_LOOPBACK] = "loopback",
  [C.TG_FINDING_SOURCE] = "source", [C.TG_FINDING_PORT] = "port",
  [C.TG_FINDING_UNSEEN] = "unseen", [C.TG_FINDING_PROBE] = "probe",
  [C.TG_FINDING_ADDRESS] = "address", [C.TG_FINDING_BIND] = "bind",
  [C.TG_FINDING_NAME] = "name", [C.TG_FINDING_DEVICE] = "device",
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

for hook = 0, C.TG_HOOK_COUNT - 1 do
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

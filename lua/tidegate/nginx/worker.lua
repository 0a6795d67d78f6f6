--- What a process that nginx forks gives up, besides its control of the gate.

local ffi = require "ffi"
local handover = require "tidegate.handover"
local process = require "ngx.process"

local C = ffi.C

ffi.cdef [[
  struct tidegate_capability_header { uint32_t version; int pid; };
  struct tidegate_capabilities { uint32_t effective, permitted, inheritable; };

  int tidegate_prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)
    __asm__("prctl");
  int tidegate_capget(struct tidegate_capability_header *, struct tidegate_capabilities *)
    __asm__("capget");
  int tidegate_capset(struct tidegate_capability_header *, const struct tidegate_capabilities *)
    __asm__("capset");
  int tidegate_getppid(void) __asm__("getppid");
  int tidegate_geteuid(void) __asm__("geteuid");
  int tidegate_raise(int) __asm__("raise");
  extern int ngx_channel[1];
]]

local M = {}

local PR_SET_PDEATHSIG, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 1, 47, 4
local SIGKILL = 9
local CAPABILITY_VERSION = 0x20080522

--- What a worker that is not root may keep: a low port, and `proxy_bind … transparent`, for which
--- nginx itself gives CAP_NET_RAW to its workers.
local KEPT = bit.bor(bit.lshift(1, 10), bit.lshift(1, 13))

--- Have the processes that nginx forks give up control of the gate before they change their user:
--- between that and init_worker() they can be traced, and others of their user could take what they
--- inherit.  nginx sets ngx_channel before it forks such a process, but not before the fork by
--- which it becomes a daemon, whose child is the master.
---@param gate tidegate.Gate
---@return boolean|nil
---@return string|nil message
function M.restrict_at_fork(gate)
  local found, channel = pcall(function() return C.ngx_channel end)
  if not found then
    return nil, "this nginx does not export ngx_channel, so that its workers give up control in "
      .. "init_worker_by_lua, after they have changed their user"
  end
  return handover.restrict_children(gate, channel)
end

--- End with the master.  It holds what enforces the policy, so without it this process would be
--- unrestrained.  By SIGKILL: an orderly end would finish, without the policy, what is under way.
function M.end_with_master()
  C.tidegate_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
  if C.tidegate_getppid() ~= process.get_master_pid() then -- it ended before the call above
    C.tidegate_raise(SIGKILL)
  end
end

--- Drop the capabilities that a program could use, or pass on, against the policy: the ambient and
--- the inheritable ones, and those that a master without root has left to its workers.
---@return boolean|nil
---@return string|nil message
function M.drop_capabilities()
  local header = ffi.new("struct tidegate_capability_header", CAPABILITY_VERSION, 0)
  local held = ffi.new "struct tidegate_capabilities[2]"
  C.tidegate_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
  C.tidegate_capget(header, held)
  for word = 0, 1 do
    held[word].inheritable = 0
    if C.tidegate_geteuid() ~= 0 then
      local kept = word == 0 and KEPT or 0
      held[word].permitted = bit.band(held[word].permitted, kept)
      held[word].effective = bit.band(held[word].effective, kept)
    end
  end
  if C.tidegate_capset(header, held) ~= 0 then
    return nil, "cannot drop capabilities"
  end
  return true
end

return M

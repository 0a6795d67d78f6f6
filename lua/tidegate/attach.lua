--- Where a gate is attached.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local names = require "tidegate.names"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

local ENOENT = 2

--- The methods of a gate for the cgroups that it is attached to.
---@class tidegate.Gate
local Gate = {}
M.methods = Gate

local states = {
  [tonumber(C.TG_ATTACHED)] = "attached", [tonumber(C.TG_SEVERED)] = "severed",
  [tonumber(C.TG_GONE)] = "gone", [tonumber(C.TG_ATTACHMENT_UNKNOWN)] = "unknown",
}

local existing = {
  leave = C.TG_EXISTING_LEAVE, log = C.TG_EXISTING_LOG, kill = C.TG_EXISTING_KILL,
}

local option_names = { "existing", "only", "until_removed" }

local until_removed = 'did you mean "until_removed"? On a cgroup of your own it outlives '
  .. "the process"

local meant = {
  persist = until_removed, persistent = until_removed, pin = until_removed, stay = until_removed,
}

local is_option = {}
for _, name in ipairs(option_names) do
  is_option[name] = true
end

--- Check a target.
---@param target any
---@param verb string
local function check_target(target, verb)
  if literal.is_text(target) then
    return
  end
  local hint = ""
  if type(target) == "table" and target.pid then
    hint = ('; write "pid:%s"'):format(tostring(target.pid))
  elseif type(target) == "table" and target.unit then
    hint = ('; write "unit:%s"'):format(tostring(target.unit))
  end
  error(('%s: wants a cgroup: its path, "self", "pid:42" or "unit:nginx.service"; got %s%s')
    :format(verb, literal.describe(target), hint), 3)
end

local function check_options(options)
  if options == nil then
    return {}
  elseif type(options) ~= "table" then
    error(("attach: wants options such as { only = true }; got %s")
      :format(literal.describe(options)), 3)
  end
  for key, value in pairs(options) do
    if not is_option[key] then
      error("attach: " .. suggest.option(key, value, option_names, meant), 3)
    end
  end
  for _, name in ipairs { "only", "until_removed" } do
    if options[name] ~= nil and type(options[name]) ~= "boolean" then
      error(("attach: %s: wants true or false; got %s")
        :format(name, literal.describe(options[name])), 3)
    end
  end
  if options.existing ~= nil and not existing[options.existing] then
    error(('attach: existing: wants "leave", "log" or "kill"; got %s')
      :format(literal.describe(options.existing)), 3)
  end
  return options
end

--- A cgroup that a gate is attached to, and so also to all below it.
---@class tidegate.Attachment
---@field path string
---@field cgroup integer its id, as in events
---@field state "attached"|"severed"|"gone"|"unknown" severed: somebody has detached some of its
--- hooks, and attach() makes them again; gone: the cgroup was removed; unknown: this
--- process has restricted the gate and may not see what is in force
---@field processes integer|nil how many are in it and below it; nil: this process cannot look there
---@field hooks string[] that the gate wants there
---@field effective string[]|nil that the kernel says are in force there; nil: the state is unknown

local function attachment_of(struct)
  local state = states[tonumber(struct.state)]
  local seen = struct.processes ~= C.TG_PROCESSES_UNKNOWN
  return {
    path = ffi.string(struct.path), cgroup = tonumber(struct.cgroup_id), state = state,
    processes = seen and tonumber(struct.processes) or nil, hooks = names.hooks_in(struct.hooks),
    effective = state ~= "unknown" and names.hooks_in(struct.effective) or nil,
  }
end

--- What is attached, in the order in which it was.
---@param object ffi.cdata* struct tg_gate
---@return tidegate.Attachment[]|nil
---@return string|nil message
---@return integer|nil errno
function M.list(object)
  local found, cursor = {}, ffi.new "uint64_t[1]"
  local struct = library.sized "struct tg_attachment"
  local result = C.tg_gate_attachment_next(object, cursor, struct)
  while result == 1 do
    found[#found + 1] = attachment_of(struct)
    result = C.tg_gate_attachment_next(object, cursor, struct)
  end
  if result < 0 then
    return library.failure(result)
  end
  return found
end

--- Whether a gate may be attached there: otherwise nothing is published.
local function find(target)
  local path = ffi.new "char[4096]"
  return library.outcome(C.tg_target_find(target, path, 4096))
end

--- Attach to a cgroup and those below it; first publishes what is staged.
---@param target string its path, "self", "pid:42" or "unit:nginx.service"; the root of all cgroups
--- only by its path
---@param options { only: boolean|nil, until_removed: boolean|nil,
--- existing: "leave"|"log"|"kill"|nil }|nil only: detach from all others; until_removed: for a
--- cgroup of your own, stay in force there until it is removed or detach() is called, even if the
--- gate is closed or its process dies; existing: what happens to sockets that its processes have
--- connected already
---@return tidegate.Attachment|nil
---@return string|nil message
---@return integer|nil errno
function Gate:attach(target, options)
  check_target(target, "attach")
  options = check_options(options)
  local ok, message, errno = find(target)
  if ok then
    ok, message, errno = self:commit()
  end
  if not ok then
    return nil, message, errno
  end
  local how = library.sized "struct tg_attach_options"
  how.flags = (options.only and C.TG_ATTACH_ONLY or 0)
    + (options.until_removed and C.TG_ATTACH_UNTIL_REMOVED or 0)
  how.existing = existing[options.existing or "leave"]
  local struct = library.sized "struct tg_attachment"
  local result = C.tg_gate_attach(self.cdata, target, how, struct)
  if result ~= 0 then
    return library.failure(result)
  end
  return attachment_of(struct)
end

--- Detach from a cgroup, or from all; the gate can be attached again.
---@param target string|nil as for attach(); nil: all
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Gate:detach(target)
  if target ~= nil then
    check_target(target, "detach")
  end
  if not self.cdata and target == nil then
    return true
  elseif not self.cdata then
    return nil, target .. ": this gate is not attached there", ENOENT
  end
  return library.outcome(C.tg_gate_detach(self.cdata, target))
end

return M

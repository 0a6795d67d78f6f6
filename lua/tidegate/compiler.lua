--- From a policy in Lua to an image: its tables, rules and options as a tg_policy, compiled.

local image = require "tidegate.image"
local library = require "tidegate.ffi"
local live = require "tidegate.live_table"
local rule = require "tidegate.rule"
local schema = require "tidegate.schema"

local C = library.C

local M = {}

local function new_object(name)
  return library.make("policy", function(slot) return C.tg_policy_new(name, slot) end)
end

-- Trying -------------------------------------------------------------------------------

--- Declare the sets that a rule names, empty.
local function declare_sets(candidate, object)
  local seen = {}
  for _, values in ipairs(candidate.lists) do
    for _, handle in ipairs(values:sets()) do
      if not seen[handle.name] and live.is_declared(handle) then
        seen[handle.name] = true
        local ok, message, errno = live.add_to(handle, object, true)
        if not ok then
          return nil, message, errno
        end
      end
    end
  end
  return true
end

--- Let `try` fill a throw-away policy, which is freed at once.
local function scratch(try)
  local object, problem, number = new_object()
  if not object then
    return nil, problem, number
  end
  local ok, message, errno = try(object)
  library.release("policy", object)
  return ok, message, errno
end

--- Whether the library accepts the declaration of a live table.
---@param handle tidegate.Set|tidegate.Services
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function M.try_table(handle)
  return scratch(function(object) return live.add_to(handle, object) end)
end

--- Whether the library accepts a rule.  It is compiled alone, to find now what the compilation of
--- the whole policy would only find later.
---@param candidate tidegate.Rule
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function M.try_rule(candidate)
  return scratch(function(object)
    local ok, message, errno = declare_sets(candidate, object)
    if ok then
      ok, message, errno = candidate:add_to(object, candidate.ordinal)
    end
    if not ok then
      return nil, message, errno
    end
    local compiled
    compiled, message, errno =
      library.make("image", function(slot) return C.tg_policy_compile(object, slot) end)
    if not compiled then
      return nil, message, errno
    end
    library.release("image", compiled)
    return true
  end)
end

-- Compiling ----------------------------------------------------------------------------

local function verb_number(verdict)
  return C["TG_VERB_" .. verdict:upper()]
end

--- Set the options of a tg_policy.  egress comes first, because connect and sendmsg override it.
local function set_options(object, options)
  local result = 0
  for _, op in ipairs { "egress", "connect", "sendmsg", "bind" } do
    local verdict = options.default and options.default[op]
    if verdict and result == 0 then
      local ops = rule.operation_bits(schema.fields[op].ops)
      result = C.tg_policy_default(object, ops, verb_number(verdict))
    end
  end
  if options.on_error and result == 0 then
    result = C.tg_policy_on_error(object, verb_number(options.on_error))
  end
  return library.outcome(result)
end

--- Add all tables and rules to a tg_policy.
---@return true|nil
---@return string|nil message every complaint, one a line
---@return integer|nil errno of the first complaint
local function add_all(object, tables, members)
  local complaints, first_errno = {}, nil
  local function note(ok, message, errno)
    if not ok then
      complaints[#complaints + 1], first_errno = message, first_errno or errno
    end
  end
  for _, handle in ipairs(tables) do
    note(live.add_to(handle, object))
  end
  for position, member in ipairs(members) do
    note(member:add_to(object, position))
  end
  if #complaints > 0 then
    return nil, table.concat(complaints, "\n"), first_errno
  end
  return true
end

--- Compile a policy.
---@param options table what policy { … } set
---@param tables (tidegate.Set|tidegate.Services)[] in order
---@param members tidegate.Rule[] in order
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function M.compile(options, tables, members)
  local object, problem, number = new_object(options.name)
  if not object then
    return nil, problem, number
  end
  local ok, message, errno = set_options(object, options)
  if ok then
    ok, message, errno = add_all(object, tables, members)
  end
  local compiled
  if ok then
    compiled, message, errno =
      image.make(function(slot) return C.tg_policy_compile(object, slot) end)
  end
  library.release("policy", object)
  if not compiled then
    return nil, message, errno
  end
  compiled.members = members
  return compiled
end

return M

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

--- Whether a rule may name live tables; nil: it names one that is not declared.
local function names_tables(candidate, tables)
  local some = false
  for _, values in ipairs(candidate.lists) do
    local named, files = values:tables()
    some = some or files or #named > 0
    for _, name in ipairs(named) do
      if not tables[name] then
        return nil, ('%s: %s "%s": %s: %s'):format(candidate.where, candidate.verb, candidate.name,
          values.row.name, live.unknown(name, tables))
      end
    end
  end
  return some
end

--- Declare the policy's live tables, empty, if a rule may name one.
local function declare_tables(candidate, tables, object)
  local some, problem = names_tables(candidate, tables)
  if some == nil then
    return nil, problem
  end
  for _, handle in ipairs(some and tables or {}) do
    local ok, message, errno = live.add_to(handle, object, true)
    if not ok then
      return nil, message, errno
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
---@param tables (tidegate.Set|tidegate.Services)[] that its policy declares, also by name
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function M.try_rule(candidate, tables)
  return scratch(function(object)
    local ok, message, errno = declare_tables(candidate, tables, object)
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

--- What the library says about the effects of a rule that has mistakes already, so that all are
--- told at once; nil: nothing.
---@param candidate tidegate.Member
---@return string|nil a line for each mistake
function M.effect_mistakes(candidate)
  return select(2, scratch(function(object) return candidate:add_effects(object, 1) end))
end

-- Compiling ----------------------------------------------------------------------------

local function verb_number(verdict)
  return C["TG_VERB_" .. verdict:upper()]
end

--- Pass verdicts by operation to a function of the library.  egress comes first, because connect
--- and sendmsg override it.
local function set_verdicts(object, set, verdicts)
  for _, op in ipairs { "egress", "connect", "sendmsg", "bind" } do
    local verdict = verdicts and verdicts[op]
    if verdict then
      local ops = rule.operation_bits(schema.fields[op].ops)
      local result = set(object, ops, verb_number(verdict))
      if result ~= 0 then
        return result
      end
    end
  end
  return 0
end

--- Set the options of a tg_policy.
local function set_options(object, options)
  local result = set_verdicts(object, C.tg_policy_default, options.default)
  if result == 0 then
    result = set_verdicts(object, C.tg_policy_on_error, options.on_error)
  end
  if result == 0 and options.shadow then
    result = C.tg_policy_flags(object, C.TG_POLICY_SHADOW)
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

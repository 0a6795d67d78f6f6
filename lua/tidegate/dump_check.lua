--- Whether the text of a rule that an image holds still means what the image has in force.
--
-- A text may name files, hosts, users and cgroups, which can be others by now, and it is data of
-- whoever made the image.  So the rule is read from it and compiled alone, and both are compared.

local dump_rule = require "tidegate.dump_rule"
local library = require "tidegate.ffi"
local literal_reader = require "tidegate.literal_reader"
local rule = require "tidegate.rule"
local schema = require "tidegate.schema"

local C = library.C

local M = {}

--- The one statement that the text of a rule is, with the rule's verb; nil: the text is another.
local function statement_of(info, open)
  local statements = info.text and literal_reader.read(info.text, open)
  local statement = statements and statements[1]
  if statement and #statements == 1 and not statement.name and statement.word == info.verb
    and schema.verbs[info.verb] then
    return statement
  end
end

--- Whether the text of a rule is a rule of literals, and so nothing that does anything when it is
--- loaded.
---@param info tidegate.ImageRule
---@return boolean
function M.is_rule(info)
  return statement_of(info, function(path) return path end) ~= nil
end

--- A dump has what was in a file, not its name: the file may not be where the dump is read.
local function refuse_file()
  error({ message = "names a file" }, 0)
end

--- The rule of a text; nil: the text is not that of this rule.
local function member_of(info, position)
  local statement = statement_of(info, refuse_file)
  local member = statement
    and rule.new(info.verb, statement.value, info.where or "", position, function() end)
  return member and member.name == info.name and member or nil
end

--- Declare, empty, the live tables that a rule names, in the order of the image.
local function declare(object, member, tables)
  local named = {}
  for _, values in ipairs(member.lists) do
    for _, name in ipairs((values:tables())) do
      named[name] = true
    end
  end
  for _, one in ipairs(next(named) and tables or {}) do
    if named[one.name] and one.kind.word == "services" then
      C.tg_policy_declare_services(object, one.name, library.sized "struct tg_services_options")
    elseif named[one.name] then
      C.tg_policy_declare_set(object, one.name, library.sized "struct tg_set_options")
    end
  end
end

--- An image of the rule alone.
local function compile(member, position, tables)
  local object = library.make("policy", function(slot) return C.tg_policy_new(nil, slot) end)
  if not object then
    return nil
  end
  declare(object, member, tables)
  local image = member:add_to(object, position)
    and library.make("image", function(slot) return C.tg_policy_compile(object, slot) end)
  library.release("policy", object)
  return image or nil
end

--- Whether each of the numbers is among others.  A section has those of all its rules' cgroups: a
--- rule about one of them is one about those below it, too.
local function are_among(numbers, others)
  local found = {}
  for _, number in ipairs(others or {}) do
    found[number] = true
  end
  for _, number in ipairs(numbers or {}) do
    if not found[number] then
      return false
    end
  end
  return true
end

local function are_equal(numbers, others)
  return table.concat(numbers or {}, " ") == table.concat(others or {}, " ")
end

--- Whether a rule's text means what the image has.
---@param info tidegate.ImageRule
---@param position integer from 1
---@param tables { name: string, kind: tidegate.LiveKind }[] the live tables of the image
---@param text string|nil the rule as the image has it
---@param why string why there is no such text
---@param numbers table<string, string[]> as Reader:rule() returns them
---@return boolean
function M.holds(info, position, tables, text, why, numbers)
  local member = member_of(info, position)
  local image = member and compile(member, position, tables)
  if not image then
    return false
  end
  local own, own_why, own_numbers = dump_rule.reader({ cdata = image }):rule(0, position)
  library.release("image", image)
  return own == text and own_why == why and are_equal(own_numbers.exe, numbers.exe)
    and are_among(own_numbers.cgroup, numbers.cgroup)
    and not own_numbers.cgroup == not numbers.cgroup
end

return M

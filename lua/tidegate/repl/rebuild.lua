--- From an image back to rules that can be changed.
--
-- An image holds the text of its rules.  That text is data of whoever made the image: it is read
-- here, as literals, and never compiled.

local dump = require "tidegate.dump"
local file = require "tidegate.file"
local gates = require "tidegate.gate"
local literal = require "tidegate.literal"
local literal_reader = require "tidegate.literal_reader"
local live = require "tidegate.live_table"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"
local tidegate = require "tidegate"

local M = {}

-- Rebuilding -------------------------------------------------------------------------------

local tables = { set = set, services = services }

--- Add the options and the live tables.
local function add_head(policy, statements, path)
  for _, statement in ipairs(statements) do
    local kind = tables[statement.word]
    local ok, message
    if kind then
      ok, message = live.declare(policy:live(kind, statement.name), statement.value, path)
    else
      ok, message = policy:set(statement.value, path)
    end
    if not ok then
      return nil, message
    end
  end
  return true
end

--- Add a rule from its text, which must say the verb and the name that the image has.
local function add_rule(policy, info, open)
  local statements, message = literal_reader.read(info.text, open)
  local statement = statements and statements[1]
  if statement and (#statements > 1 or statement.name or statement.word ~= info.verb
    or not schema.verbs[info.verb]) then
    statement, message = nil, ("wants one %s { … }"):format(info.verb)
  end
  if not statement then
    return nil, ("%s %s: the text of the rule is not one that Tidegate writes: %s")
      :format(info.verb, literal.quote(info.name), message)
  end
  return policy:add(info.verb, statement.value, info.where)
end

local function add_rules(policy, image, open)
  for index = 0, image.count - 1 do
    local info = image:rule(index)
    if not info.text then
      return nil, "this image does not hold the text of its rules; start from its policy file"
    end
    local ok, message = add_rule(policy, info, open)
    if not ok then
      return nil, message
    end
  end
  return true
end

--- A gate with the rules of an image, open to changes.
---@param image table the state of the image
---@param path string of its file
---@param trust boolean|nil whether lists outside the folder of the image may be read
---@return tidegate.Gate|nil
---@return string|nil message
function M.gate(image, path, trust)
  local folder = path:match "^(.+)/[^/]*$" or path:match "^/" or "."
  local function open(name)
    return file.new(file.join(name, folder), not trust and folder or nil)
  end
  local gate = assert(tidegate.new())
  local policy = gates.state(gate).source
  local head, message = literal_reader.read(dump.head(image), open)
  local ok = head
  if head then
    ok, message = add_head(policy, head, path)
  end
  if ok then
    ok, message = add_rules(policy, image, open)
  end
  if not ok then
    return nil, path .. ": " .. message
  end
  return gate
end

return M

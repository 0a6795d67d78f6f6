--- The public classes of the Lua module, from the annotations in its sources.
--
-- A class is a comment with `---@class NAME`; the local table below the comment
-- holds its methods.  A class may be spread over files.  A method is public if it has
-- a comment without `---@package`, and a field unless it says `---@field package`.

local M = {}

--- The classes that users meet, in the order of the reference, and the modules to require.
M.public = {
  { "tidegate", "The module" }, { "tidegate.GateOptions" },
  { "tidegate.Gate", "Gates" }, { "tidegate.Status" }, { "tidegate.Attachment" },
  { "tidegate.Skipped" }, { "tidegate.Diff" },
  { "tidegate.Rule", "Rules" }, { "tidegate.RuleSpec" }, { "tidegate.PolicyOptions" },
  { "tidegate.Image", "Images" }, { "tidegate.ImageRule" }, { "tidegate.Finding" },
  { "tidegate.Question", "Questions" }, { "tidegate.Decision" }, { "tidegate.EgressDecision" },
  { "tidegate.Explanation" }, { "tidegate.Step" }, { "tidegate.EgressExplanation" },
  { "tidegate.Set", "Live tables" }, { "tidegate.Services" }, { "tidegate.Backend" },
  { "tidegate.Event", "Events and timers" }, { "tidegate.Timer" },
  { "tidegate.Stats", "Counters" }, { "tidegate.Counters" }, { "tidegate.RuleStats" },
  { "tidegate.HookCounters" },
  { "tidegate.nginx", "nginx" }, { "tidegate.nginx.Options" },
  { "tidegate.nginx.admin" }, { "tidegate.nginx.admin.Options" },
  { "tidegate.uv", "luv" }, { "tidegate.uv.Running" },
}

---@class docs.Method
---@field name string
---@field self boolean it is called with a colon
---@field params string the names in its definition
---@field comment string[] its lines, without "---"

---@class docs.Class
---@field name string
---@field parent string|nil
---@field comment string[]
---@field fields string[] what follows ---@field
---@field methods docs.Method[]

local function class_of(classes, name)
  classes[name] = classes[name] or { name = name, comment = {}, fields = {}, methods = {} }
  return classes[name]
end

--- Put the comment of a class into it.
local function add_class(classes, lines)
  local class
  for _, line in ipairs(lines) do
    local name, parent = line:match "^@class ([%w.]+):? ?([%w.]*)"
    if name then
      class = class_of(classes, name)
      class.parent = parent ~= "" and parent or class.parent
    end
  end
  if not class then
    return nil
  end
  local field
  for _, line in ipairs(lines) do
    if line:find "^@field package " then
      field = nil
    elseif line:find "^@field " then
      field = line:match "^@field (.*)"
      class.fields[#class.fields + 1] = field
    elseif field and line:find "^ " and not line:find "^ ?@" then
      class.fields[#class.fields] = class.fields[#class.fields] .. line
    elseif not line:find "^@" and not field and #class.methods == 0 then
      class.comment[#class.comment + 1] = line
    end
  end
  return class
end

local function is_package(lines)
  for _, line in ipairs(lines) do
    if line:find "^@package" then
      return true
    end
  end
  return false
end

--- Read the classes of a file.
local function read(classes, path)
  local comment, holders, pending = {}, {}, nil
  for line in io.lines(path) do
    local text = line:match "^%-%-%-(.*)"
    if text then
      comment[#comment + 1] = text
    else
      pending = #comment > 0 and add_class(classes, comment) or pending
      local holder = line:match "^local (%a+) = {}$"
      local owner, separator, name, params = line:match "^function (%a+)([.:])([%w_]+)%((.*)%)"
      if holder then
        holders[holder] = pending
      elseif holders[owner] and #comment > 0 and not is_package(comment) then
        table.insert(holders[owner].methods, {
          name = name, self = separator == ":" or params:find "^self" ~= nil,
          params = params:gsub("^self,? ?", ""), comment = comment,
        })
      end
      if #comment > 0 or line ~= "" then
        pending = #comment > 0 and pending or nil
      end
      comment = {}
    end
  end
end

--- All classes of lua/tidegate, by name.
---@return table<string, docs.Class>
function M.read()
  local classes = {}
  local pipe = assert(io.popen "LC_ALL=C ls lua/tidegate/*.lua lua/tidegate/nginx/admin.lua")
  for path in pipe:lines() do
    read(classes, path)
  end
  pipe:close()
  return classes
end

return M

--- require() for policies: modules in the folder of the policy, which run in its environment; and,
--- if the caller trusts the policy, those of the host.

local literal = require "tidegate.literal"
local protect = require "tidegate.protect"
local source = require "tidegate.source"
local trust = require "tidegate.trust"
local where = require "tidegate.where"

local M = {}

--- The libraries of Lua that a policy has anyway.
local libraries = { "bit", "coroutine", "math", "os", "string", "table" }

--- Where a module may be: name.lua, name/init.lua.
local function places(name, folder)
  local path = (folder == "" and "" or folder .. "/") .. name:gsub("%.", "/")
  return { path .. ".lua", path .. "/init.lua" }
end

--- The text of a module and its path; nothing: there is no such module in the folder.
local function find(self, name)
  if not self.folder or not name:find "^[%w_-]+%f[%z.][%w_.-]*$" or name:find("..", 1, true) then
    return nil
  end
  for _, path in ipairs(places(name, self.folder)) do
    local text, message = source.module(path, not self.trusted and
      (self.folder == "" and "." or self.folder) or nil)
    if text or message then
      return text, path, message
    end
  end
end

local function compile(self, text, path)
  if text:byte(1) == 27 then
    return nil, literal.line(path) .. ": is compiled Lua; a module of a policy is source"
  end
  local chunk, message = load(text, "@" .. path, "t", self.environment)
  if chunk then
    protect.prepare(chunk)
  end
  return chunk, message
end

--- Run a module, as the script that it is.
local function run(chunk, name)
  local ok, result = pcall(chunk, name)
  return ok, result
end
where.stop_at(run)

local function missing(self, name)
  if self.trusted then
    return require(name)
  end
  return nil, ("there is no module %s in the folder of the policy, and others are not for every "
    .. "policy; %s"):format(literal.quote(name), trust.ASK)
end

local LOADING = {}

--- A new require().
---@param self { path: string, folder: string|nil, trusted: boolean|nil, words: table,
--- environment: table }
---@return fun(name: string): any
function M.new(self)
  local loaded = {}
  for _, name in ipairs(libraries) do
    loaded[name] = self.words[name]
  end
  return function(name)
    if type(name) ~= "string" then
      error(("%s: require wants the name of a module; got %s")
        :format(where.at(2, self.path), literal.describe(name)), 0)
    elseif loaded[name] == LOADING then
      error(("%s: require: module %s requires itself")
        :format(where.at(2, self.path), literal.quote(name)), 0)
    elseif loaded[name] ~= nil then
      return loaded[name]
    end
    local text, path, message = find(self, name)
    local chunk
    if text then
      chunk, message = compile(self, text, path)
    end
    local result
    if not chunk and not message then
      result, message = missing(self, name)
    end
    if message then
      error(("%s: require: %s"):format(where.at(2, self.path), message), 0)
    elseif not chunk then
      loaded[name] = result
      return result
    end
    loaded[name] = LOADING
    local ok
    ok, result = run(chunk, name)
    loaded[name] = ok and (result == nil and true or result) or nil
    if not ok then
      error(result, 0)
    end
    return loaded[name]
  end
end

return M

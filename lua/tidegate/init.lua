--- Tidegate: policies for the socket calls of cgroups.
--
--    local tidegate = require "tidegate"
--    local gate = assert(tidegate.load "web.lua")
--    print(gate:decide { connect = "1.2.3.4:60000", uid = 33 })
--    assert(gate:attach "/sys/fs/cgroup/app")
--    for event in gate:events() do print(event) end
--
-- A failure at run time returns nil, a message and an errno; misuse raises.

require("tidegate.luajit").check()
local ffi = require "ffi"
local file = require "tidegate.file"
local gate = require "tidegate.gate"
local gate_options = require "tidegate.gate_options"
local image = require "tidegate.image"
local language = require "tidegate.language"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local policy = require "tidegate.policy"
local source = require "tidegate.source"
local suggest = require "tidegate.suggest"

---@class tidegate
local M = {}

--- "0.1.0"
---@type string
M._VERSION = ffi.string(library.C.tg_version())

local EINVAL = 22

local function check_text(value, verb, what)
  if rawequal(value, M) then
    error(("%s: call it with a dot, as in tidegate.%s()"):format(verb, verb), 3)
  elseif type(value) ~= "string" then
    error(("%s: wants a %s; got %s"):format(verb, what, literal.describe(value)), 3)
  end
end

local function of_text(text, place, given)
  local rules, handlers = policy.new(), {}
  local ok, message, errno = language.run(text, place, rules, handlers)
  if ok then
    ok, message, errno = rules:compile()
  end
  if not ok then
    return nil, message, errno or EINVAL
  end
  return gate.new({ policy = rules, handlers = handlers }, given)
end

--- Load a policy file or an image file.  The whole policy is checked and compiled; attach() and
--- commit() are the first to touch the kernel.
---@param path string
---@param options tidegate.GateOptions|nil
---@return tidegate.Gate|nil
---@return string|nil message every error, one a line: `web.lua:4: deny "x": …`
---@return integer|nil errno
function M.load(path, options)
  check_text(path, "load", "path")
  local given, problem, number = gate_options.check(options, "load")
  if not given then
    return nil, problem, number
  end
  local text, message, errno = source.policy(path)
  if not text then
    return nil, message, errno
  elseif text:sub(1, #image.MAGIC) ~= image.MAGIC then
    return of_text(text, language.place(path, given.trust), given)
  end
  local loaded
  loaded, message, errno = image.parse(text, path)
  if not loaded then
    return nil, message, errno
  end
  return gate.new({ image = loaded }, given)
end

--- Load a policy from its text.
---@param text string
---@param name string|nil used like a file's path: in messages, and as the start of relative paths.
--- Without a name, a policy has no files and modules, unless it is trusted
---@param options tidegate.GateOptions|nil
---@return tidegate.Gate|nil
---@return string|nil message
---@return integer|nil errno
function M.load_text(text, name, options)
  check_text(text, "load_text", "policy's text")
  if name ~= nil then
    check_text(name, "load_text", "name")
  end
  local given, message, errno = gate_options.check(options, "load_text")
  if not given then
    return nil, message, errno
  end
  local place = name and language.place(name, given.trust)
    or { path = "policy", folder = given.trust and "" or nil, trusted = given.trust }
  return of_text(text, place, given)
end

--- A gate without rules; its methods allow, deny, rewrite … add some.
---@param name string|nil
---@param options tidegate.GateOptions|nil
---@return tidegate.Gate|nil
---@return string|nil message
---@return integer|nil errno
function M.new(name, options)
  if name ~= nil then
    check_text(name, "new", "name")
  end
  local given, message, errno = gate_options.check(options, "new")
  if not given then
    return nil, message, errno
  end
  return gate.new({ policy = policy.new(name) }, given)
end

--- Load an image file.
---@param path string
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function M.load_image(path)
  check_text(path, "load_image", "path")
  local loaded, message, errno = image.load(path)
  if not loaded then
    return nil, message, errno
  end
  return image.handle(loaded)
end

--- The items of a file, one a line, for wherever a list stands: in a rule, or among the elements of
--- a set.
---@param path string
---@return tidegate.File
function M.file(path)
  check_text(path, "file", "path")
  return file.new(path)
end

-- What other words lead to.
local hints = {
  compile = "tidegate.load_text(TEXT, NAME)", loadstring = "tidegate.load_text(TEXT, NAME)",
  gate = "tidegate.new(NAME)", open = "tidegate.load(PATH)", image = "tidegate.load_image(PATH)",
  named = 'tidegate.load(PATH, { share = NAME })', version = "tidegate._VERSION",
  attach = "gate:attach(TARGET)", deny = "gate:deny { … }", allow = "gate:allow { … }",
  init = "tidegate.nginx.init { policy = PATH, attach = TARGET }",
  policy = "tidegate.load(PATH)", run = "tidegate.load(PATH)", explain = "gate:explain { … }",
}

return suggest.module(M, "tidegate", hints)

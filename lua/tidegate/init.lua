--- Tidegate: policies for the socket calls of cgroups.
--
--    local tidegate = require "tidegate"
--    local gate = assert(tidegate.load "web.lua")
--    print(gate:decide { op = "connect", addr = "1.2.3.4:60000", uid = 33 })
--    assert(gate:attach "/sys/fs/cgroup/app")
--    for event in gate:events() do print(event) end
--
-- A failure at run time returns nil, a message and an errno; misuse raises.

local ffi = require "ffi"
local gate = require "tidegate.gate"
local image = require "tidegate.image"
local language = require "tidegate.language"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local policy = require "tidegate.policy"

---@class tidegate
local M = {}

--- "0.1.0"
---@type string
M.version = ffi.string(library.C.tg_version())

local EINVAL = 22

--- The text of a policy file, or only the first bytes of an image file.  On failure, the message is
--- like `path: No such file or directory`.
local function read(path)
  local handle, message, errno = io.open(path, "rb")
  if not handle then
    return nil, message, errno
  end
  local text
  text, message, errno = handle:read(#image.MAGIC)
  if text and text ~= image.MAGIC then
    text = text .. handle:read "*a"
  elseif not text and not message then
    text = "" -- an empty file
  end
  handle:close()
  if not text then
    return nil, path .. ": " .. message, errno
  end
  return text
end

local function check_text(value, verb, what)
  if type(value) ~= "string" then
    error(("%s: wants a %s; got %s"):format(verb, what, literal.describe(value)), 3)
  end
end

--- Load a policy file or an image file.  The whole policy is checked and compiled; attach() and
--- commit() are the first to touch the kernel.
---@param path string
---@return tidegate.Gate|nil
---@return string|nil message every error, one a line: `web.lua:4: deny "x": …`
---@return integer|nil errno
function M.load(path)
  check_text(path, "load", "path")
  local text, message, errno = read(path)
  if not text then
    return nil, message, errno
  elseif text == image.MAGIC then
    local loaded
    loaded, message, errno = image.load(path)
    return loaded and gate.new { image = loaded }, message, errno
  end
  return M.compile(text, path)
end

--- Load a policy from its text.
---@param text string
---@param name string|nil used like a file's path: in messages, and as the start of relative paths
---@return tidegate.Gate|nil
---@return string|nil message
---@return integer|nil errno
function M.compile(text, name)
  check_text(text, "compile", "policy's text")
  local rules, handlers = policy.new(), {}
  local ok, message, errno = language.run(text, name or "policy", rules, handlers)
  if ok then
    ok, message, errno = rules:image()
  end
  if not ok then
    return nil, message, errno or EINVAL
  end
  return gate.new { policy = rules, handlers = handlers }
end

--- A gate without rules; its methods allow, deny, rewrite … add some.
---@param name string|nil
---@return tidegate.Gate
function M.gate(name)
  if name ~= nil then
    check_text(name, "gate", "name")
  end
  return gate.new { policy = policy.new(name) }
end

--- Load an image file.
---@param path string
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function M.image(path)
  check_text(path, "image", "path")
  return image.load(path)
end

return M

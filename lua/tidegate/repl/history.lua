--- The inputs of earlier prompts, in ~/.tidegate_history.
--
-- An input is appended as soon as it is typed, so none is lost if several prompts run at once or
-- one is killed. Inputs may be secret, so only their user can read the file, and no link leads
-- elsewhere. The lines of an input after its first one begin with a tab.

local bit = require "bit"
local replace_file = require "tidegate.repl.replace_file"
local uv = require "luv"
local uv_error = require "tidegate.host.uv_error"

local M = {}

--- How many inputs are kept.
local KEPT = 1000
local MODE = 384 -- 0600
local O = uv.constants

---@class tidegate.History
---@field inputs string[] the last KEPT inputs, the oldest first
---@field problem string|nil why the history is not kept
local History = {}
History.__index = History

--- The history's file. nil if HOME belongs to another user, as it does after sudo or su.
local function find()
  local home = os.getenv "HOME"
  local stat = home and home:sub(1, 1) == "/" and uv.fs_stat(home)
  if stat and stat.type == "directory" and stat.uid == uv.getuid() then
    return home .. "/.tidegate_history"
  end
end

--- What is wrong with a file; nil: it is a file of this user.
local function objection(stat)
  if stat.type == "link" then
    return "is a symbolic link"
  elseif stat.type ~= "file" then
    return "is not a file"
  end
  return stat.uid ~= uv.getuid() and "belongs to another user" or nil
end

--- Open the file, or make it. Nothing is made, and nothing is opened, through a link.
---@return integer|nil fd
---@return string|nil message
local function open(path)
  local seen, message, code = uv.fs_lstat(path)
  if code == "ENOENT" then
    local fd
    fd, message = uv.fs_open(path, "ax+", MODE)
    return fd, not fd and uv_error(message) or nil
  elseif not seen then
    return nil, uv_error(message)
  end
  local wrong = objection(seen)
  if wrong then
    return nil, wrong
  end
  local fd
  fd, message = uv.fs_open(path, bit.bor(O.O_RDWR, O.O_APPEND), MODE)
  if not fd then
    return nil, uv_error(message)
  end
  local stat = uv.fs_fstat(fd)
  if stat.ino ~= seen.ino or stat.dev ~= seen.dev then
    uv.fs_close(fd)
    return nil, "was replaced while it was opened"
  end
  return fd
end

--- The inputs in a text.
local function inputs_of(text)
  local inputs = {}
  for line in text:gmatch "[^\n]+" do
    local goes_on = line:match "^\t(.*)"
    if goes_on and #inputs > 0 then
      inputs[#inputs] = inputs[#inputs] .. "\n" .. goes_on
    else
      inputs[#inputs + 1] = line
    end
  end
  return inputs
end

local function text_of(input)
  return input:gsub("^%s+", ""):gsub("\n", "\n\t") .. "\n"
end

--- Keep only the last inputs in the file.
local function shorten(self, path)
  local texts = {}
  for position, input in ipairs(self.inputs) do
    texts[position] = text_of(input)
  end
  uv.fs_close(self.fd)
  replace_file(path, table.concat(texts), MODE)
  self.fd = open(path)
end

--- Open the history. If no file may be written, it holds this session's inputs only.
---@return tidegate.History
function M.open()
  local self = setmetatable({ inputs = {} }, History)
  local path = find()
  if not path then
    return self
  end
  local message
  self.fd, message = open(path)
  if not self.fd then
    self.problem = ("%s %s"):format(path, message)
    return self
  end
  local stat = uv.fs_fstat(self.fd)
  if bit.band(stat.mode, 511) ~= MODE then
    uv.fs_fchmod(self.fd, MODE)
  end
  local inputs = inputs_of(uv.fs_read(self.fd, stat.size, 0) or "")
  for index = math.max(1, #inputs - KEPT + 1), #inputs do
    self.inputs[#self.inputs + 1] = inputs[index]
  end
  if #inputs > 2 * KEPT then
    shorten(self, path)
  end
  return self
end

--- Add an input, unless it is empty or repeats the last one.
---@param input string
---@return true|nil added
function History:add(input)
  if input:find "%S" and input ~= self.inputs[#self.inputs] then
    self.inputs[#self.inputs + 1] = input
    if self.fd then
      uv.fs_write(self.fd, text_of(input), -1)
    end
    return true
  end
end

return M

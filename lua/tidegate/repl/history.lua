--- The lines of earlier prompts, in ~/.tidegate_history.
--
-- A line is appended as soon as it is typed, so none is lost if several prompts run at once or
-- one is killed. Lines may be secret, so only their user can read the file.

local bit = require "bit"
local replace_file = require "tidegate.repl.replace_file"
local uv = require "luv"

local M = {}

--- How many lines are kept.
local KEPT = 1000
local MODE = 384 -- 0600

---@class tidegate.History
---@field lines string[] the last KEPT lines, the oldest first
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

local function read(path)
  local lines = {}
  local handle = io.open(path)
  for line in handle and handle:lines() or function() end do
    lines[#lines + 1] = line
  end
  if handle then
    handle:close()
  end
  return lines
end

--- Open the history. If no file may be written, it holds this session's lines only.
---@return tidegate.History
function M.open()
  local self = setmetatable({ lines = {} }, History)
  local path = find()
  if not path then
    return self
  end
  local lines = read(path)
  for index = math.max(1, #lines - KEPT + 1), #lines do
    self.lines[#self.lines + 1] = lines[index]
  end
  if #lines > 2 * KEPT then
    replace_file(path, table.concat(self.lines, "\n") .. "\n", MODE)
  end
  self.fd = uv.fs_open(path, "a", MODE)
  local stat = self.fd and uv.fs_fstat(self.fd)
  if stat and bit.band(stat.mode, 511) ~= MODE then
    uv.fs_fchmod(self.fd, MODE)
  end
  return self
end

--- Add a line, unless it is empty or repeats the last one.
---@param line string
---@return true|nil added
function History:add(line)
  if line:find "%S" and line ~= self.lines[#self.lines] then
    self.lines[#self.lines + 1] = line
    if self.fd then
      uv.fs_write(self.fd, line .. "\n", -1)
    end
    return true
  end
end

return M

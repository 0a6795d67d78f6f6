--- The lines of earlier prompts, in ~/.tidegate_history.
--
-- Lines are appended as they are typed, so that prompts side by side and one
-- that is killed lose none.  What is typed at a prompt may be secret: the file
-- is its user's alone.

local bit = require "bit"
local uv = require "luv"

local M = {}

--- Lines that are kept.
local KEPT = 1000
local MODE = 384 -- 0600

---@class tidegate.History
---@field lines string[] the last ones, the oldest first
local History = {}
History.__index = History

--- Where the history is kept: nil where HOME is not this user's, as that of a
--- root who came by sudo or su.
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

--- Keep only the last lines.
local function shorten(path, lines)
  local aside = ("%s.%d"):format(path, uv.os_getpid())
  local fd = uv.fs_open(aside, "w", MODE)
  if fd then
    uv.fs_write(fd, table.concat(lines, "\n") .. "\n", -1)
    uv.fs_close(fd)
    uv.fs_rename(aside, path)
  end
end

--- Open the history: that of this session alone where none may be written.
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
    shorten(path, self.lines)
  end
  self.fd = uv.fs_open(path, "a", MODE)
  local stat = self.fd and uv.fs_fstat(self.fd)
  if stat and bit.band(stat.mode, 511) ~= MODE then
    uv.fs_fchmod(self.fd, MODE)
  end
  return self
end

--- Add a line, unless it is the last one again.
---@param line string
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

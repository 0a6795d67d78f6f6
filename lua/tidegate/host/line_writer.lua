--- Lines to a descriptor whose reader may be slow, or gone, and whose disk may be full.
--
-- A line is written whole or not at all: what is left of one that was cut goes before the next.

local bit = require "bit"
local ffi = require "ffi"
local literal = require "tidegate.literal"
local uv = require "luv"
local uv_error = require "tidegate.host.uv_error"

ffi.cdef [[
struct tidegate_pollfd { int fd; short events, revents; };
int poll(struct tidegate_pollfd *fds, unsigned long count, int timeout_ms);
]]

local M = {}

local POLLOUT = 4
local O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK = 1, 0x40, 0x400, 0x800

--- How long to wait for the reader of a pipe that is full and does not block. If that was in vain,
--- nothing waits until a write succeeds: a reader that stands still must not stop the event loop.
--- At the end, nothing else waits for us.
local PATIENCE_MS, LAST_PATIENCE_MS = 100, 1000

---@class tidegate.LineWriter
---@field fd integer
---@field problem string|nil why the last line that failed was not written
---@field patience integer milliseconds
---@field rest string what is left of a line that was cut
---@field stuck boolean
local Writer = {}
Writer.__index = Writer

---@param fd integer
---@return tidegate.LineWriter
function M.new(fd)
  return setmetatable({ fd = fd, rest = "", stuck = false, patience = PATIENCE_MS }, Writer)
end

--- Append to a file, which is made if it does not exist.
---@param path string
---@return tidegate.LineWriter|nil
---@return string|nil message
function M.append(path)
  -- A FIFO without a reader must not stop us here; no other file heeds O_NONBLOCK.
  local fd, message, name = uv.fs_open(path, bit.bor(O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK), 420)
  if fd then
    return M.new(fd)
  end
  local stat, shown = name == "ENXIO" and uv.fs_stat(path), literal.line(path)
  if stat and stat.type == "fifo" then
    return nil, shown .. ": nobody reads this FIFO; start its reader first"
  end
  return nil, ("%s: %s"):format(shown, uv_error(message))
end

local function is_writable(self)
  local poll = ffi.new("struct tidegate_pollfd", self.fd, POLLOUT, 0)
  self.stuck = ffi.C.poll(poll, 1, self.patience) < 1
  return not self.stuck
end

--- Write as much as can be written; how many bytes that is.
local function send(self, text)
  local sent = 0
  while sent < #text do
    local count, message, name = uv.fs_write(self.fd, text:sub(sent + 1), -1)
    if count then
      sent, self.stuck = sent + count, false
    elseif name ~= "EAGAIN" or self.stuck or not is_writable(self) then
      self.problem = name == "EAGAIN" and "its reader stands still" or uv_error(message)
      break
    end
  end
  return sent
end

--- Write a line.
---@param text string
---@return boolean whether it was written, or at least begun
function Writer:line(text)
  local owed = #self.rest
  text = self.rest .. text .. "\n"
  local sent = send(self, text)
  local begun = sent > owed
  self.rest = (begun and text or self.rest):sub(sent + 1)
  return begun
end

--- Write what is left of the last line, and be more patient with what follows.
---@return boolean whether nothing is left
function Writer:finish()
  self.stuck, self.patience = false, LAST_PATIENCE_MS
  self.rest = self.rest:sub(send(self, self.rest) + 1)
  return self.rest == ""
end

function Writer:close()
  uv.fs_close(self.fd)
end

return M

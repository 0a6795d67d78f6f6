--- Reading policies and their modules: text, or an image, that decides what this process does.

local bit = require "bit"
local ffi = require "ffi"
local file = require "tidegate.file"
local literal = require "tidegate.literal"

local M = {}

if not pcall(function() return ffi.C.tg_lua_readlink end) then
  ffi.cdef [[
    ssize_t tg_lua_read(int fd, void *buffer, size_t size) __asm__("read");
    ssize_t tg_lua_readlink(const char *path, char *out, size_t size) __asm__("readlink");
    unsigned int tg_lua_getuid(void) __asm__("getuid");
    unsigned int tg_lua_geteuid(void) __asm__("geteuid");
  ]]
end

local C = ffi.C
local O_RDONLY, O_NONBLOCK, O_CLOEXEC = 0, 0x800, 0x80000
local EACCES, EINTR, ENOENT = 13, 4, 2
local WRITABLE, STICKY = 0x12, 0x200 -- 0022, 01000
local UNMAPPED = 65534

-- Whether a policy that others may change is refused.
local strict = false

--- From now on, refuse what others than root and the caller may change, if this process is root:
--- they would decide what root runs.
function M.be_strict()
  strict = C.tg_lua_geteuid() == 0
end

-- Owners ---------------------------------------------------------------------------------

--- Whether users outside this user namespace appear as UNMAPPED, which is nobody's number in it.
local function has_unmapped()
  local map = io.open "/proc/self/uid_map"
  local text = map and map:read "*a" or ""
  if map then
    map:close()
  end
  for first, _, count in text:gmatch "(%d+)%s+(%d+)%s+(%d+)" do
    if UNMAPPED >= tonumber(first) and UNMAPPED < first + count then
      return false
    end
  end
  return text ~= ""
end

--- Whether root may run what belongs to this user.
local function is_ours(uid)
  return uid == 0 or uid == C.tg_lua_getuid() or uid == tonumber(os.getenv "SUDO_UID")
    or uid == UNMAPPED and has_unmapped()
end

--- Why somebody whom root does not trust may change a file or a folder, and the remedy; nil: nobody
--- may.
local function stranger(stat, sticky)
  if not is_ours(stat.uid) then
    return "it belongs to user " .. stat.uid, "chown root"
  elseif bit.band(stat.mode, WRITABLE) ~= 0 and not (sticky and bit.band(stat.mode, STICKY) ~= 0)
  then
    return "others may write to it", "chmod go-w"
  end
end

--- The path of an open file, without symbolic links; nil: it has none, as a pipe.
local function path_of(fd)
  local buffer = ffi.new "char[4097]"
  local length = C.tg_lua_readlink("/proc/self/fd/" .. fd, buffer, 4096)
  local path = length > 0 and ffi.string(buffer, length) or ""
  return path:find "^/" and not path:find " %(deleted%)$" and path or nil
end

--- Why root must not run an open file; nil: it may.
local function objection(fd, path)
  local who, remedy = stranger(file.stat(fd))
  if who then
    return ("%s: root does not run it, because %s; %s %s"):format(path, who, remedy, path)
  end
  local folder = path_of(fd)
  while folder and folder ~= "/" do
    folder = folder:match "^(.+)/[^/]*$" or "/"
    local stat = file.stat(folder)
    if stat then
      who, remedy = stranger(stat, true)
    end
    if who then
      return ("%s: root does not run it, because of its folder %s: %s; %s %s")
        :format(path, folder, who, remedy, folder)
    end
  end
end

-- Reading --------------------------------------------------------------------------------

local function failure(path)
  local errno = ffi.errno()
  return nil, ("%s: %s"):format(literal.line(path), ffi.string(C.tg_lua_strerror(errno))), errno
end

local function read_all(fd, path)
  local parts, buffer = {}, ffi.new "char[65536]"
  while true do
    local got = tonumber(C.tg_lua_read(fd, buffer, 65536))
    if got == 0 then
      return table.concat(parts)
    elseif got > 0 then
      parts[#parts + 1] = ffi.string(buffer, got)
    elseif ffi.errno() ~= EINTR then
      return failure(path)
    end
  end
end

--- What is wrong with an open module; nil: nothing.
local function wrong_module(fd, path, within)
  local real = path_of(fd)
  if not file.is_regular(file.stat(fd)) then
    return path .. ": is not a regular file"
  elseif within and not (real and file.is_within(real, file.real(within) or "?")) then
    return path .. ": is outside the folder of the policy"
  end
end

--- Open a file, and read it if nothing is wrong with it.
local function read(path, flags, wrong)
  local fd = C.tg_lua_open(path, bit.bor(O_RDONLY, O_CLOEXEC, flags))
  if fd < 0 then
    return failure(path)
  end
  local message = wrong(fd) or strict and objection(fd, path)
  local text, errno = nil, EACCES
  message = message and literal.line(message)
  if not message then
    text, message, errno = read_all(fd, path)
  end
  C.tg_lua_close(fd)
  return text, message, errno
end

--- The contents of a policy file, or of an image.
---@param path string
---@return string|nil
---@return string|nil message
---@return integer|nil errno
function M.policy(path)
  return read(path, 0, function() end)
end

--- The text of a module of a policy.
---@param path string
---@param within string|nil the folder in which it must be
---@return string|nil nil without a message: there is no such file
---@return string|nil message
function M.module(path, within)
  local text, message, errno = read(path, O_NONBLOCK, function(fd)
    return wrong_module(fd, path, within)
  end)
  return text, errno ~= ENOENT and message or nil
end

return M

--- `file "blocklist.txt"`: the items of a file, and when it last changed.

local bit = require "bit"
local ffi = require "ffi"
local handle = require "tidegate.handle"
local literal = require "tidegate.literal"
local trust = require "tidegate.trust"

local M = {}

-- Names of our own for the calls and the struct, because another module of the same LuaJIT may have
-- declared them differently.
if not pcall(ffi.typeof, "struct tg_lua_statx") then
  ffi.cdef [[
    struct tg_lua_statx {
      uint32_t mask, block_size; uint64_t attributes;
      uint32_t links, uid, gid; uint16_t mode, spare;
      uint64_t inode, size, blocks, attributes_mask;
      int64_t access[2], birth[2], change[2], modify[2];
      uint32_t device[4]; uint64_t reserved[14];
    };
    int tg_lua_statx(int folder, const char *path, int flags, unsigned int mask,
                     struct tg_lua_statx *out) __asm__("statx");
    char *tg_lua_realpath(const char *path, char *out) __asm__("realpath");
    void tg_lua_free(void *) __asm__("free");
    int tg_lua_open(const char *path, int flags, ...) __asm__("open");
    int tg_lua_close(int fd) __asm__("close");
    const char *tg_lua_strerror(int number) __asm__("strerror");
  ]]
end

local AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
local EACCES, EINVAL = 13, 22
local O_NOCTTY, O_NONBLOCK, O_CLOEXEC = 0x100, 0x800, 0x80000
local STATX_BASIC_STATS = 0x7ff
local S_IFMT, S_IFREG = 0xf000, 0x8000

--- A file that is named where a list stands: a handle.
---@class tidegate.File
---@field path string

---@class tidegate.FileState
---@field path string
---@field within string|nil the folder outside which it is not read

local class = handle.class {
  noun = "file", methods = {}, fields = { path = function(self) return self.path end },
  change = 'file "x" names another file',
  text = function(self) return "file " .. literal.quote(self.path) end,
}

--- A path that may be relative to a folder.
---@param path string
---@param folder string|nil "": the current folder
---@return string
function M.join(path, folder)
  if folder and folder ~= "" and path:sub(1, 1) ~= "/" then
    return folder .. "/" .. path
  end
  return path
end

--- A file, as `file "x"` names it in a policy.
---@param path string
---@param within string|nil the folder outside which it is not read
---@return tidegate.File
function M.new(path, within)
  return handle.new(class, { path = path, within = within })
end

local function state_of(file)
  return handle.state(file, class)
end

---@param value any
---@return boolean
function M.is(value)
  return state_of(value) ~= nil
end

--- The absolute path of a file, without symbolic links; nil: there is no such file.
---@param path string
---@return string|nil
function M.real(path)
  local found = ffi.C.tg_lua_realpath(path, nil)
  if found == nil then
    return nil
  end
  local real = ffi.string(found)
  ffi.C.tg_lua_free(found)
  return real
end

--- What statx() says of a path, or of an open descriptor; nil: it fails.
---@param path string|integer
---@return ffi.cdata*|nil
function M.stat(path)
  local stat = ffi.new "struct tg_lua_statx"
  local fd, name, flags = AT_FDCWD, path, 0
  if type(path) == "number" then
    fd, name, flags = path, "", AT_EMPTY_PATH
  end
  return ffi.C.tg_lua_statx(fd, name, flags, STATX_BASIC_STATS, stat) == 0 and stat or nil
end

--- Whether a file is a regular one, and no pipe or device.
---@param stat ffi.cdata*
---@return boolean
function M.is_regular(stat)
  return bit.band(stat.mode, S_IFMT) == S_IFREG
end

--- Whether a path is in a folder, or below it, if both are real.
---@param path string
---@param folder string
---@return boolean
function M.is_within(path, folder)
  return folder == "/" or path:sub(1, #folder + 1) == folder .. "/"
end

--- Open a file in a folder, by a path that somebody else may change at any time: what was opened
--- is looked at, not what the path names.
local function open_within(path, within)
  local fd = ffi.C.tg_lua_open(path, bit.bor(O_NOCTTY, O_NONBLOCK, O_CLOEXEC))
  if fd < 0 then
    local errno = ffi.errno()
    local text = ffi.string(ffi.C.tg_lua_strerror(errno))
    return nil, ("%s: %s"):format(literal.line(path), text), errno
  end
  local problem
  local real = M.real("/proc/self/fd/" .. fd)
  if not (real and M.is_within(real, M.real(within) or "?")) then
    problem = "is outside the folder of the policy"
  elseif not M.is_regular(M.stat(fd)) then
    problem = "is not a regular file"
  end
  if problem then
    ffi.C.tg_lua_close(fd)
    return nil, ("%s: %s; %s"):format(literal.line(path), problem, trust.ASK), EACCES
  end
  return fd
end

--- Call a function with a path by which it can read the file; its results, or nil and why a policy
--- without the caller's trust may not read it.
---@param file tidegate.File
---@param read fun(path: string): any, string|nil, integer|nil the result, or nil and why not
---@return any
---@return string|nil message
---@return integer|nil errno
function M.read_by(file, read)
  local path, within = state_of(file).path, state_of(file).within
  if not within then
    return read(path)
  end
  local fd, message, errno = open_within(path, within)
  if not fd then
    return nil, message, errno
  end
  local alias = "/proc/self/fd/" .. fd
  local result
  result, message, errno = read(alias)
  ffi.C.tg_lua_close(fd)
  local from, to = (message or ""):find(alias, 1, true)
  if from then
    message = message:sub(1, from - 1) .. path .. message:sub(to + 1)
  end
  return result, message, errno
end

--- A text that differs once the file has changed; "": the file does not exist.
---@param file tidegate.File
---@return string
function M.stamp(file)
  local stat = M.stat(state_of(file).path)
  if not stat then
    return ""
  end
  return ("%d:%d:%d:%d"):format(tonumber(stat.inode), tonumber(stat.size),
    tonumber(stat.modify[0]), tonumber(stat.modify[1]))
end

--- Its items, one a line, as the library reads them.
---@param file tidegate.File
---@return string[]|nil
---@return string|nil message
---@return integer|nil errno
function M.items(file)
  local path = state_of(file).path
  local text, message, errno = M.read_by(file, function(readable)
    local opened, why, number = io.open(readable, "rb")
    if not opened then
      return nil, why, number
    end
    local all
    all, why, number = opened:read "*a"
    opened:close()
    return all, why, number
  end)
  if not text then
    message = message:find(path, 1, true) and message or path .. ": " .. message
    return nil, literal.line(message), errno
  end
  local items, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local item = line:gsub("#.*", ""):match "^[ \t\r]*(.-)[ \t\r]*$"
    if item:find "%z" then
      return nil, ("%s:%d: there is a NUL byte in it: is this a text file?")
        :format(literal.line(path), number), EINVAL
    end
    items[#items + 1] = item ~= "" and item or nil
  end
  return items
end

--- The absolute path, so that a dump reads the same file from anywhere.
---@param file tidegate.File
---@return string
function M.absolute(file)
  local path = state_of(file).path
  return M.real(path) or path
end

return M

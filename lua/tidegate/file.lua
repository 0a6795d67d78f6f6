--- `file "blocklist.txt"`: the items of a file, and when it last changed.

local ffi = require "ffi"

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
  ]]
end

local AT_FDCWD = -100
local STATX_BASIC_STATS = 0x7ff

---@class tidegate.File
---@field path string
local File = {}
File.__index = File

--- A file, as `file "x"` names it in a policy.
---@param path string
---@param folder string|nil of the policy; a relative path starts there
---@return tidegate.File
function M.new(path, folder)
  if folder and folder ~= "" and path:sub(1, 1) ~= "/" then
    path = folder .. "/" .. path
  end
  return setmetatable({ path = path }, File)
end

function M.is(value)
  return getmetatable(value) == File
end

--- A text that differs once the file has changed; "": the file does not exist.
---@return string
function File:stamp()
  local stat = ffi.new "struct tg_lua_statx"
  if ffi.C.tg_lua_statx(AT_FDCWD, self.path, 0, STATX_BASIC_STATS, stat) ~= 0 then
    return ""
  end
  return ("%d:%d:%d:%d"):format(tonumber(stat.inode), tonumber(stat.size),
    tonumber(stat.modify[0]), tonumber(stat.modify[1]))
end

--- The absolute path, so that a dump reads the same file from anywhere.
---@return string
function File:absolute()
  local found = ffi.C.tg_lua_realpath(self.path, nil)
  if found == nil then
    return self.path
  end
  local path = ffi.string(found)
  ffi.C.tg_lua_free(found)
  return path
end

return M

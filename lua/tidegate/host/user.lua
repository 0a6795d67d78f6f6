--- Another user, as whom a command runs.

local ffi = require "ffi"
local literal = require "tidegate.literal"
local uv = require "luv"

ffi.cdef [[
// struct passwd, by a name that a policy is not going to declare
struct tidegate_passwd {
  char *name, *password;
  uint32_t uid, gid;
  char *comment, *home, *shell;
};
struct tidegate_passwd *getpwnam(const char *name);
struct tidegate_passwd *getpwuid(uint32_t uid);
uint32_t geteuid(void);
int getgrouplist(const char *user, uint32_t group, uint32_t *list, int *count);
]]

local C = ffi.C

local M = {}

local NOBODY_AT_ALL = 0xffffffff -- to the kernel: leave the id as it is

---@class tidegate.User
---@field name string
---@field uid integer
---@field gid integer
---@field home string
local User = {}
User.__index = User

--- The number of the user that this process acts as.
---@return integer
function M.own()
  return tonumber(C.geteuid())
end

--- Find a user.
---@param name string or a number
---@return tidegate.User|nil
---@return string|nil message
function M.find(name)
  local entry = C.getpwnam(name)
  if entry == nil and name:find "^%d+$" and tonumber(name) < NOBODY_AT_ALL then
    entry = C.getpwuid(tonumber(name))
  end
  if entry == nil then
    return nil, name:find ":"
      and ("%s: give the user alone; the groups are those of the user"):format(literal.line(name))
      or "there is no user " .. literal.quote(name)
  end
  return setmetatable({
    name = ffi.string(entry.name), uid = tonumber(entry.uid), gid = tonumber(entry.gid),
    home = ffi.string(entry.home),
  }, User)
end

--- Whether this process is the user already, and so has its groups.
---@return boolean
function User:is_current()
  return self.uid == uv.getuid() and self.uid == M.own()
end

--- The groups of the user.
---@return ffi.cdata* list
---@return integer count
function User:groups()
  local count = ffi.new("int[1]", 0)
  C.getgrouplist(self.name, self.gid, nil, count)
  local list = ffi.new("uint32_t[?]", count[0])
  C.getgrouplist(self.name, self.gid, list, count)
  return list, count[0]
end

--- The environment of a program that runs as this user: "NAME=VALUE", …
---@return string[]
function User:environment()
  local variables = uv.os_environ()
  variables.HOME, variables.USER, variables.LOGNAME = self.home, self.name, self.name
  local list = {}
  for name, value in pairs(variables) do
    list[#list + 1] = name .. "=" .. value
  end
  return list
end

return M

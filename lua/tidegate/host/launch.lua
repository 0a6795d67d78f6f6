--- A program in a cgroup, perhaps as another user, without the capabilities of this process.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local status = require "tidegate.host.exit_status"
local uv = require "luv"

ffi.cdef "char *strerror(int number);"

local M = {}

local C = library.C
local EPERM, ENOENT = 1, 2

---@class tidegate.Program
---@field pid integer
local Program = {}
Program.__index = Program

---@param signal string|integer "sigterm", 15
function Program:kill(signal)
  if self.poll then
    uv.kill(self.pid, signal)
  end
end

local function strings(list)
  local array = ffi.new("const char *[?]", #list + 1)
  for index, text in ipairs(list) do
    array[index - 1] = text
  end
  return array
end

local function text_of(errno)
  return (ffi.string(ffi.C.strerror(errno)):gsub("^%u", string.lower))
end

--- Why a program was not executed, and the exit status that says so.
local function not_executed(name, errno)
  local shown = literal.line(name)
  local is_path = name:find("/", 1, true)
  if errno ~= ENOENT then
    return ("%s cannot be run: %s"):format(shown, text_of(errno)), status.NOT_EXECUTABLE
  elseif not is_path then
    return shown .. ": there is no such command", status.NOT_FOUND
  elseif not uv.fs_stat(name) then
    return shown .. ": there is no such file", status.NOT_FOUND
  end
  return shown .. " cannot be run: the interpreter in its first line is missing",
    status.NOT_EXECUTABLE
end

--- Why a program was not started, and the exit status that says so.
local function refusal(launched, errno, name, place)
  if launched.step == C.TG_LAUNCH_PROGRAM then
    return not_executed(name, errno)
  end
  local text
  if launched.step == C.TG_LAUNCH_CGROUP then
    text = ("%s cannot be entered: %s"):format(place.cgroup, text_of(errno))
  elseif launched.step == C.TG_LAUNCH_CONFINED then
    text = ("the command cannot be confined: %s%s"):format(text_of(errno),
      errno == EPERM and "; as root, this needs CAP_SYS_ADMIN and CAP_SETPCAP" or "")
  elseif launched.step == C.TG_LAUNCH_USER then
    text = ("commands cannot be run as %s: %s; this needs root"):format(place.user.name,
      text_of(errno))
  else
    text = ("the command cannot be started: %s"):format(text_of(errno))
  end
  return text, status.OWN_FAILURE
end

---@class tidegate.Launch
---@field cgroup string
---@field user tidegate.User|nil
---@field confine boolean|nil whether it must not get more rights, nor leave the cgroup as root
---@field ignore_hangup boolean|nil

--- Start a program, and return when it has been executed.
---@param command string[]
---@param place tidegate.Launch
---@param on_end fun(code: integer, signal: integer) called by the loop
---@return tidegate.Program|nil
---@return string|nil message
---@return integer|nil status the exit status for that message
function M.start(command, place, on_end)
  local user = place.user
  local how, launched = ffi.new "struct tg_launch", ffi.new "struct tg_launched"
  local arguments = strings(command)
  local variables = user and user:environment()
  local environment = variables and strings(variables)
  local groups, count
  how.arguments, how.environment, how.cgroup = arguments, environment, place.cgroup
  how.flags = bit.bor(place.confine and C.TG_LAUNCH_CONFINE or 0,
    place.ignore_hangup and C.TG_LAUNCH_IGNORE_HANGUP or 0)
  if user and not user:is_current() then
    groups, count = user:groups()
    how.groups, how.group_count, how.uid, how.gid = groups, count, user.uid, user.gid
    how.flags = bit.bor(how.flags, C.TG_LAUNCH_AS_USER)
  end
  io.flush() -- or a child that fails would write it, too
  local result = C.tg_launch(how, launched)
  if result ~= 0 then
    return nil, refusal(launched, -result, command[1], place)
  end
  local self = setmetatable({ pid = tonumber(launched.pid) }, Program)
  local code, signal = ffi.new "int32_t[1]", ffi.new "int32_t[1]"
  self.poll = assert(uv.new_poll(launched.pidfd))
  self.poll:start("r", function()
    local poll = self.poll
    if poll and not poll:is_closing() then
      poll:stop()
      poll:close(function() end)
      self.poll = nil
      local ended = C.tg_launched_ended(launched, code, signal)
      assert(ended == 1, "the end of the command cannot be read")
      on_end(tonumber(code[0]), tonumber(signal[0]))
    end
  end)
  return self
end

return M

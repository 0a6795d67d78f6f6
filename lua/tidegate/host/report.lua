--- What the command writes: events as lines of text or JSON, to standard error or a file, and
--- its own remarks, always to standard error.

local cgroup = require "tidegate.host.cgroup"
local cjson = require "cjson"
local event_fields = require("tidegate.event").fields
local literal = require "tidegate.literal"
local uv = require "luv"
local uv_error = require "tidegate.host.uv_error"

local M = {}

---@class tidegate.Report
---@field fd integer where events go
---@field json boolean
local Report = {}
Report.__index = Report

local STDERR = 2

--- Open the place where events go.
---@param log string|nil a file to append to; nil: standard error
---@param json boolean|nil
---@return tidegate.Report|nil
---@return string|nil message
function M.open(log, json)
  local fd, message
  if log then
    fd, message = uv.fs_open(log, "a", 420) -- 0644
    if not fd then
      return nil, ("%s: %s"):format(log, uv_error(message))
    end
  else
    fd = STDERR
  end
  -- The policy must stay in force even if nobody reads the output any more.
  uv.new_signal():start("sigpipe", function() end)
  return setmetatable({ fd = fd, json = json }, Report)
end

--- Write a remark.
---@param format string
function M.say(format, ...)
  uv.fs_write(STDERR, ("tidegate: " .. format .. "\n"):format(...), -1)
end

--- Say that a command left processes running, which are about to be ended.
---@param name string the command
---@param processes { pid: integer, name: string }[]
function M.say_left_running(name, processes)
  M.say("%s left running: %s; ending %s", name, cgroup.names(processes),
    #processes == 1 and "it" or "them")
end

function Report:line(text)
  uv.fs_write(self.fd, text .. "\n", -1)
end

--- An event as a JSON object. The fields always come in the same order.
local function to_json(event)
  local parts = {}
  for _, name in ipairs(event_fields) do
    local value = event[name]
    if value ~= nil then
      value = type(value) == "string" and literal.utf8(value) or value
      parts[#parts + 1] = ("%q:%s"):format(name, cjson.encode(value))
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- Write one event.
---@param event tidegate.Event
function Report:event(event)
  self:line(self.json and to_json(event) or tostring(event))
end

--- Say how many events are missing, and close the log.
---@param lost integer events that were dropped because the ring was full
function Report:close(lost)
  if lost > 0 then
    self:line(self.json and cjson.encode { lost = lost }
      or ("tidegate: %d events were lost: the ring was full"):format(lost))
  end
  if self.fd ~= STDERR then
    uv.fs_close(self.fd)
  end
end

return M

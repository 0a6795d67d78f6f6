--- What `tidegate run` tells: events as lines of text or JSON, to standard
--- error or a file, and its own remarks.

local cjson = require "cjson"
local event_fields = require("tidegate.event").fields
local literal = require "tidegate.literal"
local reason = require "tidegate.host.uv_error"
local uv = require "luv"

local M = {}

---@class tidegate.Report
---@field fd integer where events go
---@field json boolean
local Report = {}
Report.__index = Report

local STDERR = 2

--- Open the place where events go.
---@param log string|nil a file to append to; nil: standard error
---@param json boolean
---@return tidegate.Report|nil
---@return string|nil message
function M.open(log, json)
  local fd, message
  if log then
    fd, message = uv.fs_open(log, "a", 420) -- 0644
    if not fd then
      return nil, ("%s: %s"):format(log, reason(message))
    end
  else
    fd = STDERR
  end
  -- Where nobody reads any more, the policy must still hold.
  uv.new_signal():start("sigpipe", function() end)
  return setmetatable({ fd = fd, json = json }, Report)
end

--- Say something that is not an event.
---@param format string
function M.say(format, ...)
  uv.fs_write(STDERR, ("tidegate: " .. format .. "\n"):format(...), -1)
end

function Report:line(text)
  uv.fs_write(self.fd, text .. "\n", -1)
end

--- An event as a JSON object, its fields always in the same order.
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

--- At the end: what is missing from the lines.
---@param lost integer events that found the ring full
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

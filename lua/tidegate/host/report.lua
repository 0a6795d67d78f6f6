--- What the command writes: events as lines of text or JSON, to standard error or a file; and
--- failures and its own remarks, always to standard error.

local cgroup = require "tidegate.host.cgroup"
local json = require "tidegate.host.json"
local line_writer = require "tidegate.host.line_writer"
local literal = require "tidegate.literal"
local plural = require "tidegate.host.plural"
local repeated = require "tidegate.host.repeated"
local signals = require "tidegate.host.signals"

local M = {}

---@class tidegate.Report
---@field out tidegate.LineWriter|nil where events go
---@field place string|nil the file where they go
---@field unwritten integer events that could not be written
local Report = {}
Report.__index = Report

local STDOUT, STDERR = 1, 2

local stderr = line_writer.new(STDERR)

local as_json, quiet = false, false

--- From now on, write JSON objects, one a line.
function M.use_json()
  as_json = true
end

--- From now on, write neither remarks nor, to standard error, events.
function M.be_quiet()
  quiet = true
end

--- Open the place where events go.
---@param log string|nil a file to append to, "-": standard output; nil: standard error
---@return tidegate.Report|nil
---@return string|nil message
function M.open(log)
  local self = setmetatable({
    place = log ~= "-" and log or nil, timed = log ~= nil, unwritten = 0,
  }, Report)
  if self.place then
    local message
    self.out, message = line_writer.append(log)
    if not self.out then
      return nil, message
    end
  elseif log then
    self.out = line_writer.new(STDOUT)
  elseif not quiet then
    self.out = stderr
  end
  -- The policy must stay in force even if nobody reads the output any more, or the disk is full.
  signals.survive_failed_writes()
  return self
end

--- Write text, or the object that stands for it.
local function write(text, name, value)
  stderr:line(as_json and tostring(json.object(name, value)) or literal.lines(text))
end

--- Write what the user should know in any case.
---@param format string
function M.say(format, ...)
  local text = literal.line(format:format(...))
  write("tidegate: " .. text, "remark", text)
end

--- Write a remark, unless the user wants none.
---@param format string
function M.remark(format, ...)
  if not quiet then
    M.say(format, ...)
  end
end

--- Write a line about something else than a failure of this command.
---@param text string
function M.warn(text)
  stderr:line(literal.lines(text))
end

local problems = repeated.new(function(message)
  write("tidegate: " .. message, "remark", message)
end)

--- Write an error in a function of the policy; one that comes again is only counted.
---@param message string
function M.problem(message)
  problems:add(message)
end

--- The print() of policies: standard output is for what was asked for, such as JSON.
function M.print(...)
  local parts = {}
  for index = 1, select("#", ...) do
    parts[index] = tostring((select(index, ...)))
  end
  local text = table.concat(parts, "\t")
  stderr:line(as_json and tostring(json.object("print", text)) or text)
end

--- Write why a command failed.
---@param failure { kind: string, status: integer, message: string, remedy: string|nil }
---@param text string what people read
function M.fail(failure, text)
  if not as_json then
    return write(text)
  end
  local fields = { "failure", failure.kind, "message", failure.message }
  if failure.remedy then
    fields[5], fields[6] = "remedy", failure.remedy
  end
  fields[#fields + 1], fields[#fields + 2] = "status", failure.status
  stderr:line(tostring(json.object(unpack(fields))))
end

--- Say that a command left processes running, which are about to be ended.
---@param name string the command
---@param processes { pid: integer, name: string }[]
function M.say_left_running(name, processes)
  M.remark("%s left running: %s; ending %s", name, cgroup.names(processes),
    #processes == 1 and "it" or "them")
end

--- Write one event.
---@param event tidegate.Event
function Report:event(event)
  if self.out and not self.out:line(as_json and event:tojson()
    or self.timed and event:tolog() or tostring(event)) then
    self.unwritten = self.unwritten + 1
  end
end

--- "20000 calls were refused; 19860 events were held back by log rates"
local function summary_text(self, sums)
  local parts = {}
  local function add(count, noun, text)
    if count > 0 then
      parts[#parts + 1] = ("%s %s %s"):format(plural(count, noun), count == 1 and "was" or "were",
        text)
    end
  end
  add(sums.refused, "call", "refused")
  add(sums.suppressed, "event", "held back by log rates")
  add(sums.lost, "event", "lost, because nobody read them in time")
  local place = self.place and " to " .. literal.line(self.place) or ""
  local problem = self.out and self.out.problem
  add(sums.unwritten, "event", "not written" .. place .. (problem and ": " .. problem or ""))
  return table.concat(parts, "; ")
end

--- Open the log file again, as after somebody has renamed it. If that fails, events still go to the
--- old file.
function Report:reopen()
  local out, message = line_writer.append(self.place)
  if not out then
    M.say("%s; events still go to the file that was open", message)
    return
  end
  local old = self.out
  if not old:finish() then
    self.unwritten = self.unwritten + 1
  end
  old:close()
  out.problem, self.out = old.problem, out
end

--- Close the log, and say what was refused, and which events were not written, if there is any.
---@param sums { refused: integer, suppressed: integer, lost: integer }
function Report:close(sums)
  problems:flush()
  if self.out and not self.out:finish() then
    self.unwritten = self.unwritten + 1
  end
  if self.place then
    self.out:close()
  end
  sums.unwritten = self.unwritten
  local text = summary_text(self, sums)
  if text ~= "" and not quiet then
    stderr:finish()
    write("tidegate: " .. text, "summary", json.object("refused", sums.refused, "suppressed",
      sums.suppressed, "lost", sums.lost, "unwritten", sums.unwritten))
  end
end

return M

--- Inputs from a pipe, line by line: what the prompt does with them, without a prompt.

local environment = require "tidegate.repl.environment"
local exit_status = require "tidegate.host.exit_status"
local inputs = require "tidegate.repl.input"
local interrupt = require "tidegate.host.interrupt"
local script = require "tidegate.repl.script"
local uv = require "luv"

local M = {}

local STDIN, CHUNK = 0, 65536

---@class tidegate.Lines
---@field rest string what was read, and is no whole line yet
---@field ended boolean
---@field reading boolean|nil whether a thread waits for more
local Lines = {}
Lines.__index = Lines

--- Read more, without waiting for it: a thread does. Standard input itself stays as it is, because
--- commands of sh() have it, too.
function Lines:read()
  if self.reading or self.ended then
    return
  end
  self.reading = true
  uv.fs_read(STDIN, CHUNK, -1, function(_, data)
    self.reading, self.ended = nil, data == nil or data == ""
    self.rest = self.rest .. (data or "")
  end)
end

--- The next line; nil: there is none yet, or none any more.
function Lines:next()
  local line, rest = self.rest:match "^([^\n]*)\n(.*)$"
  if not line and self.ended and self.rest ~= "" then
    line, rest = self.rest, ""
  end
  self.rest = rest or self.rest
  return line
end

--- Take the lines that have come.
local function take_lines(session, lines, input)
  while not session.status and not session.signal do
    local line = lines:next()
    if not line then
      break
    end
    input:take(line)
    io.stdout:flush()
  end
end

local function turn(session, lines, input)
  session.signal = session.signal or interrupt.take()
  if session:has_events() then
    session:dispatch()
  end
  take_lines(session, lines, input)
  session:await_timers()
end

local function complain(text)
  io.stdout:flush()
  io.stderr:write(text, "\n")
end

--- Take lines until the last one, and end with 1 if an input had an error.
---@param session tidegate.Session
---@param given { inputs: string[]|nil } run first
---@return integer status
function M.run(session, given)
  script.listen(session)
  session.say = print
  local lines = setmetatable({ rest = "", ended = false }, Lines)
  local input = inputs.new(session, environment.new(session),
    { say = print, show = print, complain = complain })
  input.unseen = true
  for _, text in ipairs(given.inputs or {}) do
    input:take(text)
  end
  turn(session, lines, input)
  while not session.status and not session.signal and not (lines.ended and lines.rest == "") do
    lines:read()
    uv.run "once"
    turn(session, lines, input)
  end
  if input.text ~= "" then
    complain(session.source .. ": the last input is only the beginning of a statement")
    input.failed = true
  end
  io.stdout:flush()
  return session.signal and exit_status.SIGNAL + session.signal or session.status
    or input.failed and exit_status.NO or exit_status.OK
end

return M

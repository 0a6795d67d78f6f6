--- The client that does not use Lua: spec/c/client.c.

local command = require "spec.support.command"

local M = {}

local path

--- The path of the client, which is built if it does not exist.
---@return string
function M.path()
  if not path then
    path = command.build .. "/client"
    local built = command.run { "make", "-s", "B=" .. command.build, path }
    assert(built.status == 0, built.out .. built.err)
  end
  return path
end

--- Run the client to its end.
---@return string output
function M.run(...)
  local client = command.run { M.path(), ... }
  assert(client.status == 0, client.out .. client.err)
  return client.out
end

--- Connect in two threads until finish().
---@param denied string an IPv4 address
---@param rewritten string an IPv4 address
---@param port integer of both
---@return spec.Process
function M.storm(denied, rewritten, port)
  return command.start { M.path(), "storm", denied, rewritten, tostring(port) }
end

--- End the client's threads.
---@param storm spec.Process
---@return table<string, integer> answers how often each came
---@return integer[] calls by thread
function M.finish(storm)
  storm.input:close()
  storm:wait()
  assert(storm.status == 0, storm.err)
  local answers, calls = {}, {}
  for line in storm.out:gmatch "[^\n]+" do
    local count = line:match "^thread %d calls (%d+)$"
    if count then
      calls[#calls + 1] = tonumber(count)
    else
      local times, answer = line:match "^(%d+) (.*)$"
      answers[answer] = (answers[answer] or 0) + tonumber(times)
    end
  end
  return answers, calls
end

return M

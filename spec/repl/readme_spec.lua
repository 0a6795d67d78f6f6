-- The session that the README shows, typed again.

local command = require "spec.support.command"
local env = require "spec.support.env"
local prompt = require "spec.support.prompt"
local terminal = require "spec.support.terminal"

--- What differs from run to run.
local function plain(text)
  return (text:gsub("%[%d+%]", "[PID]"):gsub("after %d+ ms", "after N ms"))
end

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("the README", function()
  setup(command.enter_cgroup)
  teardown(function()
    prompt.close()
    env.clean()
    command.leave_cgroup()
  end)

  it("shows the prompt as it is", function()
    local text = env.read "README.md"
    local folder = env.folder()
    env.write(folder .. "/web.lua", (text:match "```lua\n(.-)```"))
    local session = text:match "```console\n%$ tidegate repl web.lua\n(.-)```"
    local term = prompt.start({ "web.lua" }, { before = { "sh", "-c", 'cd "$0"; exec "$@"', folder } })
    for line in session:gmatch "[^\n]+" do
      local input = line:match "^tidegate> (.*)"
      if input == "^D" then
        term:key "C-d"
      elseif input then
        term:enter(input)
      end
    end
    assert.equal(0, term:status())
    assert.equal(terminal.sorted(plain(session) .. "status 0"), terminal.sorted(plain(term:screen())))
  end)
end)

-- The session that the README shows, typed again.

local command = require "spec.support.command"
local env = require "spec.support.env"
local prompt = require "spec.support.prompt"
local terminal = require "spec.support.terminal"

--- What differs from run to run.
local function plain(text)
  return (text:gsub("%[%d+%]", "[PID]"):gsub("after %d+ ms", "after N ms"))
end

describe("the README", function()
  local reason, own, term = command.no_kernel(), nil, nil

  setup(function()
    own = not reason and command.enter_cgroup()
  end)
  teardown(function()
    if term then
      term:close()
    end
    env.clean()
    if own then
      command.leave_cgroup()
    end
  end)

  it("shows the prompt as it is", function()
    if reason then
      pending(reason)
      return
    end
    local file = assert(io.open "README.md")
    local text = file:read "*a"
    file:close()
    local folder = env.folder()
    env.write(folder .. "/web.lua", (text:match "```lua\n(.-)```"))
    local session = text:match "```console\n%$ tidegate repl web.lua\n(.-)```"
    term = prompt.start({ "web.lua" }, { before = { "sh", "-c", 'cd "$0"; exec "$@"', folder } })
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

-- The sessions of `tidegate repl` that the documents show, typed again.

local command = require "spec.support.command"
local docs = require "spec.support.docs"
local env = require "spec.support.env"
local prompt = require "spec.support.prompt"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

local INTO = 'cd "$0"; exec "$@"'

--- Type what a session shows, and return the session as it was.
local function replay(block, folder)
  local command_line = block.text:match "^%$ tidegate repl([^\n]*)"
  local arguments = {}
  for word in command_line:gmatch "%S+" do
    arguments[#arguments + 1] = word
  end
  local term = prompt.start(arguments, { before = { "sh", "-c", INTO, folder } })
  for input in block.text:gmatch "\ntidegate> ([^\n]+)" do
    if input == "^D" then
      term:key "C-d"
    else
      term:enter(input)
    end
  end
  assert.equal(0, term:status())
  return "$ tidegate repl" .. command_line .. "\n" .. term:screen():gsub("status 0\n$", "")
end

describe("the document", function()
  setup(command.enter_cgroup)
  teardown(command.leave_cgroup)
  after_each(function()
    prompt.close()
    env.clean()
  end)

  for _, path in ipairs(docs.paths()) do
    local page = docs.read(path)
    for _, block in ipairs(docs.blocks(page, "repl")) do
      it(block.where .. " shows the prompt as it is", function()
        local folder = env.folder()
        for name, text in pairs(docs.files(page, block)) do
          env.write(folder .. "/" .. name, text)
        end
        docs.check(page, block, replay(block, folder))
      end)
    end
  end
end)

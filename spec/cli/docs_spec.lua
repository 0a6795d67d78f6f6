-- Every block of the documents that a shell can run prints what the page shows.
-- spec/support/docs.lua says how blocks are marked and compared.

local command = require "spec.support.command"
local docs = require "spec.support.docs"
local env = require "spec.support.env"
local shell = require "spec.support.docs_shell"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("the document", function()
  local prefix, cgroup

  setup(function()
    prefix = shell.install()
    cgroup = command.enter_cgroup()
  end)
  teardown(function()
    command.leave_cgroup()
    env.clean()
  end)

  for _, path in ipairs(docs.paths()) do
    local page = docs.read(path)
    local blocks = docs.blocks(page, "cli")
    if #blocks > 0 then
      it(path .. " prints what it shows", function()
        local place = ("%s/%s"):format(cgroup, path:gsub("%W", "-"))
        command.run { "mkdir", place }
        local here = shell.start(prefix, place)
        finally(function() here:close() end)
        for _, block in ipairs(blocks) do
          here:block(page, block)
        end
      end)
    end
  end
end)

-- A gate that several threads use: one publishes, others read.  See spec/c/gate_threads.c.

local command = require "spec.support.command"
local env = require "spec.support.env"

local SECONDS = 2

-- The core's own sources, with the thread sanitizer, which does not know fences.
local BUILD = "gcc -std=gnu11 -Wno-tsan -g -O1 -fsanitize=thread -iquote core -iquote . -iquote %s "
  .. "'-DTG_VERSION=\"0\"' -DTG_PRIVATE_ABI=0 core/*/*.c spec/c/gate_threads.c -o %s -lbpf -lm "
  .. "-pthread 2>&1"

--- What a command prints; it may take a minute.
local function output_of(text)
  local pipe = assert(io.popen(text))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

describe("threads that read a gate while another one publishes", function()
  teardown(env.clean)

  -- F2, F4: and the print function of the host stays the host's.
  it("see each image whole, without a race", function()
    if command.no_kernel() then
      pending(command.no_kernel())
      return
    end
    local program = env.folder() .. "/gate_threads"
    assert.equal("", output_of(BUILD:format(command.build, program)))
    assert.equal("ok\n", output_of(("%s %d 2>&1"):format(program, SECONDS)))
  end)
end)

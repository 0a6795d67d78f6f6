--- `tidegate repl` at a terminal, in its own network namespace.
--
--   after_each(prompt.close)
--   it("…", function() local term = prompt.start {} term:enter "…" … end)

local command = require "spec.support.command"
local terminal = require "spec.support.terminal"

local M = {}

local opened = {}

--- A loopback device only, and a server on 127.0.0.1:60123 if `options.serve` is true.
local ALONE = 'ip link set lo up; exec "$@"'
local SERVED = 'trap : INT; ip link set lo up; luajit examples/demo-server.lua 60123 & '
  .. 'until nc -z 127.0.0.1 60123; do sleep 0.02; done; "$@"; status=$?; kill %1; exit $status'

--- Start the prompt, and wait until it is ready.
---@param arguments string[] of tidegate repl
---@param options { serve: boolean, env: table, columns: integer, before: string[] }|nil
--- `before` is put before the command
---@return spec.Terminal
function M.start(arguments, options)
  options = options or {}
  local words = { "unshare", "-n", "sh", "-c", options.serve and SERVED or ALONE, "sh" }
  for _, list in ipairs { options.before or {}, { command.path, "repl" }, arguments } do
    for _, word in ipairs(list) do
      words[#words + 1] = word
    end
  end
  local env = { HOME = "/nonexistent", TIDEGATE_BUILD = os.getenv "TIDEGATE_BUILD" }
  for name, value in pairs(options.env or {}) do
    env[name] = value
  end
  local term = terminal.start(words, { env = env, columns = options.columns })
  opened[#opened + 1] = term
  term:wait(function(screen)
    assert(not screen:find "^status", screen)
    return screen:find "\ntidegate>\n$"
  end, "the first prompt")
  return term
end

--- Close all terminals that were started.
function M.close()
  local terms = opened
  opened = {}
  for _, term in ipairs(terms) do
    term:close()
  end
end

return M

-- "@local" through the command: it follows the addresses of the host while a command runs. -- H1

local command = require "spec.support.command"
local env = require "spec.support.env"

describe("tidegate run with @local", function()
  teardown(env.clean)

  local reason = command.no_kernel()

  it("covers an address soon after it is added, and no longer after it is removed", function()
    if reason then
      pending(reason)
      return
    end
    local policy = env.write(env.folder() .. "/web.lua",
      [[deny { "here", egress = "@local", errno = "EXDEV" }]])
    local got = command.run { "unshare", "-n", command.path, "run", "-q", policy, "--", "sh", "-c",
      [[
        ip link set lo up
        refused() { nc -v -w 1 203.0.113.50 9 2>&1 | grep -q "Invalid cross"; }
        last=$(( $(date +%s) + 30 ))
        refused && exit 2
        ip address add 203.0.113.50/32 dev lo
        until refused; do [ $(date +%s) -lt $last ] || exit 3; done
        ip address del 203.0.113.50/32 dev lo
        while refused; do [ $(date +%s) -lt $last ] || exit 4; done
      ]] }
    assert.equal(0, got.status, got.err)
  end)
end)

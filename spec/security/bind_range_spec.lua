-- What a rule for bind cannot see: ports that the kernel picks.  docs/limits.md says so.

local ffi = require "ffi"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local IPPROTO_IP, IP_LOCAL_PORT_RANGE = 0, 51

sandbox.describe("a port that the kernel picks", function(here) -- G5
  --- A socket for which the kernel can pick port 40000 only.
  local function narrow()
    local made = here:keep(socket.tcp "inet")
    assert(made:set(IPPROTO_IP, IP_LOCAL_PORT_RANGE, ffi.new("uint32_t[1]", 40000 * 65537)))
    return made
  end

  it("is not what a rule for bind is asked about, but the 0 that the program asks for", function()
    local gate = here:enforce [[deny { bind = "*:40000", errno = "EXDEV" }]]
    assert.same({ nil, "EXDEV" }, { narrow():bind "127.0.0.1:40000" })
    local bound = narrow()
    assert(bound:bind "127.0.0.1:0")
    assert.equal(40000, bound:port())
    gate:close()
    here:close_sockets()
    here:enforce [[deny { bind = "*:0", errno = "EXDEV" }]]
    assert.same({ nil, "EXDEV" }, { narrow():bind "127.0.0.1:0" })
  end)

  it("is not asked about at all if a socket listens that is not bound", function()
    here:enforce [[deny { bind = "*", errno = "EXDEV" }]]
    assert.equal(40000, narrow():listen():port())
  end)
end)

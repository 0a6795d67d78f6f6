-- Tables that somebody has written over, or whose writer died: spec/c/mend_tables.c, and what
-- programs make of them.

local ffi = require "ffi"
local native = require "spec.support.native"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

describe("a table that is damaged", function()
  -- A2
  it("is mended by the next change, and no search of it is endless", function()
    assert.equal("ok\n", native.run("mend_tables", ""))
  end)
end)

--- Write over every second word of the first row of each map that this process may write, which
--- says where the parts of a table are.
local function damage(number)
  local maps = assert(io.open "/proc/self/maps")
  for line in maps:lines() do
    local from, to = line:match "^(%x+)%-(%x+) rw%-s .*anon_inode:bpf%-map$"
    -- The event ring has one page that can be written.
    if from and tonumber(to, 16) - tonumber(from, 16) > 8192 then
      local words = ffi.cast("uint32_t *", tonumber(from, 16))
      for word = 0, 15, 2 do
        words[word + 1] = number
      end
    end
  end
  maps:close()
end

sandbox.describe("rules after one whose table is damaged", function(here)
  -- A2: with the default on_error, which allows
  for _, number in ipairs { 0xffffffff, 0x7fffffff, 1, 0 } do
    it(("decide as if the table were empty: 0x%x"):format(number), function()
      here:enforce [[
        deny { "banned", connect = set "banned" { "192.0.2.1" }, errno = "EXDEV" }
        balance { "served", connect = services "svc" { ["192.0.2.2:80/tcp"] = { "127.0.0.9:9" } } }
        deny { "fixed", connect = "192.0.2.3", errno = "EACCES" }
        deny { "six", connect = "2001:db8::3", errno = "EACCES" }
        deny { "below", connect = "192.0.2.2", errno = "EUSERS" }
      ]]
      assert.equal("EXDEV", socket.try("tcp", "192.0.2.1:80"))
      damage(number)
      assert.equal("EACCES", socket.try("tcp", "192.0.2.3:80"))
      assert.equal("EACCES", socket.try("tcp", "[2001:db8::3]:80"))
      local served = socket.try("tcp", "192.0.2.2:80")
      assert.is_true(served == "EUSERS" or served == "ECONNREFUSED" or served == "EHOSTUNREACH",
        served)
    end)
  end
end)

-- One clock for programs and processes, whatever a time namespace says: CLOCK_BOOTTIME.

local command = require "spec.support.command"
local env = require "spec.support.env"
local libc = require "spec.support.libc"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local uv = require "luv"

local CLONE_NEWTIME = 0x80

sandbox.describe("the clock", function(here) -- B10
  --- What `work` returns in a process of a new time namespace, which shifts its clocks.
  local function shifted(seconds, work)
    return process.run(function()
      assert(libc.outcome(libc.call.unshare(CLONE_NEWTIME)))
      local file = assert(io.open("/proc/self/timens_offsets", "w"))
      assert(file:write(("monotonic %d 0\nboottime %d 0\n"):format(seconds, seconds)))
      assert(file:close())
      work() -- the namespace of this process is still the old one
      return process.run(function()
        local own = env.read "/proc/self/timens_offsets":match "boottime%s+(%-?%d+)"
        assert.equal(seconds, tonumber(own))
        return work()
      end)
    end)
  end

  local function refused(address)
    return socket.try("udp", address) == "EXDEV"
  end

  local function gate_with_set()
    return here:enforce [[deny { egress = set "banned" {}, errno = "EXDEV", log = true }]]
  end

  for _, seconds in ipairs { 1000, -20 } do
    it(("is not shifted by %d s for what a process adds to a set"):format(seconds), function()
      local gate = gate_with_set()
      local banned = gate:set "banned"
      -- The old clock is known before the process enters the namespace.
      assert(banned:add("192.0.2.9", "1h"))
      shifted(seconds, function()
        local start = uv.hrtime()
        assert(banned:add({ "192.0.2.1" }, "1s"))
        assert(banned:add("192.0.2.2", "30s"))
        assert.is_true(refused "192.0.2.1:1")
        assert.is_true(refused "192.0.2.2:1")
        for address, most in pairs { ["192.0.2.9"] = 3600, ["192.0.2.2"] = 30 } do
          local _, left = banned:find(address)
          assert.is_true(left < most + 1 and left > most - 10, address .. ": " .. tostring(left))
        end
        while refused "192.0.2.1:1" do
          assert(uv.hrtime() - start < 30e9, "it never expires")
        end
        assert.is_true(uv.hrtime() - start > 0.9e9)
        assert.is_false(banned:find "192.0.2.1")
        assert.is_true(refused "192.0.2.2:1")
      end)
      -- It lives as long for us as for the process that has added it.
      local _, left = banned:find "192.0.2.2"
      assert.is_true(left and left < 31 and left > 10)
    end)

    it(("is not shifted by %d s for events, last hits, and simulated calls"):format(seconds),
      function()
        local gate = gate_with_set()
        local banned = gate:set "banned"
        shifted(seconds, function()
          assert(banned:add({ "192.0.2.1" }, "30s"))
          assert.is_true(refused "192.0.2.1:1")
          local count = 0
          for event in gate:events { timeout = 0 } do
            assert.is_true(math.abs(event.time - os.time()) < 20, event.time)
            count = count + 1
          end
          assert.is_true(count > 0)
          assert.is_true(math.abs(gate:rules()[1].last - os.time()) < 20)
          assert.equal("deny", gate:decide { connect = "192.0.2.1:1", proto = "udp" }.verb)
        end)
      end)

    it(("is not shifted by %d s for the command"):format(seconds), function()
      local policy = env.write(env.folder() .. "/web.lua", [[
        local banned = set "banned" {}
        deny { egress = banned, errno = "EXDEV" }
        after("1ms", function() banned:add("192.0.2.1", "1s") end)
      ]])
      local got = command.run { "unshare", "-T", "--fork", "--monotonic", tostring(seconds),
        "--boottime", tostring(seconds), "unshare", "-n", command.path, "run", policy, "--",
        "sh", "-c", [[
          ip link set lo up
          try() { nc -v -w 1 192.0.2.1 9 2>&1; }
          last=$(( $(date +%s) + 30 ))
          until try | grep -q "Invalid cross"; do [ $(date +%s) -lt $last ] || exit 3; done
          while try | grep -q "Invalid cross"; do [ $(date +%s) -lt $last ] || exit 4; done
        ]] }
      env.clean()
      assert.equal(0, got.status, got.err)
    end)
  end
end)

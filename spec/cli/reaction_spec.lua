-- What a policy does while `tidegate run` runs it.

local command = require "spec.support.command"
local env = require "spec.support.env"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("a policy that tidegate run runs", function()
  teardown(env.clean)

  local function run(text, ...)
    local path = env.write(env.folder() .. "/web.lua", text)
    return command.run { "unshare", "-n", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh",
      command.path, "run", "--trust", path, "--", ... }, path
  end

  local UNTIL_DENIED =
    "until nc -vz 127.0.0.1 22 2>&1 | grep -q 'not permitted'; do sleep 0.02; done; "

  it("has timers, whose errors do not end it", function()
    local got, path = run([[
local count = 0
local function fail() error("broken", 2) end
every("20ms", function()
  count = count + 1
  print("tick", count)
  if count > 1 then
    fail()
  end
end)
after("30ms", function() deny { "late", connect = "127.0.0.1:22" } end)
]], "sh", "-c", UNTIL_DENIED .. "sleep 0.1; exit 4")
    assert.equal(4, got.status)
    assert.equal("", got.out) -- D6
    assert.matches("tick\t1\n.*tick\t2\n.*tick\t3\n.*tick\t4\n", got.err)
    -- Frames of the policy alone; the error is told once, and then how often it has come again.
    local _, told = got.err:find(("tidegate: %s:7: broken\nstack traceback:\n\t%s:2: in function "
      .. "'fail'\n\t%s:7: in function <%s:3>\n"):format(path, path, path, path), 1, true)
    local rest = got.err:sub(assert(told, got.err) + 1)
    assert.is_nil(rest:find "^\t")
    assert.is_nil(rest:find "traceback")
    assert.truthy(rest:find("tidegate: %S+:7: broken %(%d+ more times%)\n"), got.err)
  end)

  it("may use luv itself, and change rules there", function()
    local got = run([[
local uv = require "luv"
local timer = uv.new_timer()
timer:start(20, 0, function() deny { "late", connect = "127.0.0.1:22", log = false } end)
]], "sh", "-c", UNTIL_DENIED .. "exit 4")
    assert.equal("tidegate: as root, sh can leave the policy: use --user NAME, or --confine\n"
      .. "tidegate: 1 call was refused\n", got.err)
    assert.equal(4, got.status)
  end)

  it("bans a destination: examples/07-ban.lua", function()
    local got = command.run { "unshare", "-n", "sh", "-c", [[ip link set lo up
      "$1" run examples/07-ban.lua -- sh -c '
        for i in 1 2 3 4 5; do nc -z 127.0.0.8 22; done 2>/dev/null
        until nc -vz 127.0.0.8 443 2>&1 | grep "No route to host"; do sleep 0.02; done
      ']], "sh", command.path }
    assert.equal(0, got.status)
    assert.matches("No route to host", got.out)
    assert.equal(5, select(2, got.err:gsub("deny    ssh  connect 127.0.0.8:22  EPERM", "")))
  end)
end)

-- What docs/how-to.md says of programs that rules name, and of sockets bound to a device.  G9

local command = require "spec.support.command"
local env = require "spec.support.env"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("a rule that names a program", function()
  local folder

  before_each(function() folder = env.folder() end)
  after_each(env.clean)

  --- Run a script under a policy; what its calls printed, and the events.
  local function run(policy, script)
    return command.run { "unshare", "-n", "sh", "-c", [[ip link set lo up; exec "$@"]], "sh",
      command.path, "run", env.write(folder .. "/p.lua", policy), "--", "sh", "-c", script, folder }
  end

  -- All ways to one program: as it is, a copy of it, by its loader.
  local WAYS = [[
    cp "$(readlink -f /usr/bin/nc)" "$0/copy"
    try() {
      "$@" -v 192.0.2.1 80 2>&1 | grep -q "Invalid cross-device link" && echo refused || echo free
    }
    try /usr/bin/nc; try "$0/copy"; try /lib64/ld-linux-x86-64.so.2 /usr/bin/nc
  ]]

  it("in a denial is passed by a copy of it and by its loader", function()
    local got = run([[deny { "nc", egress = "192.0.2.1", exe = "/usr/bin/nc", errno = "EXDEV" }]],
      WAYS)
    assert.equal("refused\nfree\nfree\n", got.out)
  end)

  it("in a permission is not passed by what is not allowed", function()
    local got = run([[
      allow { "curl", egress = "192.0.2.1", exe = "/usr/bin/curl" }
      deny { "rest", egress = "192.0.2.1", errno = "EXDEV" }]], WAYS)
    assert.equal("refused\nrefused\nrefused\n", got.out)
  end)

  it("is the interpreter of a script, and an event names the thread that called", function()
    local script = env.write(folder .. "/fetch", "#!/bin/bash\n: < /dev/tcp/192.0.2.1/80\n")
    command.run { "chmod", "755", script }
    local function deny(exe)
      return run(([[deny { "it", egress = "192.0.2.1", exe = %q, errno = "EXDEV" }]]):format(exe),
        script .. " 2> /dev/null; true").err
    end
    assert.matches("deny +it +connect 192.0.2.1:80 +EXDEV +fetch%[%d+%]", deny "/bin/bash")
    assert.is_nil(deny(script):find("EXDEV", 1, true))
  end)
end)

describe("a redirect to the loopback", function()
  after_each(env.clean)

  it("holds up a socket that is bound to a device, unless the rule leaves it out", function()
    local folder = env.folder()
    local function ask(rest)
      env.write(folder .. "/p.lua", ('rewrite { "proxy", connect = "192.0.2.1:80", '
        .. 'to = "127.0.0.1:8080"%s'):format(rest))
      return command.run({ "unshare", "-n", "sh", "-c", [[
        ip link set lo up; ip link add v0 type veth peer name v1
        ip address add 192.0.2.9/24 dev v0; ip link set v0 up; ip link set v1 up
        luajit examples/demo-server.lua 8080 & server=$!
        until nc -z 127.0.0.1 8080; do :; done
        "$1" run -q "$0/p.lua" -- sh -c '
          curl -s -o /dev/null -m 20 http://192.0.2.1/; echo $?
          curl -s -o /dev/null -m 0.5 --interface v0 http://192.0.2.1/; echo $?'
        kill $server
      ]], folder, command.path }).out
    end
    local PASSED, TIMED_OUT, NOT_CONNECTED = 0, 28, 7
    assert.equal(("%d\n%d\n"):format(PASSED, TIMED_OUT), ask " }")
    assert.equal(("%d\n%d\n"):format(PASSED, NOT_CONNECTED), ask [[, device = "none" }
      deny { "direct", connect = "192.0.2.1:80", errno = "ECONNREFUSED" }]])
  end)
end)

-- Programs that the kernel refuses, and what the error says about them.

local command = require "spec.support.command"
local env = require "spec.support.env"

if command.no_kernel() then
  return pending(command.no_kernel())
end

local POLICY = 'deny { "x", egress = "192.0.2.1" }\nrewrite { "y", connect = "192.0.2.2", to = '
  .. '"127.0.0.1" }\n'
local TO_DOCTOR = "needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; run `tidegate doctor`\n"

-- The library, with a connect4 that returns what no hook may return: the verifier sees that at its
-- very end.
local BUILD = [[
  exec 2>&1
  cd '%s' && mkdir build && cp -a "$OLDPWD"/bpf "$OLDPWD"/core "$OLDPWD"/Makefile . || exit
  cp -a '%s'/core '%s'/*.o '%s'/*.skel.h build
  sed -i \
    's/tg_verdict(\(tg_connect(ctx, TG_HOOK_CONNECT4)\));/\1 + 7;/' bpf/tidegate.bpf.c
  make -s V=1 B=build build/libtidegate.so]]

--- Not by command.run(): an emulated processor takes its time.
local function wrong_library(folder)
  local build = command.build
  local pipe = assert(io.popen(BUILD:format(folder, build, build, build)))
  local output = pipe:read "*a"
  pipe:close()
  assert.equal("", output)
  return folder .. "/build/libtidegate.so"
end

describe("programs that the kernel refuses", function()
  local folder, policy

  setup(function()
    command.enter_cgroup()
    folder = env.folder()
    policy = folder .. "/web.lua"
    env.write(policy, POLICY)
  end)
  teardown(function()
    command.leave_cgroup()
    env.clean()
  end)

  it("are reported with the end of the verifier's log, which contains the reason", function()
    local got = command.start({ command.path, "run", policy, "--", "true" },
      { env = { TIDEGATE_LIBRARY = wrong_library(folder) } }):wait()
    assert.equal(125, got.status)
    local error, log = got.err:match "^tidegate: cannot load programs: ([%a ]+)\n(.-)\ntidegate: "
    assert.equal("Invalid argument", error, got.err)
    assert.truthy(log:find("At program exit the register R0 ", 1, true), log)
    assert.truthy(log:find("prog 'connect4': failed to load: -22\n", 1, true), log)
  end)

  for _, capability in ipairs { "BPF", "NET_ADMIN", "PERFMON" } do
    it("need CAP_" .. capability .. ", and without it no error blames the kernel's age", function()
      local function without(...)
        return command.run { "setpriv", "--bounding-set=-sys_admin,-" .. capability:lower(),
          command.path, ... }
      end
      local got = without("run", policy, "--", "true")
      assert.equal(125, got.status)
      assert.equal(TO_DOCTOR, got.err:match "^tidegate: cannot [^\n:]+: (.-\n)", got.err)
      assert.equal("capabilities: user 0 lacks CAP_" .. capability,
        got.err:match "\ntidegate: (.-);")
      local told = without("doctor").out
      assert.is_nil(told:find("all except", 1, true))
      assert.matches("FAIL  effects +cannot be tried with these capabilities: [^\n]*MPTCP", told)
    end)
  end
end)

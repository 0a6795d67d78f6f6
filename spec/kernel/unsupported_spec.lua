-- What the kernel does not support.  The command runs with a library whose table of
-- kernel features has rows that the kernel must refuse.

local command = require "spec.support.command"
local env = require "spec.support.env"
local ffi = require "ffi"
local library = require "tidegate.ffi"
local tidegate = require "tidegate"

if command.no_kernel() then
  return pending(command.no_kernel())
end

--- The library, with spec/c/kernel_feature.c in place of core/system/kernel_feature.c.
local function needy_library(folder)
  local path = folder .. "/libtidegate.so"
  local build = ([[gcc -shared -fPIC -O1 -iquote core -iquote . -o %s spec/c/kernel_feature.c ]]
    .. [[$(ls %s/core/*/*.o | grep -v /kernel_feature.o) -lbpf]])
    :format(path, command.build)
  assert.equal("", command.run({ "sh", "-c", build .. " 2>&1" }).out)
  return path
end

local KERNEL = io.popen("uname -r"):read "*l"
local OPTIONS = 'policy { name = "x"%s }\n'
local RULES = [[
rewrite { "rewrite", connect = "192.0.2.1:80", to = "127.0.0.1:9" }
allow { "from", connect = "127.0.0.1", source = "127.0.0.2" }
deny { "send", egress = "192.0.2.2", errno = "EXDEV" }
]]

local function unsupported(line, rule, need, linux)
  return ("web.lua:%d: %s: needs %s, which this kernel, Linux %s, does not have; Linux %s and "
    .. "newer do")
    :format(line, rule, need, KERNEL, linux)
end

local FROM = unsupported(3, 'allow "from"', "source", "99.1")
local SEND = unsupported(4, 'deny "send"', "the hook sendmsg4", "99.2")

describe("a policy that needs more than the kernel has", function()
  local folder, needy

  setup(function()
    command.enter_cgroup()
    folder = env.folder()
    needy = needy_library(folder)
  end)
  teardown(function()
    command.leave_cgroup()
    env.clean()
  end)

  local function run(text, ...)
    env.write(folder .. "/web.lua", text)
    return command.start({ "unshare", "-n", "sh", "-c", 'ip link set lo up; cd "$0"; exec "$@"',
      folder,
      command.path, "run", "web.lua", "--", ... }, { env = { TIDEGATE_LIBRARY = needy } }):wait()
  end

  it("is refused: each rule, what it needs, and which kernel has it", function()
    local got = run(OPTIONS:format "" .. RULES, "true")
    assert.equal(3, got.status)
    assert.equal(FROM .. "\n" .. SEND
      .. "\ntake these rules out, or let best_effort = true in policy {} leave them out\n",
      got.err:match "^tidegate: (.-\n)tidegate: ")
    assert.equal("", got.out)
  end)

  it("is enforced without those rules, with best_effort, and says so", function()
    local got = run(OPTIONS:format ", best_effort = true" .. RULES
      .. 'deny { "no", connect = "192.0.2.3", '
      .. 'errno = "EXDEV" }\n', "sh", "-c", "nc -z -w1 192.0.2.3 1; true")
    assert.equal("tidegate: " .. FROM .. "; the rule is left out\ntidegate: " .. SEND
      .. "; the rule is left out\n",
      got.err:match "^(.-the rule is left out\n.-the rule is left out\n)")
    assert.truthy(got.err:match 'deny    no  connect 192%.0%.2%.3:1  EXDEV', got.err)
    assert.equal(0, got.status)
  end)

  it("is refused with best_effort too, if no rule is the cause", function()
    local lines = { OPTIONS:format ", best_effort = true" }
    for index = 1, 65 do
      lines[#lines + 1] = ('deny { connect = "192.0.2.%d" }\n'):format(index)
    end
    local got = run(table.concat(lines), "true")
    assert.equal(3, got.status)
    assert.equal(("tidegate: policy: needs more than 64 rules, which this kernel, Linux %s, does "
      .. "not have; Linux 99.3 and newer do\n"):format(KERNEL), got.err:match "^[^\n]*\n")
  end)

  it("is reported by the doctor as such", function()
    local got = command.start({ command.path, "doctor" }, { env = { TIDEGATE_LIBRARY = needy } })
      :wait()
    assert.truthy(got.out:find("WARN  effects            all except source, more than 64 rules\n"
      .. (" "):rep(25)
      .. "> rules that need them need Linux 99.3, built with CONFIG_CGROUP_BPF=y; best_effort = "
      .. "true in policy {} leaves such rules out\n", 1, true), got.out)
    assert.truthy(got.out:find("WARN  hooks              all except sendmsg4\n", 1, true), got.out)
  end)
end)

describe("best_effort", function()
  it("is true or false", function()
    assert.equal("web.lua:1: policy: best_effort: wants true or false; got 1",
      env.refusal "policy { best_effort = 1 }")
  end)
end)

--- Whether this kernel has the hooks of unix sockets, as the doctor found.
local function has_unix_hooks()
  return not command.tidegate("doctor").out:find("all except connect_unix", 1, true)
end

describe("a rule for unix sockets", function()
  local RULE = [[deny { "docker", connect = "unix:/run/docker.sock" }]] .. "\n"
  local NEED = unsupported(2, 'deny "docker"', "the hook connect_unix", "6.7")

  it("is accepted by kernels that have the hooks; others say which kernel has them", function()
    local gate = assert(tidegate.compile(OPTIONS:format "" .. RULE, "web.lua"))
    local ok, message, errno = gate:commit()
    if has_unix_hooks() then
      assert.is_true(ok)
    else
      assert.equal(NEED
        .. "\ntake these rules out, or let best_effort = true in policy {} leave them out", message)
      assert.equal(95, errno)
    end
    gate:close()
  end)

  it("is left out with best_effort, if need be, and no other rule is", function()
    local gate = assert(tidegate.compile(OPTIONS:format ", best_effort = true" .. RULE .. RULES,
      "web.lua"))
    assert(gate:commit())
    assert.same(has_unix_hooks() and {} or { NEED .. "; the rule is left out" }, gate:warnings())
    assert.is_false(gate:status().staged)
    assert.same(has_unix_hooks(), table.concat(gate:status().hooks, " "):find "connect_unix" ~= nil)
    gate:close()
  end)
end)

describe("this kernel", function()
  it("has all that the language can ask for, so best_effort leaves nothing out", function()
    local gate = assert(tidegate.compile(OPTIONS:format ", best_effort = true" .. RULES))
    assert.same({}, gate:warnings())
    assert(gate:commit())
    assert.same({}, gate:warnings())
    assert.same({}, assert(gate:image()):lacks())
    local struct = library.sized "struct tg_lack"
    struct.size = 1
    assert.equal(-22, library.C.tg_image_lack(gate:image().cdata, 0, struct))
    assert.equal(("tg_image_lack: size is 1, not %d"):format(ffi.sizeof "struct tg_lack"),
      ffi.string(library.C.tg_error()))
    gate:close()
  end)
end)

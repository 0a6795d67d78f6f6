-- What the kernel does not support.  The command runs with a library whose table of
-- kernel features has rows that the kernel must refuse.

local command = require "spec.support.command"
local env = require "spec.support.env"
local tidegate = require "tidegate"
local uv = require "luv"

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
local SKIP = ', unsupported = "skip"'
local RULES = [[
rewrite { "redirect", connect = "192.0.2.1:80", to = "127.0.0.1:9" }
allow { "from", connect = "127.0.0.1", bind_source = "127.0.0.2" }
deny { "send", egress = "192.0.2.2", errno = "EXDEV" }
]]

local function unsupported(line, rule, need, linux)
  return ("web.lua:%d: %s: needs %s, which this kernel, Linux %s, does not have; Linux %s and "
    .. "newer do")
    :format(line, rule, need, KERNEL, linux)
end

local FROM = unsupported(3, 'allow "from"', "bind_source", "99.1")
local SEND = unsupported(4, 'deny "send"', "the hook sendmsg4", "99.2")
local REMEDY = '\ntake these rules out, or let unsupported = "skip" in policy {} skip them'
local SKIPPED = "; the rule is skipped"
local DENY_SKIPPED = "; the rule is skipped, and what it denies gets through"

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

  --- What a script prints that asks the image of the rules what the kernel does not have.
  local function ask(...)
    local script = env.write(folder .. "/ask.lua", ([[
      package.path = %q
      local image = assert(require("tidegate").load_text(%q, "web.lua")):compile()
      local found, message, errno = image:unsupported()
      for _, one in ipairs(found or {}) do print(one.rule, one.text) end
      print(message, errno)
    ]]):format(package.path, OPTIONS:format "" .. RULES))
    assert(uv.fs_chmod(folder, tonumber("755", 8)))
    local words = { ... }
    words[#words + 1], words[#words + 2] = "luajit", script
    return command.run(words, { env = { TIDEGATE_LIBRARY = needy } })
  end

  it("says so before it is published", function()
    local got = ask "env"
    assert.equal("", got.err)
    assert.equal(("from\t%s\nsend\t%s\nnil\tnil\n"):format(FROM, SEND), got.out)
  end)

  it("says nothing certain to a process that may not ask the kernel", function()
    local got = ask("setpriv", "--reuid=65534", "--clear-groups")
    assert.equal("", got.err)
    assert.equal("cannot find out what this kernel has: needs CAP_BPF, CAP_NET_ADMIN and "
      .. "CAP_PERFMON; run `tidegate doctor`\t1\n", got.out)
  end)

  it("is refused: each rule, what it needs, and which kernel has it", function()
    local got = run(OPTIONS:format "" .. RULES, "true")
    assert.equal(125, got.status)
    assert.equal(FROM .. "\n" .. SEND .. REMEDY .. "\n",
      got.err:match "^tidegate: (.-\n)tidegate: ")
    assert.equal("", got.out)
  end)

  it('is enforced without those rules, with unsupported = "skip", and says so', function()
    local got = run(OPTIONS:format(SKIP) .. RULES
      .. 'deny { "no", connect = "192.0.2.3", '
      .. 'errno = "EXDEV" }\n', "sh", "-c", "nc -z -w1 192.0.2.3 1; true")
    assert.equal(("tidegate: %s\ntidegate: %s\n"):format(FROM .. SKIPPED, SEND .. DENY_SKIPPED),
      got.err:match "^([^\n]*\n[^\n]*\n)")
    assert.truthy(got.err:match 'deny    no  connect 192%.0%.2%.3:1  EXDEV', got.err)
    assert.equal(0, got.status)
  end)

  it("is refused all the same, if no rule is the cause", function()
    local lines = { OPTIONS:format(SKIP) }
    for index = 1, 65 do
      lines[#lines + 1] = ('deny { connect = "192.0.2.%d" }\n'):format(index)
    end
    local got = run(table.concat(lines), "true")
    assert.equal(125, got.status)
    assert.equal(("tidegate: policy: needs more than 64 rules, which this kernel, Linux %s, does "
      .. "not have; Linux 99.3 and newer do\n"):format(KERNEL), got.err:match "^[^\n]*\n")
  end)

  it("is reported by the doctor as such", function()
    local got = command.start({ command.path, "doctor" }, { env = { TIDEGATE_LIBRARY = needy } })
      :wait()
    assert.truthy(got.out:find(
      "WARN  effects            all except bind_source, more than 64 rules\n"
      .. (" "):rep(25)
      .. "> rules that need them need Linux 99.3, built with CONFIG_CGROUP_BPF=y; unsupported = "
      .. '"skip" in policy {} skips such rules\n', 1, true), got.out)
    assert.truthy(got.out:find("WARN  hooks              all except sendmsg4\n", 1, true), got.out)
  end)
end)

describe("unsupported", function()
  it('is "fail" or "skip"', function()
    for value, hint in pairs { ["true"] = "", ['"warn"'] = '; write "skip"' } do
      assert.equal(('web.lua:1: policy: unsupported: wants "fail" or "skip"; got %s%s')
        :format(value, hint),
        env.refusal(("policy { unsupported = %s }"):format(value)))
    end
    assert.equal("", env.refusal 'policy { unsupported = "fail" }')
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
    local gate = assert(tidegate.load_text(OPTIONS:format "" .. RULE, "web.lua"))
    local ok, message, errno = gate:commit()
    if has_unix_hooks() then
      assert(ok, message)
    else
      assert.equal(NEED .. REMEDY, message)
      assert.equal(95, errno)
    end
    gate:close()
  end)

  it("is skipped where the policy says so, and no other rule is", function()
    local gate = assert(tidegate.load_text(OPTIONS:format(SKIP) .. RULE .. RULES, "web.lua"))
    assert(gate:commit())
    local expected = has_unix_hooks() and {} or { { rule = "docker", text = NEED .. DENY_SKIPPED } }
    assert.same(expected, gate:skipped())
    assert.same(expected, gate:status().skipped)
    assert.is_false(gate:status().staged)
    assert.same(has_unix_hooks(), table.concat(gate:status().hooks, " "):find "connect_unix" ~= nil)
    gate:close()
  end)
end)

describe("this kernel", function()
  it("has all that the language can ask for, so nothing is skipped", function()
    local gate = assert(tidegate.load_text(OPTIONS:format(SKIP) .. RULES))
    assert.same({}, gate:skipped())
    assert(gate:commit())
    assert.same({}, gate:skipped())
    local found, message = assert(gate:compile()):unsupported()
    assert.same({}, found)
    assert.is_nil(message)
    gate:close()
  end)
end)

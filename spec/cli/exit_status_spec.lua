-- The exit statuses of the command: the whole table.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local uv = require "luv"

local POLICY = "examples/01-first-light.lua"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("the exit status", function()
  local own, folder, bad, plain, image

  setup(function()
    own, folder = command.enter_cgroup(), env.folder()
    assert(uv.fs_chmod(folder, 493)) -- 0755
    bad, plain = env.write(folder .. "/bad.lua", "deny {}"), env.write(folder .. "/plain", "")
    image = folder .. "/image"
  end)
  teardown(function()
    env.clean()
    command.leave_cgroup()
  end)

  --- BAD is a wrong policy, OWN our cgroup; the words after "nobody" are run without privileges.
  local function run(line, extra)
    local words = {}
    line = line:gsub("POLICY", POLICY):gsub("BAD", bad):gsub("OWN", own):gsub("PLAIN", plain)
      :gsub("IMAGE", image)
    local nobody
    line, nobody = line:gsub("^nobody ", "")
    for word in (nobody > 0 and "setpriv --reuid=65534 --clear-groups " or "")
      :gsub("$", command.path .. " " .. line):gmatch "%S+" do
      words[#words + 1] = word
    end
    return command.run(words, { env = extra })
  end

  local cases = {
    { 0, "run POLICY -- true" },
    { 1, "run POLICY -- false" },
    { 125, "run BAD -- true", "policy" },
    { 125, "run /none/such -- true", "policy" },
    { 125, "run POLICY -- ", "usage" },
    { 125, "run --log /none/such POLICY -- true", "usage" },
    { 125, "nobody run POLICY -- true", "kernel" },
    { 126, "run POLICY -- PLAIN", "command" },
    { 127, "run POLICY -- /none/such", "command" },
    { 1, "serve BAD OWN", "policy" },
    { 2, "serve POLICY", "usage" },
    { 2, "serve POLICY /none/such", "usage" },
    { 3, "nobody serve POLICY OWN", "kernel" },
    { 0, "check POLICY" },
    { 1, "check BAD" },
    { 2, "check --bogus" },
    { 0, "explain POLICY connect 1.2.3.4:80" },
    { 1, "explain BAD connect 1.2.3.4:80" },
    { 2, "explain POLICY connect 1.2.3.4.5:80" },
    { 0, "compile POLICY -o IMAGE" },
    { 1, "compile BAD -o IMAGE" },
    { 2, "compile POLICY -o /none/such/image" },
    { 0, "repl -e 1" },
    { 1, "repl -e error()" },
    { 9, "repl -e exit(9)" },
    { 3, "nobody repl -e attach'self'" },
    { 2, "list" },
    { 2, "" },
    { 0, "--help" },
  }
  for _, case in ipairs(cases) do
    it(("is %d: tidegate %s"):format(case[1], case[2]), function()
      assert.equal(case[1], run(case[2]).status)
      if case[3] then
        local got = run((case[2]:gsub("run ", "run --json ", 1):gsub("serve ", "serve --json ", 1)))
        assert.equal(case[1], got.status)
        local failure = cjson.decode((got.err:match "([^\n]*)\n$")) -- after a remark
        assert.same({ case[3], case[1] }, { failure.failure, failure.status })
        assert.equal(case[3] == "kernel", failure.remedy ~= nil)
      end
    end)
  end

  it("is that of the command of run, or 128 + N if signal N ended it", function()
    for script, status in pairs { ["exit 3"] = 3, ["exit 125"] = 125, ["kill -KILL $$"] = 137 } do
      assert.equal(status, command.tidegate("run", POLICY, "--", "sh", "-c", script).status)
    end
  end)

  it("is 125 if Tidegate itself is broken", function()
    for _, line in ipairs { "run POLICY -- true", "check POLICY" } do
      assert.equal(125, run(line, { TIDEGATE_LIBRARY = "/none/such.so" }).status)
    end
  end)
end)

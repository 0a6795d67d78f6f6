-- What a policy may do beyond its language is said by who loads it: --trust, { trust = true }.

local command = require "spec.support.command"
local env = require "spec.support.env"
local tidegate = require "tidegate"

describe("without --trust", function() -- C3
  local folder, policy, mark

  setup(function()
    folder = env.folder()
    mark = folder .. "/mark"
    policy = env.write(folder .. "/web.lua", ([[
      local out = io.open(%q, "w")
      out:write(require("ffi").os, os.getenv "HOME" and "" or "")
      out:close()
      deny { "x", connect = "10.0.0.0/8" }]]):format(mark))
    if not command.no_kernel() then
      command.enter_cgroup()
    end
  end)
  teardown(function()
    env.clean()
    if not command.no_kernel() then
      command.leave_cgroup()
    end
  end)

  --- Every command that loads a policy; POLICY and TRUST are replaced.
  local COMMANDS = {
    "check TRUST POLICY", "explain TRUST POLICY connect 1.2.3.4:80",
    "compile TRUST POLICY -o " .. "IMAGE", "run TRUST -n POLICY -- true",
    "run TRUST POLICY -- true", "serve TRUST -n POLICY self", "repl TRUST POLICY -e rules",
  }

  local function run(line, trust)
    os.remove(mark)
    local words = { command.path }
    for word in line:gmatch "%S+" do
      word = ({ TRUST = trust, POLICY = policy, IMAGE = folder .. "/out.image" })[word] or word
      words[#words + 1] = word ~= "" and word or nil
    end
    local got = command.run(words)
    return got, io.open(mark) ~= nil
  end

  for _, line in ipairs(COMMANDS) do
    it("a policy has no files: " .. line, function()
      local got, marked = run(line, "")
      assert.is_false(marked)
      assert.equal(policy .. ':1: unknown name "io"; it is not for every policy; whoever loads '
        .. "the policy can allow it, with --trust, or in Lua with { trust = true }\n", got.err)
      assert.not_equal(0, got.status)
      if command.no_kernel() == nil or not line:find "^run" and not line:find "^serve" then
        got, marked = run(line, "--trust")
        assert.equal(0, got.status, got.err)
        assert.is_true(marked)
      end
    end)
  end

  it("the file cannot say so itself", function()
    for _, text in ipairs { "policy { trust = true }", "trust = true", "trust()", "io = 1" } do
      local gate, message = tidegate.load_text(text, "web.lua")
      assert.is_nil(gate, text)
      assert.is_string(message)
    end
  end)

  it("handlers have no more than the file", function()
    local path = env.write(folder .. "/handler.lua", [[
      after("1ms", function() print("io: " .. tostring((pcall(function() return io.open end)))) end)
      after("2ms", function() print((select(2, pcall(require, "ffi")))) end)]])
    if command.no_kernel() then
      return pending(command.no_kernel())
    end
    local got = command.tidegate("run", "-q", path, "--", "sleep", "0.1")
    assert.equal("", got.out)
    assert.equal('io: false\n' .. path .. ':2: require: there is no module "ffi" in the folder of '
      .. "the policy, and others are not for every policy; whoever loads the policy can allow it, "
      .. "with --trust, or in Lua with { trust = true }\n", got.err)
  end)

  it("what is typed at the prompt is the caller's own", function()
    local got = command.tidegate("repl", "-e", "print(io.open ~= nil, require('ffi').os)")
    assert.same({ 0, "true\tLinux\n" }, { got.status, got.out })
  end)
end)

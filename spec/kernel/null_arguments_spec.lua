-- NULL in place of each pointer that a public function takes: an error that names it, or, where the
-- header says that nobody need want the result, the same as without.

local command = require "spec.support.command"
local env = require "spec.support.env"
local native = require "spec.support.native"
local null_calls = require "spec.support.null_calls"
local sandbox = require "spec.support.sandbox"

--- What the header allows to be NULL, beside results: its comments say what NULL means.
local allowed = {
  ["tg_list_add_product addrs"] = true,
  ["tg_list_add_product ports"] = true,
  ["tg_policy_new name"] = true,
  ["tg_policy_declare_set options"] = true,
  ["tg_policy_declare_services options"] = true,
  ["tg_gate_new options"] = true,
  ["tg_gate_attach options"] = true,
  ["tg_gate_detach target"] = true,
  ["tg_image_decide gate"] = true,
  ["tg_image_candidate_next gate"] = true,
  ["tg_image_mismatch gate"] = true,
  ["tg_event_format gate"] = true,
}

--- These give a name or bytes, never an error: NULL for NULL.
local names = {
  ["tg_image_bytes image"] = true, ["tg_gate_rule_name gate"] = true,
  ["tg_gate_rule_message gate"] = true,
}

sandbox.describe("NULL", function(here)
  teardown(env.clean)

  -- F4
  it("is refused by name, or is a result that nobody wants, in every public function", function()
    local folder = env.folder()
    local made = command.run { "make", "-s", "B=" .. command.build, command.build .. "/tidegate.h" }
    assert.equal(0, made.status, made.err)
    env.write(folder .. "/null_calls.h", null_calls.source())
    local text = native.run("null_arguments", here.cgroup .. " " .. folder, nil, folder)
    local calls, refused, plain = 0, 0, {}
    for line in text:gmatch "[^\n]+" do
      local func, param, result, message = line:match "^(tg_[%l%d_]+) (%S+) (%-?%d+) ?(.*)$"
      assert.truthy(func, line)
      calls = calls + 1
      result = tonumber(result)
      if param == "-" then
        plain[func] = result
        assert.is_true(result >= 0, line)
      elseif result < 0 then
        refused = refused + 1
        assert.equal(-22, result, line)
        assert.is_nil(allowed[func .. " " .. param], line)
        assert.truthy(message == func .. ": " .. param .. " is NULL"
          or message:find "struct tg_[%l_]+: the pointer to it is NULL$", line)
      elseif not (func:find "_free$" or func == "tg_gate_close") then
        local what = func .. " " .. param
        assert.truthy(allowed[what] or names[what] or null_calls.is_result(func, param), line)
        assert.equal(plain[func], result, line)
      end
    end
    assert.is_true(calls > 240 and refused > 110, ("%d calls, %d refused"):format(calls, refused))
  end)
end)

-- The diff of two policies, and going back to an earlier policy.

local diff = require "tidegate.diff"
local gates = require "tidegate.gate"
local tidegate = require "tidegate"

local function text(lines)
  return table.concat(lines, "\n")
end

describe("a diff", function()
  local cases = {
    { "", "", "" }, { "a", "a", "" }, { "a", "", "- a" }, { "", "a", "+ a" },
    { "a b c", "a c", "- b" }, { "a c", "a b c", "+ b" }, { "a b", "b a", "- a\n+ a" },
    { "a b c a b b a", "c b a b a c", "- a\n- b\n+ b\n- b\n+ c" },
  }
  for _, case in ipairs(cases) do
    it(("from %q to %q"):format(case[1], case[2]), function()
      assert.equal(case[3], tostring(diff.new(case[1]:gsub(" ", "\n"), (case[2]:gsub(" ", "\n")))))
    end)
  end

  --- Whether a diff removes only lines of `from`, and adds only lines of `to`, in order.
  local function is_minimal_and_right(from, to)
    local found = diff.new(text(from), text(to))
    local gone, come, kept = {}, {}, {}
    for _, change in ipairs(found) do
      local into = change.sign == "-" and gone or come
      into[#into + 1] = change.text
    end
    assert.equal(#from - #gone, #to - #come)
    -- Without them as many lines remain on both sides.
    local function without(lines, taken)
      local rest, at = {}, 1
      for _, line in ipairs(lines) do
        if taken[at] == line then at = at + 1 else rest[#rest + 1] = line end
      end
      return rest, at == #taken + 1
    end
    kept[1] = without(from, gone)
    kept[2] = without(to, come)
    return #kept[1] == #kept[2]
  end

  it("is right for random texts", function()
    math.randomseed(1)
    for _ = 1, 300 do
      local from, to = {}, {}
      for _, lines in ipairs { from, to } do
        for _ = 1, math.random(0, 12) do
          lines[#lines + 1] = string.char(96 + math.random(4))
        end
      end
      assert.is_true(is_minimal_and_right(from, to))
    end
  end)

  it("replaces everything if the texts have nothing in common", function()
    local from, to = {}, {}
    for index = 1, 3000 do
      from[index], to[index] = "a" .. index, "b" .. index
    end
    assert.equal(6000, #diff.new(text(from), text(to)))
  end)
end)

describe("gate:diff", function()
  it("reports what one gate has and another does not", function()
    local one = assert(tidegate.load_text [[policy { name = "web" }
deny { "a", connect = "10.0.0.1" }
deny { connect = "10.0.0.2" }]])
    local other = assert(tidegate.load_text 'policy { name = "web" } deny { connect = "10.0.0.2" }')
    assert.equal('+ deny { "a", connect = "10.0.0.1" }', tostring(one:diff(other)))
    assert.equal('- deny { "a", connect = "10.0.0.1" }', tostring(other:diff(one)))
    assert.equal("", tostring(one:diff(one)))
    one:rules()[1]:remove()
    assert.equal(0, #one:diff(other))
    one:policy { default = "deny" }
    assert.equal('- policy { name = "web", default = "allow" }\n'
      .. '+ policy { name = "web", default = "deny" }',
      tostring(one:diff(other)))
  end)

  it("requires a gate", function()
    assert.has_error(function() tidegate.new():diff {} end,
      "diff: wants another gate; got a table")
  end)
end)

describe("a policy", function()
  it("goes back to a snapshot, with its handles", function()
    local gate = assert(tidegate.load_text [[
      policy { name = "web" } deny { "a", connect = "10.0.0.1" }
    ]])
    local before, snapshot = gate:dump(), gates.state(gate).source:snapshot()
    local kept = gate:rules()[1]
    kept:remove()
    local added = gate:deny { "b", connect = "10.0.0.2" }
    gate:policy { default = "deny", on_error = "deny", name = "other", unsupported = "skip" }
    gates.state(gate).source:restore(snapshot)
    assert.equal(before, gate:dump())
    assert.is_false(kept.removed)
    assert.is_true(added.removed)
    assert.is_nil(gates.state(gate).source.options.unsupported)
    assert.equal(kept, gate:rules()[1])
    gate:deny { "b", connect = "10.0.0.2" } -- the name is free again
  end)
end)

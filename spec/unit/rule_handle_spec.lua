-- The handles of rules: what they show, and how they change a policy.

local tidegate = require "tidegate"

local ENOENT, EINVAL = 2, 22

--- What a function raises, with HERE for the place in this file.
local function raised(misuse)
  local ok, message = pcall(misuse)
  assert.is_false(ok)
  return (message:gsub("^spec/unit/rule_handle_spec.lua:%d+: ", "HERE: ", 1))
end

describe("a rule's handle", function()
  local gate, first

  before_each(function()
    gate = tidegate.new "web"
    first = gate:deny { "first", connect = "192.0.2.1", errno = "EACCES" }
    gate:deny { "second", connect = "192.0.2.2" }
  end)

  local function order()
    local names = {}
    for position, rule in ipairs(gate:rules()) do
      names[position] = rule.name
    end
    return table.concat(names, " ")
  end

  it("shows the rule, and cannot be written to", function()
    assert.same({ "first", "deny", 0, false }, { first.name, first.verb, first.hits,
      first.removed })
    assert.equal([[deny { "first", connect = "192.0.2.1", errno = "EACCES" }]], tostring(first))
    assert.equal(first, gate:rules()[1])
    assert.is_false(getmetatable(first))
    assert.equal("HERE: rule.verb cannot be assigned to; rule:replace { … } stages another rule in "
      .. 'its place, and rule:move("before", "dns") another place',
      raised(function() first.verb = "allow" end))
    assert.equal('HERE: a rule has no "hit"; did you mean "hits"?',
      raised(function() return first.hit + 1 end))
    assert.equal('HERE: a rule has no "delete"; write rule:remove()',
      raised(function() first:delete() end))
    assert.is_nil(first.anything)
    assert.equal("HERE: remove: call it with a colon, as in rule:remove()",
      raised(function() first.remove(); return 1 end))
  end)

  it("moves the rule", function() -- E6
    gate:deny { "third", connect = "192.0.2.3" }
    local steps = {
      { "before", "third", "second first third" }, { "last", nil, "second third first" },
      { "before", "second", "first second third" }, { "before", "first", "first second third" },
      { "after", "second", "second first third" }, { "after", "third", "second third first" },
      { "first", nil, "first second third" }, { "after", "second", "second first third" },
    }
    for _, step in ipairs(steps) do
      assert(first:move(step[1], step[2]))
      assert.equal(step[3], order())
    end
    assert.same({ 'move: before: there is no rule "thrid"; did you mean "third"?', ENOENT },
      { select(2, first:move("before", "thrid")) })
    assert.same({ 'move: after: there is no rule "dns"; name one that is there already', ENOENT },
      { select(2, first:move("after", "dns")) })
    local wants =
      'HERE: move: wants "before" or "after" and the name of a rule, "first" or "last"; '
    for got, arguments in pairs {
      ['got "bfore"; did you mean "before"?'] = { "bfore", "second" },
      ['got "second"'] = { "second" }, ["got nil"] = {}, ["got 1"] = { 1 },
      ["got a table"] = { { before = "second" } },
    } do
      assert.equal(wants .. got, raised(function() first:move(unpack(arguments)) end))
    end
    assert.equal("HERE: move: before: wants the name of a rule; got nil",
      raised(function() first:move "before" end))
    assert.equal('HERE: move: "first" stands alone; got "second" after it',
      raised(function() first:move("first", "second") end))
    assert.equal("second first third", order())
  end)

  it("replaces the rule in its place, under its name", function()
    local before = gate:dump()
    assert.equal(first, first:replace { connect = "192.0.2.9" })
    assert.equal([[deny { "first", connect = "192.0.2.9" }]], tostring(first))
    assert.matches("^spec/unit/rule_handle_spec.lua:%d+$", first.where)
    assert(first:replace { "other", connect = "192.0.2.1", errno = "EACCES" })
    assert.equal("other second", order())
    assert(first:replace { "first", connect = "192.0.2.1", errno = "EACCES" })
    assert.equal(before, gate:dump())
    local changed, message, errno = first:replace { conect = "192.0.2.1" }
    assert.is_nil(changed)
    assert.matches('^spec/unit/rule_handle_spec.lua:%d+: deny "first": unknown field "conect"; '
      .. 'did you mean "connect"%?$', message)
    assert.equal(EINVAL, errno)
    changed, message, errno = first:replace { "second", connect = "192.0.2.1" }
    assert.is_nil(changed)
    assert.matches('deny "second": the name is taken by ', message)
    assert.equal(17, errno) -- EEXIST, as in C
    changed, message, errno = first:replace { connect = "192.0.2.1", before = "second" } -- E6
    assert.is_nil(changed)
    assert.matches('deny "first" says before = "second", but a rule that replaces another one has '
      .. 'its place; rule:move%("before", "second"%) changes it$', message)
    assert.equal(EINVAL, errno)
    assert.equal(before, gate:dump())
  end)

  it("says that a removed rule cannot be changed", function()
    first:remove()
    first:remove()
    assert.is_true(first.removed)
    assert.same({ 'move: rule "first" was removed', ENOENT }, { select(2, first:move "last") })
    assert.same({ 'replace: rule "first" was removed', ENOENT },
      { select(2, first:replace { connect = "*" }) })
    assert.equal("second", order())
  end)
end)

describe("gate:add", function()
  local gate
  before_each(function() gate = tidegate.new "web" end)

  it("adds a rule at the end, or beside another one", function() -- E6
    assert.equal("allow", assert(gate:add("allow", { "last", connect = "*" })).verb)
    local added = assert(gate:add("deny", { "first", connect = "192.0.2.1" }, { before = "last" }))
    assert.equal(added, gate:rules()[1])
    assert.equal("deny", gate:decide({ connect = "192.0.2.1:80" }).verb)
    assert(gate:add("deny", { "second", connect = "192.0.2.2" }, { after = "first" }))
    assert(gate:add("deny", { "third", connect = "192.0.2.3", before = "last" }))
    gate:deny { "fourth", connect = "192.0.2.4", after = "third" }
    local names = {}
    for position, rule in ipairs(gate:rules()) do
      names[position] = rule.name
    end
    assert.same({ "first", "second", "third", "fourth", "last" }, names)
  end)

  it("returns what is wrong with a rule, and changes nothing", function()
    gate:allow { "last", connect = "*" }
    local before = gate:dump()
    local function refused(...)
      local added, message, errno = gate:add(...)
      assert.is_nil(added)
      return (message:gsub("^spec/unit/rule_handle_spec.lua:%d+: ", "HERE: ", 1)), errno
    end
    assert.same({ 'HERE: deny "x": connect: "192.0.2": an IPv4 address has four numbers, this one '
      .. "has 3", EINVAL }, { refused("deny", { "x", connect = "192.0.2" }) })
    assert.same({ 'add: unknown verb "denny"; did you mean "deny"?', EINVAL },
      { refused("denny", { connect = "*" }) })
    assert.same({ 'add: unknown verb "drop"; write deny { … }', EINVAL },
      { refused("drop", { connect = "*" }) })
    assert.same({ 'HERE: deny "x": before: there is no rule "lst"; did you mean "last"?', ENOENT },
      { refused("deny", { "x", connect = "*" }, { before = "lst" }) })
    assert.same({ 'HERE: deny "x" says before = "last", and the place is given beside it; leave '
      .. "one out", EINVAL },
      { refused("deny", { "x", connect = "*", before = "last" }, { before = "last" }) })
    assert.same({ 'HERE: deny "x" says both before and after; a rule has one place', EINVAL },
      { refused("deny", { "x", connect = "*", before = "last", after = "last" }) })
    assert.equal(EINVAL, (select(2, refused("deny", "*"))))
    assert.equal(before, gate:dump())
    assert.equal("HERE: add: before: wants the name of a rule; got 1",
      raised(function() gate:add("deny", { connect = "*" }, { before = 1 }) end))
    assert.equal('HERE: add: unknown place "bfore"; did you mean "before"?',
      raised(function() gate:add("deny", { connect = "*" }, { bfore = "last" }) end))
    assert.equal('HERE: add: wants a place such as { before = "dns" }; got "last"',
      raised(function() gate:add("deny", { connect = "*" }, "last") end))
    assert.equal("HERE: add: says both before and after; a rule has one place",
      raised(function() gate:add("deny", { connect = "*" }, { before = "a", after = "b" }) end))
    assert.equal('HERE: deny: wants one table; got a table after it; its place is a field: '
      .. 'before = "dns"', raised(function()
      gate:deny({ connect = "*" }, { before = "last" })
    end))
  end)
end)

describe("the rules of an image file", function()
  it("cannot be written to", function()
    local path = os.tmpname()
    local written = tidegate.new "web"
    written:deny { "x", connect = "192.0.2.1" }
    assert(assert(written:compile()):save(path))
    local gate = assert(tidegate.load(path))
    os.remove(path)
    local rule = gate:rules()[1]
    assert.same({ "x", "deny", 0, nil }, { rule.name, rule.verb, rule.hits, rule.last })
    assert.equal([[deny { "x", connect = "192.0.2.1" }]], tostring(rule))
    assert.equal("HERE: rule.verb cannot be assigned to; the gate comes from an image file, which "
      .. "has no rules to change", raised(function() rule.verb = "allow" end))
    assert.equal("HERE: add: the gate comes from an image file, which has no rules to change",
      raised(function() gate:add("deny", { connect = "*" }) end))
  end)
end)

describe("the place that a rule of a policy file says", function() -- E6
  local function order(text)
    local gate = assert(tidegate.load_text(text, "web.lua"))
    local names = {}
    for position, rule in ipairs(gate:rules()) do
      names[position] = rule.name
    end
    return table.concat(names, " "), gate
  end

  it("is where it is put, and its dump has that order", function()
    local names, gate = order [[
      deny { "lan", egress = "10.0.0.0/8" }
      deny { egress = "*" }
      allow { "dns", egress = "10.0.0.2:53", before = "lan" }
      allow { egress = "10.0.0.3", after = "lan" }
      deny { "late", egress = "10.0.0.4", before = "#2" }
    ]]
    assert.equal("dns lan #4 late #2", names)
    assert.equal("dns", gate:decide({ sendmsg = "10.0.0.2:53" }).rule)
    local explained = gate:explain { connect = "10.0.0.4:1" }
    assert.equal("lan", explained.decision.rule)
    assert.same({ "dns" }, { explained.steps[1].rule, explained.steps[2] })
    local again, loaded = order(gate:dump())
    assert.equal(names, again)
    assert.equal(gate:dump(), loaded:dump())
    assert.equal("", tostring(loaded:diff(gate)))
    -- What is added later takes no number that a rule has as its name already.
    names, gate = order [[
      deny { "#2", egress = "10.0.0.4" }
      deny { egress = "10.0.0.5" }
      deny { egress = "10.0.0.6" }
    ]]
    assert.equal("#2 #3 #4", names)
    assert.equal("#2 #3 #4", (order(gate:dump())))
  end)

  it("has to name a rule above", function()
    local _, message, errno = tidegate.load_text([[
deny { "x", egress = "*", before = "later" }
deny { "later", egress = "*" }
deny { "y", egress = "*", before = "latr" }
deny { "z", egress = "*", before = "later", after = "later" }
]], "web.lua")
    assert.equal([[
web.lua:1: deny "x": before: there is no rule "later"; name one that is there already
web.lua:3: deny "y": before: there is no rule "latr"; did you mean "later"?
web.lua:4: deny "z" says both before and after; a rule has one place]], message)
    assert.equal(ENOENT, errno)
  end)
end)

-- What users hold: gates and images, whose state lies behind them.

local handle = require "tidegate.handle"
local tidegate = require "tidegate"

--- What a function raises, with HERE for the place in this file.
local function raised(misuse)
  local ok, message = pcall(misuse)
  assert.is_false(ok)
  return (message:gsub("^spec/unit/handle_spec.lua:%d+: ", "HERE: ", 1))
end

describe("a gate", function()
  it("says what it is", function()
    local gate = tidegate.new "web"
    gate:deny { connect = "192.0.2.1" }
    assert.equal('gate "web": 1 rule, nothing published yet', tostring(gate))
    gate:deny { connect = "192.0.2.2" }
    assert.equal(2, #gate)
    assert.same({ "web", false }, { gate.name, gate.closed })
    gate:close()
    assert.equal('gate "web": closed', tostring(gate))
    assert.is_true(gate.closed)
    assert.equal("gate: 0 rules, nothing published yet", tostring(tidegate.new()))
  end)

  it("shows nothing of its inside, and cannot be written to", function()
    local gate = tidegate.new "web"
    assert.is_false(getmetatable(gate))
    assert.is_nil(gate.cdata)
    assert.equal('HERE: gate.onerror cannot be assigned to; write gate:on("error", fn)',
      raised(function() gate.onerror = print end))
    assert.equal("HERE: gate.name cannot be assigned to; write gate:policy { name = … }",
      raised(function() gate.name = "x" end))
    assert.equal("HERE: gate.x cannot be assigned to; its methods change a gate",
      raised(function() gate.x = 1 end))
    for _, name in ipairs(handle.names(gate)) do
      assert.is_false(name == "handle" or name == "revision" or name == "source", name)
    end
  end)

  it("leads from other words to its own", function()
    local gate = tidegate.new "web"
    for word, hint in pairs {
      image = "gate:compile()", findings = "gate:check()", warnings = "gate:skipped()",
      keep = "tidegate.load(PATH, { share = NAME })", timeout = "gate:next_timeout()",
      move = "gate:attach(TARGET, { only = true })", kill = "gate:kill_sockets(BACKEND)",
      onerror = 'gate:on("error", fn)', publish = "gate:commit()", list = "gate:rules()",
      save = "gate:dump()", stop = "gate:detach()", block = "gate:deny { … }",
    } do
      assert.equal(("HERE: a gate has no %q; write %s"):format(word, hint),
        raised(function() return gate[word](gate) end))
    end
    assert.equal('HERE: a gate has no "atach"; did you mean "attach"?',
      raised(function() gate:atach "self" end))
    assert.equal("HERE: commit: call it with a colon, as in gate:commit()",
      raised(function() gate.commit(); return 1 end))
    assert.equal("HERE: diff: wants another gate; got an image",
      raised(function() gate:diff(gate:compile()); return 1 end))
  end)

  it("says that it is closed, whatever is asked of it and of what it has", function() -- E4
    local gate = tidegate.new "web"
    local services = gate:services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" } }
    local set = gate:set "banned" { "192.0.2.1" }
    local rule = gate:deny { "x", connect = "@banned" }
    local timer, image = gate:every("1h", print), gate:compile()
    gate:close()
    local stays = { ["gate.close"] = true }
    local function each_method(object, noun, text)
      local asked = 0
      for _, name in ipairs(handle.names(object)) do
        local there, method = pcall(function() return object[name] end)
        if there and type(method) == "function" and not stays[noun .. "." .. name] then
          asked = asked + 1
          assert.equal("HERE: " .. text, raised(function() method(object, {}); return 1 end), name)
        end
      end
      assert.is_true(asked > 2, noun)
    end
    each_method(gate, "gate", "the gate is closed")
    each_method(rule, "rule", 'rule "x": its gate is closed')
    each_method(set, "set", 'set "banned": its gate is closed')
    each_method(services, "services", 'services "svc": their gate is closed')
    for _, field in ipairs { "hits", "suppressed", "last", "backends" } do
      assert.equal('HERE: rule "x": its gate is closed', raised(function() return rule[field] end))
    end
    assert.equal("HERE: the gate is closed", raised(function() return #gate end))
    assert.equal('HERE: set "banned": its gate is closed', raised(function() return #set end))
    assert.equal('HERE: set "banned": its gate is closed', raised(function() set {} end))
    assert.equal('HERE: services "svc": their gate is closed',
      raised(function() services["10.96.0.10:80/tcp"] = nil end))
    assert.equal("HERE: diff: the other gate is closed",
      raised(function() tidegate.new("x"):diff(gate); return 1 end))
    -- What needs no gate goes on.
    assert.same({ "x", "deny", false }, { rule.name, rule.verb, rule.removed })
    assert.equal('deny { "x", connect = "@banned" }', tostring(rule))
    assert.equal("deny", image:decide({ connect = "192.0.2.1:80" }).verb)
    timer:stop()
    gate:close()
  end)

  it("is freed even if a handler of it refers to it", function()
    local freed = setmetatable({}, { __mode = "k" })
    for _ = 1, 10 do
      local gate = tidegate.new "web"
      local rule = gate:deny { "x", connect = "192.0.2.1" }
      gate:on("x", function() return gate, rule end)
      freed[gate] = true
    end
    collectgarbage()
    collectgarbage()
    local left = 0
    for _ in pairs(freed) do
      left = left + 1
    end
    assert.is_true(left <= 1, left .. " are left") -- a slot of the stack may hold the last one
  end)
end)

describe("a handle of any kind", function() -- E1
  local gate = tidegate.new "web"
  local handles = {
    gate = gate, set = gate:set "banned" {}, services = gate:services "svc" {},
    rule = gate:deny { "x", connect = "192.0.2.1" }, timer = gate:every("1h", print),
    file = tidegate.file "x",
  }
  handles.image = gate:compile()

  for noun, object in pairs(handles) do
    it("cannot be written to: " .. noun, function()
      local names = handle.names(object)
      assert.is_true(#names > 0)
      for _, name in ipairs { "anything", unpack(names) } do
        assert.matches(("^HERE: %s.%s cannot be assigned to; "):format(noun, name),
          raised(function() object[name] = 1 end))
      end
      assert.is_false(getmetatable(object))
      assert.is_false(pcall(rawset, object, "x", 1))
      assert.is_false(pcall(setmetatable, object, {}))
      assert.is_false(tostring(object):find "0x" ~= nil)
    end)

    it("leads from a dot to the colon: " .. noun, function() -- I9
      for _, name in ipairs(handle.names(object)) do
        local method = object[name]
        if type(method) == "function" then
          for _, argument in ipairs { "192.0.2.1", {}, 7 } do
            assert.equal(("HERE: %s: call it with a colon, as in %s:%s()")
              :format(name, noun, name), raised(function() method(argument); return 1 end))
          end
        end
      end
    end)
  end

  it("leads from a colon to the dot: tidegate", function()
    assert.equal("HERE: load: call it with a dot, as in tidegate.load()",
      raised(function() tidegate:load "web.lua"; return 1 end))
  end)
end)

describe("an image", function()
  it("says what it is, and cannot be written to", function()
    local gate = tidegate.new "web"
    gate:deny { connect = "192.0.2.1" }
    local image = assert(gate:compile())
    assert.equal(image, gate:compile())
    assert.equal(('image "web": 1 rule, %d bytes'):format(image.bytes), tostring(image))
    assert.equal(1, #image)
    assert.is_nil(image.members)
    assert.equal("HERE: image.name cannot be assigned to; an image does not change",
      raised(function() image.name = "x" end))
    assert.equal('HERE: an image has no "findings"; write image:check()',
      raised(function() image:findings() end))
    assert.equal("HERE: save: wants a path; got nil",
      raised(function() image:save(); return 1 end))
  end)
end)

-- Questions to the simulator: a rule without a verb.

local tidegate = require "tidegate"

local POLICY = [[
policy  { name = "web", default = { connect = "deny", sendmsg = "allow" } }
deny    { "no-lan", egress = "10.0.0.0/8", errno = "EACCES" }
rewrite { "seed",   connect = "192.0.2.1:80", to = "127.0.0.1:8080" }
deny    { "docker", connect = "unix:/run/docker.sock" }
]]

local gate

setup(function() gate = assert(tidegate.load_text(POLICY, "web.lua")) end)

--- What decide() says about a question.
local function decided(question)
  return tostring(assert(gate:decide(question)))
end

--- The error that a question raises.
local function misuse(question)
  local ok, message = pcall(function() return gate:decide(question), 1 end)
  assert.is_false(ok)
  return (message:gsub("^spec/unit/question_spec.lua:%d+: decide: ", "", 1))
end

describe("a question", function()
  it("is a rule without a verb: an operation and conditions", function()
    assert.equal([[rewrite "seed" (web.lua:3): 192.0.2.1:80 -> 127.0.0.1:8080]],
      decided { connect = "192.0.2.1:80", uid = 33, comm = "curl" })
    assert.equal([[deny "docker" (web.lua:4): EPERM]],
      decided { connect = "unix:/run/docker.sock", uid = "root" })
  end)

  it("takes an endpoint in the forms of a rule", function()
    for _, endpoint in ipairs { "192.0.2.1:80", { addr = "192.0.2.1", port = 80 },
      { addr = "192.0.2.1:80" }, { addr = "192.0.2.1", port = "http" } } do
      assert.equal("seed", gate:decide { connect = endpoint }.rule)
    end
    assert.equal("[2001:db8::1]:80", gate:decide {
      connect = { addr = "2001:db8::1", port = 80 } }.asked)
  end)

  it("is about one call", function()
    assert.equal('wants a table such as { connect = "1.2.3.4:80", uid = 33 }; got nil', misuse())
    assert.equal("no operation is given; add connect, sendmsg, egress, bind, recvmsg, "
      .. "getpeername or getsockname", misuse { uid = 33 })
    assert.equal("connect and bind are given; ask about one call",
      misuse { connect = "1.2.3.4:80", bind = "1.2.3.4:80" })
    assert.equal([[connect: wants one endpoint such as "1.2.3.4:80"; got a table]],
      misuse { connect = { "1.2.3.4:80", "1.2.3.5:80" } })
    assert.equal([[connect: wants one endpoint such as "1.2.3.4:80"; got a table]],
      misuse { connect = { addr = "1.2.3.4", port = { 80, 443 } } })
    assert.equal([[connect: wants one endpoint such as "1.2.3.4:80"; got a set]],
      misuse { connect = tidegate.new():set "banned" })
    assert.equal("uid: wants a text or a number; got a table",
      misuse { connect = "1.2.3.4:80", uid = { 1, 2 } })
    assert.equal("proto: a unix socket has none; leave it out",
      misuse { connect = "unix:/x", proto = "tcp" })
    assert.equal([[family: the address is a unix socket's; got "inet"]],
      misuse { connect = "unix:/x", family = "inet" })
    assert.equal([["1.2.3.4": a call has one port: write ADDRESS:80]],
      select(2, gate:decide { connect = "1.2.3.4" }))
  end)

  it("leads from other words to its own", function()
    for key, message in pairs {
      op = [[unknown field "op"; the operation is the field, as in connect = "10.0.0.1:80"]],
      addr = [[unknown field "addr"; the address belongs to the operation, as in ]]
        .. [[connect = "10.0.0.1:80"]],
      port = [[unknown field "port"; the port belongs to the operation, as in ]]
        .. [[connect = "10.0.0.1:80"]],
      user = [[unknown field "user"; write uid]],
      conect = [[unknown field "conect"; did you mean "connect"?]],
      uidd = [[unknown field "uidd"; did you mean "uid"?]],
      errno = [["errno" says what a rule does; a question has one operation, and conditions]],
    } do
      assert.equal(message, misuse { connect = "1.2.3.4:80", [key] = "x" })
    end
    assert.equal([[unexpected value "no-lan"; a question is a rule without a verb and without a ]]
      .. "name", misuse { "no-lan", connect = "1.2.3.4:80" })
  end)
end)

describe("a question about egress", function()
  it("has the same answer for both calls, or two", function()
    assert.equal([[deny "no-lan" (web.lua:2): EACCES]], decided { egress = "10.0.0.1:80" })
    assert.equal("connect: deny by default: EPERM\nsendmsg: allow by default: 1.2.3.4:80",
      decided { egress = "1.2.3.4:80" })
    local both = gate:decide { egress = "1.2.3.4:80" }
    assert.same({ "deny", "allow" }, { both.connect.verb, both.sendmsg.verb })
  end)

  it("does not let one of its parts stand for both", function()
    local both = gate:decide { egress = "1.2.3.4:80" }
    local ok, message = pcall(function() return both.verb end)
    assert.is_false(ok)
    assert.matches("question_spec.lua:%d+: verb: the answer about egress has two parts; ask for "
      .. ".connect.verb or .sendmsg.verb$", message)
  end)

  it("is explained call by call", function()
    assert.equal([[
connect 10.0.0.1:80 tcp uid 0 gid 0
deny "no-lan" (web.lua:2): EACCES

sendmsg 10.0.0.1:80 udp uid 0 gid 0
deny "no-lan" (web.lua:2): EACCES]], tostring(gate:explain { egress = "10.0.0.1:80" }))
  end)
end)

describe("an explanation", function()
  it("lists ten rules, and counts the others", function()
    local long = tidegate.new()
    for number = 1, 14 do
      long:deny { connect = ("10.0.0.%d"):format(number) }
    end
    local explanation = long:explain { connect = "10.0.0.14:1" }
    assert.equal(13, #explanation.steps)
    local text = tostring(explanation)
    assert.equal(13, #text - #text:gsub("\n", "") + 1)
    assert.truthy(text:find("\n  and 3 more\ndeny \"#14\" ", 1, true), text)
  end)

  it("says of each rule why it did not decide", function()
    local gate_of = assert(tidegate.load_text([[
observe { "watch", connect = "10.0.0.0/8" }
deny    { "maybe", connect = "10.0.0.0/8", shadow = true }
deny    { "often", connect = "10.0.0.0/8", over = "100/s" }
deny    { "bind",  bind = "10.0.0.0/8" }
deny    { "who",   connect = "10.0.0.0/8:22", uid = 33, comm = "nginx" }
]], "web.lua"))
    local explanation = gate_of:explain { connect = "10.0.0.1:80" }
    local reasons = {}
    for index, step in ipairs(explanation.steps) do
      reasons[index] = step.rule .. ": " .. step.reason
    end
    assert.same({ "watch: observed", "maybe: matches, but is a shadow", "often: only over 100/s",
      "who: port, uid and comm differ" }, reasons)
  end)
end)

-- Completion: what is offered at each place.

local command = require "spec.support.command"
local complete = require "tidegate.repl.complete"
local env = require "spec.support.env"
local gates = require "tidegate.gate"
local scan = require "tidegate.repl.scan"
local tidegate = require "tidegate"
local uv = require "luv"

describe("a place in a line", function()
  local function spot(text)
    local found = scan.spot(text)
    found.used = found.used and next(found.used) and found.used or nil
    return found
  end

  it("is known by the function, the field and the quotes that it is in", function()
    assert.same({ word = "de", quoted = false }, spot "de")
    assert.same({ word = "de", quoted = false }, spot "x = 1; de")
    assert.same({ word = "", quoted = false }, spot "")
    assert.same({ word = "eg", quoted = false, callee = "deny" }, spot [[deny { "x", eg]])
    assert.same({ word = "ui", quoted = false, callee = "deny", used = { egress = true } },
      spot [[deny { "x", egress = { "10.0.0.0/8", "!10.1.0.0/16" }, ui]])
    assert.same({ word = "10.", quoted = true, callee = "deny", key = "egress" },
      spot [[deny { egress = "10.]])
    assert.same({ word = "b", quoted = true, key = "egress" }, spot [[deny { egress = { "a", "b]])
    assert.same({ word = "/sys", quoted = true, callee = "attach" }, spot [[attach "/sys]])
    assert.same({ word = "/sys", quoted = true, callee = "attach" }, spot [[x = 1 attach("/sys]])
    assert.same({ word = "no", quoted = true, callee = "rules" }, spot [[rules["no]])
    assert.same({ word = "h", quoted = false, chain = "rules[1]", method = false },
      spot [[rules[1].h]])
    assert.same({ word = "", quoted = false, chain = 'rules["x"]', method = true },
      spot [[rules["x"]:]])
    assert.same({ word = "st", quoted = false, chain = "gate", method = true },
      spot [[print(gate:st]])
    assert.same({ word = "x", quoted = false, callee = "deny", key = "egress" },
      spot [[deny { egress = x]])
  end)

  it("is not misled by strings, comments and brackets that do not match", function()
    assert.same({ word = "de", quoted = false }, spot [[x = "deny { \" '" -- deny {
      de]])
    assert.same({ word = "de", quoted = false }, spot "x = [==[ deny { ]] ]==] de")
    assert.same({ word = "de", quoted = false }, spot "} ) ] de")
    assert.same({ word = "a", quoted = true }, spot "x = [[a" and spot [["a]])
  end)
end)

describe("completion", function()
  local session, environment, folder

  setup(function()
    local gate = assert(tidegate.load_text [[deny { "no-lan", egress = "10.0.0.0/8" }
deny { "no-way", egress = "1.1.1.1" } set "banned" {} services "svc" {}]])
    session = { gate = gate, policy = gates.state(gate).source }
    environment = {
      globals = { banner = 1, handle = gate:set "banned", tree = { leaf = { green = 1 } } },
      words = { deny = print, detach = print, gate = gate, string = string },
      names = function() return { "banner", "deny", "detach", "gate", "string", "tree" } end,
    }
    folder = env.folder()
    env.write(folder .. "/list.txt", "")
    assert(uv.fs_mkdir(folder .. "/lists", 493))
  end)
  teardown(env.clean)

  local function completed(text)
    local insert, choices = complete.complete(session, environment, text)
    return text .. insert, table.concat(choices, "|")
  end

  local cases = {
    { "ban", "banner" }, { "den", "deny { " }, { "de", "de", "deny { |detach" },
    { "nothing", "nothing" },
    { "whi", "while" },
    { "tree.", "tree.leaf" }, { "tree.leaf.", "tree.leaf.green" }, { "string.rep", "string.rep" },
    -- E8: after a colon only methods.
    { "gate:clos", "gate:close" }, { "gate.clos", "gate.close" },
    { "rules[1]:", "rules[1]:", "move|remove|replace" }, { "gate:na", "gate:na" },
    { "gate:detac", "gate:detach" }, { "gate:nothing", "gate:nothing" }, { "none.", "none." },
    { "rules[1].hi", "rules[1].hits" },
    { "deny { eg", "deny { egress = " }, { 'deny { "x", eg', 'deny { "x", egress = ' },
    { "deny { connect = 1, conn", "deny { connect = 1, conn" },
    { "deny { privil", "deny { privil" },
    { "allow { low_", "allow { low_port = " }, { "policy { def", "policy { default = " },
    { "policy { default = { conn", "policy { default = { connect = " },
    { "policy { on_error = { bi", "policy { on_error = { bind = " },
    { 'policy { unsupported = "sk', 'policy { unsupported = "skip"' },
    { "explain { sendm", "explain { sendmsg = " }, { "explain { egr", "explain { egress = " },
    { "gate:decide { com", "gate:decide { comm = " }, { "explain { errn", "explain { errn" },
    { "allow { connect = 1, sockopt = { congest",
      "allow { connect = 1, sockopt = { congestion = " },
    { 'deny { errno = "ECONNREF', 'deny { errno = "ECONNREFUSED"' },
    { 'deny { family = "u', 'deny { family = "unix"' },
    { 'policy { default = "d', 'policy { default = "deny"' },
    { 'deny { proto = { "tcp", "ud', 'deny { proto = { "tcp", "udp' },
    { 'set "b', 'set "banned"' }, { 'services "s', 'services "svc"' },
    { 'sets["b', 'sets["banned"' }, { 'services["', 'services["svc"' },
    { "sets[1]:rem", "sets[1]:remove" }, { 'services["svc"]:put_', 'services["svc"]:put_backend' },
    { "handle:cl", "handle:clear" }, { "handle.na", "handle.name" }, { "handle.sta", "handle.sta" },
    { 'deny { egress = "@', 'deny { egress = "@', "@banned|@global|@linklocal|@local|@loopback|"
      .. "@metadata|@multicast|@private|@svc" },
    { 'deny { egress = "!@pri', 'deny { egress = "!@private"' },
    { 'deny { egress = { "1.1.1.1", "!@b', 'deny { egress = { "1.1.1.1", "!@banned"' },
    { 'deny { egress = "*", source = "@b', 'deny { egress = "*", source = "@banned"' },
    { 'deny { uid = "@', 'deny { uid = "@' },
    { 'rules["no-w', 'rules["no-way"' }, { 'rules["', 'rules["no-' },
    { 'rules["no-', 'rules["no-', "no-lan|no-way" },
    { 'on("no-l', 'on("no-l' .. 'an"' }, { 'on("den', 'on("deny"' },
    { 'help "egr', 'help "egress"' }, { "help(egr", "help(egress" },
    { 'cgroup "sel', 'cgroup "sel' }, { 'attach "sel', 'attach "self"' },
  }
  for _, case in ipairs(cases) do
    it("of " .. case[1], function()
      local text, choices = completed(case[1])
      assert.equal(case[2], text)
      assert.equal(case[3] or "", choices)
    end)
  end

  it("of the paths of files", function()
    assert.equal(('deny { egress = file "%s/list'):format(folder),
      (completed(('deny { egress = file "%s/l'):format(folder))))
    assert.equal(('save "%s/list.txt"'):format(folder),
      (completed(('save "%s/list.'):format(folder))))
    assert.equal(('save "%s/lists/'):format(folder), (completed(('save "%s/lists'):format(folder))))
    assert.equal(('save "%s/none'):format(folder), (completed(('save "%s/none'):format(folder))))
  end)

  it("of the paths of cgroups", function()
    if command.no_kernel() then
      pending(command.no_kernel())
      return
    end
    local own = command.enter_cgroup()
    assert.equal(('attach "%s/'):format(own), (completed(('attach "%s'):format(own))))
    assert.equal(('deny { egress = "*", cgroup = "%s/'):format(own),
      (completed(('deny { egress = "*", cgroup = "%s'):format(own))))
    command.leave_cgroup()
  end)
end)

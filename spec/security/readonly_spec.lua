-- A policy's live tables that are readonly: who may change them.

local attempts = require "spec.support.attempts"
local diff = require "tidegate.diff"
local env = require "spec.support.env"
local native = require "spec.support.native"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local soak = require "spec.support.soak"
local socket = require "spec.support.socket"
local tidegate = require "tidegate"

local POLICY = [[
  local fixed = set "fixed" { "192.0.2.1", readonly = true }
  local ban = set "ban" {}
  local svc = services "svc" { ["192.0.2.9:80/tcp"] = { "127.0.0.1:9" }, readonly = true }
  deny { "old", connect = { fixed, ban }, errno = "EACCES" }
  balance { connect = svc }
]]

describe("a live table that is readonly", function()
  -- A4
  it("is so in the image, in its dump, and in the difference of two policies", function()
    local text = assert(tidegate.load_text(POLICY)):dump()
    assert.matches('set "fixed" { "192.0.2.1", readonly = true }', text, 1, true)
    assert.matches('set "ban" {}', text, 1, true)
    assert.matches('services "svc" { [^\n]*}, readonly = true }', text)
    assert.equal(text, assert(tidegate.load_text(text)):dump())
    local other = POLICY:gsub('"ban" {', '"ban" { readonly = true')
    assert.equal('- set "ban" {}\n+ set "ban" { readonly = true }',
      tostring(diff.of_policies(text, assert(tidegate.load_text(other)):dump())))
  end)

  -- A4
  it("gives a reader, who does not lock it, whole services while its owner changes them", function()
    assert.equal("ok\n", native.run("walk_services", soak.rounds(2000000)))
  end)

  -- A4
  it("wants true or false, and is found under other names", function()
    local function wrong(text)
      return (select(2, tidegate.load_text(text)):gsub("\n.*", ""))
    end
    for _, word in ipairs { "set", "services" } do
      assert.matches('readonly: wants true or false; got "yes"$',
        wrong(word .. ' "x" { readonly = "yes" }'))
      for _, name in ipairs { "read_only", "const", "immutable" } do
        assert.matches(('unknown option "%s"; [^\n]*readonly'):format(name),
          wrong(('%s "x" { %s = true }'):format(word, name)))
      end
      assert.matches('unknown option "readonlly"; did you mean "readonly"',
        wrong(word .. ' "x" { readonlly = true }'))
    end
  end)
end)

sandbox.describe("a live table that is readonly", function(here)
  after_each(env.clean)

  local REFUSED = '%s "%s": readonly in the policy, and this process has restricted the gate: '
    .. "change %s in the process that made the gate 1"

  local function try(address)
    return socket.try("tcp", address .. ":80")
  end

  -- A4
  it("is read by a process that has restricted the gate, which changes others only", function()
    local gate = here:gate(POLICY)
    assert(gate:attach(here.cgroup))
    local list = env.write(env.folder() .. "/list", "192.0.2.3\n")
    local said = process.run(function()
      assert(gate:restrict { "tables" })
      local fixed, svc = gate:set "fixed", gate:services "svc"
      local lines = {}
      local function tell(_, message, errno)
        lines[#lines + 1] = ("%s %s"):format(message, errno)
      end
      tell(fixed:add "192.0.2.3")
      tell(fixed:replace { "192.0.2.3" })
      tell(fixed:remove "192.0.2.1")
      tell(fixed:clear())
      tell(fixed:load(list))
      tell(svc:put("192.0.2.9:80/tcp", { "127.0.0.1:10" }))
      tell(svc:remove "192.0.2.9:80/tcp")
      tell(svc:put_backend("192.0.2.9:80/tcp", "127.0.0.1:10"))
      tell(svc:remove_backend("192.0.2.9:80/tcp", "127.0.0.1:9"))
      assert(gate:set("ban"):add "192.0.2.7")
      assert(fixed:find "192.0.2.1")
      assert(#fixed == 1 and fixed.readonly and fixed:info().readonly)
      assert(not gate:set("ban"):info().readonly)
      assert(#svc:get "192.0.2.9:80/tcp" == 1 and #svc == 1)
      for vip in svc:each() do
        lines[#lines + 1] = vip
      end
      lines[#lines + 1] = attempts.own(here.cgroup):match "writable mappings: %d+"
      return table.concat(lines, "\n")
    end)
    local expected = {}
    for _ = 1, 5 do
      expected[#expected + 1] = REFUSED:format("set", "fixed", "it")
    end
    for _ = 1, 4 do
      expected[#expected + 1] = REFUSED:format("services", "svc", "them")
    end
    expected[#expected + 1] = "192.0.2.9:80/tcp"
    expected[#expected + 1] = "writable mappings: 1"
    assert.equal(table.concat(expected, "\n"), said)
    assert.same({ "EACCES", "EACCES" }, { try "192.0.2.1", try "192.0.2.7" })
    assert.equal("ENETUNREACH", try "192.0.2.3")
  end)

  -- A4
  it("is changed by its owner, whatever a restricted process locks, and that process sees it",
    function()
      local gate = here:gate(POLICY)
      assert(gate:attach(here.cgroup))
      local restricted, changed = process.signal(), process.signal()
      local worker = process.fork(function()
        assert(gate:restrict { "tables" })
        restricted.give()
        changed.wait()
        return ("%s %d %d"):format(tostring(gate:set("fixed"):find "192.0.2.3" ~= false),
          #gate:set "fixed", #gate:services("svc"):get "192.0.2.9:80/tcp")
      end)
      restricted.wait()
      assert(gate:set("fixed"):add { { "192.0.2.3", ttl = 60 }, { "192.0.2.4", ttl = 0.001 } })
      assert(gate:services("svc"):put("192.0.2.9:80/tcp", { "127.0.0.1:9", "127.0.0.1:10" }))
      os.execute "sleep 0.05"
      changed.give()
      assert.equal("true 2 2", worker:wait())
      restricted.close()
      changed.close()
    end)
end)

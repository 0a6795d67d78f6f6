-- What handles of sets and services have in common, before anything is in force.

local tidegate = require "tidegate"

describe("a live table's handle", function()
  local gate

  before_each(function() gate = tidegate.gate() end)
  after_each(function() gate:close() end)

  -- Misuse raises an error at the caller's line, however the function is called.
  local function wrong(call)
    local ok, message = pcall(call)
    assert.is_false(ok)
    local place, rest = message:match "^([^:]*:%d+): (.*)$"
    local info = debug.getinfo(call, "S")
    assert.equal(("%s:%d"):format(info.short_src, info.linedefined + 1), place)
    return rest
  end

  it("says where it is misused, and what to do", function()
    local set, services = gate:set "banned", gate:service "web"
    assert.equal('set "banned": is not declared: write set "banned" { … } first', wrong(function()
      set:add "192.0.2.1"
    end))
    assert.equal('set "banned": is not in force yet; attach or commit first', wrong(function()
      set:remove "192.0.2.1"
    end))
    assert.equal('set "banned": wants an address, a prefix or a list of them; got 7',
      wrong(function()
        set:contains(7)
      end))
    assert.equal('services "web": are not declared: write services "web" { … } first',
      wrong(function()
        services["192.0.2.1:80/tcp"] = "192.0.2.2:80"
      end))
    assert.equal('services "web": are not in force yet; attach or commit first', wrong(function()
      services:each()
    end))
    gate:close()
    assert.equal('set "banned": its gate is closed', wrong(function()
      return #set
    end))
    assert.equal('services "web": their gate is closed', wrong(function()
      return services["192.0.2.1:80/tcp"]
    end))
  end)

  it("is the same one for a kind and a name", function()
    assert.equal(gate:set "a", gate:set "a")
    assert.equal(gate:service "a", gate:service "a")
    assert.are_not.equal(gate:set "a", gate:service "a")
    assert.equal('set "a"', tostring(gate:set "a"))
    assert.equal('services "a"', tostring(gate:service "a"))
  end)

  it("cannot be declared under the name of another one, of either kind", function()
    gate:set "a" { "192.0.2.0/24" }
    assert.has_error(function() gate:service "a" {} end,
      'services "a": the name is taken by set "a"; choose another')
    assert.has_error(function() gate:set "a" {} end, ('set "a": is declared already at %s:%d')
      :format(debug.getinfo(1, "S").short_src, debug.getinfo(1, "l").currentline - 4))
  end)
end)

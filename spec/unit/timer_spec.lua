local tidegate = require "tidegate"

describe("a timer", function()
  local gate
  before_each(function() gate = tidegate.new "x" end)

  it("has stop() and nothing else", function()
    local timer = gate:every("5s", function() end)
    assert.equal("every 5s", tostring(timer))
    assert.is_false(getmetatable(timer))
    assert.has_error(function() timer.due = 0 end,
      "timer.due cannot be assigned to; a timer has only stop()")
    assert.has_error(function() return timer.cancel end,
      'a timer has no "cancel"; write timer:stop()')
    assert.has_error(function() timer.stop() end, "stop: call it with a colon, as in timer:stop()")
    timer:stop()
    timer:stop()
    assert.equal("every 5s: stopped", tostring(timer))
    assert.equal("after 90ms", tostring(gate:after(0.09, function() end)))
  end)
end)

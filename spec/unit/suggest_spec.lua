local suggest = require "tidegate.suggest"

describe("suggest", function()
  it("counts a missing, an extra, a different letter and two swapped ones as one edit", function()
    assert.equal(0, suggest.distance("errno", "errno", 9))
    assert.equal(1, suggest.distance("errrno", "errno", 9))
    assert.equal(1, suggest.distance("erno", "errno", 9))
    assert.equal(1, suggest.distance("ermno", "errno", 9))
    assert.equal(1, suggest.distance("erron", "errno", 9))
    assert.equal(3, suggest.distance("kitten", "sitting", 9))
    assert.equal(3, suggest.distance("", "abc", 9))
  end)

  it("stops at the bound", function()
    assert.equal(2, suggest.distance("connect", "egress", 2))
    assert.equal(2, suggest.distance("a", "abcdef", 2))
  end)

  it("finds the nearest name, and none if none is near", function()
    local verbs = { "allow", "deny", "rewrite" }
    assert.equal("deny", suggest.nearest("denny", verbs))
    assert.equal("allow", suggest.nearest("Allow", verbs))
    assert.equal("rewrite", suggest.nearest("rewritte", verbs))
    assert.is_nil(suggest.nearest("balance", verbs))
    assert.is_nil(suggest.nearest(7, verbs))
    assert.is_nil(suggest.nearest("x", { "to" }))
  end)

  it("says that an option has a name, or which is meant", function()
    assert.equal('got "x" without a name; options are written NAME = VALUE',
      suggest.option(1, "x", { "size" }))
    assert.equal('unknown option "sze"; did you mean "size"?', suggest.option("sze", 1, { "size" }))
    assert.equal('unknown option "room"; write size',
      suggest.option("room", 1, { "size" }, { room = "write size" }))
  end)

  it("phrases it as a question", function()
    assert.equal('; did you mean "deny"?', suggest.hint("dney", { "allow", "deny" }))
    assert.equal("", suggest.hint("zzz", { "allow", "deny" }))
  end)
end)

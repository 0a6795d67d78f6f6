-- Damaged images are refused or harmless: spec/c/corrupt.c, under the
-- sanitizers.  CORRUPT_SEED repeats a run.

local native = require "spec.support.native"
local soak = require "spec.support.soak"

local CORRUPTIONS = soak.rounds(200000)

-- The other sources of corrupt.c.
local PARTS = { "damage", "draw", "random_image", "read_image" }

describe("a damaged image", function()
  it("is refused, or harmless to everything that reads it", function()
    local seed = os.getenv "CORRUPT_SEED" or tostring(os.time())
    local text = native.run("corrupt", ("%s %d"):format(seed, CORRUPTIONS), PARTS)
    print("    " .. text:gsub("\n$", ""))

    local total, refused,
      harmless = text:match "^seed %d+: (%d+) corruptions: (%d+) refused, (%d+) harmless\n$"
    assert(total, text)
    assert.equal(CORRUPTIONS, tonumber(total))
    assert.equal(CORRUPTIONS, refused + harmless)
    assert(refused / total > 0.5, "most damage is seen: " .. text)
    assert(harmless / total > 0.05, "some damage gets as far as the readers: " .. text)
  end)
end)

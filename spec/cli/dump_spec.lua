-- What an image file says of itself, as Lua.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local image_rows = require "spec.support.image_rows"
local tidegate = require "tidegate"

describe("tidegate dump", function()
  local folder, image

  before_each(function()
    folder = env.folder()
    image = folder .. "/image"
  end)
  after_each(env.clean)

  local function compile(path)
    local got = command.tidegate("compile", path, "-o", image)
    assert.equal("", got.err)
  end

  it("prints each example so that it compiles to the same image", function()
    for _, path in ipairs(command.examples()) do
      compile(path)
      local got = command.tidegate("dump", image)
      assert.equal("", got.err)
      assert.equal(0, got.status)
      local first, second = assert(tidegate.load_image(image)),
        assert(tidegate.load_text(got.out, "dump.lua")):compile()
      assert.is_nil(image_rows.difference(first, second))
      assert.is_nil(got.out:find('file "', 1, true), path)
    end
  end)

  it("says what it prints", function()
    compile "examples/02-default-deny.lua"
    local got = command.tidegate("dump", image)
    assert.equal(("-- %s, 4 rules; an image does not hold comments, handlers, unsupported and "
      .. "requires"):format(image), got.out:match "^[^\n]*")
    local text = got.out:match "\n(.*)"
    assert.equal('policy { name = "service", default = "deny" }', text:match "^[^\n]*")
    local object = cjson.decode(command.tidegate("dump", image, "--json").out)
    assert.same({ image = image, name = "service", rules = 4, text = text }, object)
  end)

  it("refuses what is no image, and a damaged one", function()
    local path = "examples/02-default-deny.lua"
    local got = command.tidegate("dump", path)
    assert.equal(path .. ": not a Tidegate image: make one from a policy with tidegate compile\n",
      got.err)
    assert.equal(1, got.status)
    compile(path)
    local bytes = env.read(image)
    env.write(image, bytes:sub(1, 500))
    got = command.tidegate("dump", image)
    assert.equal(("%s: damaged image: 500 bytes, it should have %d\n"):format(image, #bytes),
      got.err)
    assert.equal(1, got.status)
  end)
end)

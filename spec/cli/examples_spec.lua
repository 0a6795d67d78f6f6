-- Every example does what its comments say: a line `$ tidegate ...` is run, and
-- if the line below it is output, it is the last line that the command prints.

local command = require "spec.support.command"

local function claims(path)
  local found, last = {}, nil
  for line in io.lines(path) do
    local arguments, output = line:match "^%-%-   %$ tidegate (explain .*)$",
      line:match "^%-%-   ([^$].*)$"
    if arguments then
      last = { arguments = arguments }
      found[#found + 1] = last
    elseif output and last then
      last.output = output
    end
  end
  return found
end

describe("the examples", function()
  local paths = command.examples()

  it("are numbered without a gap", function()
    assert.is_true(#paths >= 5)
    for index, path in ipairs(paths) do
      assert.equal(("examples/%02d-"):format(index), path:sub(1, 12))
    end
  end)

  for _, path in ipairs(paths) do
    it("decides as it says: " .. path, function()
      local found = claims(path)
      assert.is_true(#found >= 3)
      for _, claim in ipairs(found) do
        local arguments = {}
        for word in claim.arguments:gmatch "%S+" do
          arguments[#arguments + 1] = word
        end
        local got = command.tidegate(unpack(arguments))
        assert.equal("", got.err)
        assert.equal(claim.output, got.out:match "([^\n]*)\n$")
      end
    end)

    it("runs: " .. path, function()
      local reason = command.no_kernel()
      if reason then
        pending(reason)
        return
      end
      local got = command.tidegate("run", "-u", "nobody", path, "--", "sh", "-c",
        "echo ran; exit 5")
      assert.equal("", got.err)
      assert.equal("ran\n", got.out)
      assert.equal(5, got.status)
    end)
  end
end)

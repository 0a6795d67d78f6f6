-- Foreign text, made safe for where it is shown.

local literal = require "tidegate.literal"

describe("literal.utf8()", function()
  it("leaves UTF-8 as it is", function()
    for _, text in ipairs {
      "", "curl", "a\0b", "\195\169t\195\169", "\226\130\172", "\240\159\140\138",
    } do
      assert.equal(text, literal.utf8(text))
    end
  end)

  it("writes invalid bytes as \\xff", function()
    local cases = {
      ["\255\254 x"] = "\\xff\\xfe x",
      ["cut \195"] = "cut \\xc3", -- a name is cut at 15 bytes
      ["\195\169\169"] = "\195\169\\xa9",
      ["\192\175"] = "\\xc0\\xaf", -- too long a form
      ["\237\160\128"] = "\\xed\\xa0\\x80", -- a surrogate
      ["\244\144\128\128"] = "\\xf4\\x90\\x80\\x80", -- past the last
    }
    for text, written in pairs(cases) do
      assert.equal(written, literal.utf8(text))
    end
  end)
end)

-- Foreign text, made safe for where it is shown.

local cjson = require "cjson"
local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"

local C = library.C

-- Texts, and what becomes of their bytes that are not UTF-8.
local cases = {
  [""] = "", ["curl"] = "curl", ["\195\169t\195\169"] = "\195\169t\195\169",
  ["\226\130\172"] = "\226\130\172", ["\240\159\140\138"] = "\240\159\140\138",
  ["\255\254 x"] = "\\xff\\xfe x",
  ["cut \195"] = "cut \\xc3", -- a name is cut at 15 bytes
  ["\195\169\169"] = "\195\169\\xa9",
  ["\192\175"] = "\\xc0\\xaf", -- too long a form
  ["\237\160\128"] = "\\xed\\xa0\\x80", -- a surrogate
  ["\244\144\128\128"] = "\\xf4\\x90\\x80\\x80", -- past the last
}

--- Random bytes, many of them parts of UTF-8, of escapes, and of Lua and JSON.
local function random_text()
  local some, bytes = "\0\n\t\r\27[2J\"\\/\127\128\155\169\194\195\224\226\240\244\255a", {}
  for index = 1, math.random(0, 24) do
    local at = math.random(#some)
    bytes[index] = math.random(3) > 1 and some:sub(at, at) or string.char(math.random(0, 255))
  end
  return table.concat(bytes)
end

local function each_random(check)
  local seed = tonumber(os.getenv "TIDEGATE_SEED") or os.time()
  math.randomseed(seed)
  for _ = 1, 1500 do
    local text = random_text()
    check(text, ("seed %d: %q"):format(seed, text))
  end
end

-- What a terminal does not obey, and what no line of a log ends with.
local function is_printable(text)
  return not text:find "[%c\127]" and not text:find "\194[\128-\159]" and literal.line(text) == text
end

describe("a text that others chose", function() -- D1
  it("becomes printable UTF-8 on one line", function()
    for text, written in pairs(cases) do
      assert.equal(written, literal.line(text))
      assert.equal(written, literal.lines(text))
    end
    assert.equal("\\x1b[2J\\x0a\\x09\\x7f\\xc2\\x9b", literal.line "\27[2J\n\t\127\194\155")
    assert.equal("\\x1b[2J\n\t\\x0d", literal.lines "\27[2J\n\t\r")
    assert.equal("\\xc3\\xa9 \\x00", literal.printable "\195\169 \0")
    each_random(function(text, what)
      assert(is_printable(literal.line(text)), what)
      assert(not literal.printable(text):find "[^ -~]", what)
      assert(is_printable((literal.lines(text):gsub("[\n\t]", ""))), what)
    end)
  end)

  it("becomes a string of JSON, which is UTF-8", function() -- D2
    for text, written in pairs(cases) do
      assert.equal(written, cjson.decode(("[%s]"):format(literal.json(text)))[1])
    end
    assert.equal([["\u001b\u009b\"\\/\u007f"]], literal.json "\27\194\155\"\\/\127")
    each_random(function(text, what)
      local json = literal.json(text)
      assert(is_printable(json), what)
      assert.equal(literal.line(text), literal.line(cjson.decode(("[%s]"):format(json))[1]), what)
    end)
  end)

  it("becomes a literal of Lua with the same bytes", function()
    assert.equal([["a\027\n\"\\\255é"]], literal.quote "a\27\n\"\\\255\195\169")
    each_random(function(text, what)
      local quoted = literal.quote(text)
      assert(is_printable(quoted), what)
      assert.equal(text, loadstring("return " .. quoted)(), what)
    end)
  end)

  it("is escaped in the errors of the library", function()
    local function error_of(name)
      local image = library.slot "image"
      assert(C.tg_image_load(name, image) < 0)
      return ffi.string(C.tg_error())
    end
    assert.equal("/none/\\x1b[2J\\x0aweb.lua:1: é\\xff: No such file or directory",
      error_of "/none/\27[2J\nweb.lua:1: \195\169\255")
  end)
end)

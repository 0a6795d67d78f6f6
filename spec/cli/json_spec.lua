-- JSON of the command, whatever is in names, paths and policies.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local literal = require "tidegate.literal"
local uv = require "luv"

--- The objects of a text, one a line, which is UTF-8 without control characters.
local function objects(text, what)
  local found = {}
  for line in text:gmatch "[^\n]+" do
    assert(literal.line(line) == line, what .. line)
    found[#found + 1] = cjson.decode(line)
  end
  return found
end

--- Random bytes for a name of a file.
local function random_name()
  local bytes = {}
  for index = 1, math.random(1, 20) do
    local byte
    repeat
      byte = math.random(4) == 1 and 27 or math.random(4) == 1 and 10 or math.random(1, 255)
    until byte ~= 47
    bytes[index] = string.char(byte)
  end
  return table.concat(bytes)
end

describe("the JSON of tidegate", function() -- D2
  teardown(env.clean)

  it("is UTF-8 on one line, whatever the paths and the texts are", function()
    local seed = tonumber(os.getenv "TIDEGATE_SEED") or os.time()
    math.randomseed(seed)
    for _ = 1, 4 do
      local name = random_name()
      local what = ("seed %d, name %q: "):format(seed, name)
      local path = env.folder() .. "/" .. name .. ".lua"
      env.write(path, ("print(%q)\ndeny { 'r', connect = '1.2.3.4' }\n%s"):format(name,
        'deny { "unix", connect = "unix:/' .. name:gsub('[%c"\\]', "?") .. '" }'))
      for _, arguments in ipairs {
        { "check", "--json", path }, { "explain", "--json", path, "connect", "1.2.3.4:80" },
        { "explain", "--json", path, "connect", "unix:/" .. name },
        { "compile", "--json", path, "-o", path .. ".image" },
        { "dump", "--json", path .. ".image" }, { "dump", "--json", path },
        { "run", "-n", "--json", path, "--", name }, { "check", "--json", name },
        { "serve", "--json", path, "/none/" .. name }, { name, "--json" },
        { "run", "--json", path, "-u", name, "--", "true" },
      } do
        local got = command.tidegate(unpack(arguments))
        local out, err = objects(got.out, what), objects(got.err, what)
        assert(#out + #err > 0, what)
        assert.equal(nil, (got.out .. got.err):find "traceback", what)
        for _, object in ipairs(err) do
          assert.truthy(object.failure or object.print or object.remark, what)
        end
      end
      assert(uv.fs_unlink(path))
      uv.fs_unlink(path .. ".image")
    end
  end)

  it("is alone on standard output: a policy prints to standard error", function() -- D6
    local path = env.write(env.folder() .. "/loud.lua", [[
print("loaded", nil, 1)
deny { "r", connect = "1.2.3.4" }]])
    for _, arguments in ipairs {
      { "check", path }, { "explain", path, "connect", "1.2.3.4:80" },
      { "run", "-n", path, "--", "true" },
    } do
      local got = command.tidegate(arguments[1], "--json", unpack(arguments, 2))
      assert.equal(1, #objects(got.out, ""))
      assert.equal('{"print":"loaded\\u0009nil\\u00091"}\n', got.err)
      got = command.tidegate(unpack(arguments))
      assert.equal("loaded\tnil\t1\n", got.err)
      assert.is_nil(got.out:find "loaded")
    end
  end)
end)

describe("a message of tidegate", function() -- D1
  teardown(env.clean)

  it("obeys no terminal, and is one line, whatever it quotes", function()
    local folder = env.folder()
    local odd = "x\27[2J\nforged: \194\155\255"
    local shown = "x\\x1b[2J\\x0aforged: \\xc2\\x9b\\xff"
    local function said(expected, ...)
      local got = command.tidegate(...)
      assert.equal("", got.out)
      assert.equal(expected, got.err)
    end
    said(("/none/%s: No such file or directory\n"):format(shown), "check", "/none/" .. odd)
    local list = env.write(folder .. "/list.txt", "1.2.3.4\n\27[2J\n")
    local policy = env.write(folder .. "/p.lua", 'deny { connect = file "list.txt" }')
    said(('%s:1: deny "#1": connect: %s:2: "\\x1b[2J": there is a control character in it: leave '
      .. "it out\n"):format(policy, list), "check", policy)
    env.write(policy, 'deny { connect = "\27[2J" }\non("\27[2J", print) deny { "b\255d", uid = 1 }')
    local got = command.tidegate("check", policy).err
    assert.equal(literal.lines(got), got)
    assert.truthy(got:find([[deny "#1": connect: "\x1b[2J": there is a control]], 1, true), got)
    assert.truthy(got:find([["b\255d" is not printable UTF-8; choose another]], 1, true), got)
    env.write(policy, 'error "two\\nlines\\27[2J"')
    said(policy .. ":1: two\nlines\\x1b[2J\n", "check", policy)
    env.write(policy, "deny { 'r', connect = '1.2.3.4' }")
    said(("tidegate: /none/%s: no such file or directory\n"):format(shown), "run", policy, "--log",
      "/none/" .. odd, "--", "true")
  end)
end)

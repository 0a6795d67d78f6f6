-- tidegate.h as compilers, code generators and readers see it: it compiles in
-- each dialect without a warning, has nothing that a generator of bindings cannot
-- read, and each function has its place in the symbol map and says which threads
-- may call it.

local cjson = require "cjson"
local command = require "spec.support.command"
local env = require "spec.support.env"
local native = require "spec.support.native"

local header = command.build .. "/tidegate.h"

local function dump()
  local got = command.run({ "clang", "-x", "c", "-std=c11", "-fsyntax-only", "-Xclang",
    "-ast-dump=json", header })
  assert.equal("", got.err)
  return cjson.decode(got.out).inner
end

--- The declarations of the header itself, without those of the C library, by their kind.
--- clang writes the file and the line only where they differ from the declaration before.
local function declarations()
  local found, file = {}, nil
  for _, node in ipairs(dump()) do
    local location = node.loc.expansionLoc or node.loc
    file = location.file or file
    if file == header then
      found[node.kind] = found[node.kind] or {}
      table.insert(found[node.kind], node)
    end
  end
  return found
end

--- The types that a member may have: of one width on each machine, or pointers.
local widths = {}
for _, bits in ipairs { 8, 16, 32, 64 } do
  widths["uint" .. bits .. "_t"], widths["int" .. bits .. "_t"] = true, true
end
widths["size_t"], widths["char"] = true, true

local function has_width(type_of)
  local name = type_of:gsub("%[%d+%]$", ""):gsub("%[%d+%]$", ""):gsub("^const ", "")
  name = name:gsub(" $", "")
  return widths[name] or name:find "%*" ~= nil or name:find "^struct tg_[%l_]+$" ~= nil
end

describe("tidegate.h", function()
  teardown(env.clean)

  setup(function()
    local got = command.run { "make", "-s", "B=" .. command.build, header }
    assert.equal(0, got.status, got.err)
  end)

  for _, case in ipairs {
    { "gcc", "c", "c11" }, { "gcc", "c", "c17" }, { "g++", "c++", "c++17" },
    { "g++", "c++", "c++20" }, { "clang", "c", "c11" }, { "clang", "c++", "c++17" },
    { "clang", "c++", "c++20" },
  } do
    local compiler, language, dialect = unpack(case)
    it(("compiles without a warning as %s with %s"):format(dialect, compiler), function()
      local got = command.run { compiler, "-x", language, "-std=" .. dialect, "-fsyntax-only",
        "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wpadded",
        "-Werror", "-include", header,
        "/dev/null" }
      assert.equal("", got.err)
      assert.equal(0, got.status)
    end)
  end

  describe("for a generator of bindings", function()
    local found

    setup(function() found = declarations() end)

    it("has structs whose members have a fixed width, and no bitfields", function()
      local count = 0
      for _, record in ipairs(found.RecordDecl) do
        for _, member in ipairs(record.inner or {}) do
          if member.kind == "FieldDecl" then
            local place = ("struct %s: %s: %s"):format(record.name, member.name,
              member.type.qualType)
            assert.is_nil(member.isBitfield, place)
            assert.is_true(has_width(member.type.qualType), place)
            count = count + 1
          end
        end
      end
      assert.is_true(count > 100)
    end)

    it("has functions of a fixed number of parameters, which are numbers or pointers", function()
      for _, func in ipairs(found.FunctionDecl) do
        assert.is_nil(func.variadic, func.name)
        assert.is_nil(func.inline, func.name)
        for _, part in ipairs(func.inner or {}) do
          if part.kind == "ParmVarDecl" then
            local place = ("%s(): %s"):format(func.name, part.type.qualType)
            assert.is_nil(part.type.qualType:find "%(%*%)", place) -- no callbacks
            assert.is_nil(part.type.qualType:find "_Bool", place)
          end
        end
      end
    end)

    it("has names that all begin with tg_ or TG_", function()
      for kind, nodes in pairs(found) do
        for _, node in ipairs(nodes) do
          if node.name then
            assert.truthy(node.name:find "^[tT][gG]_", kind .. " " .. node.name)
          end
          for _, value in ipairs(kind == "EnumDecl" and node.inner or {}) do
            if value.kind == "EnumConstantDecl" then
              assert.truthy(value.name:find "^TG_", value.name)
            end
          end
        end
      end
    end)

    it("has the functions of the symbol map's public node, and no others", function()
      local declared, mapped = {}, {}
      for _, func in ipairs(found.FunctionDecl) do
        declared[#declared + 1] = func.name
      end
      local public = env.read "core/tidegate.map":match "TIDEGATE_0%.%d+ {(.-)}"
      for name in public:gmatch "tg_[%l%d_]+" do
        mapped[#mapped + 1] = name
      end
      table.sort(declared)
      table.sort(mapped)
      assert.same(mapped, declared)
    end)
  end)

  --- The comment in front of each function; a function without one shares that of the
  --- function above, if no blank line is between them.
  local function comments()
    local text = env.read(header):match "/%* cdef { %*/.*"
    local list = {}
    for paragraph in (text .. "\n\n"):gmatch "(.-)\n\n+" do
      local at, comment = 1, nil
      while at <= #paragraph do
        local from, to = paragraph:find("/%*%*.-%*/", at)
        local name_from, name_to, name = paragraph:find("(tg_[%l%d_]+)%(", at)
        if from and (not name_from or from < name_from) then
          comment, at = paragraph:sub(from, to), to + 1
        elseif name_from then
          list[#list + 1] = { name = name, comment = comment }
          at = (paragraph:find(";", name_to, true) or #paragraph) + 1
        else
          break
        end
      end
    end
    return list
  end

  -- F6
  it("says of each function which threads may call it", function()
    local count = 0
    for _, entry in ipairs(comments()) do
      assert.truthy(entry.comment, entry.name .. "() has no comment")
      local tag = entry.comment:match "Threads: (.-)[.,;(]"
      assert.truthy(tag, entry.name .. "(): its comment does not say `Threads: …`")
      assert.truthy(({ any = 1, ["one at a time"] = 1, control = 1, reader = 1 })[tag],
        entry.name .. "(): Threads: " .. tag)
      count = count + 1
    end
    assert.is_true(count > 60)
  end)

  it("has one rule for structs that carry their size", function()
    assert.equal("ok\n", native.run("struct_size", ""))
  end)
end)

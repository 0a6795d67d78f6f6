-- docs/security.md: who can do what.  Each answer names the spec that holds it.

local env = require "spec.support.env"

local PAGE = "docs/security.md"

-- The answers: it cannot; it can, and is meant to; it can, unless something is used against it.
local ANSWERS = { no = true, ["by design"] = true, use = true }

--- The cells of a row of a table; nil: it is none.
local function cells(line)
  local inside = line:match "^|(.*)|$"
  if not inside then
    return nil
  end
  local found = {}
  for cell in (inside .. "|"):gmatch " *(.-) *|" do
    found[#found + 1] = cell
  end
  return found
end

--- The tables of the page: by heading, their rows without the head and the line below it.
local function read_tables()
  local tables, heading, skip = {}, nil, 0
  for line in env.read(PAGE):gmatch "([^\n]*)\n" do
    local row = cells(line)
    heading = line:match "^#+ (.*)" or heading
    if not row then
      skip = 2
    elseif skip > 0 then
      skip = skip - 1
      if skip == 1 then
        tables[heading] = { head = row }
      end
    else
      table.insert(tables[heading], row)
    end
  end
  return tables
end

describe("docs/security.md", function()
  local tables = read_tables()
  local overview = tables["Who can do what"]

  it("answers for everybody who is named, and for everything that they might do", function()
    assert.is_true(#overview >= 10)
    for _, row in ipairs(overview) do
      local who = row[1]:match "^%[(.-)%]"
      local details = tables[who]
      assert.is_table(details, who)
      assert.equal(#overview.head - 1, #details)
      for index, detail in ipairs(details) do
        assert.equal(overview.head[index + 1], detail[1], who)
        assert.is_true(ANSWERS[detail[2]], who .. ": " .. detail[2])
        assert.equal(row[index + 1], detail[2], who .. ": " .. detail[1])
      end
    end
  end)

  it("names specs that exist", function()
    local named = 0
    for heading, rows in pairs(tables) do
      for _, row in ipairs(rows == overview and {} or rows) do
        local path, name =
          row[#row]:match '^%[[^%]]*%]%(%.%./(spec/[%w_/]+_spec%.lua)%) "(.*)"$'
        assert.is_string(path, ("%s: %s"):format(heading, table.concat(row, " | ")))
        assert.truthy(env.read(path):find(('"%s'):format(name), 1, true),
          ("%s has no test %q"):format(path, name))
        named = named + 1
      end
    end
    assert.is_true(named > #overview * (#overview.head - 1))
  end)

  it("names every spec in spec/security", function()
    local text = env.read(PAGE)
    local pipe = assert(io.popen "ls spec/security/*_spec.lua")
    for path in pipe:lines() do
      assert.truthy(text:find(path, 1, true), path .. " is not named")
    end
    pipe:close()
  end)
end)

-- The tables at the end of docs/how-it-works.md: what the kernel offers to
-- programs of this type, and what the objects use.

local command = require "spec.support.command"
local env = require "spec.support.env"
local offer = require "spec.support.bpf_offer"
local uv = require "luv"

--- The rows of the table below a heading: { names = { … }, used = "file"|nil, why = … }.
local function rows_below(heading)
  local section = env.read "docs/how-it-works.md":match("\n### " .. heading .. "\n(.-)\n### ")
    or env.read "docs/how-it-works.md":match("\n### " .. heading .. "\n(.*)")
  local rows = {}
  for first, used, why in section:gmatch "\n| (`[^|]+) | ([^|]+) | ([^\n]+) |" do
    local row = { names = {}, used = used:match "^`(.*)`$", why = why }
    for name in first:gmatch "`([^`]+)`" do
      row.names[#row.names + 1] = name
    end
    assert(row.used or used == "not used" or heading == "Hooks", first .. ": " .. used)
    rows[#rows + 1] = row
  end
  return rows
end

--- The row of each name, by name.
local function by_name(rows)
  local found = {}
  for _, row in ipairs(rows) do
    for _, name in ipairs(row.names) do
      assert(not found[name], name .. " is there twice")
      found[name] = row
    end
  end
  return found
end

--- The row that is for a name: its own, or that of a pattern such as bpf_iter_*.
local function row_of(rows, name)
  if rows[name] then
    return rows[name]
  end
  for pattern, row in pairs(rows) do
    local head = pattern:match "^(.*)%*$"
    if head and name:sub(1, #head) == head then
      return row
    end
  end
end

--- The hooks at which a row says that its helpers are offered: "bind" is bind4 and bind6.
local function hooks_of(row)
  local said = row.why:match "Offered at ([%w_, ]+) only"
  local words, hooks = {}, {}
  for word in (said or ""):gmatch "[%w_]+" do
    words[word] = true
  end
  for hook in pairs(offer.hooks) do
    local op = hook:gsub("[46]$", ""):gsub("_unix$", "")
    hooks[#hooks + 1] = (not said or words[hook] or words[op]) and hook or nil
  end
  table.sort(hooks)
  return hooks
end

--- The helpers that an object calls.  A call is `85 00 …` and the helper's
--- number; with another register it is a function of the object, or of the kernel.
local function helpers_of(object, names, found)
  local code = command.run({ "llvm-objdump", "-d", command.build .. "/" .. object }).out
  assert(#code > 0)
  for one, two in code:gmatch "85 00 00 00 (%x%x) (%x%x) 00 00" do
    local number = tonumber(two .. one, 16)
    found[names[number] or number] = true
  end
end

--- The kernel functions that an object calls: its undefined symbols.
local function kfuncs_of(object, found)
  local symbols = command.run({ "llvm-readelf", "-s", command.build .. "/" .. object }).out
  for name in symbols:gmatch " UND ([%w_]+)" do
    found[name] = true
  end
end

local objects = { "tidegate.bpf.o", "unix.bpf.o" }

describe("docs/how-it-works.md", function()
  local helpers, kfuncs = by_name(rows_below "Helpers"), by_name(rows_below "Kernel functions")
  local fields = by_name(rows_below "Context")
  local names = offer.helper_names()

  it("names every hook, and no other", function()
    local found, hooks = {}, {}
    local section = env.read "docs/how-it-works.md":match "\n### Hooks\n(.-)\n### "
    for cells, program in section:gmatch "\n| (`[^|]+) | [^|]+ | `([^`]+)` |" do
      for name in cells:gmatch "`([^`]+)`" do
        found[#found + 1] = name
        local entry = "int " .. name .. "(struct bpf_sock_addr *ctx)"
        assert.truthy(env.read(program):find(entry, 1, true), name)
      end
    end
    for name in pairs(offer.hooks) do
      hooks[#hooks + 1] = name
    end
    table.sort(found)
    table.sort(hooks)
    assert.same(hooks, found)
  end)

  it("says which helpers the objects call, and no other", function()
    local called = {}
    for _, object in ipairs(objects) do
      helpers_of(object, names, called)
    end
    for name in pairs(called) do
      assert.truthy(helpers[name] and helpers[name].used, name .. " is called")
    end
    for name, row in pairs(helpers) do
      assert.equal(row.used ~= nil, called[name] == true, name)
    end
  end)

  it("says which kernel functions the objects call, and no other", function()
    local called = {}
    for _, object in ipairs(objects) do
      kfuncs_of(object, called)
    end
    for name in pairs(called) do
      assert.truthy(kfuncs[name] and kfuncs[name].used, name .. " is called")
    end
    for name, row in pairs(kfuncs) do
      assert.equal(row.used ~= nil, called[name] == true, name)
    end
  end)

  it("says where they are used", function()
    for _, rows in ipairs { helpers, kfuncs } do
      for name, row in pairs(rows) do
        assert.truthy(not row.used or env.read(row.used):find(name .. "(", 1, true), name)
      end
    end
  end)

  it("has every field of the context, and says where it is used", function()
    local header = env.read "/usr/include/linux/bpf.h":match "\nstruct bpf_sock_addr {(.-)\n};"
    local count = 0
    for name in header:gmatch "__u32 ([%w_]+)[%[;]" do
      assert.truthy(fields[name], name)
      count = count + 1
    end
    local known = 0
    for name, row in pairs(fields) do
      known = known + 1
      if row.used then
        assert.truthy(env.read(row.used):find("ctx%->" .. name .. "%f[^%w_]"), name)
      else
        local found = command.run { "grep", "-rqE", "ctx->" .. name .. "\\b", "bpf" }
        assert.equal(1, found.status, name)
      end
    end
    assert.equal(count + 1, known) -- sk is a pointer
  end)

  describe("lists, of this kernel,", function()
    if uv.getuid() ~= 0 then
      return pending "needs root"
    end
    local release = uv.os_uname().release

    --- The table is that of 6.18: of an older kernel nothing may be missing in it,
    --- and a newer one may have more.
    local is_known = release:find "^6%.18%."

    it("every helper that its hooks may call", function()
      local last = 0
      for number in pairs(names) do
        last = math.max(last, number)
      end
      for number = 1, last do
        local at = {}
        for hook in pairs(offer.hooks) do
          at[#at + 1] = offer.has_helper(hook, number) and hook or nil
        end
        local row = helpers[names[number]]
        if #at > 0 then
          assert.truthy(row, names[number])
        elseif is_known then
          assert.is_nil(row, names[number])
        end
        if row and is_known then
          table.sort(at)
          assert.same(hooks_of(row), at, names[number])
        end
      end
    end)

    it("every kernel function that they may call", function()
      if not is_known then
        return pending "the table is that of Linux 6.18"
      end
      for name, id in pairs(offer.kfuncs()) do
        if offer.has_kfunc("connect4", id) then
          assert.truthy(row_of(kfuncs, name), name)
        end
      end
    end)
  end)
end)

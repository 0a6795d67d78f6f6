-- What can be checked of the documents without running them.

local docs = require "spec.support.docs"
local env = require "spec.support.env"

--- The most that a README may take of a reader's time.
local README_LINES = 150

local build = os.getenv "TIDEGATE_BUILD" or "build"

--- The anchor that a heading has on the web.
local function anchor(heading)
  return (heading:lower():gsub("[^%w _-]", ""):gsub(" ", "-"))
end

local function anchors(page)
  local found, fenced = {}, false
  for _, line in ipairs(page.lines) do
    fenced = fenced ~= (line:find "^```" ~= nil)
    local heading = not fenced and line:match "^#+ (.*)"
    if heading then
      found[anchor(heading)] = true
    end
  end
  return found
end

--- The text of a page outside its blocks.
local function prose(page)
  local lines, fenced = {}, false
  for _, line in ipairs(page.lines) do
    if line:find "^```" then
      fenced = not fenced
    elseif not fenced then
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

--- A path without its "folder/..".
local function shorten(path)
  local count
  repeat
    path, count = path:gsub("[^/]+/%.%./", "", 1)
  until count == 0
  return path
end

describe("the documents", function()
  teardown(env.clean)

  local pages = {}
  for _, path in ipairs(docs.paths()) do
    pages[path] = docs.read(path)
  end

  it("have a README of " .. README_LINES .. " lines at most", function()
    assert.is_true(#pages["README.md"].lines <= README_LINES, #pages["README.md"].lines)
  end)

  for path, page in pairs(pages) do
    it("run every block, or say why not: " .. path, function()
      assert.same({}, docs.faults(page))
      for _, block in ipairs(page.blocks) do
        local why = block.marks["not run"]
        if why then
          print(("    not run: %s: %s"):format(block.where, why))
        end
      end
    end)

    it("hide no block from the specs: " .. path, function()
      local before = ""
      for line in prose(page):gmatch "([^\n]*)\n" do
        local indented = before == "" and line:match "^    [^ ].*"
        assert.is_nil(indented or line:match "^\t.*" or line:match "^~~~.*")
        before = line
      end
    end)

    it("link to what there is: " .. path, function()
      local folder = path:match "^(.*/)" or ""
      for target in prose(page):gmatch "%]%(([^)]+)%)" do
        local file, fragment = target:match "^([^#]*)#?(.*)$"
        file = file == "" and path or shorten(folder .. file)
        assert.is_true(exists(file), path .. ": " .. target)
        if fragment ~= "" then
          assert.is_true(anchors(pages[file])[fragment] == true, path .. ": " .. target)
        end
      end
    end)

    it("speak of no real host: " .. path, function()
      for host in env.read(path):gmatch "https?://([%w.-]+)" do
        assert.truthy(host:find "^[%d.]+$" or host:find "%f[%w]example%.%a+$", host)
      end
    end)
  end

  it("are reached from the README", function()
    local text = prose(pages["README.md"])
    for path in pairs(pages) do
      assert.truthy(path == "README.md" or text:find("(" .. path .. ")", 1, true), path)
    end
  end)

  it("are as make docs writes them", function()
    local folder, names = env.folder(), {}
    for path in pairs(pages) do
      if path:find "^docs/" then
        names[#names + 1] = folder .. "/" .. path:match "[^/]+$"
        env.write(names[#names], env.read(path))
      end
    end
    assert(os.execute((("LUA_PATH='docs/?.lua;lua/?.lua;lua/?/init.lua;%s/lua/?.lua;;' luajit "
      .. "docs/generate.lua %s > %s/log"):format(build, table.concat(names, " "), folder))))
    assert.equal("", env.read(folder .. "/log"), "run make docs")
  end)

  it("have of what the hooks cannot see what the doctor has", function()
    local section = env.read "docs/limits.md":match "## What these hooks cannot see\n(.-)\n## "
    local pipe = assert(io.popen(build .. "/tidegate doctor"))
    local seen = pipe:read "*a":match "not seen by hooks  ([^\n]+)"
    pipe:close()
    local items = {}
    for item in section:gmatch "\n%- ([^\n]+)[;.]" do
      items[#items + 1] = item
    end
    local index = 0
    for item in (seen .. "; "):gmatch "(.-); " do
      index = index + 1
      assert.equal(item, (items[index] or ""):sub(1, #item))
    end
    assert.equal(#items, index)
  end)

  it("have a section for every command", function()
    local pipe = assert(io.popen(build .. "/tidegate --help"))
    local commands = pipe:read "*a":match "Commands:\n(.-)\n\n"
    pipe:close()
    local known = anchors(pages["docs/command.md"])
    for name in commands:gmatch "\n?   (%l+) " do
      assert.is_true(known[name] == true, name)
    end
  end)
end)

describe("the reader of documents", function()
  local folder

  setup(function() folder = env.folder() end)
  teardown(env.clean)

  local function faults_of(text)
    return docs.faults(docs.read(env.write(folder .. "/page.md", text)))
  end

  it("finds blocks that would not run", function()
    assert.same({ folder .. '/page.md:2: nothing runs a block of ""; say why' },
      faults_of "```\nls\n```\n")
    assert.same({ folder .. "/page.md:3: give the reason why it does not run" },
      faults_of "<!-- not run: no -->\n```console\n$ ls\n```\n")
    assert.same({ folder .. "/page.md:3: Lua and C always run" },
      faults_of "<!-- not run: I do not like it -->\n```lua\nx\n```\n")
    assert.same({ folder .. "/page.md:3: no later block uses x.lua" },
      faults_of "<!-- file: x.lua -->\n```lua\nx\n```\n")
    assert.same({ folder .. "/page.md:2: C wants a file mark" }, faults_of "```c\nint x;\n```\n")
  end)

  it("takes a mark for the next block only", function()
    local page = docs.read(env.write(folder .. "/page.md",
      "<!-- not run: not this one -->\n```console\n$ a\n```\n"
        .. "<!-- not run: prose ends it -->\nText.\n```console\n$ b\n```\n"))
    assert.equal("none", page.blocks[1].runner)
    assert.equal("cli", page.blocks[2].runner)
  end)

  it("compares without pids and times, in any order", function()
    assert.is_true(docs.alike("$ x\nb[1] after 2 ms\na\n", "$ x\na\nb[22] after 0 ms\n"))
    assert.is_false(docs.alike("$ x\na\n", "$ x\na\nb\n"))
    assert.is_false(docs.alike("$ x\na 1\n", "$ x\na 2\n"))
  end)

  it("takes … for any lines", function()
    assert.is_true(docs.alike("$ x\na\n…\nd\n", "$ x\na\nb\nc\nd\n"))
    assert.is_true(docs.alike("$ x\na\n…\n", "$ x\na\n"))
    assert.is_false(docs.alike("$ x\na\n…\nd\n", "$ x\nb\nd\n"))
    assert.is_false(docs.alike("$ x\na\n…\nd\n", "$ x\na\nb\n"))
    assert.is_false(docs.alike("$ x\na\n…\nd\n", "$ x\na\nd\ne\n"))
  end)
end)

-- The history: whose it is, and what it contains.

local command = require "spec.support.command"
local env = require "spec.support.env"
local prompt = require "spec.support.prompt"
local uv = require "luv"

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("the history", function()
  local home, path

  before_each(function()
    home = env.folder()
    path = home .. "/.tidegate_history"
  end)
  after_each(function()
    prompt.close()
    env.clean()
  end)

  local function text()
    local file = io.open(path)
    return file and file:read "*a"
  end

  local function leave(term)
    assert.equal(0, term:leave())
    prompt.close()
  end

  it("is kept, readable for its user only, and is there the next time", function()
    local term = prompt.start({}, { env = { HOME = home } })
    term:enter "first = 1"
    term:enter "first = 1"
    term:enter "second = 2"
    assert.equal("first = 1\nsecond = 2\n", text()) -- also if it were killed now
    assert.equal(384, uv.fs_stat(path).mode % 512) -- 0600
    leave(term)
    term = prompt.start({}, { env = { HOME = home } })
    term:key("Up", "Up")
    term:wait(function(screen) return screen:find "\ntidegate> first = 1\n$" end, "the older line")
    term:key "C-u"
    leave(term)
  end)

  it("becomes readable for its user only if it was not", function()
    env.write(path, "old = 1\n")
    assert(uv.fs_chmod(path, 420)) -- 0644
    local term = prompt.start({}, { env = { HOME = home } })
    leave(term)
    assert.equal(384, uv.fs_stat(path).mode % 512)
    assert.equal("old = 1\n", text())
  end)

  it("does not grow for ever", function()
    local lines = {}
    for index = 1, 2500 do
      lines[index] = "line = " .. index
    end
    env.write(path, table.concat(lines, "\n") .. "\n")
    local term = prompt.start({}, { env = { HOME = home } })
    leave(term)
    assert.equal(1000, select(2, text():gsub("\n", "")))
    assert.equal("line = 1501", text():match "^[^\n]+")
    assert.equal(384, uv.fs_stat(path).mode % 512)
  end)

  -- E8: a link could lead to a file of somebody else.
  it("is not read or written through a link, or in a file of another user", function()
    local other = env.write(home .. "/other", "not ours\n")
    assert(uv.fs_symlink(other, path))
    local term = prompt.start({}, { env = { HOME = home } })
    assert.truthy(term:screen():find(path .. " is a symbolic link: what is typed here is not kept "
      .. "in a file", 1, true), term:screen())
    term:enter "secret = 1"
    leave(term)
    assert.equal("not ours\n", env.read(other))
    assert(uv.fs_unlink(path))
    assert(uv.fs_symlink(home .. "/nowhere", path))
    leave(prompt.start({}, { env = { HOME = home } }))
    assert.is_nil(uv.fs_stat(home .. "/nowhere"))
    assert(uv.fs_unlink(path))
    env.write(path, "theirs\n")
    assert(uv.fs_chown(path, 65534, 65534))
    term = prompt.start({}, { env = { HOME = home } })
    assert.truthy(term:screen():find(path .. " belongs to another user: ", 1, true))
    term:enter "secret = 1"
    leave(term)
    assert.equal("theirs\n", env.read(path))
  end)

  it("is not written if root borrows the HOME of another user", function()
    assert(uv.fs_chown(home, 65534, 65534))
    local term = prompt.start({}, { env = { HOME = home } })
    term:enter "secret = 1"
    term:key "Up"
    term:wait(function(screen) return screen:find "\ntidegate> secret = 1\n$" end,
      "the line of this session")
    term:key "C-u"
    leave(term)
    assert.is_nil(text())
    term = prompt.start({}, { env = { HOME = home },
      before = { "setpriv", "--reuid=65534", "--clear-groups" } })
    term:enter "secret = 2"
    leave(term)
    assert.equal("secret = 2\n", text())
    assert.equal(65534, uv.fs_stat(path).uid)
  end)
end)

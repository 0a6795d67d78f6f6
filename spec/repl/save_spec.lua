-- E2: save() changes no more of a file than the session has changed.

local env = require "spec.support.env"
local environment = require "tidegate.repl.environment"
local evaluate = require "tidegate.repl.evaluate"
local session = require "tidegate.repl.session"
local tidegate = require "tidegate"
local uv = require "luv"

local FILE = [[
-- What the web servers may reach.
policy { name = "web" } -- its name

local lan = "10.0.0.0/8"
-- Not the neighbours.
deny { "no-lan", egress = lan } -- all of them
deny {
  "no-ssh", -- from here
  connect = "*:22",
}
allow { "a", connect = "192.0.2.1" }; local b = allow { connect = "192.0.2.2" } allow { "c",
  connect = "192.0.2.3" }
for port = 1, 3 do
  deny { connect = "192.0.2.4:" .. port }
end
on("c", function(event) print(event) end)
]]

describe("save", function()
  local folder, path, here, said

  --- Begin a session with a file, without the kernel.
  local function start(text, name)
    folder = env.folder()
    path = env.write(folder .. "/" .. (name or "web.lua"), text)
    here = assert(session.new(path, "prompt"))
    here.refused, said = "the simulator is enough", {}
    here.say = function(remark) said[#said + 1] = remark end
  end
  after_each(env.clean)

  --- Type an input; returns the message of its error.
  local function enter(text)
    local words = environment.new(here)
    local ok, message = here:run(assert(evaluate.compile(text, "prompt", 1, words.table)))
    return not ok and message or nil
  end

  --- Save, and hold that the file is the policy of the session.
  local function save()
    assert.is_nil(enter "save()")
    assert.equal("saved to " .. path, said[#said])
    local other = assert(tidegate.load(path))
    assert.equal("", tostring(here.gate:diff(other)))
    return env.read(path)
  end

  --- A text with other lines in it: each pair is what goes, and what comes.
  local function with(text, pairs_of)
    for _, pair in ipairs(pairs_of) do
      local first, last = text:find(pair[1], 1, true)
      assert(first, pair[1])
      text = text:sub(1, first - 1) .. pair[2] .. text:sub(last + 1)
    end
    return text
  end

  it("cuts out the lines of a rule that was removed, and keeps a copy of the file", function()
    start(FILE)
    enter 'rules["no-lan"]:remove()'
    assert.equal(with(FILE, { { 'deny { "no-lan", egress = lan } -- all of them\n', "" } }), save())
    assert.equal(FILE, env.read(path .. "~"))
    enter 'rules["no-ssh"]:remove()'
    assert.equal(with(FILE, {
      { 'deny { "no-lan", egress = lan } -- all of them\n', "" },
      { 'deny {\n  "no-ssh", -- from here\n  connect = "*:22",\n}\n', "" },
    }), save())
  end)

  it("cuts out one of several rules in a line", function()
    start(FILE)
    enter "rules[4]:remove()"
    assert.equal(with(FILE, { { 'local b = allow { connect = "192.0.2.2" } ', "" } }), save())
    enter "rules.a:remove()"
    assert.equal(with(FILE, { { FILE:match 'allow { "a".-} %f[a]', "" } }), save())
  end)

  it("puts a rule where it is in the order, and a changed rule in its place", function()
    start(FILE)
    enter 'gate:add("deny", { "first", connect = "192.0.2.8" }, { before = "no-lan" })'
    enter 'gate:add("deny", { "mid", connect = "192.0.2.9" }, { before = "a" })'
    enter 'rules["no-ssh"]:replace { connect = "*:23" }'
    enter 'deny { "last", connect = "192.0.2.7" }'
    assert.equal(with(FILE, {
      { 'deny { "no-lan"', 'deny { "first", connect = "192.0.2.8" }\ndeny { "no-lan"' },
      { 'deny {\n  "no-ssh", -- from here\n  connect = "*:22",\n}\n',
        'deny { "no-ssh", connect = "*:23" }\ndeny { "mid", connect = "192.0.2.9" }\n' },
    }) .. 'deny { "last", connect = "192.0.2.7" }\n', save())
    enter 'rules["last"]:move("before", "first")'
    save()
    assert.equal("last", here.gate:rules()[1].name)
  end)

  it("writes new options and live tables where they belong", function()
    start(FILE)
    enter 'policy { default = "deny" }'
    enter 'set "banned" { "192.0.2.66", size = 10 } deny { "ban", connect = "@banned" }'
    assert.equal(with(FILE, {
      { 'policy { name = "web" }', 'policy { name = "web", default = "deny" }' },
      { 'deny { "no-lan"', 'set "banned" { "192.0.2.66", size = 10 }\ndeny { "no-lan"' },
    }) .. 'deny { "ban", connect = "@banned" }\n', save())
  end)

  it("leaves the file alone if its text cannot have the change, and offers another name", function()
    start(FILE)
    enter "rules[7]:remove()"
    assert.equal(("save: %s: line 14 makes several rules, and one of them has changed; save "
      .. '"NAME" writes all rules to another file, without comments and handlers'):format(path),
      enter "save()")
    enter "undo() rules.c:remove()" -- but a handler is for its events
    assert.equal(("save: %s:15: on \"c\": no verb and no rule of that name; save \"NAME\" writes "
      .. "all rules to another file, without comments and handlers"):format(path), enter "save()")
    assert.equal(FILE, env.read(path))
    assert.is_nil(uv.fs_stat(path .. "~"))
    assert.is_nil(enter(('save "%s/other.lua"'):format(folder)))
    assert.equal(("saved to %s/other.lua; the comments and handlers of %s are not in it")
      :format(folder, path), said[#said])
    assert.equal(7, #assert(tidegate.load(folder .. "/other.lua")):rules())
  end)

  it("says which handlers and timers it leaves out", function()
    start(FILE)
    enter 'on("deny", print) every("5s", print) deny { "x", connect = "192.0.2.9" }'
    assert.is_nil(enter "save()")
    assert.equal(("saved to %s; 1 handler and 1 timer typed here are not in it"):format(path),
      said[#said])
  end)

  it("keeps the permissions and the owner, and goes through a link", function()
    start(FILE)
    assert(uv.fs_chmod(path, tonumber("664", 8)))
    local mine = uv.getuid() == 0
    if mine then
      assert(uv.fs_chown(path, 65534, 65534))
    end
    assert(uv.fs_symlink(path, folder .. "/link.lua"))
    here = assert(session.new(folder .. "/link.lua", "prompt"))
    here.refused, here.say = "the simulator is enough", function() end
    enter "rules.a:remove()"
    assert.is_nil(enter "save()")
    assert.equal("link", uv.fs_lstat(folder .. "/link.lua").type)
    local stat = uv.fs_stat(path)
    assert.equal(tonumber("664", 8), stat.mode % 512)
    assert.equal(mine and 65534 or uv.getuid(), stat.uid)
    assert.equal(FILE, env.read(path .. "~"))
  end)

  it("writes to files only, and over no file that it has not read", function()
    start(FILE)
    enter 'deny { "x", connect = "192.0.2.9" }'
    assert(uv.fs_symlink(folder .. "/nowhere", folder .. "/dangling"))
    env.write(folder .. "/there", "x")
    for name, message in pairs {
      ["/dev/null"] = "/dev/null is no file; name a file, or write print(gate:dump())",
      ["/dev/stdout"] = "/dev/stdout is no file; name a file, or write print(gate:dump())",
      [folder] = folder .. " is a folder; name a file, or write print(gate:dump())",
      [folder .. "/dangling"] = folder
        .. "/dangling is a symbolic link to nothing; save under another name",
      [folder .. "/there"] = folder
        .. "/there already exists; save under another name, or remove it first",
      [folder .. "/no/such"] = folder .. "/no/such: no such file or directory",
    } do
      assert.equal("save: " .. message, enter(("save %q"):format(name)))
    end
    assert.equal("char", uv.fs_stat("/dev/null").type)
    assert.is_nil(uv.fs_stat(folder .. "/nowhere"))
    env.write(path, FILE .. "-- meanwhile\n")
    assert.equal(("save: %s has changed since it was read; save under another name"):format(path),
      enter "save()")
  end)

  it("does not write a policy that would be another one there", function()
    start ""
    env.write(folder .. "/list.txt", "192.0.2.0/24\n")
    env.write(path, 'deny { egress = file "list.txt" }\n')
    here = assert(session.new(path, "prompt"))
    here.refused, here.say = "the simulator is enough", function() end
    assert(uv.fs_mkdir(folder .. "/sub", 493))
    local message = enter(('save "%s/sub/web.lua"'):format(folder))
    assert.truthy(message and message:find("sub/web.lua would be another policy: ", 1, true),
      message)
    assert.is_nil(uv.fs_stat(folder .. "/sub/web.lua"))
  end)
end)

-- The README says what is so: its first screen is run, its tables are the schema's.

local command = require "spec.support.command"
local env = require "spec.support.env"
local host = require "spec.support.host"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

describe("the README", function()
  local text = env.read "README.md"

  teardown(env.clean)

  it("prints what its first screen shows", function()
    local reason = command.no_kernel()
    if reason then
      pending(reason)
      return
    end
    local policy = text:match "```lua\n(.-)```"
    local line, shown = text:match "```console\n%$ tidegate ([^\n]+)\n(.-)```"
    assert.equal(8, select(2, policy:gsub("\n", "")))
    local folder = env.folder()
    env.write(folder .. "/web.lua", policy)
    -- nc writes its error in pieces, between which an event would fall.
    local got = command.run { "unshare", "-n", "sh", "-c", 'ip link set lo up; '
      .. 'luajit examples/demo-server.lua 60123 & until nc -z 127.0.0.1 60123; do sleep 0.02; done; cd "$1"; '
      .. 'stdbuf -eL "$2" ' .. line .. " 2>&1; kill $!", "sh", folder, command.path }
    assert.equal("", got.err)
    -- Events and output come by ways of their own: the lines, in any order.
    local function sorted(lines)
      local list = {}
      for one in lines:gmatch "[^\n]+" do
        list[#list + 1] = one:gsub("%[%d+%]", "[PID]")
      end
      table.sort(list)
      return list
    end
    assert.same(sorted(shown), sorted(got.out))
  end)

  it("has a row for every word of the language, and no other", function()
    local schema = require "tidegate.schema"
    local rows = {}
    for _, list in ipairs { schema.verbs, schema.fields, schema.options } do
      for _, word in ipairs(list) do
        rows[#rows + 1] = ("| `%s` | %s |"):format(word.name, word.doc)
      end
    end
    local found = {}
    for row in text:match("## Policies\n(.-)\nOperations and conditions"):gmatch "| `[%a_]+` | [^\n]+" do
      found[#found + 1] = row
    end
    assert.same(rows, found)
  end)

  it("has of what the hooks cannot see what the doctor has", function()
    local section = text:match "## What these hooks cannot see\n(.-)\n## "
    local seen = command.tidegate("doctor").out:match "not seen by hooks  ([^\n]+)"
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

  it("names every command", function()
    local section = text:match "## The command\n(.-)\n## "
    for name in command.tidegate("--help").out:match("Commands:\n(.-)\n\n"):gmatch "\n?   (%l+) " do
      assert.truthy(section:find("`tidegate " .. name .. "[ `]"), name)
    end
  end)

  describe("of C hosts", function()
    local section = text:match "## In C\n(.-)\n## "
    local compiler = section:match "\n%$ (gcc [^\n]+)\n"
    local program, fragment = section:match "```c\n(.-)```.-```c\n(.-)```"
    local built

    setup(function() built = host.build {} end)

    it("shows one that enforces and tells", function()
      if sandbox.reason then
        pending(sandbox.reason)
        return
      end
      local here, folder, running = sandbox.new(), built.folder, nil
      here:enter()
      finally(function()
        if running and not running.status then
          running:kill "sigkill"
          running:wait()
        end
        here:leave()
      end)
      env.write(folder .. "/web.lua", 'allow { "x", connect = "127.0.0.1" } deny { "y", connect = "10.0.0.0/8" }')
      assert.equal(0, command.tidegate("compile", folder .. "/web.lua", "-o", folder .. "/web.image").status)
      env.write(folder .. "/host.c", (program:gsub("/sys/fs/cgroup/app", here.cgroup)))
      built:compile(folder, compiler)
      running = command.start({ "stdbuf", "-oL", folder .. "/host" }, { cwd = folder, env = built.env })
      command.wait_until(function()
        return running.status or socket.try("tcp", "10.0.0.1:80") == "EPERM"
      end, "the host to enforce its image")
      running:wait_for "luajit: rule 1, errno 1\n"
      running:kill "sigint"
      assert.equal(128 + 2, running:wait().status)
      assert.equal("", running.err)
    end)

    it("shows rules that compile", function()
      local folder = built.folder
      env.write(folder .. "/host.c", ("#include <tidegate.h>\nint main(void)\n{\nstruct tg_image *image;\n%s"
        .. "return tg_image_save(image, \"rules.image\");\n}\n"):format(fragment))
      built:compile(folder, compiler)
      assert.equal(0, command.run({ folder .. "/host" }, { cwd = folder, env = built.env }).status)
      local got = command.tidegate("explain", folder .. "/rules.image", "connect", "10.0.0.1:443")
      assert.equal('deny "#1": EPERM\n', got.out)
    end)
  end)
end)

-- LuaRocks: the rock that `make rock` packs, built and installed as on a machine
-- that has no network, no clang and no bpftool.

local command = require "spec.support.command"
local env = require "spec.support.env"

describe("the rock", function()
  local folder, tree, rock, path

  --- Run a program without clang, bpftool and network.
  local function isolated(...)
    local offline = command.no_kernel() and {} or { "unshare", "-n" }
    for _, argument in ipairs { ... } do
      offline[#offline + 1] = argument
    end
    return command.run(offline,
      { env = { PATH = path, HOME = folder, TIDEGATE_BUILD = "", LUA_PATH = ";;" }, slow = true })
  end

  local function luarocks(...)
    local got = isolated("luarocks", "--lua-version=5.1", "--lua-dir=/usr", "--tree=" .. tree, ...)
    assert.equal(0, got.status, got.out .. got.err)
    return got.out
  end

  setup(function()
    folder = env.folder()
    tree, path = folder .. "/tree", folder .. "/path"
    assert(command.run({ "sh", "-c",
      'mkdir "$0" && find /usr/bin /usr/sbin -maxdepth 1 ! -name "*clang*" '
      .. '! -name "llvm*" ! -name bpftool -exec ln -s -f -t "$0" {} +', path }).status == 0)
    local made = command.run({ "make", "-s", "B=" .. command.build, "rock" }, { slow = true })
    assert(made.status == 0, made.out .. made.err)
    rock = command.build .. "/tidegate-0.1.0-1.src.rock"
    luarocks("install", rock, "CFLAGS=-O0")
  end)
  teardown(env.clean)

  it("was built from nothing but its own contents", function()
    assert.same({ 1, 1 }, {
      isolated("sh", "-c", "command -v clang || exit 1").status,
      isolated("sh", "-c", "command -v bpftool || exit 1").status,
    })
    assert.truthy(luarocks("show", "tidegate"):find("tidegate 0.1.0-1 - ", 1, true))
    assert.equal("", luarocks("lint", "rockspec/tidegate-0.1.0-1.rockspec"))
  end)

  it("installs a module that finds its own library", function()
    local program = env.write(folder .. "/program.lua", [[
      local tidegate = require "tidegate"
      local gate = assert(tidegate.load_text 'deny { "x", connect = "10.0.0.0/8" }')
      print(tidegate._VERSION, assert(gate:decide { connect = "10.1.2.3:80" }))
      for line in io.lines "/proc/self/maps" do
        local library = line:match "%S*/libtidegate%S*"
        if library then
          print(library)
          break
        end
      end
    ]])
    local got = isolated("sh", "-c",
      'eval "$(luarocks --lua-version=5.1 --tree="$0" path)" && luajit "$1"',
      tree, program)
    assert.equal("", got.err)
    assert.equal(('0.1.0\tdeny "x" (policy:1): EPERM\n%s/lib/lua/5.1/libtidegate.so\n')
      :format(tree), got.out)
  end)

  it("installs the command, whose programs the kernel accepts", function()
    local reason = command.no_kernel()
    if reason then
      pending(reason)
      return
    end
    local policy = env.write(folder .. "/web.lua",
      'deny { "x", connect = "10.0.0.0/8", errno = "EHOSTDOWN" }')
    local got = isolated(tree .. "/bin/tidegate", "run", policy, "--", "nc", "-v", "10.0.0.1", "80")
    assert.truthy(got.err:find("deny    x  connect 10.0.0.1:80  EHOSTDOWN  nc[", 1, true), got.err)
    assert.truthy(got.err:find("Host is down", 1, true), got.err)
  end)

  it("installs a command that names what LuaRocks has not installed", function()
    local reason = command.no_kernel()
    if reason then
      pending(reason)
      return
    end
    -- In a mount namespace of its own, LuaJIT's folders are empty.
    local got = command.run({ "unshare", "-m", "sh", "-c", [[
      for folder in $(luajit -E -e 'print((package.path .. ";" .. package.cpath):gsub("%?", " "))')
      do
        folder=${folder##*;}
        case $folder in /*/) [ ! -d "$folder" ] || mount -t tmpfs none "$folder";; esac
      done
      exec "$0" check examples/01-first-light.lua]], tree .. "/bin/tidegate" },
      { env = { TIDEGATE_BUILD = "" } })
    assert.equal("tidegate: LuaJIT does not find some modules; install them with one of\n"
      .. "  apt-get install lua-argparse lua-cjson lua-luv\n"
      .. "  luarocks --lua-version 5.1 install argparse lua-cjson luv\n", got.err)
    assert.equal(125, got.status)
  end)

  it("contains a folder in which luarocks make does the same", function()
    local got = isolated("sh", "-c",
      'cd "$0" && unzip -q "$1" && tar xf tidegate-0.1.0.tar.gz && cd tidegate-0.1.0 '
      .. '&& luarocks --lua-version=5.1 --lua-dir=/usr --tree="$0/other" make CFLAGS=-O0 '
      .. '&& ls "$0/other/share/lua/5.1/tidegate"', folder, rock)
    assert.equal(0, got.status, got.out .. got.err)
    assert.truthy(got.out:find "\ncdef%.lua\n")
    luarocks("remove", "tidegate")
    assert.equal("", command.run({ "find", tree .. "/bin", tree .. "/share",
      tree .. "/lib/lua" }).out)
  end)
end)

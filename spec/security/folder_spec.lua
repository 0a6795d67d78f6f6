-- The command takes no code from the current folder, and none that a variable names.

local command = require "spec.support.command"
local env = require "spec.support.env"

--- Modules that the command, LuaJIT or libraries of it may look for.
local BAIT = {
  "argparse", "bit", "cjson", "ffi", "jit", "luv", "ngx", "string", "table.new", "table.clear",
  "tidegate", "tidegate.cdef", "tidegate.command", "tidegate.library_name", "tidegate.repl.cdef",
  "jit.opt", "jit.util", "jit.v", "jit.vmdef", "jit.bc", "uv",
}

--- Words of the command that end by themselves.
local INPUTS = {
  { "--version" }, { "--help" }, { "doctor" }, { "doctor", "--json" }, { "check", "web.lua" },
  { "explain", "web.lua", "connect", "1.2.3.4:80" }, { "compile", "web.lua", "-o", "out.image" },
  { "run", "-n", "web.lua", "--", "true" }, { "run", "web.lua", "--", "true" },
  { "serve", "-n", "web.lua", "self" }, { "repl", "-e", "rules" },
  { "repl", "web.lua", "-e", "diff()" },
  { "nonsense" }, {},
}

describe("the command in a folder of somebody else", function() -- C1
  local folder, installed, mark

  --- Run it there.  What bait or a variable runs leaves a mark.
  local function run(path, words, environment)
    os.remove(mark)
    local got = command.run({ path, unpack(words) }, { cwd = folder, env = environment })
    local trace = io.open(mark)
    if trace then
      got.trace = trace:read "*a"
      trace:close()
    end
    return got
  end

  setup(function()
    folder, installed = env.folder(), env.folder()
    mark = folder .. "/mark"
    local made = command.run { "make", "B=" .. command.build, "install", "DESTDIR=" .. installed,
      "PREFIX=/usr" }
    assert(made.status == 0, made.out .. made.err)
    env.write(folder .. "/web.lua", 'deny { "x", connect = "10.0.0.0/8" }')
    for _, name in ipairs(BAIT) do
      local path = folder .. "/" .. name:gsub("%.", "/")
      local leaves = ("io.open(%q, 'a'):write(%q, '\\n')"):format(mark, name)
      command.run { "mkdir", "-p", path:match "^.*/", path }
      for _, ending in ipairs { ".lua", ".so", "/init.lua" } do
        env.write(path .. ending, leaves)
      end
    end
    -- A library whose constructor would leave a mark.
    local source = env.write(installed .. "/bait.c", ([[
      #include <stdio.h>
      __attribute__((constructor)) static void bait(void)
      { FILE *f = fopen("%s", "a"); fputs("library\n", f); fclose(f); }
      int luaopen_luv(void *L) { (void)L; return 0; }]]):format(mark))
    local built = command.run { "gcc", "-shared", "-fPIC", "-o", folder .. "/luv.so", source }
    assert(built.status == 0, built.err)
    for _, name in ipairs { "cjson.so", "libtidegate.so.0", "libtidegate-repl.so.0" } do
      command.run { "cp", folder .. "/luv.so", folder .. "/" .. name }
    end
  end)
  teardown(env.clean)

  it("runs none of its files, as built and as installed", function()
    for _, path in ipairs { command.path, installed .. "/usr/bin/tidegate" } do
      for _, words in ipairs(INPUTS) do
        local got = run(path, words)
        assert.is_nil(got.trace, table.concat(words, " ") .. ": " .. tostring(got.trace))
        assert.not_equal(125, got.status, table.concat(words, " ") .. ": " .. got.err)
      end
    end
  end)

  it("ignores the variables of LuaJIT, and takes no LuaJIT from PATH", function()
    local fake = folder .. "/luajit"
    env.write(fake, "#!/bin/sh\necho luajit >> " .. mark .. "\n")
    command.run { "chmod", "755", fake }
    local leaves = ("io.open(%q, 'a'):write 'LUA_INIT'"):format(mark)
    for name, value in pairs {
      LUA_INIT = leaves, LUA_INIT_5_1 = leaves, LUA_PATH = folder .. "/?.lua",
      LUA_CPATH = folder .. "/?.so", LUA_PATH_5_1 = folder .. "/?.lua;;",
      PATH = folder .. ":" .. os.getenv "PATH",
    } do
      for _, path in ipairs { command.path, installed .. "/usr/bin/tidegate" } do
        local got = run(path, { "check", "web.lua" }, { [name] = value, TIDEGATE_BUILD = "" })
        assert.is_nil(got.trace, name .. ": " .. tostring(got.trace))
        assert.same({ 0, "" }, { got.status, got.err }, name)
      end
    end
  end)

  it("would leave a mark if it did", function()
    local got = run("/bin/sh", { "-c", "exec luajit -e 'require \"luv\"'" },
      { LUA_PATH = "./?.lua" })
    assert.equal("luv\n", got.trace)
  end)
end)

-- make install: everything in its place, and working from there.

local command = require "spec.support.command"
local env = require "spec.support.env"

describe("make install", function()
  local folder

  local function make(...)
    local got = command.run { "make", "B=" .. command.build, ... }
    assert.equal(0, got.status, got.out .. got.err)
    return got
  end

  before_each(function() folder = env.folder() end)
  after_each(env.clean)

  it("puts command, modules, library, header and pkg-config file below DESTDIR", function()
    make("install", "DESTDIR=" .. folder, "PREFIX=/usr")
    for _, path in ipairs {
      "bin/tidegate", "include/tidegate.h", "lib/libtidegate.so.0.1.0", "lib/libtidegate.so.0",
      "lib/libtidegate.so", "lib/pkgconfig/tidegate.pc", "share/lua/5.1/tidegate/init.lua",
      "share/lua/5.1/tidegate/cdef.lua", "share/lua/5.1/tidegate/command/init.lua",
      "share/lua/5.1/tidegate/repl/prompt.lua", "share/lua/5.1/tidegate/repl/cdef.lua",
      "lib/libtidegate-repl.so.0", "share/lua/5.1/tidegate/nginx/pump.lua",
    } do
      assert.equal(0, command.run({ "test", "-s", folder .. "/usr/" .. path }).status, path)
    end
    assert.equal("libtidegate.so.0.1.0\n", command.run({ "readlink",
      folder .. "/usr/lib/libtidegate.so.0" }).out)
    local got = command.run({ folder .. "/usr/bin/tidegate", "check",
      "examples/01-first-light.lua" },
      { env = { TIDEGATE_BUILD = "" } })
    assert.equal("", got.err)
    assert.truthy(got.out:find("examples/01-first-light.lua: ok, 2 rules, ", 1, true))
    got = command.run({ "sh", "-c",
      'echo \'print(explain { connect = "1.2.3.4:5" }.decision)\' | "$0" repl',
      folder .. "/usr/bin/tidegate" }, { env = { TIDEGATE_BUILD = "" } })
    assert.equal("allow by default: 1.2.3.4:5\n", got.out)
  end)

  it("puts a command there that lets no variable choose its library", function()
    make("install", "DESTDIR=" .. folder, "PREFIX=/usr")
    local words = { "check", "examples/01-first-light.lua" }
    local environment = { env = { TIDEGATE_LIBRARY = "/none/such.so" } }
    local got = command.run({ folder .. "/usr/bin/tidegate", unpack(words) }, environment)
    assert.equal("", got.err)
    assert.equal(0, got.status)
    got = command.run({ command.path, unpack(words) }, environment)
    assert.truthy(got.err:find("^tidegate: /none/such.so: cannot open "), got.err)
    assert.equal(125, got.status)
  end)

  -- H6
  it("has a package for OpenResty beside it, with all that tidegate.nginx needs", function()
    make "opm"
    local package = command.build .. "/opm"
    assert.matches("\nversion = 0.1.0\n", env.read(package .. "/dist.ini"), 1, true)
    assert.equal(0, command.run({ "test", "-s", package .. "/lib/tidegate/nginx.lua" }).status)
    local got = command.run({ "luajit", "-e", [[
      package.preload.ngx = function() return { null = 1 } end
      package.preload["ngx.process"] = function() return {} end
      print(require("tidegate.nginx")._VERSION, require("tidegate.nginx.admin").serve)
    ]] }, { env = {
      LUA_PATH = ("%s/lib/?.lua;%s/lib/?/init.lua;;"):format(package, package),
      TIDEGATE_LIBRARY = command.build .. "/libtidegate.so.0",
    } })
    assert.equal("", got.err)
    assert.matches("^0.1.0\tfunction", got.out)
  end)

  it("serves a C program that knows only pkg-config", function()
    make("install", "PREFIX=" .. folder)
    local source = env.write(folder .. "/host.c", [[
#include <stdio.h>
#include <tidegate.h>

int main(void)
{
	struct tg_policy *policy;
	struct tg_image *image;
	struct tg_query query = { .size = sizeof(query), .op = TG_OP_CONNECT };
	struct tg_decision decision = { .size = sizeof(decision) };

	if (tg_abi() != TG_ABI || tg_policy_new("host", &policy) ||
	    tg_policy_default(policy, 1 << TG_OP_CONNECT, TG_VERB_DENY) ||
	    tg_policy_compile(policy, &image) || tg_query_endpoint(&query, "1.2.3.4:80") ||
	    tg_image_decide(image, NULL, &query, &decision))
		return puts(tg_error()), 1;
	printf("%s %s\n", tg_version(), tg_errno_name(decision.error));
	tg_image_free(image);
	tg_policy_free(policy);
	return 0;
}
]])
    local got = command.run({ "sh", "-c",
      'gcc -Wall -Wextra -Werror -pedantic "$0" -o "$1/host" $(pkg-config --cflags --libs '
        .. 'tidegate) && "$1/host"',
      source, folder },
      -- PKG_CONFIG_LIBDIR: instead of the system's, so that no other package is needed.
      { env = { PKG_CONFIG_LIBDIR = folder .. "/lib/pkgconfig",
        LD_LIBRARY_PATH = folder .. "/lib" } })
    assert.equal("", got.err)
    assert.equal("0.1.0 EPERM\n", got.out)
    assert.equal(0, got.status)
  end)

  it("gives pkg-config the right folders elsewhere, in a sysroot, and after a move", function()
    local function pkg_config(environment, ...)
      local got = command.run({ "pkg-config", ... }, { env = environment })
      assert.equal("", got.err)
      return got.out
    end

    make("install", "DESTDIR=" .. folder, "PREFIX=/opt/tidegate",
      "LIBDIR=/opt/tidegate/lib/multiarch", "LUADIR=/usr/share/lua/5.1")
    local staged = folder .. "/opt/tidegate/lib/multiarch/pkgconfig"
    assert.equal(("-I%s/opt/tidegate/include -L%s/opt/tidegate/lib/multiarch -ltidegate \n")
      :format(folder, folder),
      pkg_config({ PKG_CONFIG_PATH = staged, PKG_CONFIG_SYSROOT_DIR = folder }, "--cflags",
        "--libs", "tidegate"))
    assert.equal("/usr/share/lua/5.1\n", pkg_config({ PKG_CONFIG_PATH = staged },
      "--variable=luadir", "tidegate"))

    make("install", "PREFIX=" .. folder .. "/before")
    command.run { "mv", folder .. "/before", folder .. "/after" }
    local moved = { PKG_CONFIG_PATH = folder .. "/after/lib/pkgconfig" }
    assert.equal(("-I%s/after/include -L%s/after/lib -ltidegate \n"):format(folder, folder),
      pkg_config(moved, "--define-prefix", "--cflags", "--libs", "tidegate"))
    local got = command.run({ folder .. "/after/bin/tidegate", "check",
      "examples/01-first-light.lua" },
      { env = { TIDEGATE_BUILD = "" } })
    assert.equal("", got.err)
    assert.equal(0, got.status)
  end)

  it("leaves the header readable by a C++ compiler, if there is one", function()
    if command.run({ "sh", "-c", "command -v g++" }).status ~= 0 then
      pending "needs g++"
      return
    end
    make("install", "PREFIX=" .. folder)
    local got = command.run { "g++", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c++",
      folder .. "/include/tidegate.h" }
    assert.equal("", got.err)
  end)
end)

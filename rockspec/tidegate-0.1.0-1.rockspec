-- Builds from the tree, or, without clang and bpftool, from what `make rock` packs.
rockspec_format = "3.0"
package = "tidegate"
version = "0.1.0-1"
source = { url = "tidegate-0.1.0.tar.gz" } -- which the source rock holds
description = {
  summary = "Policies in Lua for the socket calls of Linux cgroups, enforced by BPF programs",
  license = "MIT",
}
supported_platforms = { "linux" }
-- LuaJIT, which LuaRocks cannot ask for.  The command also wants luv, argparse
-- and lua-cjson, from wherever they come; the module does not.
dependencies = { "lua == 5.1" }
external_dependencies = {
  LIBBPF = { header = "bpf/libbpf.h", library = "bpf" },
}
-- The command finds its modules from where it lies, and its first line LuaJIT.
deploy = { wrap_bin_scripts = false }
build = {
  type = "make",
  build_target = "library", -- the prompt needs libedit: `make install` has it
  build_variables = { CFLAGS = "$(CFLAGS) -I$(LIBBPF_INCDIR)", LDFLAGS = "-L$(LIBBPF_LIBDIR)" },
  install_target = "install-rock",
  install_variables = { BINDIR = "$(BINDIR)", LIBDIR = "$(LIBDIR)", LUADIR = "$(LUADIR)" },
}

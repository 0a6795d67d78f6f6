-- Builds from the tree, with clang and bpftool; or, without these, from what `make rock` packs.
rockspec_format = "3.0"
package = "tidegate"
version = "0.1.0-1"
source = { url = "tidegate-0.1.0.tar.gz" } -- inside the source rock
description = {
  summary = "Policies in Lua for the socket calls of Linux cgroups, enforced by BPF programs",
  license = "MIT",
}
supported_platforms = { "linux" }
-- "lua 5.1" stands for LuaJIT, which a rockspec cannot name. The command also needs luv, argparse
-- and lua-cjson, from LuaRocks or from packages; the library does not, so they are not listed.
dependencies = { "lua == 5.1" }
external_dependencies = {
  LIBBPF = { header = "bpf/libbpf.h", library = "bpf" },
}
-- No wrapper script: the command finds LuaJIT and its own modules itself.
deploy = { wrap_bin_scripts = false }
build = {
  type = "make",
  build_target = "library", -- without the prompt, which needs libedit
  build_variables = { CFLAGS = "$(CFLAGS) -I$(LIBBPF_INCDIR)", LDFLAGS = "-L$(LIBBPF_LIBDIR)" },
  install_target = "install-rock",
  install_variables = { BINDIR = "$(BINDIR)", LIBDIR = "$(LIBDIR)", LUADIR = "$(LUADIR)" },
}

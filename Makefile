# Tidegate. On a fresh Debian 12, `make demo` and `make test` install what they need.
B ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
LUADIR ?= $(PREFIX)/share/lua/5.1
VERSION := 0.1.0
SONAME := libtidegate.so.0
REPL := libtidegate-repl.so.0

CC = gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool /usr/bin/bpftool) bpftool)
LUAJIT ?= luajit
KERNELS ?= 6.1 6.12
ARCH := $(shell uname -m)
BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(ARCH)))

CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -iquote core -iquote . -iquote $(B) $(CFLAGS)
BPF_CFLAGS = -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror \
	-I/usr/include/$(shell $(CC) -print-multiarch) -iquote .

# Packages of Debian. luajit2 instead of luajit, which conflicts with nginx's Lua module.
PACKAGES := gcc make libc6-dev clang llvm clang-format libbpf-dev libelf-dev zlib1g-dev libedit-dev bpftool pkg-config \
	luajit2 libluajit2-5.1-dev luarocks lua-luv lua-argparse lua-cjson lua-busted lua-check valgrind \
	nginx libnginx-mod-http-lua lua-resty-core curl netcat-openbsd iproute2 netbase tmux

V ?= 0
ifeq ($(V),0)
Q = @
say = @printf '  %-8s %s\n' $(1) $(2)
MAKEFLAGS += --no-print-directory --silent
else
Q =
say = @:
endif

CORE := $(wildcard core/*/*.c)
OBJECTS = $(CORE:core/%.c=$(B)/core/%.o)
HEADERS := $(wildcard core/*.h core/*/*.h bpf/*/*.h)
BUILD = $(abspath $(B))

# Everything except the prompt, which needs libedit.
LIBRARY := $(B)/libtidegate.so $(B)/lua/tidegate/cdef.lua $(B)/tidegate

PROMPT := $(B)/$(REPL) $(B)/lua/tidegate/repl/cdef.lua

all: $(LIBRARY) $(PROMPT) ## build into build/ (B=DIR: into another folder); V=1 shows the commands

library: $(LIBRARY)

$(B)/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*/*.h) | $(B)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)llvm-strip -g $@ 2>/dev/null || true

# A source rock contains the skeletons, ready made.
$(B)/%.skel.h: prebuilt/%.skel.h | $(B)
	$(Q)cp $< $@

$(B)/%.skel.h: $(B)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# -MMD: the compiler writes a list of the headers that each object depends on.
$(B)/core/%.o: core/%.c | $(B)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

-include $(OBJECTS:.o=.d)

$(B)/core/base/version.o: ALL_CFLAGS += -DTG_VERSION='"$(VERSION)"'
$(B)/core/base/version.o: Makefile
$(B)/core/gate/program.o: $(B)/tidegate.skel.h
$(B)/core/gate/program_unix.o: $(B)/unix.skel.h
$(B)/core/gate/redirected.o: $(B)/redirected.skel.h

$(B)/$(SONAME): $(OBJECTS) core/tidegate.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,core/tidegate.map -Wl,-z,defs \
		$(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS) -lbpf

$(B)/libtidegate.so: $(B)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# Write the public regions of headers as declarations for LuaJIT: $(1) the file, $(2) the headers.
cdef = { echo 'return [['; \
	  sed -n '/^\/\* public { \*\//,/^\/\* } public \*\//{s/^\#define \(TG_[A-Z_]*\)[ \t]*\([^ ]*\)\(.*\)/static const uint32_t \1 = \2;\3/;s/__u\([0-9]*\) /uint\1_t /;s/^TG_REPL //;p}' \
	    $(2); \
	  echo ']]'; } > $(1)

$(B)/lua/tidegate/cdef.lua: bpf/layout/event.h core/tidegate.h Makefile | $(B)
	$(call say,CDEF,$@)
	$(Q)$(call cdef,$@,bpf/layout/event.h core/tidegate.h)

$(B)/lua/tidegate/repl/cdef.lua: repl/repl.h Makefile | $(B)
	$(call say,CDEF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(call cdef,$@,repl/repl.h)

# The C library of the prompt, which only `tidegate repl` loads.
$(B)/$(REPL): $(wildcard repl/*.[ch]) | $(B)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,$(REPL) -Wl,-z,defs -o $@ $(filter %.c,$^) -ledit

# Write the launcher: $(1) the file, $(2) the folders of the Lua modules, relative to that file.
launcher = sed 's|@folders@|$(2)|' bin/tidegate > $(1) && chmod 755 $(1)

$(B)/tidegate: bin/tidegate Makefile | $(B)
	$(call say,COMMAND,$@)
	$(Q)$(call launcher,$@,$(shell realpath -m --relative-to=$(B) lua) lua)

# The installed tidegate.h is one file, with event.h inside.
$(B)/tidegate.h: core/tidegate.h bpf/layout/event.h | $(B)
	$(call say,HEADER,$@)
	$(Q)sed -e '/^#include "bpf\/layout\/event.h"/{r bpf/layout/event.h' -e 'd}' core/tidegate.h > $@

# The pkg-config file. It contains PREFIX, so each install writes it again. It has no Libs.private,
# because there is no static library: a program that links with us does not need libbpf-dev.
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
pkgconfig = printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' \
	'libdir=$(call below_prefix,$(LIBDIR))' 'luadir=$(call below_prefix,$(LUADIR))' '' \
	'Name: tidegate' 'Description: Policies for the socket calls of cgroups' 'Version: $(VERSION)' \
	'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -ltidegate'

# Programs of the kernel specs that are not Lua.
SPEC_PROGRAMS = $(B)/client $(B)/escape $(B)/attach_conflict $(B)/watch.bpf.o $(B)/other.bpf.o

$(B)/client $(B)/escape: $(B)/%: spec/c/%.c | $(B)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -Wall -Wextra -Werror -O1 -static -pthread $< -o $@

# It attaches the BPF programs below, which represent programs of other owners.
$(B)/attach_conflict: spec/c/attach_conflict.c | $(B)
	$(call say,CC,$@)
	$(Q)$(CC) -std=gnu11 -Wall -Wextra -Werror -O1 $< -o $@ -lbpf

$(B)/%.bpf.o: spec/c/%.bpf.c | $(B)
	$(call say,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B):
	$(Q)mkdir -p $(B)/core $(B)/lua/tidegate

# The specs start nginx themselves: the server that Debian's package starts is stopped and disabled.
deps: ## install the Debian packages that are missing
	@command -v dpkg-query > /dev/null || \
	  { echo 'This is not Debian. These are the names of the needed packages in Debian: $(PACKAGES)'; exit 0; }; \
	have=" $$(dpkg-query -W -f '$${Package}=$${db:Status-Status} ' $(PACKAGES) 2> /dev/null)"; missing=; \
	for package in $(PACKAGES); do \
	  case "$$have" in *" $$package=installed "*) ;; *) missing="$$missing $$package";; esac; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" != 0 ]; then \
	  echo "These packages are missing; install them with: sudo apt-get install$$missing"; exit 1; \
	fi; \
	echo "  INSTALL $$missing"; \
	log=$$(mktemp); export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get -qq update && apt-get -qq -y install --no-install-recommends $$missing; } > $$log 2>&1; \
	status=$$?; [ $$status = 0 ] || cat $$log; rm -f $$log; \
	case "$$missing " in *' nginx '*) service nginx stop; update-rc.d nginx disable;; esac > /dev/null 2>&1; \
	exit $$status

test: deps ## build, run every spec (SPEC="FILE FOLDER ...": only these)
	@$(MAKE) all $(SPEC_PROGRAMS)
	$(Q)TIDEGATE_BUILD=$(BUILD) $(LUAJIT) spec/run $(SPEC)

# Emulated processors are slow, so the specs publish fewer generations there.
test-kernels: deps ## run spec/kernel on other kernels under qemu (KERNELS="6.1 6.12"); downloads them
	@$(MAKE) all $(SPEC_PROGRAMS)
	$(Q)export TIDEGATE_BUILD=$(BUILD) TIDEGATE_GENERATIONS=200; \
	export VMRUN_ENV='TIDEGATE_BUILD TIDEGATE_GENERATIONS TIDEGATE_SEED TIDEGATE_ROUNDS' VMRUN_CPUS=2 VMRUN_TIMEOUT=7200; \
	failed=; \
	for kernel in $(KERNELS); do \
	  echo "  KERNEL   $$kernel"; \
	  spec/support/vmrun $$kernel -- $(LUAJIT) spec/run $(or $(SPEC),spec/kernel) || failed="$$failed $$kernel"; \
	done; \
	[ -z "$$failed" ] || { echo "failed on:$$failed"; exit 1; }

demo: deps ## build and show a policy at work on real traffic
	@$(MAKE) all
	$(Q)TIDEGATE_BUILD=$(BUILD) examples/demo

bench: deps ## measure calls, and write build/bench.json (QUICK=1: in about 90 s)
	@$(MAKE) all $(B)/bench/measure
	$(Q)TIDEGATE_BUILD=$(BUILD) QUICK=$(QUICK) $(LUAJIT) bench/run

bench-nginx: deps ## measure nginx with a gate, and write build/bench-nginx.json (QUICK=1: in a minute)
	@$(MAKE) all
	$(Q)TIDEGATE_BUILD=$(BUILD) QUICK=$(QUICK) LUA_PATH='./?.lua;lua/?.lua;lua/?/init.lua;$(B)/lua/?.lua;;' $(LUAJIT) bench/nginx

$(B)/bench/rival.skel.h: bench/rival.bpf.c bench/rival_layout.h
	$(call say,SKEL,$@)
	$(Q)mkdir -p $(B)/bench
	$(Q)$(CLANG) $(BPF_CFLAGS) -c bench/rival.bpf.c -o $(B)/bench/rival.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $(B)/bench/rival.bpf.o name rival_bpf > $@

$(B)/bench/measure: $(wildcard bench/*.[ch]) $(HEADERS) $(B)/bench/rival.skel.h $(B)/libtidegate.so
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -iquote $(B)/bench -o $@ $(filter-out %.bpf.c,$(wildcard bench/*.c)) \
	  -L$(B) -l:$(SONAME) -Wl,-rpath,'$$ORIGIN/..' -lbpf

docs: ## write the generated parts of docs/ again
	$(Q)LUA_PATH='lua/?.lua;lua/?/init.lua;;' $(LUAJIT) docs/generate.lua docs/*.md

# They need nothing of each other, so `make -j lint` runs them side by side.
LINTS := lint-lua lint-format lint-layers lint-symbols

lint: deps ## check style and layers, and that header, symbol map and library agree
	@$(MAKE) all
	@$(MAKE) $(LINTS)

lint-lua:
	$(call say,LUACHECK,'lua bin spec examples bench docs')
	$(Q)luacheck -q lua bin/tidegate spec spec/run examples bench/run bench/nginx docs

lint-format:
	$(call say,FORMAT,'core bpf repl bench spec/c examples/c')
	$(Q)clang-format --dry-run -Werror core/*.h core/*/*.[ch] bpf/*.c bpf/*/*.h repl/*.[ch] \
	  $(wildcard bench/*.[ch] spec/c/*.[ch] examples/c/*.c)

lint-layers:
	$(call say,LAYERS,'core bpf')
	$(Q)awk -f .ci/layers.awk core/*.h core/*/*.[ch] bpf/*.c bpf/*/*.h bench/*.[ch] spec/c/*.[ch]

lint-symbols:
	$(call say,SYMBOLS,$(B)/$(SONAME))
	$(Q)sed -n 's/^\t\t\(tg_[a-z0-9_]*\);$$/\1/p' core/tidegate.map | LC_ALL=C sort > $(B)/symbols.map
	$(Q)nm -D --defined-only $(B)/$(SONAME) | sed -n 's/.* [A-Z] \(tg_[a-z0-9_]*\)@.*/\1/p' | \
	  LC_ALL=C sort > $(B)/symbols.so
	$(Q)$(CC) -fpreprocessed -dD -E -P core/tidegate.h | grep -o '\btg_[a-z0-9_]*(' | tr -d '(' | \
	  LC_ALL=C sort > $(B)/symbols.h
	$(Q)diff -u --label core/tidegate.map --label core/tidegate.h $(B)/symbols.map $(B)/symbols.h
	$(Q)diff -u --label core/tidegate.map --label $(SONAME) $(B)/symbols.map $(B)/symbols.so

# Install the Lua modules into a folder: $(1).
install_lua = (cd lua && find tidegate -name '*.lua' -exec install -Dm 644 {} $(abspath $(1))/{} \;) && \
	(cd $(B)/lua && find tidegate -name '*.lua' -exec install -Dm 644 {} $(abspath $(1))/{} \;)

install: all $(B)/tidegate.h ## install under PREFIX (/usr/local), inside DESTDIR if that is set
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)$(call launcher,$(DESTDIR)$(PREFIX)/bin/tidegate,$(shell realpath -m --relative-to=$(PREFIX)/bin $(LUADIR)))
	$(Q)install -m 755 $(B)/$(SONAME) $(DESTDIR)$(LIBDIR)/libtidegate.so.$(VERSION)
	$(Q)ln -sf libtidegate.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtidegate.so
	$(Q)install -m 755 $(B)/$(REPL) $(DESTDIR)$(LIBDIR)/$(REPL)
	$(Q)install -m 644 $(B)/tidegate.h $(DESTDIR)$(PREFIX)/include/
	$(Q)$(pkgconfig) > $(DESTDIR)$(LIBDIR)/pkgconfig/tidegate.pc
	$(Q)$(call install_lua,$(DESTDIR)$(LUADIR))
	$(Q)[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

# LuaRocks runs this with temporary folders, and then moves their contents to bin, lib/lua/5.1 and
# share/lua/5.1 of its tree.
install-rock: $(LIBRARY)
	$(Q)install -d $(BINDIR) $(LIBDIR)
	$(Q)$(call launcher,$(BINDIR)/tidegate,../share/lua/5.1)
	$(Q)install -m 755 $(B)/$(SONAME) $(LIBDIR)/libtidegate.so
	$(Q)$(call install_lua,$(LUADIR))

ROCK = tidegate-$(VERSION)
ROCKSPEC = rockspec/$(ROCK)-1.rockspec

rock: $(B)/tidegate.skel.h $(B)/unix.skel.h $(B)/redirected.skel.h ## pack a rock that LuaRocks can build without clang and bpftool
	$(call say,ROCK,$(B)/$(ROCK)-1.src.rock)
	$(Q)rm -rf $(B)/rock $(B)/$(ROCK)-1.src.rock
	$(Q)mkdir -p $(B)/rock/$(ROCK)/prebuilt
	$(Q)cp -r Makefile README.md LICENSE bin bpf core lua $(ROCKSPEC) $(B)/rock/$(ROCK)
	$(Q)cp $^ $(B)/rock/$(ROCK)/prebuilt
	$(Q)cp $(ROCKSPEC) $(B)/rock
	$(Q)tar -C $(B)/rock -czf $(B)/rock/$(ROCK).tar.gz $(ROCK)
	$(Q)cd $(B)/rock && zip -q $(BUILD)/$(ROCK)-1.src.rock $(notdir $(ROCKSPEC)) $(ROCK).tar.gz

clean: ## remove build/
	$(Q)rm -rf $(B)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

.PHONY: all deps test test-kernels demo bench bench-nginx docs lint lint-lua lint-format lint-layers lint-symbols \
	install install-rock rock library clean help
.DELETE_ON_ERROR:
.PRECIOUS: $(B)/%.bpf.o

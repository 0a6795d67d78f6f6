# Tidegate. On a fresh Debian 12, `make demo` and `make test` install what they need.
B ?= build
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
LUADIR ?= $(PREFIX)/share/lua/5.1
# The header has the versions: TG_VERSION_NUMBER 0x000100 is 0.1.0, and TG_ABI the soname's number.
VERSION := $(shell printf '%d.%d.%d' $$(sed -n 's/^.define TG_VERSION_NUMBER 0x\(..\)\(..\)\(..\)$$/0x\1 0x\2 0x\3/p' core/tidegate.h))
SONAME := libtidegate.so.$(shell sed -n 's/^.define TG_ABI //p' core/tidegate.h)
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
PACKAGES := gcc g++ make libc6-dev clang llvm libclang-rt-dev clang-format libbpf-dev libelf-dev zlib1g-dev libedit-dev bpftool pkg-config \
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

# -MMD: the compiler writes a list of the headers that each object depends on. B may be absolute in
# one run and relative in the next, so the list is for the object under both of its names.
$(B)/core/%.o: core/%.c | $(B)
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MT '$(abspath $@) $(patsubst $(CURDIR)/%,%,$(abspath $@))' \
	  -c $< -o $@

-include $(OBJECTS:.o=.d)

$(B)/core/base/version.o: ALL_CFLAGS += -DTG_VERSION='"$(VERSION)"' -DTG_PRIVATE_ABI=$$(cat $(B)/private_abi)u
$(B)/core/base/version.o: Makefile $(B)/private_abi
$(B)/core/gate/program.o: $(B)/tidegate.skel.h
$(B)/core/gate/program_unix.o: $(B)/unix.skel.h
$(B)/core/gate/redirected.o: $(B)/redirected.skel.h

$(B)/$(SONAME): $(OBJECTS) core/tidegate.map
	$(call say,LINK,$@)
	$(Q)$(CC) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,core/tidegate.map -Wl,-z,defs \
		$(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS) -lbpf

$(B)/libtidegate.so: $(B)/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# The declarations for LuaJIT: what headers have between `cdef {` and `} cdef`, without comments.
cdef = sed -n '/^\/\* cdef { \*\//,/^\/\* } cdef \*\//{/^\#define TG_[A-Z_]*(/d;/^\#define TG_[A-Z_]* *UINT64_/d;s/^\#define \(TG_[A-Z_]*\)[ \t]*\([^ ]*\)\(.*\)/static const uint32_t \1 = \2;\3/;s/__u\([0-9]*\) /uint\1_t /;s/^TG_REPL //;p}' $(1) | \
	$(CC) -fpreprocessed -dD -E -P -

# All that the Lua module takes from the library, and its checksum, by which they know each other.
DECLARING := bpf/layout/enums.h core/tidegate.h bpf/layout/event_record.h core/tidegate_private.h

$(B)/private_abi: $(DECLARING) Makefile | $(B)
	$(Q)$(call cdef,$(DECLARING)) | cksum | cut -d' ' -f1 > $@

$(B)/lua/tidegate/cdef.lua: $(DECLARING) $(B)/private_abi Makefile | $(B)
	$(call say,CDEF,$@)
	$(Q){ echo 'return [['; $(call cdef,$(DECLARING)); \
	  echo "static const uint32_t TG_PRIVATE_ABI = $$(cat $(B)/private_abi);"; echo ']]'; } > $@

$(B)/lua/tidegate/repl/cdef.lua: repl/repl.h Makefile | $(B)
	$(call say,CDEF,$@)
	$(Q)mkdir -p $(@D)
	$(Q){ echo 'return [['; $(call cdef,repl/repl.h); echo ']]'; } > $@

# The C library of the prompt, which only `tidegate repl` loads.
$(B)/$(REPL): $(wildcard repl/*.[ch]) | $(B)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,$(REPL) -Wl,-z,defs -o $@ $(filter %.c,$^) -ledit

# What the Lua language server reads of the module, from the annotations of its public classes.
$(B)/luals/tidegate.lua: docs/lua_reference.lua docs/lua_classes.lua $(wildcard lua/tidegate/*.lua) | $(B)
	$(call say,LUALS,$@)
	$(Q)mkdir -p $(@D)
	$(Q)LUA_PATH='docs/?.lua;;' $(LUAJIT) -e 'io.write(require("lua_reference").definitions())' > $@

# Completions of the command, each under the name by which its shell finds it.
COMPLETIONS := $(addprefix $(B)/completions/,bash/tidegate zsh/_tidegate fish/tidegate.fish)

$(COMPLETIONS): docs/completions.lua $(wildcard lua/tidegate/*.lua lua/tidegate/command/*.lua) $(LIBRARY)
	$(call say,COMPLETE,$@)
	$(Q)mkdir -p $(@D)
	$(Q)TIDEGATE_LIBRARY=$(BUILD)/libtidegate.so LUA_PATH='lua/?.lua;lua/?/init.lua;$(B)/lua/?.lua;;' \
	  $(LUAJIT) docs/completions.lua $(notdir $(@D)) > $@

# The manual pages, of which one stands for all: which there are, the option parser says.
$(B)/man/tidegate.1: $(wildcard docs/*.lua lua/tidegate/*.lua lua/tidegate/*/*.lua) docs/policy.md core/tidegate.h $(LIBRARY)
	$(call say,MAN,$(@D))
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)TIDEGATE_LIBRARY=$(BUILD)/libtidegate.so LUA_PATH='docs/?.lua;lua/?.lua;lua/?/init.lua;$(B)/lua/?.lua;;' \
	  $(LUAJIT) docs/man.lua $(@D)

# Write the launcher: $(1) the file, $(2) the folders of the Lua modules, relative to that file,
# $(3) whether it is installed, or stays in the tree. Its first line names LuaJIT by its path, so
# that PATH does not choose what runs.
INTERPRETER = $(or $(shell command -v $(LUAJIT)),$(LUAJIT))
launcher = sed '1s|.*|\#!$(INTERPRETER) -E|;s|@folders@|$(2)|;s|@place@|$(3)|' bin/tidegate > $(1) && chmod 755 $(1)

$(B)/tidegate: bin/tidegate Makefile | $(B)
	$(call say,COMMAND,$@)
	$(Q)$(call launcher,$@,$(shell realpath -m --relative-to=$(B) lua) lua,tree)

# The installed tidegate.h is one file, with enums.h inside.
$(B)/tidegate.h: core/tidegate.h bpf/layout/enums.h | $(B)
	$(call say,HEADER,$@)
	$(Q)sed -e '/^#include "bpf\/layout\/enums.h"/{r bpf/layout/enums.h' -e 'd}' core/tidegate.h > $@

# The pkg-config file. It contains PREFIX, so each install writes it again. It has no Libs.private,
# because there is no static library: a program that links with us does not need libbpf-dev.
below_prefix = $(patsubst $(PREFIX)/%,$${prefix}/%,$(1))
pkgconfig = printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' \
	'libdir=$(call below_prefix,$(LIBDIR))' 'luadir=$(call below_prefix,$(LUADIR))' '' \
	'Name: tidegate' 'Description: Policies for the socket calls of cgroups' 'Version: $(VERSION)' \
	'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -ltidegate'

# Programs of the kernel specs that are not Lua.
# What takes long to build is left out if the only specs to run are files that do not need it.
needed = $(if $(strip $(if $(SPEC),,all) $(filter-out %_spec.lua,$(SPEC)) $(filter $(1),$(SPEC))),$(2))
SPEC_PROGRAMS = $(B)/sanitized.a $(call needed,%/fuzz_spec.lua,$(FUZZ)) $(B)/client $(B)/escape $(B)/watcher $(B)/attach_conflict $(B)/watch.bpf.o $(B)/other.bpf.o

# The core as the C programs of specs use it: with sanitizers, with what is not public, and with
# marks that tell a fuzzer which code an input reaches.  Warnings are gcc's business.
SANITIZED = $(OBJECTS:$(B)/core/%=$(B)/sanitized/%)
SANITIZE := -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all

$(B)/sanitized/%.o: core/%.c $(B)/core/%.o
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(ALL_CFLAGS) -w -fvisibility=default $(SANITIZE) -fsanitize=fuzzer-no-link -c $< -o $@

$(B)/sanitized/base/version.o: ALL_CFLAGS += -DTG_VERSION='"$(VERSION)"' -DTG_PRIVATE_ABI=$$(cat $(B)/private_abi)u

$(B)/sanitized.a: $(SANITIZED)
	$(call say,AR,$@)
	$(Q)rm -f $@; $(AR) rc $@ $(SANITIZED)

$(B)/sanitized.so: $(SANITIZED)
	$(call say,LINK,$@)
	$(Q)$(CLANG) -shared $(SANITIZE) -o $@ $(SANITIZED) -lbpf

# The targets of `make fuzz`: spec/fuzz/NAME.c is given inputs, and uses the core.
FUZZ = $(patsubst spec/fuzz/%.c,$(B)/fuzz/%,$(wildcard spec/fuzz/*.c))

$(B)/fuzz/%: spec/fuzz/%.c $(B)/sanitized.a
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu11 -Wall -Wextra -Werror $(SANITIZE) -fsanitize=fuzzer -iquote core -iquote . \
	  -iquote spec/c -o $@ $(filter-out $(B)/sanitized.a,$^) $(B)/sanitized.a -lbpf -lm

$(B)/fuzz/image: $(patsubst %,spec/c/%.c,damage draw random_image read_image)
$(B)/fuzz/text $(B)/fuzz/file $(B)/fuzz/table: spec/c/draw.c
# LuaJIT loads the core itself, as the module does.
$(B)/fuzz/policy: spec/fuzz/policy.c $(B)/sanitized.so
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) -std=gnu11 -Wall -Wextra -Werror $(SANITIZE) -fsanitize=fuzzer \
	  $$(pkg-config --cflags luajit) -o $@ $< $$(pkg-config --libs luajit)

$(B)/client $(B)/escape $(B)/watcher: $(B)/%: spec/c/%.c | $(B)
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

test: deps ## build, run every spec (SPEC="FILE FOLDER ...": only these; JOBS=1: one at a time)
	@$(MAKE) all $(SPEC_PROGRAMS)
	$(Q)TIDEGATE_BUILD=$(BUILD) JOBS=$(JOBS) $(LUAJIT) spec/run $(SPEC)

# A proof alone has both processors, so that a proof of races meets as many as it can.
soak: deps ## run the long proofs in full, for an hour or more (SPEC="FILE FOLDER ...": only these)
	@$(MAKE) all $(SPEC_PROGRAMS)
	$(Q)TIDEGATE_BUILD=$(BUILD) ROUNDS=$(or $(ROUNDS),whole) TIDEGATE_SECONDS=120 JOBS=1 \
	  $(LUAJIT) spec/run $(or $(SPEC),spec/security spec/unit/corrupt_spec.lua spec/kernel/soak_spec.lua)

SECONDS ?= 60

fuzz: deps ## look for inputs that break the core or the module (SECONDS=60, TARGET="image text file policy table")
	@$(MAKE) all $(FUZZ)
	$(Q)TIDEGATE_BUILD=$(BUILD) spec/fuzz/run $(SECONDS) $(TARGET)

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

docs: $(B)/lua/tidegate/cdef.lua $(B)/libtidegate.so ## write the generated parts of docs/ again
	$(Q)LUA_PATH='docs/?.lua;lua/?.lua;lua/?/init.lua;$(B)/lua/?.lua;;' $(LUAJIT) docs/generate.lua docs/*.md

# They need nothing of each other, so `make -j lint` runs them side by side.
LINTS := lint-lua lint-format lint-layers lint-symbols

lint: deps ## check style and layers, and that header, symbol map and library agree
	@$(MAKE) all
	@$(MAKE) $(LINTS)

lint-lua:
	$(call say,LUACHECK,'lua bin spec examples bench docs')
	$(Q)luacheck -q lua bin/tidegate spec spec/run examples bench/run bench/nginx docs

lint-format:
	$(call say,FORMAT,'core bpf repl bench spec/c spec/fuzz examples/c')
	$(Q)clang-format --dry-run -Werror core/*.h core/*/*.[ch] bpf/*.c bpf/*/*.h repl/*.[ch] \
	  $(wildcard bench/*.[ch] spec/c/*.[ch] spec/fuzz/*.c examples/c/*.c)

lint-layers:
	$(call say,LAYERS,'core bpf')
	$(Q)awk -f .ci/layers.awk core/*.h core/*/*.[ch] bpf/*.c bpf/*/*.h bench/*.[ch] spec/c/*.[ch]

lint-symbols:
	$(call say,SYMBOLS,$(B)/$(SONAME))
	$(Q)sed -n 's/^\t\t\(tg_[a-z0-9_]*\);$$/\1/p' core/tidegate.map | LC_ALL=C sort > $(B)/symbols.map
	$(Q)nm -D --defined-only $(B)/$(SONAME) | sed -n 's/.* [A-Z] \(tg_[a-z0-9_]*\)@.*/\1/p' | \
	  LC_ALL=C sort > $(B)/symbols.so
	$(Q)cat core/tidegate.h core/tidegate_private.h | $(CC) -fpreprocessed -dD -E -P - | grep -o '\btg_[a-z0-9_]*(' | tr -d '(' | \
	  LC_ALL=C sort > $(B)/symbols.h
	$(Q)diff -u --label core/tidegate.map --label 'headers in core' $(B)/symbols.map $(B)/symbols.h
	$(Q)diff -u --label core/tidegate.map --label $(SONAME) $(B)/symbols.map $(B)/symbols.so

# The Lua module for OpenResty's package manager.
opm: $(LIBRARY) ## put the package for OpenResty's opm together in build/opm
	$(call say,OPM,$(B)/opm)
	$(Q)rm -rf $(B)/opm
	$(Q)mkdir -p $(B)/opm/doc
	$(Q)$(call install_lua,$(B)/opm/lib)
	$(Q)rm -r $(B)/opm/lib/tidegate/command $(B)/opm/lib/tidegate/host $(B)/opm/lib/tidegate/repl
	$(Q)cp README.md LICENSE $(B)/opm && cp docs/nginx.md $(B)/opm/doc
	$(Q)sed 's/^abstract/version = $(VERSION)\n&/' dist.ini > $(B)/opm/dist.ini

# Install the Lua modules into a folder: $(1).
install_lua = (cd lua && find tidegate -name '*.lua' -exec install -Dm 644 {} $(abspath $(1))/{} \;) && \
	(cd $(B)/lua && find tidegate -name '*.lua' -exec install -Dm 644 {} $(abspath $(1))/{} \;)

install: install-programs $(COMPLETIONS) $(B)/man/tidegate.1 ## install under PREFIX (/usr/local), inside DESTDIR if that is set
	$(Q)install -Dm 644 $(B)/completions/bash/tidegate $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tidegate
	$(Q)install -Dm 644 $(B)/completions/zsh/_tidegate $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_tidegate
	$(Q)install -Dm 644 $(B)/completions/fish/tidegate.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/tidegate.fish
	$(Q)for page in $(B)/man/*; do \
	  section=$${page##*.}; \
	  install -Dm 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${section%lua}/$${page##*/} || exit 1; \
	done

# What runs. The rest is written by our own command, which a library with sanitizers cannot do.
install-programs: all $(B)/tidegate.h $(B)/luals/tidegate.lua
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)$(call launcher,$(DESTDIR)$(PREFIX)/bin/tidegate,$(shell realpath -m --relative-to=$(PREFIX)/bin $(LUADIR)),installed)
	$(Q)install -m 755 $(B)/$(SONAME) $(DESTDIR)$(LIBDIR)/libtidegate.so.$(VERSION)
	$(Q)ln -sf libtidegate.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	$(Q)ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtidegate.so
	$(Q)install -m 755 $(B)/$(REPL) $(DESTDIR)$(LIBDIR)/$(REPL)
	$(Q)install -m 644 $(B)/tidegate.h $(DESTDIR)$(PREFIX)/include/
	$(Q)install -Dm 644 $(B)/luals/tidegate.lua $(DESTDIR)$(PREFIX)/share/tidegate/luals/tidegate.lua
	$(Q)$(pkgconfig) > $(DESTDIR)$(LIBDIR)/pkgconfig/tidegate.pc
	$(Q)$(call install_lua,$(DESTDIR)$(LUADIR))
	$(Q)[ -n "$(DESTDIR)" ] || [ "$$(id -u)" != 0 ] || ldconfig

# LuaRocks runs this with temporary folders, and then moves their contents to bin, lib/lua/5.1 and
# share/lua/5.1 of its tree.
install-rock: $(LIBRARY)
	$(Q)install -d $(BINDIR) $(LIBDIR)
	$(Q)$(call launcher,$(BINDIR)/tidegate,../share/lua/5.1,installed)
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

.PHONY: all deps test soak fuzz test-kernels demo bench bench-nginx docs lint lint-lua lint-format lint-layers lint-symbols \
	install install-programs install-rock rock opm library clean help
.DELETE_ON_ERROR:
.PRECIOUS: $(B)/%.bpf.o

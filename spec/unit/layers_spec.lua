-- `make lint-layers`: which folder of core/ and bpf/ may include which, tried on a copy of the
-- tree in which one fault is planted.

local command = require "spec.support.command"
local env = require "spec.support.env"

local SOURCES = "core/*.h core/*/*.[ch] bpf/*.c bpf/*/*.h bench/*.[ch] spec/c/*.[ch]"

describe("make lint-layers", function()
  local copy

  --- The faults that it prints, in order.
  local function faults()
    local got = command.run({ "make", "-s", "lint-layers" }, { cwd = copy })
    local found = {}
    for line in got.out:gmatch "[^\n]+" do
      found[#found + 1] = line:match "^%S+:%d+: .*"
    end
    assert.equal(#found > 0 and 2 or 0, got.status, got.err)
    return found
  end

  --- The faults when a file has these lines.
  local function planted(path, text)
    env.write(copy .. "/" .. path, text)
    local found = faults()
    os.remove(copy .. "/" .. path)
    return found
  end

  setup(function()
    copy = env.folder()
    local got = command.run { "sh", "-c", "cp --parents Makefile .ci/layers.awk " .. SOURCES
      .. ' "$0"', copy }
    assert(got.status == 0, got.err)
  end)
  teardown(env.clean)

  --- A file with its include guard and one include, in line 3.
  local function including(path, include)
    local guard = "TG_" .. path:gsub("^core/", ""):gsub("%W", "_"):upper()
    return ("#ifndef %s\n#define %s\n#include \"%s\"\n"):format(guard, guard, include)
  end

  local function assert_may_not(own, other, path, include)
    assert.same({
      ("%s:3: includes %s: %s/ may not use %s/; "):format(path, include, own, other)
        .. "move what it needs down to a folder that .ci/layers.awk lets it use, or move this "
        .. "code up",
    }, planted(path, including(path, include)))
  end

  it("finds no fault in the tree", function()
    assert.same({}, faults())
  end)

  it("refuses a folder that includes one above it", function()
    assert_may_not("base", "system", "core/base/planted.c", "system/cgroup_mount.h")
    assert_may_not("parse", "table", "core/parse/planted.c", "table/set.h")
    assert_may_not("table", "image", "core/table/planted.c", "image/image.h")
    assert_may_not("image", "gate", "core/image/planted.c", "gate/gate.h")
    assert_may_not("layout", "engine", "bpf/layout/planted.h", "bpf/engine/match.h")
    assert_may_not("engine", "hook", "bpf/engine/planted.h", "bpf/hook/maps.h")
  end)

  it("refuses compile/ and policy/ in what runs without them", function()
    assert_may_not("gate", "compile", "core/gate/planted.c", "compile/compile.h")
    assert_may_not("gate", "policy", "core/gate/planted.c", "policy/policy.h")
    assert_may_not("lint", "compile", "core/lint/planted.c", "compile/compile.h")
    assert_may_not("simulate", "policy", "core/simulate/planted.c", "policy/list.h")
  end)

  it("refuses what only BPF programs use, in all of core/", function()
    for _, room in ipairs { "base", "policy", "simulate", "gate" } do
      assert_may_not(room, "hook", ("core/%s/planted.c"):format(room), "bpf/hook/maps.h")
    end
  end)

  it("lets a folder use itself and those below it", function()
    assert.same({}, planted("core/gate/planted.h", including("core/gate/planted.h", "gate/gate.h")))
    assert.same({}, planted("core/compile/planted.c",
      including("core/compile/planted.c", "policy/list.h")))
    assert.same({}, planted("core/base/planted.c",
      including("core/base/planted.c", "bpf/layout/enums.h")))
    assert.same({}, planted("core/base/planted.c", including("core/base/planted.c", "tidegate.h")))
    assert.same({}, planted("bpf/planted.bpf.c", including("bpf/planted.bpf.c", "bpf/hook/maps.h")))
  end)

  it("refuses an include that is not written from the root", function()
    for _, path in ipairs {
      "core/gate/planted.c", "bpf/hook/planted.h", "bench/planted.c", "spec/c/planted.c",
    } do
      assert.same({
        path .. ":3: includes ../core/base/error.h: write the path from core/ or from the root of "
          .. "the repository",
      }, planted(path, including(path, "../core/base/error.h")))
    end
    assert.same({ "core/table/planted.c:3: includes set.h: write the path from the root, such as "
      .. "table/set.h" },
      planted("core/table/planted.c", including("core/table/planted.c", "set.h")))
    assert.same({ "bpf/hook/planted.h:3: includes maps.h: write the path from the root, such as "
      .. "bpf/hook/maps.h" },
      planted("bpf/hook/planted.h", including("bpf/hook/planted.h", "maps.h")))
  end)

  it("refuses a file that has the name of another one", function()
    assert.same({
      "core/table/interval.h:1: has the name of core/base/interval.h: rename one, because a name "
        .. "is unique in core/ and bpf/",
    }, planted("core/table/interval.h", including("core/table/interval.h", "table/set.h")))
    assert.same({
      "bpf/layout/set.h:1: has the name of core/table/set.h: rename one, because a name "
        .. "is unique in core/ and bpf/",
    }, planted("bpf/layout/set.h", including("bpf/layout/set.h", "bpf/layout/enums.h")))
  end)

  it("refuses a header whose include guard is not its path", function()
    assert.same({ "core/table/planted.h:1: the include guard is TG_PLANTED_H: call it "
      .. "TG_TABLE_PLANTED_H" },
      planted("core/table/planted.h", "#ifndef TG_PLANTED_H\n#define TG_PLANTED_H\n#endif\n"))
    assert.same({ "bpf/hook/planted.h:1: the include guard is TG_HOOK_PLANTED_H: call it "
      .. "TG_BPF_HOOK_PLANTED_H" },
      planted("bpf/hook/planted.h",
        "#ifndef TG_HOOK_PLANTED_H\n#define TG_HOOK_PLANTED_H\n#endif\n"))
    assert.same({ "core/table/planted.h:1: has no include guard: call it TG_TABLE_PLANTED_H" },
      planted("core/table/planted.h", '#include "table/set.h"\n'))
  end)
end)

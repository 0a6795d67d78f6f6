-- Finding cgroups: the mount, processes, units, paths, and the error for each
-- that cannot be found.

local command = require "spec.support.command"
local tidegate = require "tidegate"
local uv = require "luv"

-- The spec calls the library in its own process, so that it can be in other
-- namespaces and cgroups than the specs.
local FIND = [[
local ffi, library = require "ffi", require "tidegate.ffi"
local path = ffi.new "char[4096]"
local name = arg[1]
local result = name == "root" and library.C.tg_cgroup_root(path, 4096)
  or library.C.tg_cgroup_find(name, path, 4096)
print(ffi.string(result == 0 and path or library.C.tg_error()))
]]

local function shell(script, ...)
  local got = command.run({ "sh", "-c", script, "sh", ... }, { env = {
    LUA_PATH = ("lua/?.lua;%s/lua/?.lua;;"):format(command.build), FIND = FIND,
  } })
  assert.equal("", got.err)
  return (got.out:gsub("\n$", ""))
end

--- The result of tg_cgroup_find(), or the text of its error.
local function find(name)
  return shell('printf %s "$FIND" | luajit - "$1"', name)
end

local root_mount = shell [[
  sed -n 's|.* / \([^ ]*\) [^-]*- cgroup2 .*|\1|p' /proc/self/mountinfo | head -1]]

describe("tg_cgroup_root", function()
  it("finds cgroup2, also beside version 1", function()
    if root_mount == "" then
      pending "needs cgroup2"
      return
    end
    assert.equal(root_mount, find "root")
  end)
end)

describe("tg_cgroup_find", function()
  local base

  --- A cgroup of this spec, below our own.
  local function make(name)
    local path = base .. "/" .. name
    assert(uv.fs_mkdir(path, 493))
    return path
  end

  local function skip()
    if command.no_kernel() then
      pending(command.no_kernel())
      return true
    end
  end

  setup(function()
    if not command.no_kernel() then
      base = ("%s/tidegate-spec-%d"):format(find "self", uv.os_getpid())
      assert(uv.fs_mkdir(base, 493))
    end
  end)

  teardown(function()
    if base then
      command.run { "find", base, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";" }
    end
  end)

  it("finds the cgroup of a process", function()
    if skip() then return end
    local path = make "process"
    assert.equal(path, shell('echo $$ > "$1/cgroup.procs"; printf %s "$FIND" | luajit - self',
      path))
    assert.equal(path, shell('echo $$ > "$1/cgroup.procs"; printf %s "$FIND" | luajit - pid:$$',
      path))
  end)

  it("finds it if only a subtree is mounted, at a path with a space", function()
    if skip() then return end
    local path = make "subtree"
    local script = [[
      echo $$ > "$1/cgroup.procs"
      unshare -m sh -c 'cd /; folder=$(mktemp -d)
        mkdir "$folder/a b" "$1/below"; mount --bind "$1" "$folder/a b"
        umount -l "$2"; echo $$ > "$folder/a b/below/cgroup.procs"
        cd "$OLDPWD"; printf %s "$FIND" | luajit - self | sed "s|$folder|FOLDER|"
        printf %s "$FIND" | luajit - "pid:$3"
        umount "$folder/a b"; rmdir "$folder/a b" "$folder"' sh "$1" "$2" $PPID]]
    local ours = command.run({ "sed", "-n", "s/^0:://p", "/proc/self/cgroup" }).out:gsub("\n", "")
    assert.equal(("FOLDER/a b/below\ncgroup %s is outside the cgroup2 mounts that are seen "
      .. "from here; "
      .. "give the path of a folder that is seen"):format(ours), shell(script, path, root_mount))
  end)

  it("finds it in a cgroup namespace", function()
    if skip() then return end
    local path = make "namespace"
    local script = [[
      echo $$ > "$1/cgroup.procs"
      unshare -C -m sh -c 'folder=$(mktemp -d); mount -t cgroup2 none "$folder"
        printf %s "$FIND" | luajit - self | sed "s|$folder|FOLDER|"
        umount "$folder"; rmdir "$folder"']]
    assert.equal("FOLDER", shell(script, path))
  end)

  it("says how to mount cgroup2 if it is not mounted", function()
    if skip() then return end
    local script = [[unshare -m sh -c 'umount -l "$1"; printf %s "$FIND" | luajit - "$2"' sh "$1" ]]
      .. [["$2"]]
    for _, name in ipairs { "root", "self", "pid:1", "unit:nginx.service", "/tmp" } do
      assert.truthy(shell(script, root_mount, name)
        :match("^cgroup2 is not mounted; mount it with: "
          .. "mkdir %-p (%S+) && mount %-t cgroup2 cgroup2 %1$"), name)
    end
  end)

  it("finds units by name, in system.slice first, and suggests similar ones", function()
    if skip() then return end
    local unit = "tidegate-spec-" .. uv.os_getpid()
    make "a.slice"
    make "b.slice"
    local first = make("a.slice/" .. unit .. ".service")
    assert.equal(first, find("unit:" .. unit .. ".service"))
    assert.equal(first, find("unit:" .. unit))
    assert.equal(("unit %sx.service: no cgroup below %s has this name; there is %s.service")
      :format(unit, root_mount, unit), find("unit:" .. unit .. "x"))
    make("b.slice/" .. unit .. ".service")
    assert.equal(("unit %s.service: 2 cgroups have this name, one of them %s; give the path of one")
      :format(unit,
      find("unit:" .. unit):match "one of them (%S+);"), find("unit:" .. unit))
    assert.equal(("unit zz-%s.service: no cgroup below %s has this name; is the unit running? "
      .. "(systemctl status zz-%s.service)"):format(unit, root_mount, unit),
      find("unit:zz-" .. unit))
  end)

  it("takes a path as it is, and says what is wrong with one", function()
    if skip() then return end
    local path = make "path"
    assert.equal(path, find(path))
    assert.equal(("%s/none: there is no such cgroup; make it with: mkdir -p %s/none")
      :format(path, path), find(path .. "/none"))
    assert.equal(path .. "/cgroup.procs is a file of a cgroup; give the folder that it is in",
      find(path .. "/cgroup.procs"))
    assert.equal("/usr is not a cgroup; cgroup2 is mounted at " .. root_mount, find "/usr")
    assert.equal("/none/such: there is no such folder; cgroups are below " .. root_mount,
      find "/none/such")
    local below = path:sub(#root_mount + 1)
    assert.equal(("%s: there is no such folder; the cgroup is %s"):format(below, path), find(below))
  end)

  it("says which form of a target was meant", function()
    if skip() then return end
    local unit = "tg-spec-meant"
    make(unit .. ".service")
    for word, meant in pairs {
      ["42"] = "pid:42", ["pid=42"] = "pid:42", ["unit=nginx"] = "unit:nginx",
      ["zz.service"] = "unit:zz.service", [unit] = "unit:" .. unit,
    } do
      assert.equal(("%s: there is no such folder; did you mean %q?"):format(word, meant),
        find(word))
    end
    assert.equal("zz: there is no such folder; cgroups are below " .. root_mount, find "zz")
    assert.equal("container:web is not supported yet; give pid:42, for a process in the container",
      find "container:web")
    assert.equal("docker:web is not supported yet; give pid:42, for a process in the container",
      find "docker:web")
  end)

  it("names the version 2 mount if it is given a cgroup of version 1", function()
    if skip() then return end
    local first = shell("sed -n 's|^[^ ]* [^ ]* [^ ]* [^ ]* \\([^ ]*\\) [^-]*- cgroup .*|\\1|p' "
      .. "/proc/self/mountinfo | head -1")
    if first == "" then
      pending "needs cgroup version 1 beside version 2"
      return
    end
    assert.equal(("%s is a cgroup of version 1; cgroup2 is mounted at %s")
      :format(first, root_mount), find(first))
  end)

  it("refuses what names nothing", function()
    assert.equal('"" is not a cgroup; give a path, "self", "pid:42" or "unit:nginx.service"',
      find "")
    assert.equal('"pid:x" is not the number of a process, as in "pid:42"', find "pid:x")
    assert.equal('"pid:" is not the number of a process, as in "pid:42"', find "pid:")
    assert.equal('"unit:a/b" is not the name of a unit, as in "unit:nginx.service"',
      find "unit:a/b")
    assert.equal("pid 2147483647: there is no such process", find "pid:2147483647")
  end)
end)

describe("the condition cgroup", function()
  --- Whether a call of a task in `asked` matches a rule for `condition`.
  local function matches(condition, asked)
    local policy = ("deny { connect = '*', cgroup = %q }"):format(condition)
    local question = { connect = "192.0.2.1:80", cgroup = asked }
    return assert(assert(tidegate.load_text(policy)):decide(question)).verb == "deny"
  end

  it("takes what a gate is attached to", function()
    if command.no_kernel() then
      pending(command.no_kernel())
      return
    end
    local own = find "self"
    assert.is_true(matches("self", own))
    assert.is_true(matches("pid:" .. uv.os_getpid(), own))
    assert.is_true(matches(own, "self"))
    assert.equal(own == find "root", matches("self", "/"))
    local gate, message, errno =
      tidegate.load_text [[deny { connect = "*", cgroup = "unit:no-such" }]]
    assert.is_nil(gate)
    assert.matches('^policy:1: deny "#1": cgroup: "unit:no%-such": unit no%-such.service: ',
      message)
    assert.equal(2, errno)
  end)
end)

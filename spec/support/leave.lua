-- A program that tries to leave its cgroup, and so the policy: luajit leave.lua OUTSIDE FOLDER OWN
-- OUTSIDE is the number of a process outside that has all rights, FOLDER the cgroup above ours,
-- OWN ours.
-- It prints a line for each attempt: its name, and the errno ("ok": it worked).

local ffi = require "ffi"

ffi.cdef [[
int open(const char *path, int flags, ...);
int close(int fd);
long write(int fd, const void *data, size_t size);
int mkdir(const char *path, unsigned int mode);
int mknod(const char *path, unsigned int mode, unsigned long device);
int mount(const char *from, const char *to, const char *type, unsigned long flags, void *data);
int umount2(const char *path, int flags);
int unshare(int flags);
int setns(int fd, int flags);
int ptrace(long request, int pid, void *address, void *data);
int ioctl(int fd, unsigned long request, ...);
int socket(int family, int kind, int protocol);
int kill(int pid, int signal);
int fork(void);
int waitpid(int pid, int *status, int flags);
void _exit(int status);
long syscall(long number, ...);
int name_to_handle_at(int folder, const char *path, void *handle, int *mount, int flags);
int open_by_handle_at(int mount, void *handle, int flags);
char *strerror(int number);
]]

local C = ffi.C
local OUTSIDE, FOLDER = tonumber(arg[1]), arg[2]

local names = {}
for name, number in pairs {
  EPERM = 1, ENOENT = 2, ESRCH = 3, EBADF = 9, EACCES = 13, EBUSY = 16, ENODEV = 19, EINVAL = 22,
  ENOTTY = 25, EROFS = 30, ENOSYS = 38,
} do
  names[number] = name
end

local function result(value)
  return tonumber(value) >= 0 and "ok" or names[ffi.errno()] or ("errno " .. ffi.errno())
end

local WRONLY, RDONLY, DIRECTORY = 1, 0, 65536

--- Write to a file; what it says, or what opening it says.
local function write(path, text)
  local fd = C.open(path, WRONLY)
  if fd < 0 then
    return result(fd)
  end
  local said = result(C.write(fd, text, #text))
  C.close(fd)
  return said
end

local function open(path, flags)
  local fd = C.open(path, flags or RDONLY)
  local said = result(fd)
  if fd >= 0 then
    C.close(fd)
  end
  return said
end

--- Open a file, and do something with its descriptor.
local function with(path, flags, use)
  local fd = C.open(path, flags)
  if fd < 0 then
    return result(fd)
  end
  local said = use(fd)
  C.close(fd)
  return said
end

--- What a child process says, which may change its namespaces.
local function in_child(work)
  local pid = C.fork()
  if pid == 0 then
    local said = work()
    for number, name in pairs(names) do
      if name == said then
        C._exit(number)
      end
    end
    C._exit(said == "ok" and 0 or 255)
  end
  local status = ffi.new "int[1]"
  C.waitpid(pid, status, 0)
  local code = bit.rshift(status[0], 8)
  return code == 0 and "ok" or names[code] or "another"
end

local function long(number)
  return ffi.cast("long", number)
end

local x64 = jit.arch == "x64"
local SYS = {
  bpf = x64 and 321 or 280, init_module = x64 and 175 or 105, reboot = x64 and 169 or 142,
  pidfd_open = 434, pidfd_getfd = 438, process_vm_readv = x64 and 310 or 270,
  mount_setattr = 442, open_tree = 428, capset = x64 and 126 or 91,
}

local function bpf(command, ...)
  local attributes = ffi.new("uint32_t[32]", { ... })
  return result(C.syscall(SYS.bpf, long(command), attributes, long(128)))
end

local MS_REMOUNT, MS_BIND = 32, 4096
local NEWNS, NEWUSER, NEWCGROUP, NEWPID = 0x20000, 0x10000000, 0x02000000, 0x20000000
local RECURSIVE = 16384

--- Be root of a user namespace that has its own mounts, and all capabilities there.
local function in_user_namespace(work)
  return in_child(function()
    if C.unshare(NEWUSER + NEWNS) < 0 then
      return result(-1)
    end
    C.mount(nil, "/", nil, RECURSIVE + 262144, nil) -- private
    return work()
  end)
end

local function handle_of(path)
  local handle, id = ffi.new "char[136]", ffi.new "int[1]"
  ffi.cast("uint32_t *", handle)[0] = 128
  return C.name_to_handle_at(-100, path, handle, id, 0), handle
end

local proc = "/proc/" .. OUTSIDE
local procs = FOLDER .. "/cgroup.procs"
local unified = FOLDER:match "^(.*)/[^/]+$"
local own = arg[3]

local attempts = {
  { "procs above", function() return write(procs, "0") end },
  { "procs of root", function() return write(unified .. "/cgroup.procs", "0") end },
  { "mkdir", function() return result(C.mkdir(FOLDER .. "/escape", 493)) end },
  { "remount", function()
    return result(C.mount(nil, unified, nil, MS_REMOUNT + MS_BIND, nil))
  end },
  { "mount_setattr", function()
    local clear = ffi.new("uint64_t[4]", { 0, 1 })
    return result(C.syscall(SYS.mount_setattr, long(-100), unified, long(0), clear, long(32)))
  end },
  { "umount", function() return result(C.umount2("/proc/sys", 2)) end },
  { "mount cgroup2", function() return result(C.mount("x", "/mnt", "cgroup2", 0, nil)) end },
  { "open_tree", function()
    return result(C.syscall(SYS.open_tree, long(-100), unified, long(1)))
  end },
  { "handle", function()
    local got, handle = handle_of(procs)
    if got < 0 then
      return result(got)
    end
    return with(FOLDER, RDONLY + DIRECTORY, function(fd)
      return result(C.open_by_handle_at(fd, handle, WRONLY))
    end)
  end },
  { "start a process there", function()
    return with(FOLDER, RDONLY + DIRECTORY, function(fd)
      local arguments = ffi.new "uint64_t[11]"
      arguments[0], arguments[4], arguments[10] = 0x200000000ULL, 17, fd -- CLONE_INTO_CGROUP
      local pid = C.syscall(435, arguments, long(88))
      if pid == 0 then
        os.exit(0)
      end
      return result(pid)
    end)
  end },
  { "root of another", function() return write(proc .. "/root" .. procs, "0") end },
  { "cwd of another", function() return open(proc .. "/cwd/") end },
  { "memory of another", function() return open(proc .. "/mem") end },
  { "namespace of another", function() return open(proc .. "/ns/mnt") end },
  { "setns", function()
    local fd = tonumber(C.syscall(SYS.pidfd_open, long(OUTSIDE), long(0)))
    return in_child(function() return result(C.setns(fd, NEWNS + NEWCGROUP)) end)
  end },
  { "pidfd_getfd", function()
    local fd = tonumber(C.syscall(SYS.pidfd_open, long(OUTSIDE), long(0)))
    return result(C.syscall(SYS.pidfd_getfd, long(fd), long(0), long(0)))
  end },
  { "ptrace", function() return result(C.ptrace(16, OUTSIDE, nil, nil)) end },
  { "process_vm_readv", function()
    local bytes = ffi.new "char[8]"
    local vector = ffi.new("uintptr_t[2]", { ffi.cast("uintptr_t", bytes), 8 })
    return result(C.syscall(SYS.process_vm_readv, long(OUTSIDE), vector, long(1), vector, long(1),
      long(0)))
  end },
  { "load a program", function()
    local code = ffi.new("uint64_t[2]", { 0xb7, 0x95 })
    local license = ffi.new("char[4]", "GPL")
    local load = ffi.new("uint64_t[16]", { 18 + 2 * 2 ^ 32, ffi.cast("uintptr_t", code),
      ffi.cast("uintptr_t", license) })
    return result(C.syscall(SYS.bpf, long(5), load, long(128)))
  end },
  { "link by id", function() return bpf(30, 1, 0) end },
  { "program by id", function() return bpf(13, 1, 0) end },
  { "map by id", function() return bpf(14, 1, 0) end },
  { "detach", function() -- no program in particular
    return with(own, RDONLY + DIRECTORY, function(fd) return bpf(9, fd, 0, 10) end)
  end },
  { "detach a program", function()
    return with(own, RDONLY + DIRECTORY, function(fd) return bpf(9, fd, 3, 10) end)
  end },
  { "programs", function()
    return with(own, RDONLY + DIRECTORY, function(fd) return bpf(16, fd, 10) end)
  end },
  { "unshare mounts", function()
    return in_child(function() return result(C.unshare(NEWNS)) end)
  end },
  { "remount as root of a user namespace", function()
    return in_user_namespace(function()
      return result(C.mount(nil, unified, nil, MS_REMOUNT + MS_BIND, nil))
    end)
  end },
  { "umount as root of a user namespace", function()
    return in_user_namespace(function() return result(C.umount2("/proc/sys", 2)) end)
  end },
  { "write as root of a user namespace", function()
    return in_user_namespace(function() return write(procs, "0") end)
  end },
  { "new proc as root of a user namespace", function()
    return in_child(function()
      if C.unshare(NEWUSER + NEWNS + NEWPID) < 0 then
        return result(-1)
      end
      return in_child(function() return result(C.mount("proc", "/mnt", "proc", 0, nil)) end)
    end)
  end },
  { "mknod", function() return result(C.mknod("/tmp/leave.device", 0x2180, 257)) end },
  { "load a module", function()
    return result(C.syscall(SYS.init_module, "", long(0), ""))
  end },
  { "reboot", function()
    return result(C.syscall(SYS.reboot, long(0), long(0), long(0), nil)) -- with no magic numbers
  end },
  { "packet socket", function() return result(C.socket(17, 3, 0)) end },
  { "raw socket", function() return result(C.socket(2, 3, 255)) end },
  { "core_pattern", function()
    return with("/proc/sys/kernel/core_pattern", WRONLY, function() return "ok" end)
  end },
  { "sysfs", function()
    return with("/sys/kernel/mm/ksm/run", WRONLY, function() return "ok" end)
  end },
  { "signal another", function() return result(C.kill(OUTSIDE, 0)) end },
  { "type on the terminal", function() return result(C.ioctl(0, 0x5412, "x")) end },
  { "raise capabilities", function()
    local header = ffi.new("uint32_t[2]", { 0x20080522, 0 })
    local data = ffi.new("uint32_t[6]", { 0xffffffff, 0xffffffff, 0, 0x1ff, 0x1ff, 0 })
    return result(C.syscall(SYS.capset, header, data))
  end },
}

for _, attempt in ipairs(attempts) do
  print(attempt[1] .. ": " .. attempt[2]())
end

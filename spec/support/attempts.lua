--- What a process can try against a gate by the kernel's own calls: bpf(2) on every descriptor that
--- it has or can take, every mapping of a map, and /proc.  It needs nothing but LuaJIT, so a worker
--- of nginx can run it as well as a child of a C program:
---
---    luajit spec/support/attempts.lua CGROUP own|process:PID …
---
--- The answer is a line for each attempt: what was tried, and the errnos that it got.

local ffi = require "ffi"

local C = ffi.C

ffi.cdef [[
  long attempts_syscall(long, ...) __asm__("syscall");
  int attempts_open(const char *, int, ...) __asm__("open");
  int attempts_unlink(const char *) __asm__("unlink");
  int attempts_close(int) __asm__("close");
  long attempts_readlink(const char *, char *, size_t) __asm__("readlink");
  long attempts_pread(int, void *, size_t, long) __asm__("pread");
  long attempts_pwrite(int, const void *, size_t, long) __asm__("pwrite");
  int attempts_mprotect(void *, size_t, int) __asm__("mprotect");
  void *attempts_mmap(void *, size_t, int, int, int, long) __asm__("mmap");
  int attempts_munmap(void *, size_t) __asm__("munmap");
]]

local M = {}

local SYS_BPF = ({ x64 = 321, arm64 = 280 })[jit.arch]
local SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438
local O_RDONLY, O_RDWR, CLOEXEC = 0, 2, 0x80000
local PROT_RW, MAP_SHARED = 3, 1
local CONNECT4 = 10
local ARRAY = 2 -- among the types of maps
local DESCRIPTORS = 1024
local VALUE_BYTES = 2 ^ 22

local names = {
  [0] = "ok", [1] = "EPERM", [2] = "ENOENT", [3] = "ESRCH", [5] = "EIO", [6] = "ENXIO",
  [7] = "E2BIG", [9] = "EBADF", [13] = "EACCES", [14] = "EFAULT", [16] = "EBUSY", [17] = "EEXIST",
  [19] = "ENODEV", [22] = "EINVAL", [524] = "ENOTSUPP",
}

local function outcome(result)
  local errno = tonumber(result) < 0 and ffi.errno() or 0
  return names[errno] or ("errno " .. errno)
end

-- Keys and values of any map, and the attributes of a call: union bpf_attr.
local key, value = ffi.new "uint32_t[64]", ffi.new("uint8_t[?]", VALUE_BYTES)
local count = ffi.new "uint32_t[1]"
local attributes = ffi.new "uint32_t[32]"

local function pointer(at)
  return tonumber(ffi.cast("uintptr_t", at))
end

--- bpf(2).  `fields`: values by the byte at which they are in the attributes; a string has 8 bytes.
local function bpf(command, fields)
  ffi.fill(attributes, ffi.sizeof(attributes))
  for byte, field in pairs(fields) do
    if type(field) == "cdata" then
      ffi.cast("uint64_t *", ffi.cast("char *", attributes) + byte)[0] = pointer(field)
    else
      attributes[byte / 4] = field
    end
  end
  return C.attempts_syscall(SYS_BPF, ffi.cast("long", command), attributes,
    ffi.cast("long", ffi.sizeof(attributes)))
end

--- What can be tried on one descriptor.  `cgroup` is the descriptor of a cgroup's folder, `other` a
--- further descriptor of the process, which may be a program or a map.  They come in this order:
--- what takes something away is last.
local on_descriptor = {
  { "lookup", function(fd) return bpf(1, { [0] = fd, [8] = key, [16] = value }) end },
  { "next key", function(fd) return bpf(4, { [0] = fd, [16] = key + 32 }) end },
  { "lookup batch", function(fd)
    count[0] = 1
    return bpf(24, { [8] = key + 32, [16] = key + 48, [24] = value, [32] = 1, [36] = fd })
  end },
  { "info", function(fd)
    ffi.fill(value, 256)
    return bpf(15, { [0] = fd, [4] = 256, [8] = value })
  end },
  { "test run", function(fd) return bpf(10, { [0] = fd, [8] = 64, [16] = value }) end },
  { "iterate", function(fd) return bpf(33, { [0] = fd }) end },
  { "pin", function(fd, _, _, path)
    local result = bpf(6, { [0] = path, [8] = fd })
    if result == 0 then
      C.attempts_unlink(path)
    end
    return result
  end },
  { "map for writing", function(fd, _, _, _, kind)
    if not kind:find "bpf" and not kind:find "tidegate" then
      return
    end
    local at = C.attempts_mmap(nil, 4096, PROT_RW, MAP_SHARED, fd, 0)
    if ffi.cast("intptr_t", at) == -1 then
      return -1
    end
    return C.attempts_munmap(at, 4096)
  end },
  { "attach", function(fd, cgroup)
    return bpf(8, { [0] = cgroup, [4] = fd, [8] = CONNECT4, [12] = 2 })
  end },
  { "make a link", function(fd, cgroup)
    local link = bpf(28, { [0] = fd, [4] = cgroup, [8] = CONNECT4 })
    if link >= 0 then
      C.attempts_close(link)
    end
    return link
  end },
  { "update a link", function(fd, _, other) return bpf(29, { [0] = fd, [4] = other }) end },
  { "bind a map", function(fd, _, other) return bpf(35, { [0] = other, [4] = fd }) end },
  { "update", function(fd) return bpf(2, { [0] = fd, [8] = key, [16] = value }) end },
  { "update batch", function(fd)
    return bpf(26, { [16] = key, [24] = value, [32] = 1, [36] = fd })
  end },
  { "lookup and delete", function(fd)
    return bpf(21, { [0] = fd, [8] = key, [16] = value })
  end },
  { "delete", function(fd) return bpf(3, { [0] = fd, [8] = key }) end },
  { "delete batch", function(fd) return bpf(27, { [16] = key, [32] = 1, [36] = fd }) end },
  { "freeze", function(fd) return bpf(22, { [0] = fd }) end },
  { "detach", function(fd, cgroup)
    return bpf(9, { [0] = cgroup, [4] = fd, [8] = CONNECT4 })
  end },
  { "detach a link", function(fd) return bpf(34, { [0] = fd }) end },
}

--- What can be tried without one: by the numbers that the kernel gives to programs, maps and links.
local by_number = {
  { "next program", function() return bpf(11, {}) end },
  { "next map", function() return bpf(12, {}) end },
  { "next link", function() return bpf(31, {}) end },
  { "program by number", function(id) return bpf(13, { [0] = id }) end },
  { "map by number", function(id) return bpf(14, { [0] = id }) end },
  { "link by number", function(id) return bpf(30, { [0] = id }) end },
}

local function kind_of(fd)
  local link = ffi.new "char[256]"
  local length = C.attempts_readlink("/proc/self/fd/" .. fd, link, 256)
  return length > 0 and ffi.string(link, length)
end

--- The name that an array has in the kernel.
local function array_name(fd)
  local info = ffi.new "uint32_t[64]"
  return bpf(15, { [0] = fd, [4] = 256, [8] = info }) == 0 and info[0] == ARRAY
    and ffi.string(ffi.cast("char *", info) + 24)
end

--- What was found: outcomes by the attempt.
local Report = {}
Report.__index = Report

function Report:add(attempt, said)
  if not self.said[attempt] then
    self.said[attempt] = {}
    self.order[#self.order + 1] = attempt
  end
  self.said[attempt][said] = true
end

local function new_report()
  return setmetatable({ said = {}, order = {} }, Report)
end

function Report:text()
  local lines = {}
  for _, attempt in ipairs(self.order) do
    local outcomes = {}
    for said in pairs(self.said[attempt]) do
      outcomes[#outcomes + 1] = said
    end
    table.sort(outcomes)
    lines[#lines + 1] = attempt .. ": " .. table.concat(outcomes, " ")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Descriptors of this process that are not its standard ones.
local function descriptors()
  local found = {}
  for fd = 3, DESCRIPTORS - 1 do
    local kind = kind_of(fd)
    if kind then
      found[#found + 1] = { fd = fd, kind = kind }
    end
  end
  return found
end

--- Try everything on a list of descriptors, each beside each program, link and map of the list.
local function try_descriptors(report, list, cgroup)
  local folder = C.attempts_open(cgroup, bit.bor(O_RDONLY, CLOEXEC))
  local path = ffi.new("char[?]", 64, "/sys/fs/bpf/tidegate-attempt")
  local others = {}
  for _, each in ipairs(list) do
    if each.kind:find "bpf" then
      others[#others + 1] = each.fd
    end
  end
  for _, attempt in ipairs(on_descriptor) do
    for _, each in ipairs(list) do
      for _, other in ipairs(#others > 0 and others or { each.fd }) do
        local result = attempt[2](each.fd, folder, other, path, each.kind)
        if result then
          report:add(attempt[1], outcome(result))
        end
      end
    end
  end
  C.attempts_close(folder)
  report:add("programs, links and maps", tostring(#others))
end

--- The mappings of maps of a process: where, how long, and whether it may write.
local function mappings(pid)
  local found = {}
  for line in io.lines(("/proc/%s/maps"):format(pid)) do
    local from, to, writes = line:match "^(%x+)%-(%x+) .(.).s .*bpf%-map"
    if from then
      from, to = tonumber(from, 16), tonumber(to, 16)
      found[#found + 1] = { at = from, bytes = to - from, writes = writes == "w" }
    end
  end
  return found
end

--- Write the byte that is there through /proc/PID/mem.
local function write_by_mem(mem, at)
  local byte = ffi.new "char[1]"
  if C.attempts_pread(mem, byte, 1, at) ~= 1 then
    return "cannot be read"
  end
  return outcome(C.attempts_pwrite(mem, byte, 1, at))
end

local function try_mappings(report, pid)
  local mem = C.attempts_open(("/proc/%s/mem"):format(pid), bit.bor(O_RDWR, CLOEXEC))
  local ok, maps = pcall(mappings, pid)
  local writable = 0
  report:add("open mem", outcome(mem))
  for _, each in ipairs(ok and maps or {}) do
    if each.writes then
      writable = writable + 1
    else
      if mem >= 0 then
        report:add("write what is for reading", write_by_mem(mem, each.at))
      end
      if pid == "self" then
        report:add("make it writable",
          outcome(C.attempts_mprotect(ffi.cast("void *", each.at), each.bytes, PROT_RW)))
      end
    end
  end
  report:add("writable mappings", ok and tostring(writable) or "unknown")
  if mem >= 0 then
    C.attempts_close(mem)
  end
end

--- Everything that this process can try with what it has itself.
---@param cgroup string to attach to
---@return string
function M.own(cgroup)
  local report = new_report()
  try_descriptors(report, descriptors(), cgroup)
  for _, attempt in ipairs(by_number) do
    report:add(attempt[1], outcome(attempt[2](1)))
  end
  try_mappings(report, "self")
  return report:text()
end

--- Everything that this process can try with its arrays of a name.
---@param cgroup string
---@param name string
---@return string
function M.arrays(cgroup, name)
  local report, list = new_report(), {}
  for _, each in ipairs(descriptors()) do
    if each.kind:find "bpf%-map" and array_name(each.fd) == name then
      list[#list + 1] = each
    end
  end
  try_descriptors(report, list, cgroup)
  return report:text()
end

--- Open what /proc shows of another process: its descriptors, and what it has mapped.
local function try_files(report, pid, folder, entries)
  for _, entry in ipairs(entries) do
    local fd = C.attempts_open(("/proc/%d/%s/%s"):format(pid, folder, entry),
      bit.bor(O_RDWR, CLOEXEC))
    report:add(("open %s"):format(folder), outcome(fd))
    if fd >= 0 then
      C.attempts_close(fd)
    end
  end
end

--- Everything that this process can try with what another process has.
---@param cgroup string to attach to
---@param pid integer
---@return string
function M.process(cgroup, pid)
  local report, taken = new_report(), {}
  local pidfd = C.attempts_syscall(SYS_PIDFD_OPEN, ffi.cast("long", pid), ffi.cast("long", 0))
  local said = "ENOENT"
  for fd = 0, DESCRIPTORS - 1 do
    local got = C.attempts_syscall(SYS_PIDFD_GETFD, pidfd, ffi.cast("long", fd),
      ffi.cast("long", 0))
    local how = outcome(got)
    said = how ~= "EBADF" and how or said
    if got >= 0 then
      taken[#taken + 1] = { fd = tonumber(got), kind = kind_of(tonumber(got)) }
    end
  end
  report:add("take descriptors", said)
  if #taken > 0 then
    try_descriptors(report, taken, cgroup)
  end
  for _, each in ipairs(taken) do
    C.attempts_close(each.fd)
  end
  local ok, maps = pcall(mappings, pid)
  local places = {}
  for _, each in ipairs(ok and maps or {}) do
    places[#places + 1] = ("%x-%x"):format(each.at, each.at + each.bytes)
  end
  report:add("read maps", ok and "ok" or "EACCES")
  try_files(report, pid, "map_files", places)
  try_mappings(report, pid)
  return report:text()
end

if arg and arg[0] and arg[0]:match "attempts%.lua$" then
  for index = 2, #arg do
    local pid = arg[index]:match "^process:(%d+)$"
    io.write(pid and M.process(arg[1], tonumber(pid)) or M.own(arg[1]))
  end
end

return M

--- A program of another owner: not of Tidegate, attached in the old way,
--- by bpf(2) and without a link.

local cgroup = require "spec.support.cgroup"
local ffi = require "ffi"
local libc = require "spec.support.libc"

local C = libc.call

ffi.cdef [[
  struct spec_bpf_insn { uint8_t code, registers; int16_t offset; int32_t immediate; };
  struct spec_bpf_load {
    uint32_t type, count; uint64_t code, license; uint32_t log_level, log_size; uint64_t log;
    uint32_t kernel, flags; char name[16]; uint32_t device, attach_type;
  };
  struct spec_bpf_attach { uint32_t target, program, type, flags; };
]]

local M = {}

local SYS_BPF = ({ x64 = 321, arm64 = 280 })[jit.arch]
local PROG_LOAD, PROG_ATTACH, PROG_DETACH, LINK_DETACH = 5, 8, 9, 34
local CGROUP_SOCK_ADDR = 18
local MOV64_K, EXIT = 0xb7, 0x95
local O_RDONLY_CLOEXEC = 0x80000

--- Hooks, as the kernel numbers them.
M.BIND4, M.CONNECT4, M.SENDMSG4 = 8, 10, 14
M.ALLOW_OVERRIDE, M.ALLOW_MULTI = 1, 2

local function bpf(command, attributes)
  return libc.outcome(C.syscall(SYS_BPF, ffi.cast("long", command), attributes,
    ffi.cast("long", ffi.sizeof(attributes))))
end

--- Load a program that lets every call of a hook pass, or none.
---@param name string
---@param verdict 0|1
---@param hook integer|nil connect4
---@return integer fd
function M.load(name, verdict, hook)
  local code = ffi.new("struct spec_bpf_insn[2]", { { MOV64_K, 0, 0, verdict }, { EXIT, 0, 0, 0 } })
  local license = ffi.new("char[4]", "MIT")
  local load = ffi.new "struct spec_bpf_load"
  load.type, load.count, load.attach_type, load.name = CGROUP_SOCK_ADDR, 2, hook or M.CONNECT4, name
  load.code, load.license = ffi.cast("uintptr_t", code), ffi.cast("uintptr_t", license)
  return assert(bpf(PROG_LOAD, load))
end

local function change(command, path, program, flags, hook)
  local folder = assert(libc.outcome(C.open(path, O_RDONLY_CLOEXEC)))
  local attach = ffi.new("struct spec_bpf_attach", folder, program, hook or M.CONNECT4, flags)
  local ok, errno = bpf(command, attach)
  C.close(folder)
  return ok, errno
end

--- Attach it to a cgroup; with flags 0 no other program may be there or below.
---@param path string
---@param program integer
---@param flags integer
---@param hook integer|nil connect4
function M.attach(path, program, flags, hook)
  assert(change(PROG_ATTACH, path, program, flags, hook))
end

---@param path string
---@param program integer
function M.detach(path, program)
  assert(change(PROG_DETACH, path, program, 0))
end

--- What fdinfo says of each descriptor of this process, by number.
local function descriptors()
  local found = {}
  for fd in io.popen(("ls /proc/%d/fdinfo"):format(C.getpid())):lines() do
    local file = io.open("/proc/self/fdinfo/" .. fd)
    if file then
      found[tonumber(fd)] = file:read "*a"
      file:close()
    end
  end
  return found
end

--- The programs, links and maps that this process holds descriptors of.
---@return string "2 programs, 2 links, 9 maps"
function M.held()
  local programs, links, maps = 0, 0, 0
  for _, info in pairs(descriptors()) do
    if info:find "link_id:" then
      links = links + 1
    elseif info:find "prog_id:" then
      programs = programs + 1
    elseif info:find "map_id:" then
      maps = maps + 1
    end
  end
  return ("%d programs, %d links, %d maps"):format(programs, links, maps)
end

--- Detach a link of this process, as anybody may who has its descriptor.
---@param path string of the cgroup
---@param hook integer
function M.detach_link(path, hook)
  local wanted = ("attach_type:%%s+%d%%s"):format(hook)
  local id = ("cgroup_id:%%s+%d%%s"):format(cgroup.id(path))
  for fd, info in pairs(descriptors()) do
    if info:find(wanted) and info:find(id) then
      return assert(bpf(LINK_DETACH, ffi.new("uint32_t[1]", fd)))
    end
  end
  error "there is no such link"
end

--- Detach the programs of a hook that this process holds, as anybody may who has the capabilities.
---@param path string of the cgroup
---@param hook integer
function M.detach_own(path, hook)
  local any = false
  for fd, info in pairs(descriptors()) do
    any = info:find "prog_id:" and change(PROG_DETACH, path, fd, 0, hook) or any
  end
  assert(any, "there is no such program")
end

--- The id of the program in the kernel.
---@param program integer
---@return integer
function M.id(program)
  return tonumber(io.open("/proc/self/fdinfo/" .. program):read("*a"):match "prog_id:%s*(%d+)")
end

return M

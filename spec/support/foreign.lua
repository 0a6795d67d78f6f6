--- A program of another owner: not of Tidegate, attached in the old way,
--- by bpf(2) and without a link.

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
local PROG_LOAD, PROG_ATTACH, PROG_DETACH = 5, 8, 9
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

--- The id of the program in the kernel.
---@param program integer
---@return integer
function M.id(program)
  return tonumber(io.open("/proc/self/fdinfo/" .. program):read("*a"):match "prog_id:%s*(%d+)")
end

return M

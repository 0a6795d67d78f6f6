--- What the running kernel offers to sock_addr programs, found out by loading a
--- program of one call for each hook: the verifier names what is not theirs.

local ffi = require "ffi"
local libc = require "spec.support.libc"
require "spec.support.foreign" -- struct spec_bpf_load

local C = libc.call

local M = {}

local SYS_BPF = ({ x64 = 321, arm64 = 280 })[jit.arch]
local PROG_LOAD, CGROUP_SOCK_ADDR = 5, 18
local CALL, MOV64_K, EXIT = 0x85, 0xb7, 0x95
local KFUNC = 0x20 -- in the registers of a call: by its number in the kernel's BTF
local LOG_BYTES = 4096

--- The hooks, with the attach types by which the kernel numbers them.
M.hooks = {
  bind4 = 8, bind6 = 9, connect4 = 10, connect6 = 11, sendmsg4 = 14, sendmsg6 = 15,
  recvmsg4 = 19, recvmsg6 = 20, getpeername4 = 29, getpeername6 = 30,
  getsockname4 = 31, getsockname6 = 32, connect_unix = 49, sendmsg_unix = 50,
  recvmsg_unix = 51, getpeername_unix = 52, getsockname_unix = 53,
}

--- What the verifier says of a program that calls something.
local function complaint(hook, kind, number)
  local code = ffi.new("struct spec_bpf_insn[3]",
    { { CALL, kind, 0, number }, { MOV64_K, 0, 0, 1 }, { EXIT, 0, 0, 0 } })
  local license, log = ffi.new("char[4]", "GPL"), ffi.new("char[?]", LOG_BYTES)
  local load = ffi.new "struct spec_bpf_load"
  load.type, load.count, load.attach_type = CGROUP_SOCK_ADDR, 3, M.hooks[hook]
  load.code, load.license = ffi.cast("uintptr_t", code), ffi.cast("uintptr_t", license)
  load.log_level, load.log_size, load.log = 1, LOG_BYTES, ffi.cast("uintptr_t", log)
  local fd = libc.outcome(C.syscall(SYS_BPF, ffi.cast("long", PROG_LOAD), load,
    ffi.cast("long", ffi.sizeof(load))))
  if fd then
    C.close(fd)
  end
  return ffi.string(log)
end

--- Whether programs of a hook may call a helper.
---@param hook string
---@param number integer
---@return boolean
function M.has_helper(hook, number)
  local said = complaint(hook, 0, number)
  return not (said:find "cannot use helper" or said:find "unknown func" or said:find "invalid func")
end

--- Whether programs of a hook may call a kernel function.
---@param hook string
---@param id integer its number in the kernel's BTF
---@return boolean
function M.has_kfunc(hook, id)
  return not complaint(hook, KFUNC, id):find "not allowed"
end

--- The names of helpers by their numbers, as linux/bpf.h has them.
---@return table<integer, string>
function M.helper_names()
  local names, number = {}, 0
  local inside
  for line in io.lines "/usr/include/linux/bpf.h" do
    inside = inside or line:find "#define _+BPF_FUNC_MAPPER"
    local name, given = line:match "FN%(([%w_]+),?%s*(%d*)"
    if inside and name and name ~= "x" then
      names[tonumber(given) or number], number = "bpf_" .. name, number + 1
    elseif inside and number > 0 and not name then
      break
    end
  end
  return names
end

--- The kernel functions that a BTF marks as such, by name.
---@return table<string, integer>
function M.kfuncs()
  local functions, found = {}, {}
  local dump = "/usr/sbin/bpftool btf dump file /sys/kernel/btf/vmlinux format raw"
  local pipe = assert(io.popen(dump .. " 2> /dev/null"))
  for line in pipe:lines() do
    local id, name = line:match "^%[(%d+)%] FUNC '([%w_]+)'"
    if id then
      functions[id] = name
    end
    local target = line:match "DECL_TAG 'bpf_kfunc' type_id=(%d+)"
    if target then
      found[#found + 1] = target
    end
  end
  pipe:close()
  local kfuncs = {}
  for _, id in ipairs(found) do
    kfuncs[functions[id]] = tonumber(id)
  end
  return kfuncs
end

return M

--- Processes in a cgroup that make the socket calls they are told to: caller.c.
--
-- Each process has its own network namespace, in which every address is local, so that
-- every call that is let through succeeds, and no packet leaves.

local command = require "spec.support.command"

local M = {}

local SETUP = [[
  ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo &&
  echo $$ > "$1/cgroup.procs" && exec "$2"]]

local numbers = { inet = 2, inet6 = 10, unspec = 0 }

---@class spec.Caller
---@field pid integer
---@field cgroup string
---@field program string
---@field process spec.Process
local Caller = {}
Caller.__index = Caller

--- Build caller.c; the caller removes the program.
---@return string path
function M.build()
  local path = os.tmpname()
  local built = command.run {
    "gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "spec/support/caller.c", "-o", path,
  }
  assert(built.status == 0, built.err)
  return path
end

--- Start a process.
---@param program string from build()
---@param cgroup string
---@return spec.Caller
function M.start(program, cgroup)
  local process = command.start { "unshare", "-n", "sh", "-c", SETUP, "sh", cgroup, program }
  local self = setmetatable({ process = process, pid = process.pid, cgroup = cgroup,
    program = program }, Caller)
  self:make {} -- it is ready when it answers
  return self
end

local function to_hex(bytes)
  return bytes == "" and "-" or (bytes:gsub(".", function(byte) return ("%02x")
    :format(byte:byte()) end))
end

local function from_hex(hex)
  return hex ~= "-" and (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte,
    16)) end)) or nil
end

--- The result of a call.
---@class spec.Answer
---@field errno integer 0: it succeeded
---@field addr string|nil where the kernel has the socket connected
---@field port integer
---@field local_addr string|nil where it has the socket bound
---@field local_port integer
---@field peer_addr string|nil what getpeername says
---@field peer_port integer
---@field own_addr string|nil what getsockname says
---@field own_port integer

--- Make calls, one after another.  `socket` of a call is the family of the socket, `sockaddr`
--- that of the address (default: call.family); `bound` is what the socket is bound to first.
---@param calls spec.Call[]
---@return spec.Answer[]
function Caller:make(calls)
  local lines = {}
  for index, call in ipairs(calls) do
    lines[index] = ("%s %d %d %d %s %d %d %d %s %s %d %d %d\n")
      :format(call.op, numbers[call.socket or call.family],
      numbers[call.sockaddr or call.family], call.proto, to_hex(call.addr), call.port, call.uid,
      call.gid,
      to_hex(call.comm), to_hex(call.source_addr or ""), call.source_port or 0, call.mark or 0,
      call.device ~= 0 and 1 or 0)
  end
  self.process.out = ""
  self.process:write(table.concat(lines) .. "end\n")
  self.process:wait_for "end\n"
  local answers = {}
  for errno, endpoints in self.process.out:gmatch "(%d+) (%S+ %d+ %S+ %d+ %S+ %d+ %S+ %d+)\n" do
    local addr, port, local_addr, local_port, peer_addr, peer_port, own_addr, own_port =
      endpoints:match(("(%S+) (%d+) "):rep(4):sub(1, -2))
    answers[#answers + 1] = {
      errno = tonumber(errno), addr = from_hex(addr), port = tonumber(port),
      local_addr = from_hex(local_addr), local_port = tonumber(local_port),
      peer_addr = from_hex(peer_addr), peer_port = tonumber(peer_port),
      own_addr = from_hex(own_addr), own_port = tonumber(own_port),
    }
  end
  assert(#answers == #calls, self.process.err)
  return answers
end

--- End the process.
function Caller:stop()
  self.process.input:close()
  self.process:wait()
end

return M

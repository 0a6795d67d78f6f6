--- A network namespace of this process's own, so that nothing leaves the machine.

local libc = require "spec.support.libc"
local socket = require "spec.support.socket"

local C = libc.call

local M = {}

local CLONE_NEWNET = 0x40000000
local O_RDONLY_CLOEXEC = 0x80000

local function run(command)
  local status = os.execute(command)
  assert(status == 0 or status == true, command)
end

--- Enter a new namespace, with lo up and nothing else.
---@return integer home what leave() takes
function M.enter()
  local home = assert(libc.outcome(C.open("/proc/self/ns/net", O_RDONLY_CLOEXEC)))
  assert(libc.outcome(C.unshare(CLONE_NEWNET)))
  run "ip link set lo up"
  return home
end

--- Make every address one of this machine's: connects to any of them reach lo.
function M.own_all_addresses()
  run "ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo"
end

--- Give this machine an IPv6 address.
---@param address string
function M.add_address(address)
  run(("ip -6 addr add %s/128 dev lo nodad"):format(address))
end

--- The cookie of another namespace, as a socket in it reports it.
---@param path string
---@return integer
function M.cookie(path)
  local home = assert(libc.outcome(C.open("/proc/self/ns/net", O_RDONLY_CLOEXEC)))
  local there = assert(libc.outcome(C.open(path, O_RDONLY_CLOEXEC)))
  assert(libc.outcome(C.setns(there, CLONE_NEWNET)))
  local one = socket.tcp "inet"
  local cookie = one:netns_cookie()
  one:close()
  C.close(there)
  M.leave(home)
  return cookie
end

--- Make lo a device with an address like any other's, not 127.0.0.1.
---@param address string
function M.readdress_loopback(address)
  run(("ip -4 addr flush dev lo && ip addr add %s/32 dev lo"):format(address))
end

--- Let all users open ping sockets.
function M.allow_ping()
  run "echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range"
end

--- Set how many seconds an MPTCP socket waits without a path.
function M.mptcp_close_timeout(seconds)
  run(("echo %d > /proc/sys/net/mptcp/close_timeout"):format(seconds))
end

---@param home integer
function M.leave(home)
  assert(libc.outcome(C.setns(home, CLONE_NEWNET)))
  C.close(home)
end

return M

--- Every word of the policy language, once.
--
-- This table drives validation, help, dump and the reference page.  A word that
-- is not here does not exist; a row that is here works.

---@class tidegate.Word
---@field name string
---@field doc string one line
---@field example string a policy, or a part of one, that compiles
---@field kind? "what"|"who"|"effect" of a field
---@field takes? "list"|"text"|"target"|"errno"|"flag"|"log"|"duration"|"default"|"verdict" the Lua values it accepts
---@field wants? string ends the sentence "errno: wants …"
---@field list? string of what: the name after TG_FIELD_
---@field reports? boolean of what: the kernel lets its rules change what is reported, and deny nothing
---@field numbers? boolean a list that may hold plain numbers
---@field ops? string[] the operations that it stands for
---@field verbs? string[] the only verbs that take it
---@field values? string[] where the vocabulary is fixed

local duration = require "tidegate.duration"

local M = {}

---@type tidegate.Word[]
M.verbs = {
  {
    name = "allow",
    doc = "Let the call through as it is.",
    example = [[allow { "dns", egress = "10.0.0.2:53", proto = "udp" }]],
  },
  {
    name = "deny",
    doc = "Fail the call with an errno.",
    example = [[deny { "no-metadata", egress = "169.254.169.254", errno = "ECONNREFUSED" }]],
  },
  {
    name = "rewrite",
    doc = "Send the call to another address, another port, or both.",
    example = [[rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123" }]],
  },
  {
    name = "balance",
    doc = "Send the call to one of several backends; where none is up, fail it.",
    example = [[balance { "api", connect = "10.96.0.10:80", to = { "10.0.1.5:8080", "10.0.1.6:8080" } }]],
  },
  {
    name = "observe",
    doc = "Tell of the call, and go on with the rules behind.",
    example = [[observe { "web", connect = "*:443", log = "10/s" }]],
  },
}

local an_endpoint = [[an endpoint such as "10.0.0.0/8:443", or a list of them]]

--- What a rule takes, in the order in which dump() writes it.
---@type tidegate.Word[]
M.fields = {
  {
    name = "connect", kind = "what", takes = "list", list = "ENDPOINT", ops = { "connect" },
    wants = an_endpoint,
    doc = "connect() to these endpoints. * is every IP address; unix:* is every unix socket.",
    example = [[deny { connect = "10.0.0.0/8:1-1023" }]],
  },
  {
    name = "sendmsg", kind = "what", takes = "list", list = "ENDPOINT", ops = { "sendmsg" },
    wants = an_endpoint,
    doc = "Datagrams that an unconnected socket sends to these endpoints.",
    example = [[deny { sendmsg = { "*:53", "!10.0.0.2:53" } }]],
  },
  {
    name = "egress", kind = "what", takes = "list", list = "ENDPOINT", ops = { "connect", "sendmsg" },
    wants = an_endpoint,
    doc = "connect and sendmsg: whatever leaves for these endpoints.",
    example = [[deny { egress = { addr = "10.0.0.0/8", port = { 80, "8000-8999" } } }]],
  },
  {
    name = "bind", kind = "what", takes = "list", list = "ENDPOINT", ops = { "bind" },
    wants = an_endpoint,
    doc = "Binding a socket to these local endpoints.",
    example = [[allow { bind = "*:443", comm = "nginx", privileged = true }]],
  },
  {
    name = "recvmsg", kind = "what", takes = "list", list = "ENDPOINT", ops = { "recvmsg" }, reports = true,
    wants = an_endpoint,
    doc = "The sender that recvfrom() and recvmsg() report of a datagram from these endpoints.",
    example = [[rewrite { recvmsg = "127.0.0.1:5353", to = "10.0.0.2:53" }]],
  },
  {
    name = "getpeername", kind = "what", takes = "list", list = "ENDPOINT", ops = { "getpeername" }, reports = true,
    wants = an_endpoint,
    doc = "The peer that getpeername() and accept() report, where it is one of these endpoints.",
    example = [[rewrite { getpeername = "127.0.0.1:8080", to = "10.0.0.2:80" }]],
  },
  {
    name = "getsockname", kind = "what", takes = "list", list = "ENDPOINT", ops = { "getsockname" }, reports = true,
    wants = an_endpoint,
    doc = "The local address that getsockname() reports, where it is one of these endpoints.",
    example = [[rewrite { getsockname = "127.0.0.1:8080", to = "10.0.0.1:80" }]],
  },
  {
    name = "proto", kind = "who", takes = "list", list = "PROTO", numbers = true,
    wants = [[a protocol such as "tcp", "udp" or 17, or a list of them]],
    doc = "The socket's protocol. tcp means MPTCP too; mptcp and 6 mean only themselves.",
    example = [[deny { connect = "*:443", proto = "udp" }]],
  },
  {
    name = "family", kind = "who", takes = "list", list = "FAMILY",
    wants = [["inet", "inet6" or "unix", or a list of them]],
    values = { "inet", "inet6", "unix" },
    doc = "The socket's family; inet for a datagram that an IPv6 socket sends to an IPv4 address.",
    example = [[deny { connect = "*", family = "inet6" }]],
  },
  {
    name = "uid", kind = "who", takes = "list", list = "UID", numbers = true,
    wants = [[a user such as "www-data", 1000 or "1000-1999", or a list of them]],
    doc = "The user of the calling task.",
    example = [[deny { egress = "10.0.0.0/8", uid = "!root" }]],
  },
  {
    name = "gid", kind = "who", takes = "list", list = "GID", numbers = true,
    wants = [[a group such as "www-data", 1000 or "1000-1999", or a list of them]],
    doc = "The group of the calling task.",
    example = [[allow { egress = "*", gid = { 0, "1000-1999" } }]],
  },
  {
    name = "comm", kind = "who", takes = "list", list = "COMM",
    wants = [[a task name such as "curl" or "ngin*", or a list of them]],
    doc = "The name of the calling thread, at most 15 bytes; a * at the end stands for any rest.",
    example = [[deny { connect = "*:25", comm = { "*", "!postfix" } }]],
  },
  {
    name = "pid", kind = "who", takes = "list", list = "PID", numbers = true,
    wants = [[a process number such as 42 or "100-199", or a list of them]],
    doc = "The calling process, as the initial pid namespace numbers it.",
    example = [[allow { egress = "*", pid = 1 }]],
  },
  {
    name = "type", kind = "who", takes = "list", list = "TYPE",
    wants = [["stream", "dgram", "seqpacket" or "raw", or a list of them]],
    values = { "stream", "dgram", "seqpacket", "raw" },
    doc = "The socket's type.",
    example = [[deny { connect = "*:443", type = "dgram" }]],
  },
  {
    name = "from", kind = "who", takes = "list", list = "FROM",
    wants = [[an endpoint of this machine such as "127.0.0.1:5000" or "*:1-1023", or a list of them]],
    doc = "The socket's own address and port, or a datagram's: 0.0.0.0 or :: and port 0 before it is bound.",
    example = [[deny { connect = "*", from = "*:1-1023" }]],
  },
  {
    name = "exe", kind = "who", takes = "list", list = "EXE",
    wants = [[the path of a program such as "/usr/bin/curl", or a list of them]],
    doc = "The file that the calling process executes, as it is when the policy is compiled; "
      .. "of a script that is its interpreter.",
    example = [[deny { connect = "*:25", exe = { "*", "!/bin/sh" } }]],
  },
  {
    name = "cgroup", kind = "who", takes = "list", list = "CGROUP",
    wants = [[a cgroup such as "/sys/fs/cgroup/app" or "app", or a list of them]],
    doc = "The cgroup of the calling task, or one above it. A cgroup that is removed and made again is another.",
    example = [[deny { egress = "10.0.0.0/8", cgroup = "/" }]],
  },
  {
    name = "netns", kind = "who", takes = "list", list = "NETNS", numbers = true,
    wants = [[a network namespace such as "/run/netns/x", "/proc/42/ns/net", "self" or its cookie, or a list of them]],
    doc = "The network namespace of the socket.",
    example = [[deny { egress = "*", netns = "!self" }]],
  },
  {
    name = "mark", kind = "who", takes = "list", list = "MARK", numbers = true,
    wants = [[a mark such as 16, "0x10" or "0x10-0x1f", or a list of them]],
    doc = "The socket's mark (SO_MARK).",
    example = [[allow { egress = "*", mark = "0x10" }]],
  },
  {
    name = "device", kind = "who", takes = "list", list = "DEVICE", numbers = true,
    wants = [[a network device such as "eth0", its number, or "none", or a list of them]],
    doc = "The device that the socket is bound to (SO_BINDTODEVICE); none: to no one. "
      .. "Names are those of the network namespace in which the policy is compiled.",
    example = [[deny { egress = "*", device = "lo" }]],
  },
  {
    name = "errno", kind = "effect", takes = "errno", verbs = { "deny", "balance" },
    wants = [[an errno such as "ECONNREFUSED" or 111]],
    doc = "What a denied call fails with, EPERM where it is not said; "
      .. "and a balanced one for which no backend is up: EHOSTUNREACH.",
    example = [[deny { connect = "192.0.2.0/24", errno = "EHOSTUNREACH" }]],
  },
  {
    name = "to", kind = "effect", takes = "target", verbs = { "rewrite", "balance" },
    wants = [[an endpoint such as "127.0.0.1:80", "127.0.0.1", "*:80" or "unix:/run/x.sock"]],
    doc = "Where the call goes instead; the part that is not said stays. Of balance a list of backends, "
      .. "each with a weight if it is not 1.",
    example = [[rewrite { connect = "*:80", to = "*:8080" }]],
  },
  {
    name = "by", kind = "effect", takes = "text", verbs = { "balance" },
    wants = [["random" or "hash"]],
    values = { "random", "hash" },
    doc = "How a backend is chosen: random, each connect anew, datagrams by their socket; "
      .. "hash, by the key. It is random where it is not said.",
    example = [[balance { connect = "10.96.0.10:80", to = { "10.0.1.5", "10.0.1.6" }, by = "hash" }]],
  },
  {
    name = "key", kind = "effect", takes = "text", verbs = { "balance" },
    wants = [["socket", "pid", "uid", "cgroup", "netns" or "destination"]],
    values = { "socket", "pid", "uid", "cgroup", "netns", "destination" },
    doc = [[What by = "hash" and sticky go by: calls of one key go to one backend. ]]
      .. "Of hash it is the socket where it is not said.",
    example = [[balance { egress = "10.96.0.10:80", to = { "10.0.1.5", "10.0.1.6" }, by = "hash", key = "uid" }]],
  },
  {
    name = "sticky", kind = "effect", takes = "duration", verbs = { "balance" },
    wants = duration.wants,
    doc = "Calls of one key stay with their backend for this long after the last, while it is up or draining, "
      .. "however the list changes.",
    example = [[balance { connect = "10.96.0.10:80", to = { "10.0.1.5", "10.0.1.6" }, sticky = "10m", key = "uid" }]],
  },
  {
    name = "source", kind = "effect", takes = "text", verbs = { "allow", "rewrite", "balance" },
    wants = [[an address of this machine such as "127.0.0.1" or "127.0.0.1:22222"]],
    doc = "Bind a socket to this before it connects; send a datagram from this address.",
    example = [[allow { connect = "127.0.0.0/8", source = "127.0.0.2" }]],
  },
  {
    name = "reveal", kind = "effect", takes = "flag", verbs = { "rewrite", "balance" },
    wants = "true or false",
    values = { "true", "false" },
    doc = "The program is shown the address that its call was turned to; without it, the one that it asked for.",
    example = [[rewrite { connect = "1.2.3.4:80", to = "127.0.0.1:8080", reveal = true }]],
  },
  {
    name = "privileged", kind = "effect", takes = "flag", verbs = { "allow", "rewrite" },
    wants = "true or false",
    values = { "true", "false" },
    doc = "bind: a port below 1024 needs no CAP_NET_BIND_SERVICE.",
    example = [[allow { bind = "*:443", privileged = true }]],
  },
  {
    name = "set", kind = "effect", takes = "options", verbs = { "allow", "rewrite", "balance" },
    wants = "a table of socket options such as { mark = 16, congestion = \"bbr\" }",
    doc = "connect and bind: set socket options; a call that cannot have them fails.",
    example = [[allow { connect = "*:443", proto = "tcp", set = { mark = 16, tos = 8, keepalive = true } }]],
  },
  {
    name = "shadow", kind = "effect", takes = "flag", verbs = { "allow", "deny", "rewrite" },
    wants = "true or false",
    values = { "true", "false" },
    doc = "Count the rule and tell of it, and let the call go on as if the rule were not there.",
    example = [[deny { egress = "10.0.0.0/8", shadow = true }]],
  },
  {
    name = "over", kind = "effect", takes = "text",
    wants = [[a rate such as "100/s", "10/m" or "100/s burst 200"]],
    doc = "Match only what exceeds this rate, counted of the calls that all else of the rule matches; "
      .. "burst: what may come at once, a second's worth where it is not said.",
    example = [[deny { egress = "*", over = "100/s burst 200" }]],
  },
  {
    name = "per", kind = "effect", takes = "text",
    wants = [["uid", "cgroup", "pid" or "dst"]],
    values = { "uid", "cgroup", "pid", "dst" },
    doc = "With over: count the calls of each user, cgroup, process or destination address apart.",
    example = [[deny { egress = "*", over = "100/s", per = "uid" }]],
  },
  {
    name = "log", kind = "effect", takes = "log",
    wants = [[true, false, a rate such as "10/s", or a share such as "1/100"]],
    doc = [[Emit events. Without it, denials do at "100/s", observe at every call, and the rest does not.]],
    example = [[allow { connect = "*:443", log = "10/s" }]],
  },
}

--- The socket options of set, in the order in which dump() writes them.
---@type tidegate.Word[]
M.options_of_sockets = {
  { name = "mark", takes = "number", doc = "SO_MARK, for routing rules and nftables." },
  { name = "priority", takes = "number", doc = "SO_PRIORITY." },
  { name = "tos", takes = "number", doc = "IP_TOS, or IPV6_TCLASS: 0 to 255." },
  { name = "device", takes = "text", doc = "SO_BINDTODEVICE: the name of an interface." },
  { name = "keepalive", takes = "flag", doc = "SO_KEEPALIVE, for TCP." },
  { name = "keepidle", takes = "number", doc = "TCP_KEEPIDLE: seconds before the first probe." },
  { name = "keepintvl", takes = "number", doc = "TCP_KEEPINTVL: seconds between probes." },
  { name = "keepcnt", takes = "number", doc = "TCP_KEEPCNT: probes before the connection is dropped." },
  { name = "congestion", takes = "text", doc = "TCP_CONGESTION: the name of an algorithm." },
}

--- What policy { … } takes.
---@type tidegate.Word[]
M.options = {
  {
    name = "name", takes = "text",
    wants = "a name",
    doc = "What the policy is called in listings.",
    example = [[policy { name = "web" }]],
  },
  {
    name = "default", takes = "default",
    wants = [["allow" or "deny", or a table of them by operation]],
    values = { "allow", "deny" },
    doc = "What becomes of a connect, sendmsg or bind that no rule matches; allow where it is not said.",
    example = [[policy { default = { connect = "deny", sendmsg = "allow" } }]],
  },
  {
    name = "on_error", takes = "verdict",
    wants = [["allow" or "deny"]],
    values = { "allow", "deny" },
    doc = "What a program returns when it finds no usable image; allow where it is not said.",
    example = [[policy { on_error = "deny" }]],
  },
  {
    name = "best_effort", takes = "flag",
    wants = "true or false",
    values = { "true", "false" },
    doc = "Leave out, with a warning, rules that need more than this kernel has; without it, that is an error.",
    example = [[policy { best_effort = true }]],
  },
}

--- The other words of a policy file.
---@type tidegate.Word[]
M.words = {
  {
    name = "policy",
    doc = "Name the policy and say what happens where no rule matches.",
    example = [[policy { name = "web", default = "allow" }]],
  },
  {
    name = "file",
    doc = "The items of a file, one a line; # starts a comment. A relative path starts at the policy's folder.",
    example = [[deny { egress = file "blocklist.txt" }]],
  },
  {
    name = "set",
    doc = "A live set of addresses and prefixes, which rules name and which changes at any time; -set: all but those.",
    example = [[local banned = set "banned" { "192.0.2.0/24", ttl = "10m" } deny { egress = banned }]],
  },
  {
    name = "services",
    doc = "Live services: VIPs and their backends, which balance names and which change at any time.",
    example = [[local svc = services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" } } balance { connect = svc }]],
  },
  {
    name = "on",
    doc = [[Call a function for each event of a verb, of a rule, or of all ("*"); or with the count of "lost" ones.]],
    example = [[on("deny", function(event) print(event) end)]],
  },
  {
    name = "every",
    doc = "Call a function every so often.",
    example = [[every("5s", function() print "still here" end)]],
  },
  {
    name = "after",
    doc = "Call a function once, after a time.",
    example = [[after("10m", function() print "ten minutes" end)]],
  },
}

local function index(rows)
  local names = {}
  for position, row in ipairs(rows) do
    row.position = position
    names[position], rows[row.name] = row.name, row
  end
  return names
end

--- Names in order, for suggestions and completion.  The tables above can also
--- be asked by name: schema.fields.errno.
M.verb_names = index(M.verbs)
M.field_names = index(M.fields)
M.option_names = index(M.options)
M.word_names = index(M.words)
M.socket_option_names = index(M.options_of_sockets)

--- The names of the operation fields: connect, sendmsg, egress, …
---@type string[]
M.op_names = {}
for _, row in ipairs(M.fields) do
  if row.kind == "what" then
    M.op_names[#M.op_names + 1] = row.name
  end
end

--- Whether a verb takes a field.
---@param row tidegate.Word
---@param verb string
---@return boolean
function M.accepts(row, verb)
  if not row.verbs then
    return true
  end
  for _, name in ipairs(row.verbs) do
    if name == verb then
      return true
    end
  end
  return false
end

--- "connect, sendmsg or egress"
---@param names string[]
---@param last string "or", "and"
---@return string
function M.enumerate(names, last)
  if #names < 2 then
    return names[1] or ""
  end
  return table.concat(names, ", ", 1, #names - 1) .. " " .. last .. " " .. names[#names]
end

return M

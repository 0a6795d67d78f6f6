--- Every word of the policy language, once.
--
-- Validation, help, completion, dump(), the questions to the simulator and the reference page
-- are made from these tables: a word that has no row does not exist, and a new condition is one
-- row in M.conditions.

---@class tidegate.Word
---@field name string
---@field doc string one line
---@field example string a policy, or a part of one, that compiles
---@field kind? "what"|"who"|"effect"|"place" of a field
---@field takes? string the Lua values that it accepts: "list", or a name in value.lua
---@field wants? string ends the sentence "errno: wants …"
---@field list? string of an operation or a condition: the name after TG_FIELD_
---@field numbers? boolean the list may contain plain numbers
---@field endpoints? boolean the list contains endpoints, so { addr = …, port = … } is an item
---@field ops? string[] of an operation: the kinds of call that it stands for
---@field proto? string of an operation: the protocol of a question that does not name one
---@field reports? boolean of an operation: its rules can change what is reported, and deny nothing
---@field argname? string of a condition: the argument of `explain --NAME`; default: the name
---@field option? string of a condition: the help of `explain --NAME`; default: doc
---@field choices? string[] of a condition: the arguments of `explain --NAME`; default: any text
---@field assumed? integer of a condition: printed in a question that does not give it
---@field bare? boolean of a condition: a question prints its value without its name
---@field verbs? string[] the only verbs that take it
---@field values? string[] all its values, if there are few

local duration = require "tidegate.duration"
local policy_words = require "tidegate.policy_words"

local M = {}

M.verbs, M.words, M.options = policy_words.verbs, policy_words.words, policy_words.options

--- What a rule matches: exactly one of these, with endpoints.
---@type tidegate.Word[]
M.operations = {
  {
    name = "connect", ops = { "connect" }, proto = "tcp",
    doc = "connect() to these endpoints. * is every IP address; unix:* is every unix socket.",
    example = [[deny { connect = "10.0.0.0/8:1-1023" }]],
  },
  {
    name = "sendmsg", ops = { "sendmsg" }, proto = "udp",
    doc = "Datagrams that an unconnected socket sends to these endpoints.",
    example = [[deny { sendmsg = { "*:53", "!10.0.0.2:53" } }]],
  },
  {
    name = "egress", ops = { "connect", "sendmsg" },
    doc = "connect and sendmsg: everything that leaves for these endpoints.",
    example = [[deny { egress = { addr = "10.0.0.0/8", port = { 80, "8000-8999" } } }]],
  },
  {
    name = "bind", ops = { "bind" }, proto = "tcp",
    doc = "bind() to these local endpoints.",
    example = [[allow { bind = "*:443", comm = "nginx", low_port = true }]],
  },
  {
    name = "recvmsg", ops = { "recvmsg" }, proto = "udp", reports = true,
    doc = "The sender that recvfrom() and recvmsg() report for a datagram from these endpoints.",
    example = [[rewrite { recvmsg = "127.0.0.1:5353", to = "10.0.0.2:53" }]],
  },
  {
    name = "getpeername", ops = { "getpeername" }, proto = "tcp", reports = true,
    doc = "The peer that getpeername() and accept() report, if it is one of these endpoints.",
    example = [[rewrite { getpeername = "127.0.0.1:8080", to = "10.0.0.2:80" }]],
  },
  {
    name = "getsockname", ops = { "getsockname" }, proto = "tcp", reports = true,
    doc = "The local address that getsockname() reports, if it is one of these endpoints.",
    example = [[rewrite { getsockname = "127.0.0.1:8080", to = "10.0.0.1:80" }]],
  },
}

--- The conditions: the caller of a call, and its socket. All of a rule's conditions must hold.
---@type tidegate.Word[]
M.conditions = {
  {
    name = "proto", numbers = true, bare = true,
    wants = [[a protocol such as "tcp", "udp" or 17, or a list of them]],
    doc = "The socket's protocol. tcp includes MPTCP; mptcp and 6 mean only themselves.",
    example = [[deny { connect = "*:443", proto = "udp" }]],
    option = "The protocol (default: udp for sendmsg and recvmsg, tcp for the others).",
  },
  {
    name = "family", bare = true,
    wants = [["inet", "inet6" or "unix", or a list of them]],
    values = { "inet", "inet6", "unix" },
    doc = "The socket's family. An IPv6 socket that sends a datagram to an IPv4 address "
      .. "counts as inet.",
    example = [[deny { connect = "*", family = "inet6" }]],
    argname = "inet|inet6", choices = { "inet", "inet6" },
    option = "The socket's family (default: that of the address).",
  },
  {
    name = "uid", numbers = true, assumed = 0,
    wants = [[a user such as "www-data", 1000 or "1000-1999", or a list of them]],
    doc = "The user of the calling task.",
    example = [[deny { egress = "10.0.0.0/8", uid = "!root" }]],
    option = "The user, by number or name (default: 0).",
  },
  {
    name = "gid", numbers = true, assumed = 0,
    wants = [[a group such as "www-data", 1000 or "1000-1999", or a list of them]],
    doc = "The group of the calling task.",
    example = [[allow { egress = "*", gid = { 0, "1000-1999" } }]],
    option = "The group, by number or name (default: 0).",
  },
  {
    name = "comm",
    wants = [[a thread name such as "curl" or "ngin*", or a list of them]],
    doc = "The name of the calling thread, at most 15 bytes; a * at the end matches any rest.",
    example = [[deny { connect = "*:25", comm = { "*", "!postfix" } }]],
    argname = "NAME", option = "The name of the calling thread.",
  },
  {
    name = "pid", numbers = true,
    wants = [[a process number such as 42 or "100-199", or a list of them]],
    doc = "The calling process, by its number in the initial pid namespace.",
    example = [[allow { egress = "*", pid = 1 }]],
    option = "The number of the process.",
  },
  {
    name = "type",
    wants = [["stream", "dgram", "seqpacket" or "raw", or a list of them]],
    values = { "stream", "dgram", "seqpacket", "raw" },
    doc = "The socket's type.",
    example = [[deny { connect = "*:443", type = "dgram" }]],
    choices = { "stream", "dgram", "seqpacket", "raw" },
    option = "The socket's type (default: that of the protocol).",
  },
  {
    name = "source", endpoints = true,
    wants = [[an endpoint of this machine such as "127.0.0.1:5000" or "*:1-1023", ]]
      .. "or a list of them",
    doc = "The local address and port of the socket or datagram. A socket that is not bound, as "
      .. "most are not when they connect, has 0.0.0.0 or :: and port 0.",
    example = [[allow { connect = "*", source = "*:1-1023" }]],
    argname = "ADDRESS[:PORT]", option = "The socket's own address (default: not bound).",
  },
  {
    name = "exe",
    wants = [[the path of a program such as "/usr/bin/curl", or a list of them]],
    doc = "The file that the calling process executes, as it is when the policy is compiled; "
      .. "for a script, its interpreter.",
    example = [[deny { connect = "*:25", exe = { "*", "!/bin/sh" } }]],
    argname = "PATH", option = "The program's file.",
  },
  {
    name = "cgroup",
    wants = [[a cgroup such as "/sys/fs/cgroup/app", "app", "self", "pid:42" or ]]
      .. [["unit:nginx.service", or a list of them]],
    doc = "The cgroup of the calling task, or one above it: its path, that of this process or "
      .. "another one, or that of a systemd unit, found when the policy compiles. "
      .. "A cgroup that is removed and created again is a different one.",
    example = [[deny { egress = "10.0.0.0/8", cgroup = "/" }]],
    argname = "PATH", option = "The task's cgroup (default: the root).",
  },
  {
    name = "netns", numbers = true,
    wants = [[a network namespace such as "/run/netns/x", "/proc/42/ns/net", "self" ]]
      .. "or its cookie, or a list of them",
    doc = "The network namespace of the socket.",
    example = [[deny { egress = "*", netns = "!self" }]],
    option = "The socket's network namespace: a path, self, or its cookie.",
  },
  {
    name = "mark", numbers = true,
    wants = [[a mark such as 16, "0x10" or "0x10-0x1f", or a list of them]],
    doc = "The socket's mark (SO_MARK).",
    example = [[allow { egress = "*", mark = "0x10" }]],
    option = "The socket's mark (default: 0).",
  },
  {
    name = "device", numbers = true,
    wants = [[a network device such as "eth0", its number, or "none", or a list of them]],
    doc = "The device that the socket is bound to (SO_BINDTODEVICE); none: it is not bound. "
      .. "Names are looked up in the network namespace in which the policy is compiled.",
    example = [[deny { egress = "*", device = "lo" }]],
    option = "The device that the socket is bound to (default: none).",
  },
}

--- What a rule does.
---@type tidegate.Word[]
M.effects = {
  {
    name = "errno", takes = "errno", verbs = { "deny", "balance" },
    wants = [[an errno such as "ECONNREFUSED" or 111]],
    doc = "What a denied call fails with (default: EPERM), "
      .. "or a balanced one if no backend is up (default: EHOSTUNREACH).",
    example = [[deny { connect = "192.0.2.0/24", errno = "EHOSTUNREACH" }]],
  },
  {
    name = "to", takes = "target", verbs = { "rewrite", "balance" },
    wants = [[an endpoint such as "127.0.0.1:80", "127.0.0.1", "*:80" or "unix:/run/x.sock"]],
    doc = "Where the call goes instead; a part that is left out stays as the program asked. "
      .. "For balance: a list of backends, each with a weight (default: 1).",
    example = [[rewrite { connect = "*:80", to = "*:8080" }]],
  },
  {
    name = "by", takes = "text", verbs = { "balance" },
    wants = [["random" or "hash"]],
    values = { "random", "hash" },
    doc = "How a backend is chosen. random: at random for each connect, by the socket for "
      .. "datagrams; hash: by the key. Default: random.",
    example = [[balance { connect = "10.96.0.10:80", to = { "10.0.1.5", "10.0.1.6" }, ]]
      .. [[by = "hash" }]],
  },
  {
    name = "key", takes = "text", verbs = { "balance" },
    wants = [["socket", "pid", "uid", "cgroup", "netns" or "destination"]],
    values = { "socket", "pid", "uid", "cgroup", "netns", "destination" },
    doc = [[The key of by = "hash" and of sticky: calls with the same key go to the same backend. ]]
      .. "destination: the address and the port that are asked for. Default for hash: socket.",
    example = [[balance { egress = "10.96.0.10:80", to = { "10.0.1.5", "10.0.1.6" }, ]]
      .. [[by = "hash", key = "uid" }]],
  },
  {
    name = "sticky", takes = "duration", verbs = { "balance" },
    wants = duration.wants,
    doc = "Calls with the same key stay with their backend until none has come for this long. "
      .. "Changes of the list do not matter while the backend is up or draining.",
    example = [[balance { connect = "10.96.0.10:80", to = { "10.0.1.5", "10.0.1.6" }, ]]
      .. [[sticky = "10m", key = "uid" }]],
  },
  {
    name = "bind_source", takes = "text", verbs = { "allow", "rewrite", "balance" },
    wants = [[an address of this machine such as "127.0.0.1" or "127.0.0.1:22222"]],
    doc = "Bind a socket to this address before it connects; send a datagram from it.",
    example = [[allow { connect = "127.0.0.0/8", bind_source = "127.0.0.2" }]],
  },
  {
    name = "reveal", takes = "flag", verbs = { "rewrite", "balance" },
    doc = "Show the program the address that its call was redirected to "
      .. "(default: the one that it asked for).",
    example = [[rewrite { connect = "1.2.3.4:80", to = "127.0.0.1:8080", reveal = true }]],
  },
  {
    name = "low_port", takes = "flag", verbs = { "allow", "rewrite" },
    doc = "For bind: a port below 1024 needs no CAP_NET_BIND_SERVICE.",
    example = [[allow { bind = "*:443", low_port = true }]],
  },
  {
    name = "sockopt", takes = "options", verbs = { "allow", "rewrite", "balance" },
    wants = [[a table of socket options such as { mark = 16, congestion = "bbr" }]],
    doc = "For connect and bind: set socket options. If one cannot be set, the call fails.",
    example = [[allow { connect = "*:443", proto = "tcp", ]]
      .. "sockopt = { mark = 16, tos = 8, keepalive = true } }",
  },
  {
    name = "shadow", takes = "flag", verbs = { "allow", "deny", "rewrite" },
    doc = "Count and report matching calls, but let them go on as if the rule were not there.",
    example = [[deny { egress = "10.0.0.0/8", shadow = true }]],
  },
  {
    name = "over", takes = "text",
    wants = [[a rate such as "100/s", "10/m" or "100/s burst 200"]],
    doc = "Match only calls that exceed this rate, counted among those that match the rest of the "
      .. "rule; burst: how many may come at once (default: a second's worth).",
    example = [[deny { egress = "*", over = "100/s burst 200" }]],
  },
  {
    name = "per", takes = "text",
    wants = [["uid", "cgroup", "pid", "netns" or "address"]],
    values = { "uid", "cgroup", "pid", "netns", "address" },
    doc = "With over: count the calls of each user, cgroup, process, network namespace or address "
      .. "that is asked for separately.",
    example = [[deny { egress = "*", over = "100/s", per = "uid" }]],
  },
  {
    name = "log", takes = "log",
    wants = [[true, false, a rate such as "10/s", or a share such as "1/100"]],
    doc = [[Emit events. Default: calls that the rule refuses at "100/s", because it denies them, ]]
      .. "because what it does fails, or because no backend is up; observe at every call, all "
      .. "others never.",
    example = [[allow { connect = "*:443", log = "10/s" }]],
  },
  {
    name = "message", takes = "text",
    wants = [[a text of at most 256 bytes such as "ask the network team"]],
    doc = "A text for whoever reads the rule's events; explain shows it, too.",
    example = [[deny { egress = "169.254.169.254", message = "use the proxy" }]],
  },
}

--- Where a rule is put, because the first one that matches decides.  A place is no part of it:
--- dump() writes the rules in their order.
---@type tidegate.Word[]
M.places = {
  {
    name = "before", takes = "text",
    wants = [[the name of a rule that is there already, such as "dns"]],
    doc = "Put the rule before the one of this name (default: after all others).",
    example = [[deny { "lan", egress = "10.0.0.0/8" }  ]]
      .. [[allow { "dns", egress = "10.0.0.2:53", before = "lan" }]],
  },
  {
    name = "after", takes = "text",
    wants = [[the name of a rule that is there already, such as "dns"]],
    doc = "Put the rule right after the one of this name.",
    example = [[allow { "dns", egress = "10.0.0.2:53" }  ]]
      .. [[deny { "lan", egress = "10.0.0.0/8", after = "dns" }]],
  },
}

--- The socket options of sockopt, in the order in which dump() writes them.
---@type tidegate.Word[]
M.options_of_sockets = {
  { name = "mark", takes = "number", doc = "SO_MARK, for routing rules and nftables." },
  { name = "priority", takes = "number", doc = "SO_PRIORITY." },
  { name = "tos", takes = "number", doc = "IP_TOS, or IPV6_TCLASS: 0 to 255." },
  {
    name = "device", takes = "text",
    doc = "SO_BINDTODEVICE: the name of an interface. A rule cannot unbind a socket.",
  },
  { name = "keepalive", takes = "flag", doc = "SO_KEEPALIVE, for TCP." },
  { name = "keepidle", takes = "number", doc = "TCP_KEEPIDLE: seconds before the first probe." },
  { name = "keepintvl", takes = "number", doc = "TCP_KEEPINTVL: seconds between probes." },
  {
    name = "keepcnt", takes = "number",
    doc = "TCP_KEEPCNT: probes before the connection is dropped.",
  },
  { name = "congestion", takes = "text", doc = "TCP_CONGESTION: the name of an algorithm." },
}

-- Every operation takes a list of endpoints; a condition's list is that of its name.
local an_endpoint = [[an endpoint such as "10.0.0.0/8:443", or a list of them]]
for _, row in ipairs(M.operations) do
  row.kind, row.takes, row.list = "what", "list", "ENDPOINT"
  row.endpoints, row.wants = true, an_endpoint
end
for _, row in ipairs(M.conditions) do
  row.kind, row.takes, row.list = "who", "list", row.name:upper()
  row.argname, row.option = row.argname or row.list, row.option or row.doc
end
for _, row in ipairs(M.effects) do
  row.kind = "effect"
end
for _, row in ipairs(M.places) do
  row.kind = "place"
end

--- What a rule takes, in the order in which dump() writes it.
---@type tidegate.Word[]
M.fields = {}
for _, rows in ipairs { M.operations, M.conditions, M.effects, M.places } do
  for _, row in ipairs(rows) do
    M.fields[#M.fields + 1] = row
  end
end

for _, rows in ipairs { M.effects, M.options } do
  for _, row in ipairs(rows) do
    if row.takes == "flag" then
      row.wants, row.values = "true or false", { "true", "false" }
    end
  end
end

local function names_of(rows)
  local names = {}
  for position, row in ipairs(rows) do
    names[position] = row.name
  end
  return names
end

--- Let a table be asked by name too: schema.fields.errno.
local function index(rows)
  for position, row in ipairs(rows) do
    row.position, rows[row.name] = position, row
  end
  return names_of(rows)
end

--- Names in order, for suggestions and completion.
M.verb_names = index(M.verbs)
M.field_names = index(M.fields)
M.option_names = index(M.options)
M.word_names = index(M.words)
M.socket_option_names = index(M.options_of_sockets)
M.op_names = names_of(M.operations)
M.condition_names = names_of(M.conditions)

--- The operations that stand for one kind of call, which is what the simulator decides and what
--- has its own counters: all except egress.
---@type string[]
M.call_names = {}
for _, row in ipairs(M.operations) do
  M.call_names[#M.call_names + 1] = #row.ops == 1 and row.name or nil
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

--- Words of other tools, and what to write here instead.
--
-- Each table is about the unknown words of one place; its texts end the message, after
-- `unknown field "dport"; `.

local M = {}

local NO_INGRESS = "there is none: the hooks see what programs call, not what arrives; "
  .. "bind says where they may listen"
local NO_CHAINS = "there are no chains: the first rule that matches decides, in the order of the "
  .. "file"
local COUNTED = "leave it out: every rule counts its hits"
local A_RULE = [[a rule is a verb and a table: deny { connect = "10.0.0.1:25" }]]
local TARGET = "leave it out: the command says it, as in tidegate serve POLICY TARGET"

--- One text for several words.
local function add(place, words, text)
  for word in words:gmatch "%S+" do
    place[word] = text
  end
end

-- Conditions, of rules and of questions ------------------------------------------------------

M.conditions = {}

add(M.conditions, "addr address dst daddr dest dst_addr destination host ip cidr remote endpoint "
  .. "ip4 ip6 ipv4 ipv6 dst_ip dest_ip to_cidr tocidr tocidrset to_endpoints toendpoints "
  .. "to_entities toentities subnet net netmask network_range ip_range iprange "
  .. "destination_address remote_addr remote_ip ipblock",
  [[the address belongs to the operation, as in connect = "10.0.0.1:80"]])
add(M.conditions, "domain domains hostname fqdn fqdns to_fqdns tofqdns dns name_server sni url uri "
  .. "server_name authority",
  [[the name belongs to the operation, as in connect = "example.org:443"; it is looked up once]])
add(M.conditions, "port ports dport dports dst_port dst_ports remote_port destination_port "
  .. "destination_ports dest_port toports multiport",
  [[the port belongs to the operation, as in connect = "10.0.0.1:80" or ]]
    .. [[connect = { addr = "*", port = { 80, 443 } }]])
add(M.conditions, "from src saddr src_addr source_addr source_address local_addr src_ip source_ip "
  .. "fromcidr from_cidr local_address",
  "write source, the address that the call comes from")
add(M.conditions, "sport sports src_port source_port source_ports local_port",
  [[write source = "*:PORT"]])
add(M.conditions, "interface interfaces iface dev nic oif oifname out_interface ifname netdev zone",
  "write device")
add(M.conditions, "protocol l4proto ip_protocol", "write proto")
add(M.conditions, "user username owner uid_owner skuid euid", "write uid")
add(M.conditions, "group groupname gid_owner skgid egid", "write gid")
add(M.conditions, "program binary executable path command cmd",
  "write exe, the program's file, or comm, the thread's name")
add(M.conditions, "process process_name thread task", "write comm, the thread's name, or pid")
add(M.conditions, "namespace network network_namespace net_ns", "write netns")
add(M.conditions, "container pod image unit service slice scope label cgroupv2",
  [[write cgroup, such as cgroup = "unit:nginx.service"]])
add(M.conditions, "tcp udp th", [[write proto = "tcp"]])
add(M.conditions, "meta", "write mark, uid, gid or device itself")
add(M.conditions, "ct ctstate conntrack state established",
  "leave it out: rules decide calls, and not the packets that follow")
add(M.conditions, "fwmark nfmark", "write mark")
add(M.conditions, "output outgoing outbound", "write egress")
add(M.conditions, "out", "write egress; an interface is device")
add(M.conditions, "listen", "write bind")
add(M.conditions, "ingress input incoming inbound iif iifname in_interface fromendpoints "
  .. "fromentities", NO_INGRESS)
add(M.conditions, "forward forwarding prerouting postrouting",
  "there is none: the hooks see what programs of this machine call, and not what it forwards")

-- Questions: rules without a verb --------------------------------------------------------------

M.questions = {}

for word, text in pairs(M.conditions) do
  M.questions[word] = text
end

add(M.questions, "port ports dport dst_port remote_port destination_port",
  [[the port belongs to the operation, as in connect = "10.0.0.1:80"]])
add(M.questions, "op operation call hook",
  [[the operation is the field, as in connect = "10.0.0.1:80"]])

-- Fields of rules: conditions and effects ----------------------------------------------------

M.fields = {}

for word, text in pairs(M.conditions) do
  M.fields[word] = text
end

add(M.fields, "bind_to bind_addr bind_address snat masquerade to_source via",
  "write bind_source, the address that the socket is bound to before it connects")
add(M.fields, "action verdict verb target drop reject accept permit block pass allow deny",
  "the verb is the action: deny { … }, allow { … }")
add(M.fields, "error code reject_with with", "write errno")
add(M.fields, "to_addr to_port to_ports to_destination dnat redirect redirect_to rewrite_to",
  [[write to, of rewrite: to = "127.0.0.1:8080"]])
add(M.fields, "id rule rulename rule_name", "the name comes first, without a field")
add(M.fields, "backends backend server servers upstream upstreams pool endpoints cluster clusters",
  [[write to = { "10.0.1.5:8080", … } in balance]])
add(M.fields, "weight weights",
  [[each backend has its own: to = { { "10.0.1.5:8080", weight = 3 } }]])
add(M.fields, "algorithm lb lb_policy strategy method", "write by")
add(M.fields, "affinity persistence session_affinity stickiness", [[write sticky = "10m"]])
add(M.fields, "timeout ttl expire expires", "elements of sets have a ttl")
add(M.fields, "limit rate rate_limit ratelimit max_rate", [[write over = "100/s"]])
add(M.fields, "hashlimit connlimit quota",
  [[write over = "100/s", and per = "address" to count each address separately]])
add(M.fields, "except exclude unless not_in",
  [[what is left out stands in the list: egress = { "10.0.0.0/8", "!10.0.0.2" }]])
add(M.fields, "burst limit_burst", [[write over = "100/s burst 200"]])
add(M.fields, "dry_run dryrun audit permissive report_only log_only count_only",
  "write shadow = true")
add(M.fields, "comment description desc note reason say msg",
  "write message, which events have, or a comment: -- …")
add(M.fields, "privileged low_ports cap_net_bind_service", "write low_port = true")
add(M.fields, "set setsockopt sockopts socket_options", "write sockopt = { … }")
add(M.fields, "set_mark set_xmark", "write sockopt = { mark = … }")
add(M.fields, "events emit logging level log_level loglevel nflog", "write log")
add(M.fields, "log_prefix prefix", "write message, a text that the rule's events have")
add(M.fields, "backup check checks health_check healthcheck inter rise fall maxconn",
  "leave it out: no backend is checked; services have states, which a policy can change")
add(M.fields, "counter counters packets bytes", COUNTED)
add(M.fields, "jump goto call continue chain hook", NO_CHAINS)
add(M.fields, "publish expose", [[it is a rule: rewrite { bind = "*:80", to = "*:8080" }]])
add(M.fields, "enabled disabled", "take the rule out, or write shadow = true")
add(M.fields, "priority order position index place insert insert_before",
  [[the first rule that matches decides, in the order of the file, or before = "NAME"]])
add(M.fields, "behind below insert_after", [[write after = "NAME"]])
add(M.fields, "above in_front_of", [[write before = "NAME"]])

-- Options of policy { … } ---------------------------------------------------------------------

M.options = {}

add(M.options, "best_effort", [[write unsupported = "skip"]])
add(M.options, "default_action default_policy policy action fallback verdict", "write default")
add(M.options, "fail_open fail_closed failure_mode failure", "write on_error")
add(M.options, "dry_run dryrun audit permissive report_only log_only mode enforce",
  "write shadow = true")
add(M.options, "version min_version minimum_version require tidegate", "write requires")
add(M.options, "hook chain table type priority", NO_CHAINS)
add(M.options, "input ingress listen", [[write default = { bind = "deny" }]])
add(M.options, "output egress connect", [[write default = { egress = "deny" }]])
add(M.options, "cgroup attach target unit container", TARGET)
add(M.options, "user", "leave it out: the command says it, as in tidegate run --user NAME")
add(M.options, "network", [[it is a rule: deny { egress = "*" }]])
add(M.options, "rules services sets", "it stands beside policy { … }, not in it")
add(M.options, "comment description", "a comment is -- …")
add(M.options, "errno log message", "a default has none: write a last rule that has")

-- Names in a policy file ------------------------------------------------------------------------

M.names = {}

add(M.names, "drop reject block forbid refuse disallow", "write deny { … }")
add(M.names, "accept permit pass let", "write allow { … }")
add(M.names, "redirect dnat nat forward proxy", "write rewrite { … }")
add(M.names, "snat masquerade", [[write allow { …, bind_source = "10.0.0.9" }]])
add(M.names, "lb pool upstream loadbalance load_balance backend backends",
  "write balance { … }, or services for VIPs that change")
add(M.names, "log audit watch monitor trace report count", "write observe { … }")
add(M.names, "allow_list allowlist whitelist block_list blocklist blacklist deny_list denylist",
  [[write file "blocklist.txt", or set "name" { … }, where a list stands]])
add(M.names, "ipset list map vmap", [[write set "name" { … }]])
add(M.names, "service vip vips", [[write services "name" { … }]])
add(M.names, "default options config settings", [[write policy { default = "deny" }]])
add(M.names, "connect sendmsg egress bind recvmsg getpeername getsockname",
  [[it is a field of a rule, as in deny { connect = "*:25" }]])
add(M.names, "ingress input incoming inbound", NO_INGRESS)
add(M.names, "output out outgoing outbound",
  [[it is the field egress of a rule, as in deny { egress = "*" }]])
add(M.names, "sets", [[a rule names a set in a list: deny { egress = "@banned" }]])
add(M.names, "timer interval cron schedule", [[write every("5s", fn)]])
add(M.names, "chain type hook priority jump call continue return_ goto_", NO_CHAINS)
add(M.names, "table",
  [[there are no tables and chains; a file is one policy: policy { name = "web" }]])
add(M.names, "rule rules insert append ip ip6 inet tcp udp meta ct filter saddr daddr sport dport "
  .. "iptables ip6tables nft", A_RULE)
add(M.names, "counter counters", COUNTED)
add(M.names, "limit", [[it is the field over of a rule: over = "100/s"]])
add(M.names, "mark", "it is a field of a rule; to set it: sockopt = { mark = 16 }")
add(M.names, "define var const", [[a variable is local: local lan = "10.0.0.0/8"]])
add(M.names, "include import source dofile loadfile load loadstring module",
  [[require "name" runs name.lua beside the policy; file "blocklist.txt" reads a list]])
add(M.names, "flush reset", "leave it out: a policy starts without rules")
add(M.names, "ports publish expose", [[write rewrite { bind = "*:80", to = "*:8080" }]])
add(M.names, "network networks container unit", TARGET)
add(M.names, "net", [[for no network at all, write policy { default = "deny" }]])
add(M.names, "sleep delay timeout", [[write after("5s", fn)]])
add(M.names, "handler hook subscribe", [[write on("deny", fn)]])

-- Named ranges, without "@" ----------------------------------------------------------------------

M.ranges = {}

add(M.ranges, "rfc1918 lan intranet internal cgnat rfc6598 ula site sitelocal site-local fc00 "
  .. "privates private_range",
  [[write "@private"]])
add(M.ranges, "imds cloud cloud-metadata cloud_metadata instance-metadata wireserver aws gcp azure",
  [[write "@metadata"]])
add(M.ranges, "lo localhost local-host loop", [[write "@loopback"]])
add(M.ranges, "link-local link_local linklocals apipa zeroconf fe80", [[write "@linklocal"]])
add(M.ranges, "mcast multicasts", [[write "@multicast"]])
add(M.ranges, "internet public world wan external www inet routable unicast", [[write "@global"]])
add(M.ranges, "self host me this myself own node localaddr local-address local_address",
  [[write "@local"]])
add(M.ranges, "any all everything anywhere every world-any", [[for every address write "*"]])
add(M.ranges, "reserved bogon bogons martian martians special",
  [[write { "*", "!@global" }, which is every address that is not global]])
add(M.ranges, "broadcast", [[write "255.255.255.255"]])

-- Kinds of handlers ------------------------------------------------------------------------------

M.kinds = {}

add(M.kinds, "drop dropped denied reject rejected refuse refused block blocked", [[write "deny"]])
add(M.kinds, "accept accepted allowed permit pass", [[write "allow"]])
add(M.kinds, "event events all any call", [[write "*"]])
add(M.kinds, "connect sendmsg egress bind", [[write "*", and ask for event.op in the function]])
add(M.kinds, "redirect rewritten dnat", [[write "rewrite"]])
add(M.kinds, "overflow missed dropped_events", [[write "lost"]])

-- Elements of a set, and its options ----------------------------------------------------------

M.elements = {}

add(M.elements, "element elements members entries addresses",
  [[they stand in the table itself: set "name" { "10.0.0.1" }]])
add(M.elements, "type family flags interval", "leave it out: a set holds addresses and prefixes")
add(M.elements, "comment", "a comment is -- …")
add(M.elements, "timeout expire expires lifetime max_age", "write ttl")
add(M.elements, "capacity max maxelem room limit", "write size")
add(M.elements, "read_only const constant immutable ro", "write readonly")

-- { addr = …, port = … }, one backend, and socket options -----------------------------------------

M.parts = {}

add(M.parts, "host ip address cidr dst daddr net subnet prefix range name hostname fqdn "
  .. "tocidr toCIDR matchName", "write addr")
add(M.parts, "except exclude",
  [[what is left out stands in the list: { "10.0.0.0/8", "!10.0.0.2" }]])
add(M.parts, "ports dport dst_port", "write port")
add(M.parts, "proto protocol", [[it is a condition of the rule: proto = "tcp"]])

M.backends = {}

add(M.backends, "addr host ip server port name endpoint",
  [[the address comes first, without a field: { "10.0.1.5:8080" }]])
add(M.backends, "w weights", "write weight")
add(M.backends, "backup priority", "there is none: all backends that are up are equal, by weight")
add(M.backends, "check inter rise fall maxconn max_fails fail_timeout health_check",
  "leave it out: no backend is checked; those of live services have a state")
add(M.backends, "down disabled drain draining status", [[write state, of live services]])

M.sockopts = {}

add(M.sockopts, "fwmark so_mark nfmark", "write mark")
add(M.sockopts, "dscp ip_tos ipv6_tclass tclass dsfield", "write tos, which is the DSCP times 4")
add(M.sockopts, "so_priority skb_priority", "write priority")
add(M.sockopts, "so_bindtodevice bindtodevice interface iface dev", "write device")
add(M.sockopts, "so_keepalive", "write keepalive")
add(M.sockopts, "tcp_keepidle tcp_keepalive_time", "write keepidle")
add(M.sockopts, "tcp_keepintvl tcp_keepalive_intvl", "write keepintvl")
add(M.sockopts, "tcp_keepcnt tcp_keepalive_probes", "write keepcnt")
add(M.sockopts, "tcp_congestion cc congestion_control", "write congestion")

-- Options of services -------------------------------------------------------------------------

M.services = {}

add(M.services, "capacity max maxelem room limit", "write size")
add(M.services, "backends servers endpoints vip vips address frontend upstream",
  [[a VIP is the field: ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" }]])
add(M.services, "read_only const constant immutable ro", "write readonly")

-- Values, by the field or the option that they are given to --------------------------------------

M.values = { default = {}, errno = {}, per = {}, by = {}, key = {}, unsupported = {} }

add(M.values.default, "drop reject block forbid refuse disallow Deny DENY", [[write "deny"]])
add(M.values.default, "accept permit pass ok Allow ALLOW", [[write "allow"]])
M.values.on_error = M.values.default
add(M.values.unsupported, "ignore warn allow continue best_effort", [[write "skip"]])
add(M.values.unsupported, "error deny abort strict", [[write "fail"]])
add(M.values.errno, "refused reject reset icmp-port-unreachable tcp-reset",
  [[write "ECONNREFUSED"]])
add(M.values.errno, "icmp-host-unreachable icmp-net-unreachable unreachable",
  [[write "EHOSTUNREACH"]])
add(M.values.errno, "icmp-admin-prohibited admin-prohibited denied", [[write "EACCES"]])
add(M.values.errno, "drop timeout", "no call hangs: it fails at once, such as with ETIMEDOUT")
add(M.values.per, "dst daddr destination dest ip addr host", [[write "address"]])
add(M.values.per, "src saddr source client", "the callers are told apart by uid, cgroup or pid")
add(M.values.per, "user skuid owner euid", [[write "uid"]])
add(M.values.per, "process task", [[write "pid"]])
add(M.values.per, "container service unit", [[write "cgroup"]])
add(M.values.by, "roundrobin round_robin round-robin rr wrr numgen inc", [[write "random"]])
add(M.values.by, "leastconn least_conn least-conn least_request leastrequest first",
  [[nobody counts connections here: write "random"]])
add(M.values.by, "jhash symhash source ip_hash iphash consistent maglev", [[write "hash"]])
add(M.values.key, "dst daddr dest address", [[write "destination"]])
add(M.values.key, "user skuid owner", [[write "uid"]])
add(M.values.key, "src saddr source client ip", "the callers are told apart by uid, cgroup or pid")
add(M.values.key, "process task", [[write "pid"]])
add(M.values.key, "container service unit", [[write "cgroup"]])

return M

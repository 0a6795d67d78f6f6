-- Send all DNS to the resolver of this machine, whichever server a program asks. The answers look
-- as if they came from that server. Also let one server bind one low port without root.
--
--   $ tidegate explain examples/06-dns.lua connect 127.0.0.1:53
--   allow "own" (examples/06-dns.lua:19): 127.0.0.1:53
--   $ tidegate explain examples/06-dns.lua sendmsg 8.8.8.8:53
--   rewrite "dns" (examples/06-dns.lua:22): 8.8.8.8:53 -> 127.0.0.1:5353
--   $ tidegate explain examples/06-dns.lua sendmsg [2001:4860:4860::8888]:53
--   rewrite "dns6" (examples/06-dns.lua:23): [2001:4860:4860::8888]:53 -> [::1]:5353
--   $ tidegate explain examples/06-dns.lua connect 9.9.9.9:853
--   deny "dot" (examples/06-dns.lua:26): ECONNREFUSED
--   $ tidegate explain examples/06-dns.lua bind 0.0.0.0:53 --comm dnsmasq
--   allow "serve" (examples/06-dns.lua:29): 0.0.0.0:53, low_port
--   $ tidegate explain examples/06-dns.lua bind 0.0.0.0:80 --comm dnsmasq
--   deny "low" (examples/06-dns.lua:30): EACCES

policy { name = "dns" }

allow { "own", egress = "@loopback" }

-- One rule for each family: IPv4 cannot be rewritten to IPv6.
rewrite { "dns",  egress = "0.0.0.0/0:53", to = "127.0.0.1:5353" }
rewrite { "dns6", egress = "[::/0]:53", to = "[::1]:5353" }

-- DNS over TLS would bypass the resolver.
deny { "dot", egress = "*:853", errno = "ECONNREFUSED" }

-- low_port: dnsmasq needs no CAP_NET_BIND_SERVICE for port 53. No other low port can be bound.
allow { "serve", bind = "*:53", comm = "dnsmasq", low_port = true }
deny  { "low",   bind = "*:1-1023", errno = "EACCES" }

-- All DNS goes to the resolver of this machine, whatever server a program asks;
-- the answers look as if they came from that server.  And a server that may
-- bind one low port without being root, and no other.
--
--   $ tidegate explain examples/06-dns.lua sendmsg 8.8.8.8:53
--   rewrite "dns" (examples/06-dns.lua:21): 8.8.8.8:53 -> 127.0.0.1:5353
--   $ tidegate explain examples/06-dns.lua sendmsg [2001:4860:4860::8888]:53
--   rewrite "dns6" (examples/06-dns.lua:22): [2001:4860:4860::8888]:53 -> [::1]:5353
--   $ tidegate explain examples/06-dns.lua connect 127.0.0.1:53
--   allow "own" (examples/06-dns.lua:20): 127.0.0.1:53
--   $ tidegate explain examples/06-dns.lua connect 9.9.9.9:853
--   deny "dot" (examples/06-dns.lua:23): ECONNREFUSED
--   $ tidegate explain examples/06-dns.lua bind 0.0.0.0:53 --comm dnsmasq
--   allow "serve" (examples/06-dns.lua:24): 0.0.0.0:53, privileged
--   $ tidegate explain examples/06-dns.lua bind 0.0.0.0:80 --comm dnsmasq
--   deny "low" (examples/06-dns.lua:25): EACCES

policy { name = "dns" }

allow   { "own",   egress = { "127.0.0.0/8", "::1" } }
rewrite { "dns",   egress = "0.0.0.0/0:53", to = "127.0.0.1:5353" }
rewrite { "dns6",  egress = "[::/0]:53", to = "[::1]:5353" }
deny    { "dot",   egress = "*:853", errno = "ECONNREFUSED" }
allow   { "serve", bind = "*:53", comm = "dnsmasq", privileged = true }
deny    { "low",   bind = "*:1-1023", errno = "EACCES" }

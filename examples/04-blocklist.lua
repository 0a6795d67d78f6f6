-- A list of addresses in a file of its own, one a line.  A million of them
-- cost a call little more than ten do.
--
--   $ tidegate explain examples/04-blocklist.lua connect 192.0.2.66:443
--   deny "blocked" (examples/04-blocklist.lua:14): ENETUNREACH
--   $ tidegate explain examples/04-blocklist.lua connect 198.51.100.200:25
--   deny "blocked" (examples/04-blocklist.lua:14): ENETUNREACH
--   $ tidegate explain examples/04-blocklist.lua connect 198.51.100.200:443
--   allow by default: 198.51.100.200:443
--   $ tidegate explain examples/04-blocklist.lua connect [2001:db8:bad::1]:443
--   deny "blocked" (examples/04-blocklist.lua:14): ENETUNREACH
policy { name = "blocklist" }

deny { "blocked", egress = file "04-blocklist.txt", errno = "ENETUNREACH", log = "1/100" }

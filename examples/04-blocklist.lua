-- Deny a list of addresses that is in a separate file beside this one. A million of them slow
-- a call down only a little more than ten.
--
--   $ tidegate explain examples/04-blocklist.lua connect 192.0.2.66:443
--   deny "blocked" (examples/04-blocklist.lua:16): ENETUNREACH
--   $ tidegate explain examples/04-blocklist.lua connect 198.51.100.200:25
--   deny "blocked" (examples/04-blocklist.lua:16): ENETUNREACH
--   $ tidegate explain examples/04-blocklist.lua connect 198.51.100.200:443
--   allow by default: 198.51.100.200:443
--   $ tidegate explain examples/04-blocklist.lua connect [2001:db8:bad::1]:443
--   deny "blocked" (examples/04-blocklist.lua:16): ENETUNREACH

policy { name = "blocklist" }

-- One in 100 denials emits an event.
deny { "blocked", egress = file "04-blocklist.txt", errno = "ENETUNREACH", log = "1/100" }

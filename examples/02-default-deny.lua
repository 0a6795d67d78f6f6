-- Deny everything that is not named: this service may ask its resolver and talk to its database.
--
--   $ tidegate explain examples/02-default-deny.lua connect [::1]:8080
--   allow "itself" (examples/02-default-deny.lua:15): [::1]:8080
--   $ tidegate explain examples/02-default-deny.lua sendmsg 10.0.0.2:53
--   allow "dns" (examples/02-default-deny.lua:16): 10.0.0.2:53
--   $ tidegate explain examples/02-default-deny.lua connect 10.0.1.7:5432
--   allow "database" (examples/02-default-deny.lua:17): 10.0.1.7:5432
--   $ tidegate explain examples/02-default-deny.lua connect 93.184.216.34:443
--   deny by default: EPERM

policy { name = "service", default = "deny" }

-- The first rule that matches decides. If none matches, the default does.
allow { "itself",   egress = { "127.0.0.0/8", "::1" } }
allow { "dns",      egress = "10.0.0.2:53", proto = { "tcp", "udp" } }
allow { "database", connect = "10.0.1.0/24:5432", proto = "tcp" }

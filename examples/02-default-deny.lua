-- Deny everything that is not named: this service may ask its resolver, talk to its database, and
-- listen on its port.
--
--   $ tidegate explain examples/02-default-deny.lua connect [::1]:8080
--   allow "itself" (examples/02-default-deny.lua:19): [::1]:8080
--   $ tidegate explain examples/02-default-deny.lua sendmsg 10.0.0.2:53
--   allow "dns" (examples/02-default-deny.lua:20): 10.0.0.2:53
--   $ tidegate explain examples/02-default-deny.lua connect 10.0.1.7:5432
--   allow "database" (examples/02-default-deny.lua:21): 10.0.1.7:5432
--   $ tidegate explain examples/02-default-deny.lua connect 93.184.216.34:443
--   deny by default: EPERM
--   $ tidegate explain examples/02-default-deny.lua bind 0.0.0.0:8080
--   allow "service" (examples/02-default-deny.lua:22): 0.0.0.0:8080

-- With shadow = true, too, it would only report what it denies.
policy { name = "service", default = "deny" }

-- The first rule that matches decides. If none matches, the default does.
allow { "itself",   egress = "@loopback" }
allow { "dns",      egress = "10.0.0.2:53", proto = { "tcp", "udp" } }
allow { "database", connect = "10.0.1.0/24:5432", proto = "tcp" }
allow { "service",  bind = "*:8080", proto = "tcp" }

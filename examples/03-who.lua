-- Who calls matters: exceptions are allows that stand before the denial.
--
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid root
--   allow by default: 10.1.2.3:443
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid 1000 --comm git
--   allow "git on the lan" (examples/03-who.lua:13): 10.1.2.3:443
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid 1000 --comm curl
--   deny "no lan" (examples/03-who.lua:14): EPERM
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:22 --uid 1000 --comm git
--   deny "no lan" (examples/03-who.lua:14): EPERM
policy { name = "who" }

allow { "git on the lan", connect = { "10.0.0.0/8:443", "[fd00::/8]:443" }, proto = "tcp", comm = "git*" }
deny  { "no lan",         egress = { "10.0.0.0/8", "fd00::/8" }, uid = "!root", log = "10/s" }

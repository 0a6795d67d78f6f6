-- The policy of `make demo`: one call sent elsewhere, one refused, the rest as it was.
--
--   $ tidegate run examples/01-first-light.lua -- curl http://1.2.3.4:60000/
--
-- What it decides, without privileges:
--
--   $ tidegate explain examples/01-first-light.lua connect 1.2.3.4:60000
--   rewrite "seed" (examples/01-first-light.lua:16): 1.2.3.4:60000 -> 127.0.0.1:60123
--   $ tidegate explain examples/01-first-light.lua connect 169.254.169.254:80
--   deny "no-metadata" (examples/01-first-light.lua:15): ECONNREFUSED
--   $ tidegate explain examples/01-first-light.lua connect 127.0.0.1:22
--   allow by default: 127.0.0.1:22
policy { name = "first-light", default = "allow" }

deny    { "no-metadata", egress = "169.254.169.254", errno = "ECONNREFUSED" }
rewrite { "seed",        connect = "1.2.3.4:60000", to = "127.0.0.1:60123", log = true }

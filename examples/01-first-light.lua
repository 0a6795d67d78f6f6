-- The policy of `make demo`: one call is refused, one goes to another server, all others go
-- through unchanged.
--
--   $ tidegate run -u nobody examples/01-first-light.lua -- curl http://1.2.3.4:60000/
--
-- `tidegate explain` shows what the policy decides, and needs no privileges:
--
--   $ tidegate explain examples/01-first-light.lua connect 169.254.169.254:80
--   deny "no-metadata" (examples/01-first-light.lua:19): ECONNREFUSED
--   $ tidegate explain examples/01-first-light.lua connect 1.2.3.4:60000
--   rewrite "seed" (examples/01-first-light.lua:22): 1.2.3.4:60000 -> 127.0.0.1:60123
--   $ tidegate explain examples/01-first-light.lua connect 127.0.0.1:22
--   allow by default: 127.0.0.1:22

policy { name = "first-light", default = "allow" }

-- egress: neither a connection nor a datagram leaves for these addresses, of cloud metadata.
-- Denials emit events by default; other rules need log = true for that.
deny { "no-metadata", egress = "@metadata", errno = "ECONNREFUSED" }

-- A program that connects to 1.2.3.4:60000 reaches 127.0.0.1:60123, and does not notice.
rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", log = true }

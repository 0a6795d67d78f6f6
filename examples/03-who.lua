-- Rules about who calls. An exception is an allow before the deny, because the first rule that
-- matches decides.
--
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid 1000 --comm git
--   allow "git on the lan" (examples/03-who.lua:16): 10.1.2.3:443
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid 1000 --comm curl
--   deny "no lan" (examples/03-who.lua:20): EPERM
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:22 --uid 1000 --comm git
--   deny "no lan" (examples/03-who.lua:20): EPERM
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid root
--   allow by default: 10.1.2.3:443

policy { name = "who" }

-- All conditions of a rule must hold. "git*" matches every program whose name begins with git.
allow { "git on the lan", connect = { "10.0.0.0/8:443", "[fd00::/8]:443" }, proto = "tcp",
  comm = "git*" }

-- "!root" is every user except root. At most 10 denials a second emit events.
deny { "no lan", egress = { "10.0.0.0/8", "fd00::/8" }, uid = "!root", log = "10/s" }

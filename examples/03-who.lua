-- Rules about who calls. An exception is an allow before the deny, because the first rule that
-- matches decides.
--
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid 1000 --comm git
--   allow "git on the lan" (examples/03-who.lua:16): 10.1.2.3:443
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid 1000 --comm curl
--   deny "no lan" (examples/03-who.lua:20): EPERM, "ask the network team for access"
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:22 --uid 1000 --comm git
--   deny "no lan" (examples/03-who.lua:20): EPERM, "ask the network team for access"
--   $ tidegate explain examples/03-who.lua connect 10.1.2.3:443 --uid root
--   allow by default: 10.1.2.3:443

policy { name = "who" }

-- All conditions of a rule must hold. "git*" matches every program whose name begins with git.
allow { "git on the lan", connect = "@private:443", proto = "tcp", comm = "git*" }

-- "!root" is every user except root. At most 10 denials a second emit events, which have the
-- message.
deny { "no lan", egress = "@private", uid = "!root", log = "10/s",
  message = "ask the network team for access" }

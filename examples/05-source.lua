-- Send a connection to another address or port, and choose the address that it comes from.
--
--   $ tidegate explain examples/05-source.lua connect 192.0.2.1:80
--   rewrite "proxy" (examples/05-source.lua:14): 192.0.2.1:80 -> 127.0.0.1:3128
--   $ tidegate explain examples/05-source.lua connect 127.0.0.1:5432
--   rewrite "new port" (examples/05-source.lua:17): 127.0.0.1:5432 -> 127.0.0.1:5433
--   $ tidegate explain examples/05-source.lua connect 127.0.0.1:60123
--   allow "from" (examples/05-source.lua:20): 127.0.0.1:60123 from 127.0.0.2

policy { name = "source" }

-- getpeername() returns the address that the program asked for; with reveal, the one that it
-- really reached.
rewrite { "proxy", connect = "192.0.2.0/24:80", to = "127.0.0.1:3128", reveal = true }

-- "*" keeps the address and changes only the port.
rewrite { "new port", connect = "127.0.0.1:5432", to = "*:5433" }

-- The socket is bound to 127.0.0.2 before it connects.
allow { "from", connect = "127.0.0.1:60123", bind_source = "127.0.0.2" }

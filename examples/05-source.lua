-- Rewriting address, port, or both, and choosing where a connection comes from.
-- What the program asked for is also what getpeername() tells it, unless the
-- rule reveals the truth.
--
--   $ tidegate explain examples/05-source.lua connect 192.0.2.1:80
--   rewrite "proxy" (examples/05-source.lua:13): 192.0.2.1:80 -> 127.0.0.1:3128
--   $ tidegate explain examples/05-source.lua connect 127.0.0.1:5432
--   rewrite "new port" (examples/05-source.lua:14): 127.0.0.1:5432 -> 127.0.0.1:5433
--   $ tidegate explain examples/05-source.lua connect 127.0.0.1:60123
--   allow "from" (examples/05-source.lua:15): 127.0.0.1:60123 from 127.0.0.2
policy { name = "source" }

rewrite { "proxy",    connect = "192.0.2.0/24:80", to = "127.0.0.1:3128", reveal = true }
rewrite { "new port", connect = "127.0.0.1:5432", to = "*:5433" }
allow   { "from",     connect = "127.0.0.1:60123", source = "127.0.0.2" }

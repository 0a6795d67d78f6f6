-- nginx connects to one address, and the kernel sends each connection to one of the backends.

policy { name = "balancer" }

-- The backends when nginx starts; a reload keeps changes made through the API. List yours here, so
-- that they are there again after a restart:
--   ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3 } }
local backends = services "backends" { ["10.96.0.10:80/tcp"] = {} }

-- Choose at random for each connection. by = "hash" would not keep a client at its backend: the
-- kernel knows that the socket is nginx's, but not which client the request comes from.
balance { "app", connect = backends, by = "random" }

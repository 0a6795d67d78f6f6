-- One address stands for all backends: nginx connects to it, and the kernel
-- leads the call to one of them.

policy { name = "balancer" }

-- What nginx starts with; a reload keeps what the API has made of it.  Name
-- yours, and a restart needs nobody to add them:
--   ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080", { "10.0.1.6:8080", weight = 3 } }
local backends = services "backends" { ["10.96.0.10:80/tcp"] = {} }

-- Each connect anew.  by = "hash" would not keep a client with its backend: the
-- kernel sees whose socket it is, which is nginx's, and not whose request.
balance { "app", connect = backends, by = "random" }

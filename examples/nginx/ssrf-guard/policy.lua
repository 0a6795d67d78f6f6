-- What nginx may connect to when a request chooses the address.
--
-- The kernel checks the address that a worker connects to, after the name was resolved. So an
-- attacker gains nothing from a name that resolves to a private address, or from one that resolves
-- to a different address each time.

policy { name = "ssrf-guard" }

-- Upstreams that may be reached, by address and port. Add yours.
allow { "reports",     connect = "10.0.5.20:8080", proto = "tcp" }

-- The resolver of nginx.conf. UDP only: a URL may name this address, too, and is fetched by TCP.
allow { "resolver",    egress = "127.0.0.1:53", proto = "udp" }

deny  { "no-metadata", egress = "@metadata", errno = "ECONNREFUSED" }

-- All that is not in the public internet: private, loopback, link-local, reserved, multicast, and
-- IPv6 addresses with such an IPv4 address inside. docs/policy.md lists the ranges.
deny  { "no-private",  egress = { "*", "!@global" }, errno = "ECONNREFUSED" }

-- What runs on this machine, at its public addresses.
deny  { "no-own",      egress = "@local", errno = "ECONNREFUSED" }

-- 443 is for proxy_pass https://.
allow { "web",         connect = { "@global:80", "@global:443" }, proto = "tcp" }
deny  { "no-port",     egress = "*", errno = "ECONNREFUSED" }

-- nginx would also fetch a URL such as http://unix:/run/docker.sock:/.
deny  { "no-unix",     connect = "unix:*", errno = "ECONNREFUSED" }

local ngx = require "ngx"

on("deny", function(event)
  ngx.log(ngx.WARN, "refused ", event.asked, " by ", event.rule or "default")
end)

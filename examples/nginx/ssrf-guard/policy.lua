-- What nginx may connect to when a request chooses the address.
--
-- The kernel checks the address that a worker connects to, after the name was resolved. So an
-- attacker gains nothing from a name that resolves to a private address, or from one that resolves
-- to a different address each time.

policy { name = "ssrf-guard" }

-- Upstreams that may be reached, by address and port. Add yours.
allow { "reports",     connect = "10.0.5.20:8080" }

-- The resolver of nginx.conf.
allow { "resolver",    egress = "127.0.0.1:53" }

deny  { "no-metadata", egress = { "169.254.169.254", "fd00:ec2::254" }, errno = "ECONNREFUSED" }

deny  { "no-private",  errno = "ECONNREFUSED", egress = {
  "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
  "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0-255.255.255.255",
  "::/127", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fc00::/7", "fe80::/10", "ff00::/8",
} }

-- nginx would also fetch a URL such as http://unix:/run/docker.sock:/.
deny  { "no-unix",     connect = "unix:*", errno = "ECONNREFUSED" }

local ngx = require "ngx"

on("deny", function(event)
  ngx.log(ngx.WARN, "refused ", event.asked, " by ", event.rule or "default")
end)

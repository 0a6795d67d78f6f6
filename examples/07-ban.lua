-- Whoever tries ssh to a destination five times in ten seconds gets nothing of
-- that destination for ten minutes, on any port.  The kernel decides each call;
-- Lua hears of the denials and fills the set.
--
--   $ tidegate explain examples/07-ban.lua connect 192.0.2.1:22
--   deny "ssh" (examples/07-ban.lua:17): EPERM
--   $ tidegate explain examples/07-ban.lua connect 192.0.2.1:443
--   allow by default: 192.0.2.1:443
--   $ tidegate explain examples/07-ban.lua sendmsg 192.0.2.1:22
--   allow by default: 192.0.2.1:22
policy { name = "ban" }

local banned = set "banned" { ttl = "10m" }
local tries = {}

deny { "banned", egress = banned, errno = "EHOSTUNREACH" }
deny { "ssh",    connect = "*:22", log = true }

on("ssh", function(event)
  local times = tries[event.asked_addr] or {}
  tries[event.asked_addr] = times
  table.insert(times, 1, event.time)
  if times[5] and times[1] - times[5] <= 10 then
    assert(banned:add(event.asked_addr))
  end
end)
every("10m", function() tries = {} end)

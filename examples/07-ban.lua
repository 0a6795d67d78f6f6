-- Deny ssh. After five attempts within ten seconds, ban the destination for ten minutes, on any
-- port. The kernel decides every call; Lua gets the events of the denials, and fills the set.
--
--   $ tidegate explain examples/07-ban.lua connect 192.0.2.1:22
--   deny "ssh" (examples/07-ban.lua:18): EPERM
--   $ tidegate explain examples/07-ban.lua connect 192.0.2.1:443
--   allow by default: 192.0.2.1:443
--   $ tidegate explain examples/07-ban.lua sendmsg 192.0.2.1:22
--   allow by default: 192.0.2.1:22

policy { name = "ban" }

-- A live set: it changes while the policy is in force. An address leaves it after ten minutes.
local banned = set "banned" { ttl = "10m" }
local attempts = {} -- the times of the attempts, by address, the latest first

deny { "banned", egress = banned, errno = "EHOSTUNREACH" }
deny { "ssh",    connect = "*:22", log = true }

on("ssh", function(event)
  local times = attempts[event.asked_addr] or {}
  attempts[event.asked_addr] = times
  table.insert(times, 1, event.time)
  if times[5] and times[1] - times[5] <= 10 then
    assert(banned:add(event.asked_addr))
  end
end)
every("10m", function() attempts = {} end)

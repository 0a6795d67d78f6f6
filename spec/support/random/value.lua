--- Random numbers and names, as a policy writes them and as calls have them.

local draw = require "spec.support.random.draw"
local known = require "spec.support.random.known"

local chance, pick, random = draw.chance, draw.pick, math.random

local M = {}

local pools = {
  port = { 0, 1, 53, 80, 443, 1023, 1024, 8080, 32767, 32768, 65534, 65535 },
  proto = { 0, 1, 6, 17, 58, 132, 136, 255, 262 },
  uid = { 0, 1, 33, 1000, 1001, 65533, 65534, 2 ^ 31 - 1, 2 ^ 31, 2 ^ 32 - 2, 2 ^ 32 - 1 },
  pid = { 0, 1, 2, 300, 32768, 4194304, 2 ^ 32 - 1 },
  mark = { 0, 1, 7, 15, 16, 31, 2 ^ 31, 2 ^ 32 - 1 },
  device = { 0, 1, 2 },
}
pools.gid = pools.uid
local last_number = { port = 65535, proto = 255, uid = 2 ^ 32 - 1, gid = 2 ^ 32 - 1,
  pid = 2 ^ 32 - 1,
  mark = 2 ^ 32 - 1, device = 2 ^ 32 - 1 }

local function clamp(field, number)
  return math.max(0, math.min(last_number[field], number))
end

function M.some_number(maker, field)
  local seen = maker.seen[field]
  if seen and chance(50) then
    return clamp(field, pick(seen) + random(-1, 1))
  elseif field == "pid" and chance(70) then
    return clamp(field, pick(maker.pids) + random(-1, 1))
  elseif chance(80) then
    return pick(pools[field])
  end
  return draw.number32() % (last_number[field] + 1)
end

--- A number, a range or a name.
function M.number(maker, field)
  local first = maker:remember(field, M.some_number(maker, field))
  local words = known[field]
  local roll = random(100)
  if roll <= 15 and words and #words > 0 then
    return pick(words)
  elseif roll <= 20 then
    return "*"
  elseif roll <= 60 then
    return chance(50) and first or ("%d"):format(first)
  end
  local last = maker:remember(field, M.some_number(maker, field))
  if field == "proto" then -- no range reaches 262
    first, last = clamp(field, first), clamp(field, last)
  end
  if field == "mark" and chance(50) then
    return ("0x%x-0x%X"):format(math.min(first, last), math.max(first, last))
  end
  return ("%d-%d"):format(math.min(first, last), math.max(first, last))
end

M.comms = { "a", "ab", "abc", "curl", "curlew", "exactly-15-long", "sixteen is over",
  "nginx: worker", "\195\169" }

--- A name of at most 15 bytes, sometimes with a * for the rest.
function M.comm(maker)
  local comm = pick(M.comms)
  if chance(30) then
    comm = comm:sub(1, random(#comm))
  end
  maker:remember("comm", comm)
  return chance(40) and comm:sub(1, random(0, #comm)) .. "*" or comm
end

function M.numbers(maker, field)
  return draw.some(function() return M.number(maker, field) end)
end

return M

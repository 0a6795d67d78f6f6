-- Fifty reloads under load: no request gets through, none fails in another way, each
-- is counted, and the master ends with the resources that it started with.

local command = require "spec.support.command"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

if nginx.reason then
  return pending(nginx.reason)
end

local RELOADS = 50
--- After this many reloads the master has all that it will ever have.
local SETTLED = 10
--- How much the master's memory may grow: a Lua state that one reload does not free is more than
--- that.
--- The C library may hold back up to 10 MiB, or may just have returned it, so the minimum is what
--- counts.
local MOST_KIB = 2048

local METADATA = "169.254.169.254"

-- Two policies, each of which needs programs that do not serve the other.
local policies = {
  [0] = ([[
    deny { "no-metadata", connect = %q, errno = "ECONNREFUSED", log = true }
    deny { "no-bind", bind = "*:1", uid = 7 }
    on("deny", function() end)
  ]]):format(METADATA),
  ([[
    policy { on_error = "deny" }
    deny { "late", egress = "192.0.2.0/24", comm = "nobody", pid = 7 }
    deny { "no-metadata", connect = %q, errno = "EACCES", log = true }
    rewrite { "turn", connect = "192.0.2.1", to = "127.0.0.1" }
  ]]):format(METADATA),
}

describe("nginx under load", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  --- Send requests until the file `stop` exists; "502=123 200=0".
  local function load(server, stop)
    return process.fork(function()
      local answers, parts = {}, {}
      repeat
        local status, said = server:get "/"
        local answer = tostring(status or said)
        answers[answer] = (answers[answer] or 0) + 1
        local ended = io.open(stop)
      until ended
      for answer, count in pairs(answers) do
        parts[#parts + 1] = answer .. "=" .. count
      end
      return table.concat(parts, " ")
    end)
  end

  --- What the master holds.
  local function holdings(server)
    local shell = [[cd /proc/$0; grep VmRSS status; ls fd | wc -l; cat fdinfo/* | grep -c ^map_id;
      cat fdinfo/* | grep -c ^prog_id]]
    local out = command.run({ "sh", "-c", shell, tostring(server.process.pid) }).out
    local kib, fds, maps, programs = out:match "(%d+) kB\n(%d+)\n(%d+)\n(%d+)"
    return { kib = tonumber(kib), fds = tonumber(fds), maps = tonumber(maps),
      programs = tonumber(programs) }
  end

  it(("is reloaded %d times"):format(RELOADS), function()
    command.run { "ip", "addr", "add", METADATA .. "/32", "dev", "lo" }
    local server = nginx.start { policy = policies[0], http = ([[
      server { listen %s:80; location / { return 200 "escaped"; } }
    ]]):format(METADATA), locations = ([[location / { proxy_pass http://%s; }]]):format(METADATA) }
    local stop = server.folder .. "/stop"
    local loads = { load(server, stop), load(server, stop) }
    local settled
    -- The least memory of the master, in the first half and in the second.
    local least = { math.huge, math.huge }
    for number = 1, RELOADS do
      server:write("web.lua", policies[number % 2])
      server:reload()
      if number >= SETTLED then
        local now, half = holdings(server), number <= (SETTLED + RELOADS) / 2 and 1 or 2
        settled, least[half] = settled or now, math.min(least[half], now.kib)
      end
    end
    server:write("stop", "")
    local total = 0
    for _, each in ipairs(loads) do
      local answers = each:wait()
      local count = tonumber(answers:match "^502=(%d+)$")
      assert.is_number(count, answers)
      total = total + count
    end
    local after = holdings(server)
    print(("    %d requests; the master's memory went from %d to %d KiB")
      :format(total, least[1], least[2]))
    assert.same({ settled.fds, settled.maps, settled.programs },
      { after.fds, after.maps, after.programs })
    assert.is_true(least[2] - least[1] < MOST_KIB)
    local _, stats = server:get "/stats"
    assert.truthy(stats:find(('"generation":%d'):format(RELOADS + 1), 1, true), stats)
    assert.equal(total, tonumber(stats:match('"no%-metadata":%b{}'):match '"hits":(%d+)'))
    assert.equal("bind4 bind6 connect4 connect6", server:attached())
  end)
end)

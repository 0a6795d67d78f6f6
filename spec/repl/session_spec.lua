-- A session at the prompt, from its first line to its last, with real programs.

local command = require "spec.support.command"
local env = require "spec.support.env"
local prompt = require "spec.support.prompt"
local terminal = require "spec.support.terminal"

local FILE = [[
-- What the web servers may reach.
policy  { name = "web" }
rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123" }
]]

local function plain(text)
  return terminal.sorted((text:gsub("%[%d+%]", "[PID]")))
end

local reason = command.no_kernel()
if reason then
  return pending(reason)
end

describe("a session at the prompt", function()
  local own, path

  setup(function() own = command.enter_cgroup() end)
  teardown(command.leave_cgroup)
  before_each(function()
    path = env.write(env.folder() .. "/web.lua", FILE)
  end)
  after_each(function()
    prompt.close()
    command.run { "rmdir", own .. "/app" } -- where a test failed
    env.clean()
  end)

  --- A test after which no cgroup may be left.
  local function leaving_none(name, body)
    it(name, function()
      body()
      assert.equal(own .. "\n", command.cgroups(own))
    end)
  end

  leaving_none("refuses a wrong rule, and shows, undoes and saves its correction", function()
    local term = prompt.start({ path }, { serve = true })
    assert.truthy(term:screen()
      :find(path .. ': 1 rule, in force for what sh runs; attach "CGROUP" puts them in '
      .. "force there\nwhat sh runs as root can leave the rules: it may write to cgroup.procs\n"
      .. "help shows what there is; Ctrl-D leaves\n", 1, true), term:screen())

    assert.equal("Hello from the server on 127.0.0.1:60123.\n"
      .. "rewrite seed  connect 1.2.3.4:60000 -> 127.0.0.1:60123  curl[PID] uid 0",
      plain(term:enter('rules.seed:remove() rewrite { "seed", connect = "1.2.3.4:60000", to = '
        .. '"127.0.0.1:60123", '
        .. 'log = true } sh "curl -sS http://1.2.3.4:60000/"')):gsub("in force: [^\n]*\n", "", 1))
    assert.equal('- rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", log = '
      .. 'true }\n+ rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123" }',
      term:enter "undo()")

    assert.equal('deny "no-lan": unknown field "egres"; did you mean "egress"?',
      term:enter 'deny { "no-lan", egres = "10.0.0.0/8" }')
    assert.equal("no difference from " .. path, term:enter "diff()")
    assert.equal('deny "no-lan": egress: "10.0.0.0/33": prefix length 33 is over 32',
      term:enter 'deny { "no-lan", egress = "10.0.0.0/33" }')
    assert.equal('in force: deny "no-lan", rule 2 of 2',
      term:enter 'deny { "no-lan", egress = "10.0.0.0/8" }')
    assert.equal("connect 10.1.2.3:80 tcp uid 33 gid 0\n"
      .. ("  %s:3  rewrite \"seed\"  address differs\n"):format(path)
      .. 'deny "no-lan" (prompt:6): EPERM',
      term:enter 'explain { connect = "10.1.2.3:80", uid = 33 }')

    assert.equal("7\ncurl: (7) Couldn't connect to server\ndeny    no-lan  connect 10.1.2.3:80  "
      .. "EPERM  curl[PID] uid 0",
      (plain(term:enter 'sh "curl -sS http://10.1.2.3/"'):gsub("Failed to connect.-: ", "")))
    assert.equal("#  hits  verb     name\n"
      .. '1     1  rewrite  seed    connect = "1.2.3.4:60000", to = "127.0.0.1:60123"\n'
      .. '2     1  deny     no-lan  egress = "10.0.0.0/8"', (term:enter "rules"))
    assert.equal('+ deny { "no-lan", egress = "10.0.0.0/8" }', term:enter "diff()")

    assert.equal('- deny { "no-lan", egress = "10.0.0.0/8" }', term:enter "undo()")
    assert.equal("7\ncurl: (7) Couldn't connect to server",
      (plain(term:enter 'sh "curl -sS http://10.1.2.3/"'):gsub("Failed to connect.-: ", "")))
    term:enter 'deny { "no-lan", egress = "10.0.0.0/8" }'
    assert.equal("saved to " .. path, term:enter "save()")
    assert.equal(FILE .. 'deny { "no-lan", egress = "10.0.0.0/8" }\n', env.read(path))
    assert.equal("no difference from " .. path, term:enter "diff()")
    assert.equal(0, term:leave())
    assert.is_nil(term:screen():find "not saved")
  end)

  leaving_none("puts rules between others, and undoes and saves their order", function() -- E6
    local term = prompt.start { path }
    local function order()
      return (term:enter 'rules[1].name .. " " .. rules[2].name .. " " .. rules[3].name'
        :gsub('"', ""))
    end
    term:enter 'deny { "lan", egress = "10.0.0.0/8" }'
    term:enter 'allow { "dns", egress = "10.0.0.2:53", before = "lan" }'
    assert.equal("seed dns lan", order())
    local answer = term:enter 'explain { sendmsg = "10.0.0.2:53" }'
    assert.equal('allow "dns" (prompt:2): 10.0.0.2:53', answer:match "[^\n]*$")
    assert.equal('deny "x": before: there is no rule "lam"; did you mean "lan"?',
      term:enter 'deny { "x", egress = "*", before = "lam" }')
    assert.equal("in force: the new order of the rules\ntrue",
      term:enter 'rules.lan:move "first"')
    assert.equal("lan seed dns", order())
    local rule = 'deny { "lan", egress = "10.0.0.0/8" }'
    assert.equal(("- %s\n+ %s"):format(rule, rule), term:enter "undo()")
    assert.equal("seed dns lan", order())
    term:enter "save()"
    assert.equal("no difference from " .. path, term:enter "diff()")
    assert.equal(0, term:leave())
  end)

  leaving_none("declares a live set, changes it, shows it and removes it", function()
    local term = prompt.start { path }
    assert.equal("no sets yet", term:enter "sets")
    term:enter 'set "banned" { "203.0.113.0/24", ttl = "10m", size = 100 }'
    term:enter 'deny { "ban", connect = set "banned", errno = "ECONNRESET" }'
    assert.truthy(term:enter 'sh "nc -v 192.0.2.1 80"':find("Network is unreachable", 1, true))
    assert.equal("true", term:enter 'sets.banned:add "192.0.2.1"')
    assert.truthy(term:enter 'sh "nc -v 192.0.2.1 80"':find("Connection reset by peer", 1, true))
    assert.equal("name    holds  room for  ttl\nbanned      2       100  10m", (term:enter "sets"))
    assert.truthy(term:enter 'sets.banned:add "192.0.2.1:80"':find("a set holds addresses without "
      .. "ports", 1, true))
    term:enter "undo()"
    term:enter "undo()"
    assert.equal("no sets yet", term:enter "sets")
    assert.equal(0, term:leave())
  end)

  leaving_none("shows the backends of rules and services, and their shares", function()
    local term = prompt.start { path }
    assert.equal("no services yet", term:enter "services")
    term:enter('rules.seed:remove() balance { "api", connect = "192.0.2.1:80", to = { '
      .. '"127.0.0.1:9", { "127.0.0.2:9", weight = 2 } }, log = false }')
    term:enter('balance { "live", connect = services "svc" { ["192.0.2.2:80/tcp"] = { '
      .. '"127.0.0.1:9", '
      .. '{ "127.0.0.2:9", state = "draining" } }, ["192.0.2.3:53/udp"] = {}, size = 20 } }')
    for _ = 1, 3 do
      term:enter 'sh "nc 192.0.2.1 80; nc 192.0.2.2 80"'
    end
    local one = tonumber(term:enter "rules.api.backends[1].picked")
    assert.equal("#  hits  verb     name\n"
      .. '1     3  balance  api   connect = "192.0.2.1:80", to = { "127.0.0.1:9", { '
      .. '"127.0.0.2:9", weight = 2…\n'
      .. ("      %d                 33.3 %%  127.0.0.1:9\n      %d                 66.7 %%  "
      .. "127.0.0.2:9\n")
        :format(one, 3 - one)
      .. '2     3  balance  live  connect = "@svc"', (term:enter "rules"))
    assert.equal("name  service           picked     share  backend\n"
      .. "svc   2, room for 20\n      192.0.2.2:80/tcp       3     100 %  127.0.0.1:9\n"
      .. "                             0  draining  127.0.0.2:9\n"
      .. "      192.0.2.3:53/udp                    none", (term:enter "services"))

    term:enter('local many = {} for port = 1, 20 do many[port] = "127.0.0.1:" .. port '
      .. 'gate:services("svc")["192.0.2.4:" .. port .. "/udp"] = port > 2 and "127.0.0.1:9" or nil '
      .. 'end rules.api:remove() balance { "api", connect = "192.0.2.1:80", to = many }')
    assert.matches('5 %%  127%.0%.0%.1:16\n +… 4 more: rules%["api"%]%.backends',
      (term:enter "rules"))
    assert.truthy((term:enter "services"):find("\n      … 4 more$"))
    assert.equal(0, term:leave())
  end)

  leaving_none("calls the functions of every and after, and prints above the line", function()
    local term = prompt.start { path }
    term:enter('local n = 0; every("50ms", function() n = n + 1; '
      .. 'if n == 3 then print(n .. " ticks") end end)')
    term:wait_for "3 ticks"
    term:enter 'local later = after("50ms", function() print(("once %d"):format(6 * 7)) end)'
    term:wait_for "once 42"
    assert.equal(0, term:leave())
  end)

  leaving_none("tells an error that comes again and again once", function()
    local term = prompt.start { path }
    term:enter('local n = 0; every("10ms", function() n = n + 1; '
      .. 'if n == 9 then print(n .. " ticks") end error("bo" .. "om") end)')
    term:wait_for "9 ticks"
    local _, told = term:screen():gsub("boom", "")
    assert.equal(1, told)
    assert.equal(0, term:leave())
  end)

  leaving_none("calls a function that became due while the input ran", function()
    local term = prompt.start { path }
    term:enter('after("1ms", function() print(("once %d"):format(6 * 7)) end); '
      .. "local from = os.clock(); while os.clock() < from + 0.1 do end")
    term:wait_for "once 42"
    assert.equal(0, term:leave())
  end)

  leaving_none("attaches to a cgroup, beside the own one of sh", function()
    local app = own .. "/app"
    assert.equal(0, command.run({ "mkdir", app }).status)
    local term = prompt.start { path }
    term:enter 'deny { "all", connect = "192.0.2.1", errno = "ECONNRESET" }'
    local inside = { "unshare", "-n", "sh", "-c", 'ip link set lo up; echo 0 > "$1/cgroup.procs"; '
      .. "exec nc -v 192.0.2.1 80", "sh", app }
    assert.truthy(command.run(inside).err:find("Network is unreachable", 1, true))
    assert.equal(("attached to %s (0 processes)"):format(app),
      term:enter(('attach "%s"'):format(app)))
    assert.truthy(command.run(inside).err:find("Connection reset by peer", 1, true))
    term:wait_for "deny    all  connect 192.0.2.1:80  ECONNRESET  nc["
    local where = term:enter [[sh "cat /proc/self/cgroup"]]
    assert.falsy(where:find("/app", 1, true), where)
    assert.truthy(term:enter 'sh "nc -v 192.0.2.1 80"':find("Connection reset by peer", 1, true))
    assert.equal("3", term:enter "rules.all.hits + gate:status().rules - 1")
    assert.equal("detached from " .. app, term:enter "detach()")
    assert.truthy(command.run(inside).err:find("Network is unreachable", 1, true))
    assert.truthy(term:enter 'sh "nc -v 192.0.2.1 80"':find("Connection reset by peer", 1, true))
    assert.equal("attach: /none/such: there is no such folder; cgroups are below ",
      term:enter('attach "/none/such"'):match "^.-below ")
    assert.truthy(term:enter(('attach "%s"'):format(app)))
    assert.equal(0, term:leave())
    assert.truthy(command.run(inside).err:find("Network is unreachable", 1, true))
    assert.equal(0, command.run({ "rmdir", app }).status)
  end)

  leaving_none("shows events above a half-typed line, and no more than can be read", function()
    assert.equal(0, command.run({ "mkfifo", path .. ".few", path .. ".many" }).status)
    local term = prompt.start { path }
    term:enter 'deny { "all", connect = "192.0.2.1", log = "1000/s" }'
    term:enter(('sh "(read x < %s.few; for i in $(seq 3); do nc 192.0.2.1 $i; done; read x < '
      .. '%s.many; for i in $(seq 101 200); do nc 192.0.2.1 $i; done; echo flood is over) &"')
      :format(path, path))
    local half = "half = \"" .. ("typed "):rep(25)
    term:type(half)
    command.run { "sh", "-c", "echo > " .. path .. ".few" }
    term:wait_for "connect 192.0.2.1:3  EPERM"
    term:wait(function(screen)
      return screen:find("192.0.2.1:3  EPERM  nc%[%d+%] uid 0\ntidegate> " .. half:gsub(" $", "")
        .. "\n$")
    end, "the line below the events")
    assert.equal(1, select(2, term:screen():gsub("half = ", "")))
    command.run { "sh", "-c", "echo > " .. path .. ".many" }
    term:wait_for "more events, not shown"
    local _, shown = term:screen():gsub("connect 192%.0%.2%.1:%d+", "")
    assert.is_true(shown >= 10 and shown < 90, "shown: " .. shown)
    term:type 'end"'
    term:key "Enter"
    term:wait_for_prompt()
    assert.equal("153", term:enter "#half")
    assert.truthy(tonumber(term:enter "rules.all.hits"))
    assert.equal(0, term:leave())
  end)

  leaving_none("calls the policy's handlers, and reports their errors", function()
    local term = prompt.start { path }
    term:enter 'deny { "all", connect = "192.0.2.1", log = false }'
    term:enter 'deny { "loud", connect = "192.0.2.2" }'
    term:enter('seen = {} '
      .. 'on("loud", function(event) seen[#seen + 1] = event.asked print "heard" end)')
    assert.equal('1\ndeny    loud  connect 192.0.2.2:80  EPERM  nc[PID] uid 0\nheard',
      plain(term:enter 'sh "nc 192.0.2.1 80; nc 192.0.2.2 80"'))
    assert.equal('{ "192.0.2.2:80" }', term:enter "seen")
    assert.equal('on "lound": no verb and no rule of that name; did you mean "loud"?',
      term:enter 'on("lound", print)')
    term:enter "undo()"
    term:enter 'on("loud", function() nothing() end)'
    assert.truthy(term:enter 'sh "nc 192.0.2.2 80"':find('unknown name "nothing"', 1, true))
    assert.equal('{ "192.0.2.2:80" }', term:enter "seen")
    term:key "C-d"
    term:wait_for 'not saved to '
    term:wait_for '+ deny { "loud", connect = "192.0.2.2" }'
    assert.equal(0, term:status())
  end)

  leaving_none("begins with what -e says if there is -i", function()
    local term = prompt.start { path, "-i", "-e", 'deny { "x", connect = "9.9.9.9" }', "-e",
      "count = 7", "-e", "nothing()" }
    assert.truthy(term:screen():find('in force: deny "x", rule 2 of 2\nunknown name "nothing"', 1,
      true), term:screen())
    assert.equal("7", term:enter "count")
    assert.equal('- deny { "x", connect = "9.9.9.9" }', term:enter "undo()")
    assert.equal(0, term:leave())
  end)

  leaving_none("ends what sh left running, and says so", function()
    local term = prompt.start {}
    -- Until it has executed sleep, the child is another sh.
    term:enter [[sh "sleep 1000 & until grep -q sleep /proc/$!/comm; do :; done"]]
    term:key "C-d"
    term:wait_for "tidegate: sh left running: sleep (pid "
    assert.equal(0, term:status())
  end)

  leaving_none("detaches and restores the terminal when a signal ends it", function()
    local term = prompt.start { path }
    local pid = term:enter 'sh "echo $PPID"'
    term:type "half a line"
    command.run { "kill", "-TERM", pid }
    assert.equal(143, term:status())
    term:type "echoed" -- by the terminal itself: the shell behind it only sleeps
  end)
end)

-- Datagrams that are rewritten, one by one: they arrive where the rule says, and
-- the answers appear to come from where the program sent to.

local libc = require "spec.support.libc"
local netns = require "spec.support.netns"
local owner = require "spec.support.attach_conflict"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local state = require "spec.support.state"

-- The two addresses that are asked for, where the servers are, and how their address looks to the
-- client.
local families = {
  { name = "v4", family = "inet", one = "192.0.2.1:%d", two = "192.0.2.2:%d", at = "127.0.0.1:%d",
    shown = "127.0.0.1:%d" },
  { name = "v6", family = "inet6", one = "[2001:db8::1]:%d", two = "[2001:db8::2]:%d",
    at = "[::1]:%d",
    shown = "[::1]:%d" },
  { name = "v6, mapped", family = "inet6", one = "[::ffff:192.0.2.1]:%d",
    two = "[::ffff:192.0.2.2]:%d",
    at = "127.0.0.1:%d", shown = "[::ffff:127.0.0.1]:%d" },
}

sandbox.describe("sendmsg, rewritten", function(here)
  local function new(family) return here:keep(socket.udp(family)) end

  --- A server answers what arrives with "re: " and the text.
  local function answer(server, expected)
    local text, from = server:receive()
    assert.equal(expected, text)
    assert(server:sendto("re: " .. text, from))
  end

  --- Send, have it answered, and return the source that the answer shows.
  local function ask(client, server, to)
    assert.equal(1, client:sendto("?", to))
    answer(server, "?")
    local text, from = client:receive()
    assert.equal("re: ?", text)
    return from
  end

  for _, case in ipairs(families) do
    describe("over " .. case.name .. ",", function()
      local first, second, client, at_first, at_second, shown_first

      before_each(function()
        first = here:keep(socket.serve("udp", case.at:format(0)))
        second = here:keep(socket.serve("udp", case.at:format(0)))
        client = new(case.family)
        at_first, at_second = case.at:format(first:port()), case.at:format(second:port())
        shown_first = case.shown:format(first:port())
      end)

      --- one:53 goes to the first server, two:53 to the second, two:54 to the first.
      local function enforce(effects)
        return here:enforce(([[
          rewrite { sendmsg = %q, to = %q %s }
          rewrite { sendmsg = %q, to = %q %s }
          rewrite { egress = %q, to = %q %s }
        ]]):format(case.one:format(53), at_first, effects or "",
          case.two:format(53), at_second, effects or "",
          case.two:format(54), at_first, effects or ""))
      end

      it("goes to several places from one socket, and each answers under its own name", function()
        enforce()
        for _ = 1, 3 do
          assert.equal(case.one:format(53), ask(client, first, case.one:format(53)))
          assert.equal(case.two:format(53), ask(client, second, case.two:format(53)))
        end
      end)

      it("shows the same by recvmsg()", function()
        enforce()
        for _, to in ipairs { case.one:format(53), case.two:format(53) } do
          local server = to == case.one:format(53) and first or second
          assert(client:sendto("?", to))
          answer(server, "?")
          assert.same({ "re: ?", to }, { client:receive_message() })
        end
      end)

      it("shows late answers under the name of each place", function()
        enforce()
        assert(client:sendto("1", case.one:format(53)))
        assert(client:sendto("2", case.two:format(53)))
        answer(second, "2")
        answer(first, "1")
        assert.same({ "re: 2", case.two:format(53) }, { client:receive() })
        assert.same({ "re: 1", case.one:format(53) }, { client:receive() })
      end)

      it("shows one place that was asked for under two names by the newest", function()
        enforce()
        assert.equal(case.one:format(53), ask(client, first, case.one:format(53)))
        assert.equal(case.two:format(54), ask(client, first, case.two:format(54)))
        assert.equal(case.two:format(54), ask(client, first, case.two:format(54)))
        assert.equal(case.one:format(53), ask(client, first, case.one:format(53)))
        assert.equal(case.two:format(53), ask(client, second, case.two:format(53)))
      end)

      it("shows a place that was asked for under its own name as it is", function()
        enforce()
        assert.equal(case.one:format(53), ask(client, first, case.one:format(53)))
        assert.equal(shown_first, ask(client, first, shown_first))
        assert.equal(case.one:format(53), ask(client, first, case.one:format(53)))
        assert.equal(case.two:format(53), ask(client, second, case.two:format(53)))
        assert.equal(case.shown:format(second:port()),
          ask(client, second, case.shown:format(second:port())))
      end)

      it("shows where it went, with reveal", function()
        enforce ", reveal = true"
        assert.equal(shown_first, ask(client, first, case.one:format(53)))
        assert.equal(case.shown:format(second:port()), ask(client, second, case.two:format(53)))
      end)

      it("changes the address alone", function()
        here:enforce(([[rewrite { sendmsg = %q, to = %q }]]):format(case.one:format(first:port()),
          (at_first:gsub(":%d+$", ""))))
        assert.equal(case.one:format(first:port()),
          ask(client, first, case.one:format(first:port())))
      end)

      it("changes the port alone", function()
        here:enforce(([[rewrite { sendmsg = "*:53", to = "*:%d" }]]):format(first:port()))
        assert.equal(case.shown:format(53), ask(client, first, case.shown:format(53)))
      end)

      it("rewrites each datagram of sendmmsg()", function()
        enforce()
        assert.equal(3, client:send_all("x", { case.one:format(53), case.two:format(53),
          case.one:format(53) }))
        assert.equal("x", (first:receive()))
        assert.equal("x", (first:receive()))
        assert.equal("x", (second:receive()))
        assert.is_true(first:is_empty() and second:is_empty())
      end)

      it("shows the name again after the policy has changed", function()
        local gate = enforce()
        assert(client:sendto("?", case.one:format(53)))
        gate:deny { "more", sendmsg = "192.0.2.77", uid = 7 }
        assert(gate:commit())
        answer(first, "?")
        assert.same({ "re: ?", case.one:format(53) }, { client:receive() })
      end)

      it("shows a peer's own name if nothing was sent to it", function()
        enforce()
        ask(client, first, case.one:format(53))
        local client_port, idle = client:port(), here:keep(socket.serve("udp", case.at:format(0)))
        assert(second:sendto("!", case.at:format(client_port)))
        assert.same({ "!", case.shown:format(second:port()) }, { client:receive() })
        assert(first:sendto("!", case.at:format(idle:port())))
        assert.same({ "!", at_first }, { idle:receive() })
      end)

      it("writes nothing while it keeps sending to the same places", function()
        enforce()
        local watcher = owner.watch(libc.call.getpid())
        if watcher then
          here:keep(watcher)
        end

        --- The number of writes to the map while datagrams go to a place; nil if they cannot be
        --- watched here.
        local function writes(to, server)
          local before = watcher and watcher:count()
          for _ = 1, 20 do
            ask(client, server, to)
          end
          return watcher and watcher:count() - before
        end

        assert.equal(watcher and 0, writes(case.one:format(53), first))
        assert.equal(0, state.sents()) -- the first place is kept with the socket
        assert.equal(watcher and 1, writes(case.two:format(53), second))
        assert.equal(1, state.sents())
        assert.equal(watcher and 0, writes(case.two:format(53), second))
        assert.equal(watcher and 0, writes(case.one:format(53), first))
        assert.equal(1, state.sents())
      end)

      it("reports in events where it went", function()
        local gate = here:enforce(([[rewrite { sendmsg = %q, to = %q, log = true }]])
          :format(case.one:format(53), at_first))
        ask(client, first, case.one:format(53))
        local event = gate:events { timeout = 1 }()
        assert.same({ "rewrite", (case.one:format(53):gsub("^%[::ffff:(.*)%]", "%1")), at_first },
          { event.verb, event.asked, event.final })
      end)
    end)
  end

  it("is never denied for having no port left", function()
    -- The kernel would answer EINVAL to a port of 0, so no rule can ask for it.
    local tidegate = require "tidegate"
    local gate, message = tidegate.load_text [[rewrite { sendmsg = "*:53", to = "127.0.0.1:0" }]]
    assert.is_nil(gate)
    assert.truthy(message:find("port 0 is not a port", 1, true))
  end)

  it("leaves broadcast and multicast alone if no rule names them", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    here:enforce(([[rewrite { sendmsg = "192.0.2.0/24:53", to = "127.0.0.1:%d" }]])
      :format(server:port()))
    local client = new("inet"):broadcast()
    assert(client:sendto("x", "127.255.255.255:" .. server:port()))
    os.execute "ip route add 224.0.0.0/4 dev lo"
    assert(client:sendto("x", "224.0.0.251:5353"))
    assert.equal("ok", client:sendto("x", "192.0.2.9:53") and "ok")
    assert.equal("x", (server:receive()))
  end)

  it("from several processes on one socket shows each of them its place", function()
    local first, second = here:keep(socket.serve("udp", "127.0.0.1:0")),
      here:keep(socket.serve("udp", "127.0.0.1:0"))
    here:enforce(([[
      rewrite { sendmsg = "192.0.2.1:53", to = "127.0.0.1:%d" }
      rewrite { sendmsg = "192.0.2.2:53", to = "127.0.0.1:%d" }
    ]]):format(first:port(), second:port()))
    for _ = 1, 20 do
      local client = socket.udp "inet"
      local children = {}
      for index, to in ipairs { "192.0.2.1:53", "192.0.2.2:53" } do
        children[index] = process.fork(function() return client:sendto("?", to) end)
      end
      for _, child in ipairs(children) do
        assert.equal("1", child:wait())
      end
      answer(first, "?")
      assert.same({ "re: ?", "192.0.2.1:53" }, { client:receive() })
      answer(second, "?")
      assert.same({ "re: ?", "192.0.2.2:53" }, { client:receive() })
      client:close()
    end
  end)
end)

sandbox.describe("a connected datagram socket, rewritten", function(here)
  for _, case in ipairs(families) do
    it("shows the name asked for, and sends without being judged again: " .. case.name, function()
      local server = here:keep(socket.serve("udp", case.at:format(0)))
      here:enforce(([[
        rewrite { connect = %q, to = %q }
        deny { egress = { "127.0.0.0/8", "::1" } }
      ]]):format(case.one:format(53), case.at:format(server:port())))
      local client = here:keep(socket.udp(case.family))
      assert(client:connect(case.one:format(53)))
      for _ = 1, 3 do
        assert.equal(1, client:send "?")
        local _, from = server:receive()
        assert(here:outside(function() return server:is_empty() end))
        assert.equal(client:port(), tonumber(from:match ":(%d+)$"))
      end
      assert.equal(1, client:send_control "?")
      assert.equal("?", (server:receive()))
      assert.equal(case.one:format(53), client:getpeername())
    end)

    it("receives from the name asked for: " .. case.name, function()
      local server = here:keep(socket.serve("udp", case.at:format(0)))
      here:enforce(([[rewrite { connect = %q, to = %q }]])
        :format(case.one:format(53), case.at:format(server:port())))
      local client = here:keep(socket.udp(case.family))
      assert(client:connect(case.one:format(53)))
      for _ = 1, 2 do
        assert(client:send "?")
        local _, from = server:receive()
        assert(server:sendto("!", from))
        assert.same({ "!", case.one:format(53) }, { client:receive() })
        assert(server:sendto("!", from))
        assert.same({ "!", case.one:format(53) }, { client:receive_message() })
      end
      assert(client:disconnect())
      assert.is_nil((client:send "x"))
    end)
  end
end)

sandbox.describe("a datagram's source", function(here)
  before_each(function()
    netns.add_address "2001:db8::7"
  end)

  local cases = {
    { name = "v4", at = "127.0.0.1", asked = "127.0.0.1", bind_source = "127.0.0.9",
      from = "127.0.0.9" },
    { name = "v6", at = "[::1]", asked = "[::1]", bind_source = "2001:db8::7",
      from = "[2001:db8::7]" },
    { name = "v6, mapped", at = "127.0.0.1", asked = "[::ffff:127.0.0.1]",
      bind_source = "127.0.0.9", from = "127.0.0.9" },
  }

  for _, case in ipairs(cases) do
    local function client() return here:keep(socket.udp(case.asked:sub(1, 1) == "[" and "inet6"
      or "inet")) end

    it("is what the rule says, for each datagram: " .. case.name, function()
      local server = here:keep(socket.serve("udp", case.at .. ":0"))
      local other = here:keep(socket.serve("udp", case.at .. ":0"))
      here:enforce(([[allow { sendmsg = "*:%d", bind_source = %q }]])
        :format(server:port(), case.bind_source))
      local one = client()
      for _ = 1, 2 do
        assert(one:sendto("x", ("%s:%d"):format(case.asked, server:port())))
        assert.equal(case.from, (select(2, server:receive()):match "^(.*):%d+$"))
        assert(one:sendto("x", ("%s:%d"):format(case.asked, other:port())))
        assert.not_equal(case.from, (select(2, other:receive()):match "^(.*):%d+$"))
      end
    end)

    it("goes with a rewrite: " .. case.name, function()
      local server = here:keep(socket.serve("udp", case.at .. ":0"))
      here:enforce(([[rewrite { sendmsg = "*:53", to = "*:%d", bind_source = %q }]])
        :format(server:port(), case.bind_source))
      local one = client()
      assert(one:sendto("x", case.asked .. ":53"))
      local _, from = server:receive()
      assert.equal(case.from, (from:match "^(.*):%d+$"))
      assert(server:sendto("!", from))
      assert.same({ "!", case.asked .. ":53" }, { one:receive() })
    end)

    it("of the other family fails the datagram: " .. case.name, function()
      local away = case.bind_source:find ":" and "127.0.0.9" or "2001:db8::7"
      local gate = here:enforce(([[allow { sendmsg = "*", bind_source = %q }]]):format(away))
      assert.same({ nil, "EAFNOSUPPORT" }, { client():sendto("x", case.asked .. ":9") })
      assert.equal(1, gate:stats().errors)
    end)
  end

  it("works for both operations if the rule is for egress", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    here:enforce [[allow { egress = "127.0.0.1", bind_source = "127.0.0.9" }]]
    local connected, sender = here:keep(socket.udp "inet"), here:keep(socket.udp "inet")
    assert(connected:connect("127.0.0.1:" .. server:port()))
    assert(connected:send "x")
    assert.equal("127.0.0.9:" .. connected:port(), (select(2, server:receive())))
    assert(sender:sendto("x", "127.0.0.1:" .. server:port()))
    assert.equal("127.0.0.9:" .. sender:port(), (select(2, server:receive())))
  end)
end)

-- A rewritten connect arrives where the rule says, for every kind of socket.

local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

sandbox.describe("rewrite", function(here)
  --- Connect to `asked`; what arrives there says "hello".
  local function hello_arrives(kind, server, asked)
    local client = here:keep(socket.kinds[kind](asked:sub(1, 1) == "[" and "inet6" or "inet"))
    assert.same({ true }, { client:connect(asked) })
    assert(client:send "hello")
    local peer = kind == "udp" and server or here:keep((server:accept()))
    assert.equal("hello", (peer:receive()))
    return client
  end

  -- The address that is asked for, and where the server is; mapped: ::ffff:0:0/96.
  local families = {
    { name = "v4", asked = "1.2.3.4:%d", all = "0.0.0.0/0", any = "0.0.0.0:0", at = "127.0.0.1:0",
      to = "127.0.0.1", shown = "127.0.0.1" },
    { name = "v6", asked = "[2001:db8::1]:%d", all = "[2000::/3]", any = "[::]:0", at = "[::1]:0",
      to = "[::1]", shown = "[::1]" },
    { name = "v6, mapped", asked = "[::ffff:1.2.3.4]:%d", all = "0.0.0.0/0", any = "0.0.0.0:0",
      at = "127.0.0.1:0",
      to = "127.0.0.1", shown = "[::ffff:127.0.0.1]" },
  }

  for _, kind in ipairs { "tcp", "udp", "mptcp" } do
    for _, family in ipairs(families) do
      local what = kind .. " " .. family.name

      it("changes address and port: " .. what, function()
        local server = here:keep(socket.serve(kind, family.at))
        local asked = family.asked:format(60000)
        here:enforce(([[rewrite { connect = %q, to = "%s:%d" }]])
          :format(asked, family.to, server:port()))
        local client = hello_arrives(kind, server, asked)
        assert.equal(asked, client:getpeername())
      end)

      it("changes the address alone: " .. what, function()
        local server = here:keep(socket.serve(kind, family.at))
        local asked = family.asked:format(server:port())
        here:enforce(([[rewrite { connect = %q, to = %q }]]):format(family.all, family.to))
        local client = hello_arrives(kind, server, asked)
        assert.equal(asked, client:getpeername())
      end)

      it("changes the port alone: " .. what, function()
        netns.own_all_addresses()
        local server = here:keep(socket.serve(kind, family.any))
        local asked = family.asked:format(60000)
        here:enforce(([[rewrite { connect = "*:60000", to = "*:%d" }]]):format(server:port()))
        local client = hello_arrives(kind, server, asked)
        assert.equal(asked, client:getpeername())
      end)

      it("shows where the call went, with reveal: " .. what, function()
        local server = here:keep(socket.serve(kind, family.at))
        local asked = family.asked:format(60000)
        here:enforce(([[rewrite { connect = %q, to = "%s:%d", reveal = true }]])
          :format(asked, family.to, server:port()))
        local client = hello_arrives(kind, server, asked)
        assert.equal(("%s:%d"):format(family.shown, server:port()), client:getpeername())
      end)
    end
  end

  -- The call that sends is the one that connects.
  for _, kind in ipairs { "tcp", "mptcp" } do
    for _, family in ipairs(families) do
      local inet = family.asked:sub(1, 1) == "[" and "inet6" or "inet"
      local ways = {
        ["MSG_FASTOPEN"] = function(client, asked) return client:sendto_connecting("hello",
          asked) end,
        ["TCP_FASTOPEN_CONNECT"] = function(client, asked)
          assert(client:fast_open("client"):connect(asked))
          return client:send "hello"
        end,
      }
      for way, send in pairs(ways) do
        it(("applies to fast open by %s: %s %s"):format(way, kind, family.name), function()
          local server = here:keep(socket.serve(kind, family.at))
          local asked = family.asked:format(60000)
          if not pcall(server.fast_open, server, "server") then
            return pending "this kernel has no fast open of MPTCP"
          end
          here:enforce(([[rewrite { connect = %q, to = "%s:%d" }]])
            :format(asked, family.to, server:port()))
          for _ = 1, 2 do -- the first fetches the cookie
            local client = here:keep(socket.kinds[kind](inet))
            assert(send(client, asked))
            assert.equal("hello", (here:keep((server:accept())):receive()))
            assert.equal(asked, client:getpeername())
          end
        end)
      end
    end
  end

  it("applies to the connect of ping", function()
    netns.allow_ping()
    for inet, family in pairs { inet = families[1], inet6 = families[2] } do
      here:enforce(([[rewrite { connect = %q, to = %q }]]):format(family.all, family.to))
      local client, asked = here:keep(socket.ping(inet)), family.asked:format(7)
      assert(client:connect(asked))
      assert.equal(asked, client:getpeername())
      assert(client:send((inet == "inet" and "\8" or "\128") .. ("\0"):rep(7)))
      assert.equal(inet == "inet" and 0 or 129, client:receive():byte()) -- an echo reply
    end
  end)

  it("applies only to what the rule names", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce(([[rewrite { connect = "127.0.0.9:60000", to = "127.0.0.1:%d" }]])
      :format(server:port()))
    assert.equal("ok", socket.try("tcp", "127.0.0.9:60000"))
    assert.equal("ECONNREFUSED", socket.try("tcp", "127.0.0.9:60001"))
    assert.equal("ECONNREFUSED", socket.try("tcp", "127.0.0.8:60000"))
    assert.equal("ENETUNREACH", socket.try("tcp", "[2001:db8::1]:60000"))
  end)

  it("is not judged again for the address that it goes to", function()
    local server = here:keep(socket.serve("tcp", "127.0.0.1:0"))
    here:enforce(([[
      rewrite { connect = "127.0.0.9:60000", to = "127.0.0.1:%d" }
      deny { connect = "127.0.0.1" }
    ]]):format(server:port()))
    assert.equal("ok", socket.try("tcp", "127.0.0.9:60000"))
    assert.equal("EPERM", socket.try("tcp", "127.0.0.1:" .. server:port()))
  end)

  it("sends a v6 connect to a mapped address, which fails on a v6-only socket", function()
    local server = here:keep(socket.serve("udp", "127.0.0.1:0"))
    here:enforce(([[rewrite { connect = "[2001:db8::1]:60000", to = "[::ffff:127.0.0.1]:%d" }]])
      :format(server:port()))
    hello_arrives("udp", server, "[2001:db8::1]:60000")
    local only = here:keep(socket.udp("inet6"):v6only())
    assert.same({ nil, "ENETUNREACH" }, { only:connect "[2001:db8::1]:60000" })
  end)
end)

-- Random policies for unix sockets, enforced: a call that is let through finds no server, one that
-- is redirected arrives, and one that is denied gets the errno of its rule.
-- TIDEGATE_SEED repeats a run.

local env = require "spec.support.env"
local random_paths = require "spec.support.random.unix_policy"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local reason = sandbox.no_unix()
if reason then
  return pending(reason)
end

local ROUNDS, CALLS = 40, 60

sandbox.describe("the kernel", function(here)
  setup(env.seed)
  teardown(env.clean)

  --- The result of a call: "ok" or the errno's name; and the peer that it sees.  Connections go to
  --- `server`.
  local function make(call, server)
    local client = socket.kinds[call.op == "connect" and "unix_stream" or "unix_datagram"]()
    local done, errno, peer
    if call.op == "connect" then
      done, errno = client:connect("unix:" .. call.name)
      peer = done and client:getpeername()
      if done then
        server:accept():close()
      end
    else
      done, errno = client:sendto("x", "unix:" .. call.name)
    end
    client:close()
    return done and "ok" or errno, peer
  end

  it("does what the reference says with every call", function()
    local folder = env.folder()
    local target = folder .. "/to"
    local server = here:keep(socket.serve("unix_stream", "unix:" .. target))
    local inbox = here:keep(socket.serve("unix_datagram", "unix:@to"))
    local maker = random_paths.new({ folder .. "/a", "@" .. ("a"):rep(#folder + 1) }, { target })
    local gate = here:enforce [[deny { connect = "unix:@none" }]]
    local counts = { allow = 0, deny = 0, rewrite = 0 }
    for _ = 1, ROUNDS do
      local policy = maker:policy(math.random(0, math.random(10) == 1 and 90 or 12))
      for _, rule in ipairs(policy) do
        rule.to = rule.to and (rule.op == "connect" and target or "@to")
        -- The two kinds of socket cannot share a name.
        rule.op = rule.to and rule.op == "egress" and "sendmsg" or rule.op
      end
      for _, handle in ipairs(gate:rules()) do
        handle:remove()
      end
      gate:policy { default = policy.default }
      for index, rule in ipairs(policy) do
        gate[rule.verb](gate, { "r" .. index, [rule.op] = rule.list,
          to = rule.to and "unix:" .. rule.to,
          errno = rule.errno, uid = rule.uid, log = false })
      end
      assert(gate:commit())
      for _ = 1, CALLS do
        local call = maker:call()
        local verb, what = random_paths.decide(policy, call)
        local got, peer = make(call, server)
        local nobody = call.name:sub(1, 1) == "@" and "ECONNREFUSED" or "ENOENT"
        local expected = verb == "deny" and what or verb == "rewrite" and "ok" or nobody
        -- The path goes through a file that is no folder, or is too long for the file system.
        local lost = verb == "allow" and (got == "ENOTDIR" or got == "ENAMETOOLONG")
        assert(lost or got == expected, ("%s\n%s %q: %s, not %s")
          :format(random_paths.text(policy), call.op,
          call.name, got, expected))
        if peer then
          assert.equal("unix:" .. call.name, peer)
        end
        if got == "ok" and call.op == "sendmsg" then
          inbox:receive()
        end
        counts[verb] = counts[verb] + 1
      end
    end
    for verb, count in pairs(counts) do
      assert(count > ROUNDS * CALLS / 50, ("only %d calls got %s"):format(count, verb))
    end
    assert.equal(0, gate:stats().errors)
  end)
end)

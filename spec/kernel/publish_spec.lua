-- A publish changes everything at once or nothing, and leaves nothing behind.

local client = require "spec.support.client"
local ffi = require "ffi"
local libc = require "spec.support.libc"
local netns = require "spec.support.netns"
local process = require "spec.support.process"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local wider = require "spec.support.wider"

local RLIMIT_NOFILE = 7

sandbox.describe("a publish", function(here)
  before_each(netns.own_all_addresses)

  local function try(endpoint) return socket.try("udp", endpoint or "192.0.2.1:80") end

  local function names_of(counts)
    local names = {}
    for name in pairs(counts) do
      names[name] = true
    end
    return names
  end

  local function output_of(command)
    local pipe = assert(io.popen(command))
    local output = pipe:read "*a"
    pipe:close()
    return output
  end

  --- Those descriptors that belong to a gate.
  local function descriptors()
    return output_of(("ls -l /proc/%d/fd 2>/dev/null | sed -n 's/.* -> //; /bpf\\|btf\\|cgroup/p' "
      .. "| sort | uniq -c")
      :format(libc.call.getpid()))
  end

  local function mappings()
    return output_of(("grep -c bpf /proc/%d/maps"):format(libc.call.getpid()))
  end

  --- Do something with only `spare` descriptors left.
  local function with_few_descriptors(spare, work)
    local held, highest = {}, 0
    for _ = 1, 64 do -- the limit is on numbers, so the free numbers below it are taken
      held[#held + 1] = libc.call.open("/dev/null", 0x80000)
      highest = math.max(highest, held[#held])
    end
    for _ = 1, spare do
      libc.call.close(table.remove(held))
    end
    local limit = ffi.new "struct spec_rlimit"
    libc.call.getrlimit(RLIMIT_NOFILE, limit)
    local before = limit.soft
    limit.soft = highest + 1
    assert(libc.outcome(libc.call.setrlimit(RLIMIT_NOFILE, limit)))
    local results = { pcall(work) }
    limit.soft = before
    libc.call.setrlimit(RLIMIT_NOFILE, limit)
    for _, fd in ipairs(held) do
      libc.call.close(fd)
    end
    assert(results[1], results[2])
  end

  it("that fails for lack of descriptors changes nothing, wherever it fails", function()
    local gate = here:enforce [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }]]
    local second = here:another()
    assert(gate:attach(second))
    local messages, failures = {}, 0
    gate:rules()[1]:remove()
    gate:deny { "wider", egress = { "192.0.2.1", "2001:db8::1" }, errno = "ETIMEDOUT", uid = 0,
      log = true }
    gate:rewrite { "rewritten", connect = "192.0.2.7", to = "192.0.2.8" }
    local open = descriptors()
    for spare = 0, 60 do
      local ok, message
      with_few_descriptors(spare, function()
        ok, message = gate:commit()
      end)
      if ok then
        break
      end
      failures = failures + 1
      messages[message:match "^[^:\n]+"] = true
      assert.matches("Too many open files", message)
      assert.equal("EACCES", try())
      assert.equal("ok", try "[2001:db8::1]:80")
      assert.equal(1, gate:status().generation)
      assert.same({ "connect4", "connect6" }, gate:status().hooks)
      assert.equal(open, descriptors())
    end
    assert.is_true(failures > 5)
    assert.is_true(messages["cannot load programs"])
    assert.equal("ETIMEDOUT", try())
    assert.equal("ETIMEDOUT", try "[2001:db8::1]:80")
    assert.equal(2, gate:status().generation)
  end)

  --- Stage a rule of hooks that are not attached, though their programs are loaded: to publish
  --- it takes descriptors, and nothing else does.
  local function stage_hooks(gate)
    local function deny() return gate:deny { "hooks", sendmsg = "192.0.2.9", errno = "EACCES" } end
    local rule = deny()
    assert(gate:commit())
    rule:remove()
    assert(gate:commit())
    return deny()
  end

  it("that fails can be tried again", function()
    local gate = here:enforce [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }]]
    stage_hooks(gate)
    gate:deny { "more", connect = "192.0.2.2", errno = "EACCES" }
    with_few_descriptors(0, function()
      local ok, message, errno = gate:commit()
      assert.is_nil(ok)
      assert.equal("cannot attach sendmsg4: Too many open files: raise the limit of this "
        .. "process, with ulimit -n", message)
      assert.equal(24, errno)
    end)
    assert.is_true(gate:status().staged)
    assert.equal("ok", try "192.0.2.2:80")
    assert(gate:commit())
    assert.equal("EACCES", try "192.0.2.2:80")
  end)

  it("that fails leaves lists of backends, and their counts, as they are", function()
    local gate = here:enforce [[
      balance { "api", connect = "192.0.2.7:7", to = { "127.0.1.1:7", "127.0.1.2:7" },
        reveal = true }
    ]]
    local calls = 0
    local function count()
      for _ = 1, 10 do
        assert.equal("ok", try "192.0.2.7:7")
      end
      calls = calls + 10
      local backends = gate:stats().rules.api.backends
      assert.equal(calls, backends[1].picked + backends[2].picked)
    end
    count()
    for _, name in ipairs { "second", "third" } do
      local rule, spare, ok = stage_hooks(gate), -1, false
      local open = descriptors()
      gate:balance { name, connect = "192.0.2.8:7", to = "127.0.1.2:7", reveal = true }
      while not ok do
        spare = spare + 1
        with_few_descriptors(spare, function()
          ok = gate:commit()
        end)
        if not ok then
          assert.equal(open, descriptors())
        end
        count()
      end
      assert.is_true(spare > 1) -- one of the hooks was attached, and detached again
      rule:remove()
      assert(gate:commit())
    end
  end)

  it("that fails removes nothing that another process has published", function()
    local gate = here:enforce ""
    local function stage(to)
      for _, rule in ipairs(gate:rules()) do
        rule:remove()
      end
      gate:balance { "api", connect = "192.0.2.7:7", to = to, reveal = true }
    end
    for _, to in ipairs { "127.0.1.1:7", "127.0.1.2:7" } do
      stage(to)
      assert(gate:commit())
    end
    local hooks = stage_hooks(gate)
    process.run(function()
      hooks:remove()
      stage "127.0.1.3:7"
      assert(gate:commit())
    end)
    with_few_descriptors(0, function() assert.is_nil((gate:commit())) end)
    local caller = here:keep(socket.udp "inet")
    assert(caller:connect "192.0.2.7:7")
    assert.equal("127.0.1.3:7", caller:getpeername())
  end)

  it("of more rules than an image holds is refused, and changes nothing", function()
    local gate = here:enforce [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }]]
    for index = 0, 16384 do
      gate:deny { connect = ("10.%d.%d.1"):format(math.floor(index / 256), index % 256) }
    end
    local ok, message, errno = gate:commit()
    assert.is_nil(ok)
    assert.equal(7, errno) -- E2BIG
    assert.equal([[deny "#16385": connect: its rules need more than 16384 terms, which is the ]]
      .. [[limit (a rule is ]]
      .. "one term for each combination of addresses and ports); use fewer rules, or lists with "
      .. "the same ports", (message:gsub("^[^:]+:%d+: ", "")))
    assert.equal("EACCES", try())
    assert.equal("ok", try "10.0.0.1:80")
    assert.equal(1, gate:status().generation)
  end)

  it("of any kind, done 300 times, leaves no descriptor and no mapping behind", function()
    -- The second rule needs the maps of a socket's owner, which stay once they are made.
    local gate = here:enforce [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }
      deny { "owner", connect = "192.0.2.9", uid = 7, comm = "x" }]]
    local more = {
      function() return gate:deny { "more", connect = "192.0.2.2", errno = "EACCES" } end,
      function() return gate:deny { "more", sendmsg = "192.0.2.2", uid = 7, comm = "x" } end,
      function() return gate:rewrite { "more", connect = "192.0.2.2", to = "192.0.2.3",
        log = true } end,
    }
    local rule, open, mapped
    for index = 1, 300 do
      if rule then
        rule:remove()
      end
      rule = more[index % 3 + 1]()
      if index % 30 == 0 then
        gate:deny(wider.rule(index / 30))
      end
      assert(gate:commit())
      assert.equal("EACCES", try())
      if index == 30 then
        open, mapped = descriptors(), mappings()
      end
    end
    assert.equal(open, descriptors())
    assert.equal(mapped, mappings())
    assert.equal(301, gate:status().generation)
    assert.equal(300, gate:rules()[1].hits)
  end)

  it("that needs hooks attaches them, and one that does not detaches them", function()
    local gate = here:enforce [[
      deny { "no", connect = "0.0.0.0/0", family = "inet", errno = "EACCES" }
    ]]
    local all = table.concat(gate:status().hooks, " ")
    gate:rewrite { "rewritten", connect = "192.0.2.7", to = "192.0.2.8" }
    gate:deny { "more", sendmsg = "*" }
    assert(gate:commit())
    assert.equal("connect4 connect6 sendmsg4 sendmsg6 recvmsg4 recvmsg6 getpeername4 getpeername6",
      table.concat(gate:status().hooks, " "))
    assert.same({ nil, "EPERM" }, { here:keep(socket.udp "inet"):sendto("x", "192.0.2.1:80") })
    gate:rules()[3]:remove()
    gate:rules()[2]:remove()
    assert(gate:commit())
    assert.equal(all, table.concat(gate:status().hooks, " "))
    assert.equal(1, here:keep(socket.udp "inet"):sendto("x", "192.0.2.1:80"))
    assert.equal("EACCES", try())
  end)

  it("of other programs lets no call through in the meantime", function()
    local gate = here:enforce [[deny { "no", connect = "192.0.2.1", errno = "EACCES" }]]
    -- Not a fork: that would hold our links, and so keep the old programs attached.
    local storm = client.storm("192.0.2.1", "192.0.2.1", 80)
    for index = 1, wider.count do
      gate:deny(wider.rule(index))
      assert(gate:commit())
    end
    local answers, calls = client.finish(storm)
    assert.same({ ["denied: EACCES"] = true, ["rewritten: EACCES"] = true }, names_of(answers))
    assert.equal(calls[1] + calls[2], gate:rules()[1].hits)
    print(("    %d calls while other programs took over %d times")
      :format(calls[1] + calls[2], wider.count))
  end)
end)

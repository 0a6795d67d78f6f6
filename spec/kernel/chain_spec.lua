-- A gate among programs of other owners, on its cgroup and on those above and below:
-- each is heard, none undoes a denial, and the uppermost has the last word
-- on where a call goes.

local netns = require "spec.support.netns"
local owner = require "spec.support.attach_conflict"
local process = require "spec.support.process"
local cgroup = require "spec.support.cgroup"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"

local PORT = 60000 -- the port that the other owner's programs act on

sandbox.describe("beside another owner's program", function(here)
  before_each(netns.own_all_addresses)

  local function add(program, path, flags)
    local one, errno = owner.attach(program, path or here.cgroup, flags or "multi")
    return one and here:keep(one), errno
  end

  local function try(host) return socket.try("udp", ("%s:%d"):format(host or "192.0.2.1", PORT)) end

  local policies = {
    allows = [[allow { connect = "*" }]],
    denies = [[deny { connect = "*", errno = "EACCES" }]],
    rewrites = [[rewrite { connect = "*", to = "192.0.2.99" }]],
    ["has a source"] = [[allow { connect = "*", bind_source = "127.0.0.7" }]],
  }

  -- The kernel keeps the errno that was set last; if a program sets none, that is EPERM, or what
  -- was set before it.
  for _, order in ipairs { "before", "after" } do
    for name, policy in pairs(policies) do
      for program, errno in pairs { other_denies = "EPERM", other_errno = "EHOSTUNREACH" } do
        local what = ("%s, %s ours"):format(program, order)
        it(("a gate that %s does not cancel its denial: %s"):format(name, what), function()
          if order == "before" then
            add(program)
          end
          here:enforce(policy)
          if order == "after" then
            add(program)
          end
          local found = try()
          if name == "denies" then
            local last = order == "before" and "EACCES" or program == "other_denies" and "EACCES"
              or errno
            assert.equal(last, found)
          else
            assert.equal(errno, found)
          end
          assert.equal(name == "denies" and "EACCES" or "ok", socket.try("udp", "192.0.2.1:60001"))
        end)
      end
    end

    it("a gate's denial is not cancelled by a program that allows, " .. order .. " ours", function()
      if order == "before" then
        add "other_allows"
      end
      here:enforce(policies.denies)
      if order == "after" then
        add "other_allows"
      end
      assert.equal("EACCES", try())
    end)
  end

  it("a gate decides about the address that an earlier program has written", function()
    add "other_rewrites"
    here:enforce [[
      deny { connect = "127.0.0.1", errno = "EACCES" }
      deny { connect = "192.0.2.1", errno = "EHOSTUNREACH" }
    ]]
    assert.equal("EACCES", try())
  end)

  it("a gate on a cgroup above has the last word, one below the first", function()
    local below = here:another(here.cgroup)
    local gate = here:enforce [[deny { connect = "127.0.0.1", errno = "EACCES" }]]
    local other = add("other_rewrites", below)
    assert.equal("EACCES", process.run(function()
      cgroup.enter(below)
      return try()
    end))
    gate:close()
    other:close()
    gate = here:gate [[deny { connect = "127.0.0.1", errno = "EACCES" }]]
    assert(gate:attach(below))
    add "other_rewrites"
    assert.equal("ok", process.run(function()
      cgroup.enter(below)
      return try()
    end))
  end)

  it("a gate keeps its place if that program wants to be alone", function()
    here:enforce(policies.denies)
    assert.same({ nil, "EPERM" }, { owner.attach("other_allows", here.cgroup, "none") })
    assert.same({ nil, "EPERM" }, { owner.attach("other_allows", here.cgroup, "override") })
    assert.equal("EACCES", try())
  end)
end)

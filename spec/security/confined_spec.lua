-- B1, B5, B6: whatever ends `tidegate run`, and whenever, no call of its command goes through that
-- the policy denies; and nothing is left behind.
--
-- ROUNDS says how many ends (default: 50; make soak: 1,000), TIDEGATE_SEED which.

local command = require "spec.support.command"
local env = require "spec.support.env"
local netns = require "spec.support.netns"
local sandbox = require "spec.support.sandbox"
local soak = require "spec.support.soak"
local uv = require "luv"
local watched_run = require "spec.support.watched_run"

local SIGKILL, SIGSTOP, SIGTERM = uv.constants.SIGKILL, uv.constants.SIGSTOP, uv.constants.SIGTERM
local START_MS, END_MS, MOMENT_MS = 20000, 20000, 20

local ROUNDS = soak.rounds(1000)
local SEED = tonumber(os.getenv "TIDEGATE_SEED") or os.time() % 100000

local QUIET = [[deny { connect = "192.0.2.1", errno = "EACCES", log = false }]]
local LOUD = [[deny { connect = "192.0.2.1", errno = "EACCES" }]]

--- A memory cgroup of version 1, where what moves there takes nothing along.
local MEMORY = "/sys/fs/cgroup/memory"

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:setvbuf "no"
  local ok, message = file:write(text)
  file:close()
  return ok, message
end

sandbox.describe("a command", function(here)
  local folder, quiet, loud, counts, errors, memory

  before_each(function()
    netns.own_all_addresses()
    folder = env.folder()
    quiet, loud = env.write(folder .. "/quiet.lua", QUIET), env.write(folder .. "/loud.lua", LOUD)
    counts, errors = folder .. "/counts", folder .. "/errors"
  end)
  after_each(function()
    if memory then
      uv.fs_rmdir(memory)
    end
    env.clean()
  end)

  local function pause(most)
    watched_run.wait(function() return false end, math.random(most))
  end

  local function start(arguments, options)
    options = options or {}
    options.errors = errors
    options.how = options.how or (math.random(12) == 1 and "stubborn" or nil)
    return watched_run.start(arguments, counts, options)
  end

  local function started(arguments, options)
    local run = start(arguments, options)
    assert(run:wait_for_calls(START_MS), "the watchers did not start: " .. assert(io.open(errors))
      :read "*a")
    pause(MOMENT_MS)
    return run
  end

  --- A process has ended, or is about to: killing it then is no failure.
  local function kill(pid)
    if pid then
      uv.kill(pid, SIGKILL)
    end
  end

  --- End a run by SIGTERM, which a stubborn command ignores, or by SIGKILL.
  local function finish(run)
    if math.random(2) == 1 then
      run:kill(SIGTERM)
      watched_run.wait(function() return run.status end, MOMENT_MS)
    end
    run:kill(SIGKILL)
    return run
  end

  local ends = {}

  local function limited(resource, soft, hard, arguments)
    return function()
      local run = started(arguments())
      run:limit(resource, soft, hard)
      watched_run.wait(function() return run.status end, 2 * MOMENT_MS)
      return finish(run)
    end
  end

  for number = 1, 64 do
    ends[#ends + 1] = { "signal " .. number, function()
      local run = started { "-q", quiet }
      run:kill(number)
      watched_run.wait(function() return run.status end, 2 * MOMENT_MS)
      run:kill(SIGKILL)
      return run
    end }
  end
  local function add(count, name, act)
    for _ = 1, count do
      ends[#ends + 1] = { name, act }
    end
  end
  add(2, "RLIMIT_CPU", function()
    local run = started { "--log", "/dev/null", loud }
    run:limit(watched_run.CPU, 1, math.random(2))
    watched_run.wait(function() return run.status end, 3000)
    run:kill(SIGKILL)
    return run
  end)
  add(6, "RLIMIT_FSIZE", limited(watched_run.FSIZE, 0, 0, function()
    return { "--log", folder .. "/log", loud }
  end))
  add(6, "RLIMIT_NOFILE", limited(watched_run.NOFILE, 0, 0, function() return { "-q", quiet } end))
  add(6, "a full disk", limited(watched_run.FSIZE, 1, 1, function()
    return { "--log", "/dev/full", loud }
  end))
  for _, closed in ipairs { "<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-" } do
    add(2, "closed " .. closed, function()
      return finish(started({ "-q", quiet }, { after = closed }))
    end)
  end
  add(12, "SIGKILL at any time", function()
    local run = start { "-q", quiet }
    pause(500)
    run:kill(SIGKILL)
    run.both = true -- it may have no guard yet
    return run
  end)
  add(8, "the guard", function()
    local run = started { "-q", quiet }
    kill(run:guard())
    return run
  end)
  local function both(first_stopped)
    local run = started { "-q", quiet }
    local guard = run:guard()
    if first_stopped then
      run:kill(SIGSTOP)
      kill(guard)
      run:kill(SIGKILL)
    else
      run:kill(SIGKILL)
      kill(guard)
    end
    run.both = true
    return run
  end
  add(8, "both", function() return both(false) end)
  add(8, "both, tidegate stopped first", function() return both(true) end)
  if uv.fs_stat(MEMORY .. "/memory.limit_in_bytes") then
    add(6, "the out-of-memory killer", function()
      if not memory then
        memory = ("%s/tidegate-spec-%d"):format(MEMORY, uv.os_getpid())
        assert(uv.fs_mkdir(memory, 493))
      end
      write(memory .. "/memory.limit_in_bytes", "-1")
      local run = started({ "-q", quiet },
        { shell = ("echo $$ > %s/cgroup.procs; "):format(memory), how = "eat" })
      write(("/proc/%d/oom_score_adj"):format(run.pid), "1000")
      local used = assert(io.open(memory .. "/memory.usage_in_bytes")):read "*n"
      write(memory .. "/memory.limit_in_bytes", tostring(used + 2 ^ 25))
      watched_run.wait(function() return run.status end, 3000)
      run:kill(SIGKILL)
      return run
    end)
  end

  local function sweep()
    local got = command.tidegate("run", "-q", quiet, "--", "true")
    assert.equal(0, got.status, got.err)
  end

  local function assert_nothing_left(text)
    assert.equal(here.cgroup .. "\n", command.cgroups(here.cgroup), text)
    local before = (watched_run.counts(counts))
    pause(MOMENT_MS)
    assert.same(before, (watched_run.counts(counts)), text)
  end

  it("without a policy gets through, so that the watchers would notice", function()
    watched_run.make_counts(counts)
    local path = here:another()
    local outside = command.start { "sh", "-c", 'echo 0 > "$0/cgroup.procs"; exec "$@"', path,
      unpack(watched_run.watcher(counts)) }
    assert.is_true(watched_run.wait(function()
      return watched_run.all_called(counts, { 0, 0, 0 })
    end, START_MS))
    write(path .. "/cgroup.kill", "1")
    outside:wait()
    local _, through = watched_run.counts(counts)
    assert.is_true(through > 0)
  end)

  it(("of a run that ends in any way stays confined or dies: %d rounds, seed %d")
    :format(ROUNDS, SEED), function()
    math.randomseed(SEED)
    local calls, kinds, total = 0, 0, {}
    for round = 1, ROUNDS do
      local kind = ends[math.random(#ends)]
      local text = ("round %d, %s, TIDEGATE_SEED=%d"):format(round, kind[1], SEED)
      local worked, run = pcall(kind[2])
      assert.is_true(worked, text .. ": " .. tostring(run))
      assert.is_true(watched_run.wait(function() return run.status end, END_MS), text)
      if run.both then
        local before = (watched_run.counts(counts))
        watched_run.wait(function() return watched_run.all_called(counts, before) end, 100)
      end
      if run.both or math.random(4) == 1 then
        sweep()
      end
      watched_run.wait(function() return command.cgroups(here.cgroup) == here.cgroup .. "\n" end,
        END_MS)
      assert_nothing_left(text)
      local by, through = watched_run.counts(counts)
      assert.equal(0, through, text)
      calls = calls + by[1] + by[2] + by[3]
      kinds, total[kind[1]] = kinds + (total[kind[1]] and 0 or 1), true
    end
    print(("    %d ends of %d kinds, %d calls: none went through"):format(ROUNDS, kinds, calls))
  end)
end)

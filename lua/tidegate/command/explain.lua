--- tidegate explain: which rule decides a call, and why the earlier ones do not.

local cjson = require "cjson"
local policy = require "tidegate.command.load"
local query = require "tidegate.query"
local report = require "tidegate.host.report"
local schema = require "tidegate.schema"
local status = require "tidegate.host.exit_status"

local M = {}

--- More steps than this before the one that decides are only counted.
local SHOWN = 10

function M.define(command)
  command:summary "Tell which rule decides a call, and why; needs no privileges."
    :description("Tell which rule decides a call, why those before it do not, and what becomes of the call. "
      .. "It is decided by the same code as in the kernel.")
  command:argument("policy", "A policy file, or an image."):argname "POLICY"
  command:argument("op", "The operation: " .. schema.enumerate(query.ops, "or") .. "."):argname "OP":choices(query.ops)
  command:argument("endpoint",
    "What the program asks for: 1.2.3.4:80, [::1]:80, localhost:https, unix:/run/x.sock."):argname "ENDPOINT"
  command:option("--uid", "The user, by number or name (0)."):argname "UID"
  command:option("--gid", "The group, by number or name (0)."):argname "GID"
  command:option("--comm", "The name of the program's thread."):argname "NAME"
  command:option("--pid", "The number of the process."):argname "PID"
  command:option("--proto", "The protocol (udp for sendmsg and recvmsg, tcp for the others)."):argname "PROTO"
  command:option("--family", "The socket's family (that of the address)."):argname "inet|inet6"
    :choices { "inet", "inet6" }
  command:option("--type", "The socket's type (that of the protocol)."):argname "TYPE"
    :choices { "stream", "dgram", "seqpacket", "raw" }
  command:option("--from", "The socket's own address (not bound)."):argname "ADDRESS[:PORT]"
  command:option("--exe", "The program's file."):argname "PATH"
  command:option("--cgroup", "The task's cgroup (the root)."):argname "PATH"
  command:option("--netns", "The socket's network namespace: a path, self, or its cookie."):argname "NETNS"
  command:option("--mark", "The socket's mark (0)."):argname "MARK"
  command:option("--device", "The network device that the socket is bound to (none)."):argname "DEVICE"
  command:flag("--json", "One JSON object.")
end

--- The rules that could have decided and did not: those for other operations
--- are not worth a word.
local function misses_of(steps)
  local misses = {}
  for _, step in ipairs(steps) do
    if step.shadow or step.observed or #step.mismatch > 0 and step.mismatch[1] ~= "operation" then
      misses[#misses + 1] = step
    end
  end
  return misses
end

--- `not deny "no-lan" (web.lua:4): another uid`, `observe "watch" (web.lua:5): observed`
local function line_of(step)
  local rule = ('%s "%s" (%s)'):format(step.verb, step.rule, step.where or "?")
  if step.observed then
    return rule .. ": observed"
  elseif step.over then
    return ("not %s: only over %s"):format(rule, step.over)
  end
  return ("not %s: %s"):format(rule,
    step.shadow and "a shadow, only counted" or "another " .. table.concat(step.mismatch, ", another "))
end

local function print_misses(misses)
  for index = 1, math.min(#misses, SHOWN) do
    print(line_of(misses[index]))
  end
  if #misses > SHOWN then
    print(("not %d more"):format(#misses - SHOWN))
  end
end

function M.run(args)
  local image = policy.image(args.policy)
  if not image then
    return status.POLICY_ERROR
  end
  local explanation, message = image:explain {
    op = args.op, addr = args.endpoint, uid = args.uid, gid = args.gid, comm = args.comm,
    pid = args.pid, proto = args.proto, family = args.family, type = args.type, from = args.from, exe = args.exe,
    cgroup = args.cgroup, netns = args.netns, mark = args.mark, device = args.device,
  }
  if not explanation then
    report.say("%s", message)
    return status.USAGE_ERROR
  end
  local misses = misses_of(explanation.steps)
  if args.json then
    -- An empty table would become an object.
    print(cjson.encode {
      query = explanation.query, decision = explanation.decision, misses = misses[1] and misses,
    })
  else
    print_misses(misses)
    print(tostring(explanation.decision))
  end
  return status.OK
end

return M

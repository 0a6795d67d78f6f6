--- tidegate explain: which rule decides a call, and why the earlier rules do not.  The words of
--- a reason come from decision.lua.

local json = require "tidegate.host.json"
local literal = require "tidegate.literal"
local options = require "tidegate.command.options"
local policy = require "tidegate.command.load"
local schema = require "tidegate.schema"
local status = require "tidegate.host.exit_status"
local suggest = require "tidegate.suggest"

local M = {}

--- What --expect takes beside the names of rules: the verbs that decide.
local verdicts = { allow = true, deny = true, rewrite = true, balance = true }

--- Words of other tools for the operations.
local meant = {
  send = "sendmsg", sendto = "sendmsg", udp = "sendmsg", tcp = "connect", listen = "bind",
  out = "egress", output = "egress", outbound = "egress",
}

function M.define(command)
  command:summary "Show which rule decides a call, and why; needs no privileges."
    :description("Show which rule decides a call, why the earlier rules do not, and what happens "
      .. "to the call. The code that decides is the same as in the kernel. The options describe "
      .. "the caller and the socket, in the words of a rule's conditions.")
  policy.argument(command)
  command:argument("OP", "The operation: " .. schema.enumerate(schema.op_names, "or") .. ".")
    :argname "OP":target "op"
  command:argument("ENDPOINT",
    "What the program asks for: 1.2.3.4:80, [::1]:80, localhost:https, unix:/run/x.sock.")
    :argname "ENDPOINT":target "endpoint"
  for _, row in ipairs(schema.conditions) do
    local option = command:option("--" .. row.name, row.option):argname(row.argname)
    if row.choices then
      option:choices(row.choices)
    end
  end
  command:option("--expect", "Exit with status 1 unless this is what decides: allow, deny, or "
    .. "the name of a rule."):argname "allow|deny|RULE"
  options.json(command, "Print the explanation")
end

--- What is wrong with the arguments, or nil.
function M.misuse(args)
  local row = schema.fields[args.op]
  if row and row.kind == "what" then
    return nil
  end
  local nearest = meant[args.op] or suggest.nearest(args.op, schema.op_names)
  return ("unknown operation %q; %s"):format(args.op, nearest and ("did you mean %q?")
    :format(nearest) or "there are " .. schema.enumerate(schema.op_names, "and"))
end

--- The call that the arguments describe.
local function question_of(args)
  local question = { [args.op] = args.endpoint }
  for _, name in ipairs(schema.condition_names) do
    question[name] = args[name]
  end
  return question
end

--- The explanations, one an operation.
local function parts_of(explanation, op)
  local parts = {}
  for index, name in ipairs(schema.fields[op].ops) do
    parts[index] = #schema.fields[op].ops == 1 and explanation or explanation[name]
  end
  return parts
end

local function backend_json(backend)
  return json.object("address", backend.address, "weight", backend.weight, "state", backend.state,
    "share", backend.share)
end

local function decision_json(decision)
  return json.object("verb", decision.verb, "rule", decision.rule, "where", decision.where,
    "message", decision.message, "errno", decision.errno, "asked", decision.asked,
    "final", decision.final, "addr", decision.addr, "port", decision.port,
    "bind_source", decision.bind_source,
    "backends", json.list(decision.backends, backend_json), "by_chance", decision.by_chance,
    "low_port", decision.low_port, "logs", decision.logs, "shadow", decision.shadow,
    "unseen", decision.unseen, "picks_port", decision.picks_port)
end

local function step_json(step)
  return json.object("verb", step.verb, "rule", step.rule, "where", step.where, "text", step.text,
    "reason", step.reason, "mismatch", json.list(step.mismatch), "over", step.over,
    "observed", step.observed, "shadow", step.shadow)
end

local function explanation_json(explanation)
  return json.object("query", explanation.query, "decision", decision_json(explanation.decision),
    "steps", json.list(explanation.steps, step_json))
end

--- Whether a decision is what --expect wants.  A call that no hook sees is let through, whatever
--- the rules say.
local function is_expected(decision, expected)
  if decision.unseen then
    return expected == "allow"
  elseif verdicts[expected] then
    return decision.verb == expected
  end
  return decision.rule == expected
end

--- What is wrong with the value of --expect, or nil.
local function wrong_expectation(expected, image)
  local names = { "allow", "deny" }
  for _, rule in ipairs(image:rules()) do
    names[#names + 1] = rule.name
    if names[#names] == expected then
      return nil
    end
  end
  return not verdicts[expected] and ("--expect: no rule is called %s%s")
    :format(literal.quote(expected), suggest.hint(expected, names)) or nil
end

function M.run(args)
  local image, kind, problem = policy.image(args.policy, args.trust)
  if not image then
    return nil, kind, problem
  end
  local wrong = args.expect and wrong_expectation(args.expect, image)
  if wrong then
    return nil, "usage", wrong
  end
  local explanation, message = image:explain(question_of(args))
  if not explanation then
    return nil, "usage", message
  end
  local missed
  for index, part in ipairs(parts_of(explanation, args.op)) do
    local gap = index > 1 and not args.json and "\n" or ""
    print(gap .. tostring(args.json and explanation_json(part) or part))
    if args.expect and not is_expected(part.decision, args.expect) then
      missed = missed or part.decision
    end
  end
  if missed then
    return nil, "unexpected", ("expected %s; got: %s"):format(args.expect, tostring(missed))
  end
  return status.OK
end

return M

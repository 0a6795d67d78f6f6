--- tidegate explain: which rule decides a call, and why the earlier rules do not.  The words of
--- a reason come from decision.lua.

local cjson = require "cjson"
local policy = require "tidegate.command.load"
local query = require "tidegate.query"
local report = require "tidegate.host.report"
local schema = require "tidegate.schema"
local status = require "tidegate.host.exit_status"

local M = {}

--- How many of the rules that did not decide are listed; the rest is only counted.
local SHOWN = 10

function M.define(command)
  command:summary "Show which rule decides a call, and why; needs no privileges."
    :description("Show which rule decides a call, why the earlier rules do not, and what happens "
      .. "to the call. The code that decides is the same as in the kernel.")
  policy.argument(command)
  command:argument("op", "The operation: " .. schema.enumerate(query.ops, "or") .. ".")
    :argname "OP":choices(query.ops)
  command:argument("endpoint",
    "What the program asks for: 1.2.3.4:80, [::1]:80, localhost:https, unix:/run/x.sock.")
    :argname "ENDPOINT"
  for _, row in ipairs(schema.conditions) do
    local option = command:option("--" .. row.name, row.option):argname(row.argname)
    if row.choices then
      option:choices(row.choices)
    end
  end
  command:flag("--json", "Print one JSON object.")
end

--- The call that the arguments describe.
local function question_of(args)
  local question = { op = args.op, addr = args.endpoint }
  for _, name in ipairs(schema.condition_names) do
    question[name] = args[name]
  end
  return question
end

--- The rules that could have decided but did not. Rules for other operations are left out.
local function misses_of(steps)
  local misses = {}
  for _, step in ipairs(steps) do
    local mismatch = step.mismatch
    if step.shadow or step.observed or #mismatch > 0 and mismatch[1] ~= "operation" then
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
  local reason = step.shadow and "a shadow, only counted"
    or "another " .. table.concat(step.mismatch, ", another ")
  return ("not %s: %s"):format(rule, reason)
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
  local explanation, message = image:explain(question_of(args))
  if not explanation then
    report.say("%s", message)
    return status.USAGE_ERROR
  end
  local misses = misses_of(explanation.steps)
  if args.json then
    -- Left out if empty: cjson writes an empty table as an object.
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

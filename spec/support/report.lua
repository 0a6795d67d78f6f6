-- How busted reports one spec file: what failed, what was skipped and why.
-- The counts go to the file that TIDEGATE_COUNTS names, for spec/run to add up.

local pretty = require "pl.pretty"

local function text_of(message)
  if type(message) == "string" then
    return message
  end
  return message == nil and "nil" or pretty.write(message)
end

local function indent(text)
  return "      " .. text:gsub("\n", "\n      ")
end

local function print_failure(failure)
  local trace = failure.trace or failure.element.trace or {}
  print(("    FAILED  %s  (%s:%s)"):format(failure.name, trace.short_src or "?",
    trace.currentline or "?"))
  print(indent(text_of(failure.message)))
end

local function print_skipped(pendings)
  local counts, reasons = {}, {}
  for _, pending in ipairs(pendings) do
    local reason = pending.message and text_of(pending.message):gsub("^[^:\n]+:%d+: ", "")
      or pending.name
    if not counts[reason] then
      reasons[#reasons + 1] = reason
    end
    counts[reason] = (counts[reason] or 0) + 1
  end
  for _, reason in ipairs(reasons) do
    print(("    skipped %d: %s"):format(counts[reason], reason))
  end
end

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local function suite_end()
    local failed = handler.failuresCount + handler.errorsCount
    for _, list in ipairs { handler.failures, handler.errors } do
      for _, failure in ipairs(list) do
        print_failure(failure)
      end
    end
    print_skipped(handler.pendings)
    local counts = assert(io.open(assert(os.getenv "TIDEGATE_COUNTS"), "w"))
    counts:write(("%d %d %d\n"):format(handler.successesCount, failed, handler.pendingsCount))
    counts:close()
    io.flush()
    return nil, true
  end

  busted.subscribe({ "suite", "end" }, suite_end)
  return handler
end

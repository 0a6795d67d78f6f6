--- What policy.c does with a text.

local tidegate = require "tidegate"

local PATH = "fuzz.lua"

--- A message of an error inside the module is no answer to the author of a policy.
local function check(message, text)
  if message:find "/tidegate/[%w_/]+%.lua:%d+:" then
    error(("%s\nfor the policy\n%s"):format(message, text), 0)
  end
end

--- Compile a policy, and what it dumps, if it can be dumped as a text.
local function compile(gate, text)
  local image, message = gate:compile()
  if not image then
    return check(message, text)
  end
  local dumped = gate:dump()
  local again, why = tidegate.load_text(dumped, PATH)
  if not again then
    error(("what it dumps is refused: %s\n%s\nfor the policy\n%s"):format(why, dumped, text), 0)
  end
  again:close()
end

return function(text)
  local gate, message = tidegate.load_text(text, PATH)
  if not gate then
    return check(message, text)
  end
  compile(gate, text)
  gate:close()
end

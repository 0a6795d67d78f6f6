--- What `check` finds in a policy that compiles.

local tidegate = require "tidegate"

--- The findings about a policy, one a line.
---@param text string
---@return string
return function(text)
  local texts = {}
  for index, finding in ipairs(assert(assert(tidegate.load_text(text, "web.lua")):check())) do
    texts[index] = finding.text
  end
  return table.concat(texts, "\n")
end

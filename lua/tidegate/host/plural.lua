--- plural(1, "rule") is "1 rule", plural(2, "rule") is "2 rules".
---@param count integer
---@param noun string
---@return string
return function(count, noun)
  return ("%d %s%s"):format(count, noun, count == 1 and "" or "s")
end

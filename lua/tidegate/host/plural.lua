--- plural(1, "rule") is "1 rule", plural(2, "rule") is "2 rules", plural(2, "process") is
--- "2 processes".
---@param count integer
---@param noun string
---@return string
return function(count, noun)
  local ending = count == 1 and "" or noun:find "s$" and "es" or "s"
  return ("%d %s%s"):format(count, noun, ending)
end

--- The words of a text, as a set: word_set "if then" is { ["if"] = true, ["then"] = true }.

---@param words string separated by spaces
---@return table<string, true>
return function(words)
  local set = {}
  for word in words:gmatch "%S+" do
    set[word] = true
  end
  return set
end

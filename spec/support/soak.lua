--- How long a proof runs that is random, and that proves more the longer it runs.

local M = {}

--- The number of rounds: a twentieth of the whole proof, or what the variable ROUNDS says: "whole"
--- (`make soak`), or a number.
---@param whole integer
---@return integer
function M.rounds(whole)
  local asked = os.getenv "ROUNDS"
  if asked == "whole" then
    return whole
  end
  return tonumber(asked) or math.ceil(whole / 20)
end

return M

--- Versions: that of the library, and the one that a policy asks for.

local library = require "tidegate.ffi"

local M = {}

--- The numbers of a version, "0.3" or "0.3.1"; nil: it is none.
local function numbers_of(text)
  local major, minor, patch = text:match "^(%d+)%.(%d+)%.?(%d*)$"
  if not major or text:sub(-1) == "." then
    return nil
  end
  return { tonumber(major), tonumber(minor), tonumber(patch) or 0 }
end

--- Whether a text is a version.
---@param text any
---@return boolean
function M.is(text)
  return type(text) == "string" and numbers_of(text) ~= nil
end

--- What to say if this version is older than the one that a policy asks for; nil: it is not.
---@param required any what is no version is not compared
---@return string|nil
function M.too_old(required)
  if not M.is(required) then
    return nil
  end
  local this = library.text(library.C.tg_version())
  local have, want = numbers_of(this), numbers_of(required)
  for position = 1, 3 do
    if have[position] ~= want[position] then
      return have[position] < want[position]
        and ("requires: the policy needs Tidegate %s or newer, and this is %s; upgrade it")
          :format(required, this) or nil
    end
  end
end

return M

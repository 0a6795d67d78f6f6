--- Replace a file in one step: at any moment either the old content or the new one is there whole.

local uv = require "luv"
local uv_error = require "tidegate.host.uv_error"

---@param path string
---@param text string
---@param mode integer the permissions of the new file
---@param owner { uid: integer, gid: integer }|nil whose it is to be, if it may be given away
---@return true|nil
---@return string|nil message
return function(path, text, mode, owner)
  local aside = ("%s.%d"):format(path, uv.os_getpid())
  local fd, message = uv.fs_open(aside, "wx", mode)
  if not fd then
    return nil, uv_error(message)
  end
  local done
  done, message = uv.fs_write(fd, text, -1)
  if owner then
    uv.fs_fchown(fd, owner.uid, owner.gid)
    uv.fs_fchmod(fd, mode)
  end
  if done then
    done, message = uv.fs_fsync(fd)
  end
  uv.fs_close(fd)
  if done then
    done, message = uv.fs_rename(aside, path)
  end
  if not done then
    uv.fs_unlink(aside)
    return nil, uv_error(message)
  end
  return true
end

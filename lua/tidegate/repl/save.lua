--- save(): the policy, to a file that a person may go on with.
--
-- Where rules were only added to those of the file that the policy came from,
-- that is kept as it is, with its comments and handlers, and the new rules stand
-- at its end.  Else all rules are written anew.

local session_module = require "tidegate.repl.session"
local tidegate = require "tidegate"
local uv = require "luv"

local M = {}

local MODE = 420 -- 0644

--- The file's text with the rules that were added behind it; nil where that is
--- not what the policy is now.
local function extended(session)
  if not session.text then
    return nil
  end
  local before = tidegate.compile(session.text, session.path)
  if not before then
    return nil -- a list that it names has changed, for the worse
  end
  local text, rules = session.text, session.gate:rules()
  for position = #before:rules() + 1, #rules do
    text = text:gsub("([^\n])$", "%1\n") .. rules[position]:text(position) .. "\n"
  end
  local after = tidegate.compile(text, session.path)
  return after and after:dump() == session.gate:dump() and text or nil
end

--- Write a file in one step: the old one, or the new one, is there whole.
local function replace(path, text)
  path = uv.fs_realpath(path) or path
  local old = uv.fs_stat(path)
  local aside = ("%s.%d"):format(path, uv.os_getpid())
  local fd, message = uv.fs_open(aside, "wx", old and old.mode % 512 or MODE)
  if not fd then
    return nil, message
  end
  local written
  written, message = uv.fs_write(fd, text, -1)
  if written then
    written, message = uv.fs_fsync(fd)
  end
  uv.fs_close(fd)
  if written then
    written, message = uv.fs_rename(aside, path)
  end
  if not written then
    uv.fs_unlink(aside)
    return nil, message
  end
  return true
end

--- Whether writing there would destroy what nobody here has read.
local function objection(session, path)
  local now = session_module.read(path)
  if now == nil or now == "" then
    return nil
  elseif session.text and uv.fs_realpath(path) == uv.fs_realpath(session.path) then
    return now ~= session.text and path .. " has changed since it was read; save under another name"
  end
  return path .. " is there already; save under another name, or remove it first"
end

--- Write the policy.
---@param session tidegate.Session
---@param path string
---@return string|nil remark what is lost in the new file; "" where nothing is
---@return string|nil message
function M.save(session, path)
  local wrong = objection(session, path)
  if wrong then
    return nil, "save: " .. wrong
  end
  local text, remark = extended(session), ""
  if not text then
    local message
    text, message = session.gate:dump()
    if not text then
      return nil, message
    elseif session.text and (session.text:find("--", 1, true) or session.text:find "%f[%w]on%s*%(") then
      remark = ("; the comments and on() handlers of %s are not in it"):format(session.path)
    end
  end
  local ok, message = replace(path, text)
  if not ok then
    return nil, ("save: %s: %s"):format(path, message:match "^[%u%d]+: ([^:]+)" or message)
  end
  session.path, session.text = path, text
  return remark
end

return M

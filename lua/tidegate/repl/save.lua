--- save(): write the policy to a file that a person can edit.
--
-- If the only change to a policy file is that rules were added, its text stays as it is, with
-- its comments and handlers, and the new rules follow at its end. Otherwise all rules are
-- written again.

local replace_file = require "tidegate.repl.replace_file"
local session_module = require "tidegate.repl.session"
local tidegate = require "tidegate"
local uv = require "luv"

local M = {}

local MODE = 420 -- 0644

--- The file's text followed by the rules that were added; nil if that is not the policy now.
local function extended(session)
  if not session.text then
    return nil
  end
  local before = tidegate.compile(session.text, session.path)
  if not before then
    return nil -- a list file that it names has changed, and is wrong now
  end
  local text, rules = session.text, session.gate:rules()
  for position = #before:rules() + 1, #rules do
    text = text:gsub("([^\n])$", "%1\n") .. rules[position]:text(position) .. "\n"
  end
  local after = tidegate.compile(text, session.path)
  return after and after:dump() == session.gate:dump() and text or nil
end

--- Replace a file, or the file that a symbolic link names, and keep its permissions.
local function replace(path, text)
  path = uv.fs_realpath(path) or path
  local old = uv.fs_stat(path)
  return replace_file(path, text, old and old.mode % 512 or MODE)
end

--- Why the file must not be overwritten: its text is not the one that this session has read.
local function objection(session, path)
  local now = session_module.read(path)
  if now == nil or now == "" then
    return nil
  elseif session.text and uv.fs_realpath(path) == uv.fs_realpath(session.path) then
    return now ~= session.text
      and path .. " has changed since it was read; save under another name"
  end
  return path .. " already exists; save under another name, or remove it first"
end

--- Write the policy.
---@param session tidegate.Session
---@param path string
---@return string|nil remark what the new file has lost; "" if nothing
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
    end
    local old = session.text
    if old and (old:find("--", 1, true) or old:find "%f[%w]on%s*%(") then
      remark = ("; the comments and on() handlers of %s are not in it"):format(session.path)
    end
  end
  local ok, message = replace(path, text)
  if not ok then
    return nil, ("save: %s: %s"):format(path, message)
  end
  session.path, session.text = path, text
  return remark
end

return M

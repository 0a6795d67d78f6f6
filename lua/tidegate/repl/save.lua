--- save(): write the policy to a file that a person can edit.
--
-- The text of a policy file stays as its writer left it, but for the rules that have changed. If
-- that cannot be done, as for one of the rules that a loop makes, the file is left alone: only
-- another file gets all rules as they are now, without comments and handlers.

local diff = require "tidegate.diff"
local edit = require "tidegate.repl.edit"
local gates = require "tidegate.gate"
local literal = require "tidegate.literal"
local plural = require "tidegate.host.plural"
local replace_file = require "tidegate.repl.replace_file"
local session_module = require "tidegate.repl.session"
local tidegate = require "tidegate"
local uv = require "luv"

local M = {}

local MODE = 420 -- 0644

-- The text ---------------------------------------------------------------------------------

--- The rules of a policy as texts, with the lines that they come from.
local function rules_of(policy)
  local rules = {}
  for index, member in ipairs(policy.rules) do
    rules[index] = {
      text = member:text(member.ordinal), line = tonumber(member.where:match ":(%d+)$"),
    }
  end
  return rules
end

local function texts_of(rules)
  local texts = {}
  for index, rule in ipairs(rules) do
    texts[index] = rule.text
  end
  return texts
end

--- The lines of a dump before its rules: policy { … }, and what declares each live table.
local function head_of(dump)
  local options, declarations = dump:match "^[^\n]*", {}
  for line in dump:gmatch "[^\n]+" do
    if line:find '^set "' or line:find '^services "' then
      declarations[#declarations + 1], declarations[line] = line, true
    end
  end
  return options, declarations
end

--- The options that a dump shows.
local dumped = { name = true, default = true, on_error = true, shadow = true }

local function are_dumped(options)
  for name in pairs(options) do
    if not dumped[name] then
      return false
    end
  end
  return true
end

--- Whether a text is the policy of the session, if a file of this name has it.
---@return boolean
---@return string|nil message
local function is_policy(session, text, path)
  local gate, message = tidegate.load_text(text, path, { trust = session.trust })
  if not gate then
    return false, message
  end
  return #diff.of_policies(assert(gate:dump()), assert(session:dump())) == 0
end

--- The file's text with what has changed since it was read.
---@return string|nil
---@return string|nil message why that cannot be done
local function edited(session, path)
  local file, message =
    tidegate.load_text(session.text, session.path, { trust = session.trust })
  if not file then
    return nil, message -- a list that it names is wrong now
  end
  local policy = gates.state(file).source
  local had, declared = head_of(assert(file:dump()))
  local has, declares = head_of(assert(session:dump()))
  local head = {}
  for _, line in ipairs(declares) do
    head[#head + 1] = not declared[line] and line or nil
  end
  local options = had ~= has and are_dumped(session.policy.options) and has or nil
  local text
  text, message = edit.text(session.text, rules_of(policy), {
    rules = texts_of(rules_of(session.policy)), head = head, options = options,
  })
  if not text then
    return nil, message
  end
  local same
  same, message = is_policy(session, text, path)
  if not same then
    return nil, message or "the changes cannot be told apart in its text"
  end
  return text
end

--- What was typed and is not in the file.
local function left_out(session)
  local handlers, timers = session:typed()
  local parts = {}
  parts[1] = handlers > 0 and plural(handlers, "handler") or nil
  parts[#parts + 1] = timers > 0 and plural(timers, "timer") or nil
  if #parts == 0 then
    return ""
  end
  return ("; %s typed here %s not in it"):format(table.concat(parts, " and "),
    handlers + timers == 1 and "is" or "are")
end

-- The file ---------------------------------------------------------------------------------

--- What is wrong with a place; nil: a file can be there.
local function place_objection(path)
  local stat = uv.fs_stat(path)
  if path:find "^/dev/" or path:find "^/proc/" or stat and stat.type ~= "file" then
    local kind = stat and stat.type == "directory" and "a folder" or "no file"
    return ("%s is %s; name a file, or write print(gate:dump())"):format(path, kind)
  elseif not stat and uv.fs_lstat(path) then
    return path .. " is a symbolic link to nothing; save under another name"
  end
end

local function is_own(session, path)
  return session.text ~= nil
    and uv.fs_realpath(path) == (uv.fs_realpath(session.path) or session.path)
end

--- Why a file must not be overwritten: its text is not the one that this session has read.
local function objection(session, path)
  local wrong = place_objection(path)
  local now = not wrong and session_module.read(path)
  if wrong or not now or now == "" then
    return wrong
  elseif is_own(session, path) then
    return now ~= session.text
      and path .. " has changed since it was read; save under another name"
  end
  return path .. " already exists; save under another name, or remove it first"
end

--- Replace a file, or the file that a symbolic link names. What it contained is kept beside it,
--- with a ~ behind the name.
---@return true|nil
---@return string|nil message
local function replace(path, text)
  path = uv.fs_realpath(path) or path
  local old, was = uv.fs_stat(path), session_module.read(path)
  if was and was ~= "" then
    local ok, message = replace_file(path .. "~", was, old.mode % 512, old)
    if not ok then
      return nil, ("%s~: %s"):format(path, message)
    end
  end
  local ok, message = replace_file(path, text, old and old.mode % 512 or MODE, old)
  if not ok then
    return nil, ("%s: %s"):format(path, message)
  end
  return true
end

--- The text to write to a file.
---@return string|nil
---@return string remark what the file lacks; or the message
local function text_for(session, path)
  local text, why
  if session.text then
    text, why = edited(session, path)
  end
  if text then
    return text, left_out(session)
  elseif session.text and is_own(session, path) then
    local placed = why:sub(1, #path + 1) == path .. ":" and why or path .. ": " .. why
    return nil, placed .. [[; save "NAME" writes all rules to another file, without comments and ]]
      .. "handlers"
  end
  local message
  text, message = session:dump()
  if not text then
    return nil, message
  end
  local same
  same, message = is_policy(session, text, path)
  if not same then
    return nil, ("%s would be another policy: %s"):format(path, message or "it differs")
  elseif session.text then
    return text, ("; the comments and handlers of %s are not in it")
      :format(literal.line(session.path))
  end
  return text, left_out(session)
end

--- Write the policy.
---@param session tidegate.Session
---@param path string
---@return string|nil remark what the new file lacks; "" if nothing
---@return string|nil message
function M.save(session, path)
  local wrong = objection(session, path)
  if wrong then
    return nil, "save: " .. wrong
  end
  local text, remark = text_for(session, path)
  if not text then
    return nil, "save: " .. remark
  end
  local ok, message = replace(path, text)
  if not ok then
    return nil, "save: " .. message
  end
  session.path, session.text = path, text
  return remark
end

return M

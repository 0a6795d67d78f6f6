--- The environment of a policy file: the words of the language, a part of Lua's library, and
--- nothing else.  An unknown name is an error, not nil.

local file = require "tidegate.file"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"
local suggest = require "tidegate.suggest"
local timers = require "tidegate.timers"

local M = {}

local function pick(library, names)
  local picked = {}
  for name in names:gmatch "%S+" do
    picked[name] = library[name]
  end
  return picked
end

--- The part of Lua's library that a policy file may use.
local function standard_library()
  local standard = pick(_G, [[
    assert error ipairs next pairs pcall print select tonumber tostring type unpack xpcall
    getmetatable setmetatable rawequal rawget rawset require
    bit coroutine io math string table _VERSION]])
  standard.os = pick(os, "clock date difftime getenv time")
  return standard
end

--- "web.lua:4", the line that called into the language.  A tail call (`return deny {}`) leaves no
--- line: then it is the file alone.
---@param level integer 2: the caller of the function that calls this one
---@param path string|nil of the policy file that runs
---@return string
function M.where(level, path)
  for frame = level + 1, level + 16 do
    local info = debug.getinfo(frame, "Slf")
    if not info or info.func == M.run or info.func == M.call then
      break
    elseif info.currentline > 0 then
      local source = info.source:match "^@(.*)" or info.short_src
      return source .. ":" .. info.currentline
    end
  end
  return path or "?"
end

--- Call a function of a policy; an error in it is returned as a text with its traceback.
---@param call function
---@return boolean ok
---@return string|nil message
function M.call(call, ...)
  local ok, message = xpcall(call, debug.traceback, ...)
  return ok, not ok and tostring(message) or nil
end

--- Add a rule, or note what is wrong with it and go on, so that all errors of a policy file are
--- reported at once.
local function verb(name, policy, complaints, path)
  return function(spec)
    local added, message, errno = policy:add(name, spec, M.where(2, path))
    if not added then
      complaints:add(message, errno)
    end
    return added
  end
end

--- on("deny", fn).  The kind is checked when the whole file has run, or at once if it already has.
local function on(policy, handlers, complaints, path)
  return function(kind, handler)
    local where = M.where(2, path)
    if type(kind) ~= "string" then
      complaints:add(('%s: on wants a verb, the name of a rule, or "*"; got %s')
        :format(where, literal.describe(kind)))
    elseif type(handler) ~= "function" then
      complaints:add(('%s: on "%s" wants a function; got %s')
        :format(where, kind, literal.describe(handler)))
    elseif not complaints.raise then
      handlers[#handlers + 1] = { kind = kind, handler = handler, where = where }
    else
      local unknown = M.unknown_kind(policy, kind)
      if unknown then
        complaints:add(where .. ": " .. unknown)
      end
      policy.gate:handle(kind, handler)
    end
  end
end

--- every("5s", fn), after("1s", fn)
local function timer(word, policy, complaints, path)
  return function(time, call)
    local seconds, message = timers.check(word, time, call)
    if not seconds then
      complaints:add(M.where(2, path) .. ": " .. message)
      return nil
    end
    return policy.timers:add(seconds, word == "every" and seconds or nil, call)
  end
end

--- file "blocklist.txt"
local function named_file(folder, complaints, path)
  return function(name)
    if type(name) ~= "string" then
      complaints:add(("%s: file wants a path; got %s")
        :format(M.where(2, path), literal.describe(name)))
      name = ""
    end
    return file.new(name, folder)
  end
end

--- set "name", services "name": the handle of a live table; a table after it declares it.
local function live_table(kind, policy, complaints, path)
  return function(name)
    local where = M.where(2, path)
    if type(name) ~= "string" or name == "" or name:find "%c" then
      complaints:add(("%s: %s wants a name; got %s")
        :format(where, kind.word, literal.describe(name)))
      name = "?"
    end
    local handle = policy:live(kind, name)
    return live.named(handle, where, function(message) complaints:add(message) end)
  end
end

--- policy { … }
local function options(policy, complaints, path)
  return function(spec)
    local ok, message = policy:set(spec, M.where(2, path))
    if not ok then
      complaints:add(message)
    end
  end
end

--- The errors in a policy file, in the order in which they were found.  When the file has run, the
--- list has been read: an error in one of its callbacks then raises.
---@class tidegate.Complaints
---@field raise boolean|nil whether errors raise
---@field errno integer|nil of the first
local Complaints = {}
Complaints.__index = Complaints

---@return tidegate.Complaints
function M.complaints()
  return setmetatable({}, Complaints)
end

function Complaints:add(message, errno)
  if self.raise then
    error(message, 0)
  end
  self[#self + 1] = message
  self.errno = self.errno or errno
end

--- One a line.
function Complaints:__tostring()
  return table.concat(self, "\n")
end

--- What is wrong with a kind of handler, with a hint; nil: the kind exists.
---@param policy tidegate.Policy
---@param kind string
---@return string|nil
function M.unknown_kind(policy, kind)
  if kind == "*" or kind == "lost" or schema.verbs[kind] or policy.by_name[kind] then
    return nil
  end
  local names = { "lost", unpack(schema.verb_names) }
  for name in pairs(policy.by_name) do
    names[#names + 1] = name
  end
  table.sort(names)
  return ('on "%s": no verb and no rule of that name%s'):format(kind, suggest.hint(kind, names))
end

--- on() may come before the rule that it names, so kinds are checked last.
local function check_kinds(policy, handlers, complaints)
  for _, entry in ipairs(handlers) do
    local unknown = M.unknown_kind(policy, entry.kind)
    if unknown then
      complaints:add(entry.where .. ": " .. unknown)
    end
  end
end

--- The folder where the relative paths of a policy file start.
local function folder_of(path)
  return path:match "^(.+)/[^/]*$" or path:match "^/" or ""
end

--- The names of a policy file and their values.
---@param path string of the file
---@param policy tidegate.Policy that the verbs add to
---@param handlers table[] that on() adds to
---@param complaints { add: fun(self, message: string, errno: integer|nil) }
---@return table<string, any>
function M.words(path, policy, handlers, complaints)
  local words = standard_library()
  for _, name in ipairs(schema.verb_names) do
    words[name] = verb(name, policy, complaints, path)
  end
  words.policy = options(policy, complaints, path)
  for _, kind in ipairs { set, services } do
    words[kind.word] = live_table(kind, policy, complaints, path)
  end
  words.file = named_file(folder_of(path), complaints, path)
  words.on = on(policy, handlers, complaints, path)
  words.every = timer("every", policy, complaints, path)
  words.after = timer("after", policy, complaints, path)
  return words
end

--- The environment of a policy file.
---@param path string of the file
---@param policy tidegate.Policy that the verbs add to
---@param handlers table[] that on() adds to
---@param complaints tidegate.Complaints
---@return table
function M.environment(path, policy, handlers, complaints)
  local words = M.words(path, policy, handlers, complaints)
  local known = {}
  for name in pairs(words) do
    known[#known + 1] = name
  end
  table.sort(known)

  return setmetatable({}, {
    __index = function(_, name)
      local word = words[name]
      if word == nil then
        local hint = suggest.hint(name, known)
        error(("%s: unknown name %s%s")
          :format(M.where(2, path), literal.describe(name),
            hint ~= "" and hint or "; write a text in quotes"), 0)
      end
      return word
    end,
    __newindex = function(_, name)
      name = tostring(name)
      error(("%s: %q is not local; write local %s = …"):format(M.where(2, path), name, name), 0)
    end,
    __metatable = false,
  })
end

--- Lua shortens long paths in its messages; this restores the whole path.
local function whole_path(message, path)
  local short = assert(loadstring("", "@" .. path))
  short = debug.getinfo(short, "S").short_src
  if message:sub(1, #short) == short then
    message = path .. message:sub(#short + 1)
  end
  return message
end

--- Run the text of a policy file.
---@param text string
---@param path string of the file, for messages
---@param policy tidegate.Policy that its rules are added to
---@param handlers table[] { kind, handler, where }
---@return true|nil
---@return string|nil message every error, one a line
---@return integer|nil errno
function M.run(text, path, policy, handlers)
  local complaints = M.complaints()
  local environment = M.environment(path, policy, handlers, complaints)
  if text:byte(1) == 27 then
    return nil, path .. ": is compiled Lua; a policy is source"
  elseif text:find("%z") then
    return nil, path .. ": is neither an image nor a policy, which is a text"
  end
  local chunk, message = load(text, "@" .. path, "t", environment)
  if not chunk then
    return nil, whole_path(message, path)
  end
  local ok
  ok, message = pcall(chunk)
  if not ok then
    complaints:add(whole_path(tostring(message), path))
  end
  if #complaints == 0 then
    check_kinds(policy, handlers, complaints)
  end
  if #complaints > 0 then
    return nil, tostring(complaints), complaints.errno
  end
  complaints.raise = true
  return true
end

return M

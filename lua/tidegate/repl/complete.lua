--- Completion: what the word before the cursor can become.

local cgroup = require "tidegate.host.cgroup"
local handle = require "tidegate.handle"
local help = require "tidegate.repl.help"
local library = require "tidegate.ffi"
local named_range = require "tidegate.named_range"
local query = require "tidegate.query"
local rule_handle = require "tidegate.rule_handle"
local scan = require "tidegate.repl.scan"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"
local uv = require "luv"

local C = library.C

local M = {}

local keywords = { "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if",
  "in", "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while" }

-- Strings ----------------------------------------------------------------------------

--- The entries of the folder that `typed` names.
local function paths(typed, only_folders)
  local folder, found = typed:match "^.*/" or "", {}
  local scanned = uv.fs_scandir(folder == "" and "." or folder)
  while scanned do
    local name, kind = uv.fs_scandir_next(scanned)
    if not name then
      break
    end
    local is_folder = kind == "directory"
      or kind == "link" and (uv.fs_stat(folder .. name) or {}).type == "directory"
    if is_folder or not only_folders then
      found[#found + 1] = folder .. name .. (is_folder and "/" or "")
    end
  end
  return found
end

--- Cgroups. Of an absolute path, the mount point of cgroup2 is offered first, then its folders.
local function cgroups(typed)
  if typed:sub(1, 1) ~= "/" then
    return { "self", "/", "unit:", "pid:" }
  end
  local root = cgroup.root()
  local top = root and root .. "/"
  if top and #typed < #top and top:sub(1, #typed) == typed then
    return { top }
  end
  return paths(typed, true)
end

local function errnos()
  local names = {}
  for number = 1, 133 do
    names[#names + 1] = library.text(C.tg_errno_name(number))
  end
  return names
end

local function rule_names(session)
  local names = {}
  for _, member in ipairs(session.policy.rules) do
    names[#names + 1] = member.name
  end
  return names
end

local function names_of(tables)
  local names = {}
  for position, live in ipairs(tables) do
    names[position] = live.name
  end
  return names
end

local function set_names(session)
  return names_of(session.gate:sets())
end

local function services_names(session)
  return names_of(session.gate:services())
end

--- Live tables and ranges among endpoints: "@banned", "!@private".
local function named_items(session, typed)
  local sign, items = typed:match "^!?", {}
  for _, names in ipairs { set_names(session), services_names(session), named_range.names } do
    for _, name in ipairs(names) do
      items[#items + 1] = sign .. "@" .. name
    end
  end
  return items
end

local function event_kinds(session)
  local kinds = { "*", "error", "failed", "lost", "severed", unpack(schema.verb_names) }
  for _, name in ipairs(rule_names(session)) do
    kinds[#kinds + 1] = name
  end
  return kinds
end

--- What a string can become: by the function that it is given to, or by the field it belongs to.
local by_callee = {
  attach = function(_, typed) return cgroups(typed) end,
  rules = rule_names,
  set = set_names,
  sets = set_names,
  services = services_names,
  on = event_kinds,
  help = help.names,
  file = function(_, typed) return paths(typed) end,
  save = function(_, typed) return paths(typed) end,
}
local by_key = {
  cgroup = by_callee.attach,
  exe = by_callee.file,
  errno = errnos,
  before = rule_names,
  after = rule_names,
  proto = function() return { "tcp", "udp", "mptcp", "icmp", "icmpv6", "udplite" } end,
}

local function strings(session, spot)
  local source = by_key[spot.key or ""]
  if not source and not spot.key then
    source = by_callee[spot.callee or ""]
  end
  if source then
    return source(session, spot.word)
  end
  local row = spot.key and (schema.fields[spot.key] or schema.options[spot.key])
  if row and row.endpoints then
    return named_items(session, spot.word)
  end
  return row and row.values or {}
end

-- Names ------------------------------------------------------------------------------

--- The value of a chain of names. Does not call anything, so it may not find one.
local function resolve(environment, chain)
  local value
  for name in (chain:gsub("%b[]", "")):gmatch "[%a_][%w_]*" do
    if value == nil then
      value = environment.globals[name]
      if value == nil then
        value = environment.words[name]
      end
    else
      value = type(value) == "table" and rawget(value, name) or nil
    end
    if value == nil then
      return nil
    end
  end
  return value
end

local function keys_of(value)
  local names, meta = {}, getmetatable(value)
  local function add(from)
    for key in pairs(type(from) == "table" and from or {}) do
      if type(key) == "string" and key:find "^[%a_][%w_]*$" and not key:find "^__" then
        names[#names + 1] = key
      end
    end
  end
  add(value)
  add(type(meta) == "table" and meta.__index or nil)
  return names
end

-- What the handles have that these words give: rules["no-lan"], sets[1].
local class_of = { rules = rule_handle.class, sets = set.class, services = services.class }

local function members(environment, spot)
  local word = spot.chain:match "^(%a+)%[[^%]]*%]$"
  local value = not class_of[word] and resolve(environment, spot.chain) or nil
  local class = class_of[word] or handle.class_of(value)
  if class then
    return spot.method and class.method_names or class.names -- after a colon, no fields
  end
  return value ~= nil and keys_of(value) or {}
end

--- The functions that take a question.
local questions = { explain = true, decide = true }

--- The keys of the table that a function takes, each followed by " = ".
local function keys(spot)
  local names = {}
  if spot.callee == "policy" then
    names = schema.option_names
  elseif questions[(spot.callee or ""):match "[%w_]*$"] then
    names = query.keys
  elseif schema.verbs[spot.callee or ""] then
    for _, row in ipairs(schema.fields) do
      names[#names + 1] = schema.accepts(row, spot.callee) and row.name or nil
    end
  elseif spot.key == "sockopt" then
    names = schema.socket_option_names
  elseif spot.key == "default" or spot.key == "on_error" then
    names = schema.op_names
  end
  local free = {}
  for _, name in ipairs(names) do
    free[#free + 1] = not spot.used[name] and name .. " = " or nil
  end
  return free
end

local function globals(environment)
  local names = environment.names()
  for index, name in ipairs(names) do
    names[index] = schema.verbs[name] and name .. " { " or name
  end
  for _, name in ipairs(keywords) do
    names[#names + 1] = name
  end
  return names
end

local function names(environment, spot)
  if spot.chain then
    return members(environment, spot)
  elseif spot.used then
    local found = keys(spot)
    if #found > 0 then
      return found
    end
  end
  local found = globals(environment)
  if spot.callee == "help" then
    for _, name in ipairs(schema.field_names) do
      found[#found + 1] = name
    end
  end
  return found
end

-- Completion -------------------------------------------------------------------------

local function common_prefix(words)
  local prefix = words[1]
  for _, word in ipairs(words) do
    while word:sub(1, #prefix) ~= prefix do
      prefix = prefix:sub(1, -2)
    end
  end
  return prefix
end

--- Complete the last word of a text.
---@param session tidegate.Session
---@param environment tidegate.Environment
---@param text string the input up to the cursor, with its earlier lines
---@return string insert the text to add
---@return string[] choices sorted; only if nothing can be added because there are several
function M.complete(session, environment, text)
  local spot = scan.spot(text)
  local matching, seen = {}, {}
  for _, word in ipairs(spot.quoted and strings(session, spot) or names(environment, spot)) do
    if word:sub(1, #spot.word) == spot.word and not seen[word] then
      matching[#matching + 1], seen[word] = word, true
    end
  end
  if #matching == 0 then
    return "", {}
  end
  table.sort(matching)
  local insert = common_prefix(matching):sub(#spot.word + 1)
  if #matching == 1 then
    local closes = spot.quoted and not matching[1]:find "[/:]$"
    return insert .. (closes and '"' or ""), {}
  end
  return insert, insert == "" and matching or {}
end

return M

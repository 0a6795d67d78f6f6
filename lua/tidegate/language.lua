--- The environment of a policy file: the words of the language, a part of Lua's library, and
--- nothing else.  An unknown name is an error, not nil.  A policy that its caller trusts has more
--- of Lua's library, and the modules of the host.

local file = require "tidegate.file"
local literal = require "tidegate.literal"
local live = require "tidegate.live_table"
local meant = require "tidegate.meant"
local modules = require "tidegate.modules"
local order = require "tidegate.order"
local protect = require "tidegate.protect"
local rule_handle = require "tidegate.rule_handle"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"
local standard = require "tidegate.standard"
local suggest = require "tidegate.suggest"
local syntax = require "tidegate.syntax"
local timers = require "tidegate.timers"
local trust = require "tidegate.trust"
local version = require "tidegate.version"
local where = require "tidegate.where"

local M = {}

--- Add a rule, or note what is wrong with it and go on, so that all errors of a policy file are
--- reported at once.
local function verb(name, policy, complaints, path)
  return function(spec, place)
    if place ~= nil then
      complaints:add(("%s: %s wants one table; got %s after it; %s")
        :format(where.at(2, path), name, literal.describe(place), order.HINT))
      return nil
    end
    local added, message, errno = policy:add(name, spec, where.at(2, path))
    if not added then
      complaints:add(message, errno)
    end
    return added and rule_handle.of(added)
  end
end

--- on("deny", fn).  The kind is checked when the whole file has run, or at once if it already has.
local function on(policy, handlers, complaints, path)
  return function(kind, handler)
    local place = where.at(2, path)
    if type(kind) ~= "string" then
      complaints:add(('%s: on wants a verb, the name of a rule, or "*"; got %s')
        :format(place, literal.describe(kind)))
    elseif type(handler) ~= "function" then
      complaints:add(("%s: on %s wants a function; got %s")
        :format(place, literal.quote(kind), literal.describe(handler)))
    elseif not complaints.raise then
      handlers[#handlers + 1] = { kind = kind, handler = handler, where = place }
    else
      local unknown = M.unknown_kind(policy, kind)
      if unknown then
        complaints:add(place .. ": " .. unknown)
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
      complaints:add(where.at(2, path) .. ": " .. message)
      return nil
    end
    return policy.timers:add(seconds, word == "every" and seconds or nil, call)
  end
end

--- What makes a file of a path in a policy.  Without trust, it is read only if it is in the folder
--- of the policy.
local function opener(place)
  local within = not place.trusted and (place.folder == "" and "." or place.folder or "/dev/null")
  return function(name)
    return file.new(file.join(name, place.folder), within or nil)
  end
end

--- file "blocklist.txt"
local function named_file(open, complaints, path)
  return function(name)
    if type(name) ~= "string" then
      complaints:add(("%s: file wants a path; got %s")
        :format(where.at(2, path), literal.describe(name)))
      name = ""
    end
    return open(name)
  end
end

--- How a live table is declared, which the table that was given may name.
local function declaration(kind, given)
  local name = given.name or given[1]
  return ("; write %s %s { … }"):format(kind.word,
    literal.quote(literal.is_text(name) and name:find "^%a[%w_-]*$" and name or "name"))
end

--- set "name", services "name": the handle of a live table; a table after it declares it.
local function live_table(kind, policy, open, complaints, path)
  return function(name, spec)
    local place = where.at(2, path)
    if type(name) ~= "string" or name == "" or literal.line(name) ~= name then
      complaints:add(("%s: %s wants a name; got %s%s"):format(place, kind.word,
        literal.describe(name), type(name) == "table" and declaration(kind, name) or ""))
      name = "?"
    elseif spec ~= nil then
      complaints:add(("%s: %s wants a name alone; got %s after it%s"):format(place, kind.word,
        literal.describe(spec), declaration(kind, { name })))
    end
    local handle = live.guest(policy:live(kind, name), open)
    return live.named(handle, place, function(message) complaints:add(message) end)
  end
end

--- policy { … }, which a file has once: another one would replace the options of the first.  If
--- this version is too old for the policy, the file is read no further: what follows would only be
--- words that are not known yet.
local function options(policy, complaints, path)
  local first
  return function(spec)
    local place = where.at(2, path)
    local too_old = type(spec) == "table" and version.too_old(spec.requires)
    if too_old then
      error(("%s: policy: %s"):format(place, too_old), 0)
    end
    if first and complaints.loading then
      complaints:add(("%s: policy: there is one at %s already; write all options there")
        :format(place, first))
      return
    end
    first = place
    local ok, message = policy:set(spec, place)
    if not ok then
      complaints:add(message)
    end
  end
end

--- The errors in a policy file, in the order in which they were found.  When the file has run, the
--- list has been read: an error in one of its callbacks then raises.
---@class tidegate.Complaints
---@field loading boolean|nil whether the file still runs
---@field raise boolean|nil whether errors raise
---@field errno integer|nil of the first
local Complaints = {}
Complaints.__index = Complaints

---@return tidegate.Complaints
function M.complaints()
  return setmetatable({ loading = true }, Complaints)
end

function Complaints:add(message, errno)
  message = literal.lines(message) -- it may quote anything
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

--- The kinds of handlers beside verbs and the names of rules.
local kinds = { ["*"] = true, lost = true, error = true, failed = true, severed = true }

--- Kinds that are to come.  No rule has such a name either.
local later = { reload = true, learned = true, ["end"] = true }

--- What is wrong with a kind of handler, with a hint; nil: the kind exists.
---@param policy tidegate.Policy
---@param kind string
---@return string|nil
function M.unknown_kind(policy, kind)
  if kinds[kind] or schema.verbs[kind] or policy.by_name[kind] then
    return nil
  elseif later[kind] then
    return ("on %s: handlers of this kind are not supported yet"):format(literal.quote(kind))
  end
  local names = { "lost", "error", "failed", "severed", unpack(schema.verb_names) }
  for name in pairs(policy.by_name) do
    names[#names + 1] = name
  end
  table.sort(names)
  return ("on %s: no verb and no rule of that name%s")
    :format(literal.quote(kind), suggest.hint(kind, names, meant.kinds))
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

--- Where a policy comes from.
---@class tidegate.Place
---@field path string of the file, for messages
---@field folder string|nil where relative paths start, "": the current one; nil: it has none
---@field trusted boolean|nil whether the caller trusts the policy

--- The place of a policy file.
---@param path string
---@param trusted boolean|nil
---@return tidegate.Place
function M.place(path, trusted)
  local folder = path:match "^(.+)/[^/]*$" or path:match "^/" or ""
  return { path = path, folder = folder, trusted = trusted }
end

--- The names of a policy file and their values.
---@param place tidegate.Place
---@param policy tidegate.Policy that the verbs add to
---@param handlers table[] that on() adds to
---@param complaints { add: fun(self, message: string, errno: integer|nil) }
---@return table<string, any>
function M.words(place, policy, handlers, complaints)
  local words, path, open = standard.new(place.trusted), place.path, opener(place)
  for _, name in ipairs(schema.verb_names) do
    words[name] = verb(name, policy, complaints, path)
  end
  words.policy = options(policy, complaints, path)
  for _, kind in ipairs { set, services } do
    words[kind.word] = live_table(kind, policy, open, complaints, path)
  end
  words.file = named_file(open, complaints, path)
  words.on = on(policy, handlers, complaints, path)
  words.every = timer("every", policy, complaints, path)
  words.after = timer("after", policy, complaints, path)
  return words
end

--- Add require() to the words, for modules that run in an environment.
---@param place tidegate.Place
---@param words table<string, any>
---@param environment table
function M.add_require(place, words, environment)
  words.require = modules.new {
    path = place.path, folder = place.folder, trusted = place.trusted, words = words,
    environment = environment,
  }
end

local is_module = { cjson = true, debug = true, ffi = true, jit = true, luv = true, ngx = true,
  package = true, uv = true }

--- What to say to a name that a policy does not have.
local function unknown_name(name, known, trusted)
  if name == "io" then
    return "; it is not for every policy; " .. trust.ASK
  elseif is_module[name] then
    return ("; it is a module: local %s = require %q%s")
      :format(name, name, trusted and "" or ", which is not for every policy; " .. trust.ASK)
  end
  local hint = suggest.hint(name, known, meant.names)
  if hint ~= "" then
    return hint
  elseif schema.fields[name] or suggest.meant(name, meant.fields) then
    return [[; fields stand in a rule, as in deny { connect = "10.0.0.1:25" }]]
  end
  return "; write a text in quotes"
end

--- What to say to an assignment to a name that is not local.
local function assigned(name)
  if schema.options[name] then
    return ("it is an option: policy { %s = … }"):format(name)
  elseif schema.fields[name] then
    return ('it is a field of a rule, as in deny { connect = "*:25", %s = … }'):format(name)
  end
  return ("write local %s = …"):format(name)
end

--- The environment of a policy file.
---@param place tidegate.Place
---@param policy tidegate.Policy that the verbs add to
---@param handlers table[] that on() adds to
---@param complaints tidegate.Complaints
---@return table
function M.environment(place, policy, handlers, complaints)
  local words, path = M.words(place, policy, handlers, complaints), place.path
  local known = { "require" }
  for name in pairs(words) do
    known[#known + 1] = name
  end
  table.sort(known)

  local environment = setmetatable({}, {
    __index = function(_, name)
      local word = words[name]
      if word == nil then
        error(("%s: unknown name %s%s")
          :format(where.at(2, path), literal.describe(name),
            unknown_name(name, known, place.trusted)), 0)
      end
      return word
    end,
    __newindex = function(_, name)
      name = literal.line(tostring(name))
      error(("%s: %q is not local; %s"):format(where.at(2, path), name, assigned(name)), 0)
    end,
    __metatable = false,
  })
  M.add_require(place, words, environment)
  return environment
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
---@param place tidegate.Place
---@param policy tidegate.Policy that its rules are added to
---@param handlers table[] { kind, handler, where }
---@return true|nil
---@return string|nil message every error, one a line
---@return integer|nil errno
function M.run(text, place, policy, handlers)
  local complaints, path = M.complaints(), place.path
  local environment = M.environment(place, policy, handlers, complaints)
  if text:byte(1) == 27 then
    return nil, literal.line(path) .. ": is compiled Lua; a policy is source"
  elseif text:find("%z") then
    return nil, literal.line(path) .. ": is neither an image nor a policy, which is a text"
  end
  local chunk, message = load(text, "@" .. path, "t", environment)
  if not chunk then
    message = whole_path(message, path) .. syntax.hint(message, text, 1, syntax.words)
    return nil, literal.lines(message)
  end
  protect.prepare(chunk)
  local ok
  ok, message = pcall(chunk)
  if not ok then
    complaints:add(whole_path(protect.text(message), path))
  end
  if #complaints == 0 then
    check_kinds(policy, handlers, complaints)
  end
  if #complaints > 0 then
    return nil, tostring(complaints), complaints.errno
  end
  complaints.raise, complaints.loading = true, false
  return true
end

where.stop_at(M.run)

return M

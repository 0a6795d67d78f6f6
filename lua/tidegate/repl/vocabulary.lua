--- The prompt's own words: what explain, sh, attach, undo and the others do.

local attachments = require "tidegate.host.attachments"
local exit_status = require "tidegate.host.exit_status"
local help = require "tidegate.repl.help"
local interrupt = require "tidegate.host.interrupt"
local literal = require "tidegate.literal"
local rule_handle = require "tidegate.rule_handle"
local save = require "tidegate.repl.save"
local services = require "tidegate.services"
local set = require "tidegate.set"
local suggest = require "tidegate.suggest"
local tables = require "tidegate.repl.tables"
local uv = require "luv"

local M = {}

local ENDED_BY_SIGINT = exit_status.SIGNAL + uv.constants.SIGINT

--- A function that no signal can interrupt half-way.
local function whole(fn)
  return function(...) return interrupt.hold(fn, ...) end
end

--- A text that the prompt prints as it is, without quotes.
local Text = { __tostring = function(self) return self.text end }

local function text_value(text)
  return setmetatable({ text = text }, Text)
end

local function must(value, message)
  if not value then
    error(message, 0)
  end
  return value
end

-- Words that print a table -----------------------------------------------------------

--- What comes of a name that none of the rules, sets or services has: an error that says so, and
--- what may be meant.  An index past the last one is nil, as in any list.
local function unknown(key, what, names, declare)
  if type(key) == "string" then
    local hint = suggest.hint(key, names)
    error(("there %s %s%s"):format(what, literal.quote(key), hint ~= "" and hint or declare), 3)
  end
end

--- The table of a name or a position.
local function find_table(list, key, what, declare)
  local names = {}
  for position, handle in ipairs(list) do
    if key == position or key == handle.name then
      return handle
    end
    names[position] = handle.name
  end
  return unknown(key, what, names, declare)
end

--- The rule of a name or a position.
local function find_rule(policy, key)
  local member = policy[type(key) == "number" and "rules" or "by_name"][key]
  if member then
    return rule_handle.of(member)
  end
  local names = {}
  for position, known in ipairs(policy.rules) do
    names[position] = known.name
  end
  return unknown(key, "is no rule", names, "; rules shows all")
end

--- A word that is a list, too: its length, its elements by position or name, and a table when it
--- is printed. It is a userdata, because in LuaJIT a table has no __len.
---@param find fun(key: any): any
---@param all fun(): any[]
---@param print fun(): string
---@param call fun(...): any
---@param change string what to write instead of an assignment
local function list_word(find, all, print, call, change)
  local word = newproxy(true)
  local meta = debug.getmetatable(word)
  meta.noun, meta.all = "list", all
  function meta.__index(_, key)
    local found = find(key) -- no tail call, which would hide a level from error()
    return found
  end
  meta.__newindex = function() error(change, 2) end
  meta.__len = function() return #all() end
  meta.__call = function(_, ...) return call(...) end
  meta.__tostring = print
  meta.__metatable = false
  return word
end

--- ipairs() and pairs() of the prompt, which know these words.
local function walk(original)
  return function(value)
    local meta = type(value) == "userdata" and debug.getmetatable(value)
    return original(meta and meta.all and meta.all() or value)
  end
end

--- `rules` prints the table; rules[1] and rules["name"] are handles; rules() is an array of them;
--- rules "lan" prints those that contain this text.
local function rules_word(session)
  return list_word(function(key) return find_rule(session.policy, key) end,
    function() return session:rules() end, function() return tables.rules(session) end,
    function(wanted)
      if wanted == nil then
        return session:rules()
      elseif type(wanted) ~= "string" then
        error(("rules: wants a text that is in a rule, as in rules \"lan\"; got %s")
          :format(literal.describe(wanted)), 0)
      end
      return text_value(tables.rules(session, wanted))
    end,
    'rules cannot be assigned to; deny { … } adds a rule, rules["name"]:remove() removes one')
end

--- `sets` prints the table; sets[1] and sets["name"] are handles; sets() is an array of them.
local function sets_word(session)
  local function all() return session:declared(set) end
  return list_word(function(key)
    return find_table(all(), key, "is no set",
      ("; write set %s { … }"):format(literal.quote(tostring(key))))
  end, all, function() return tables.sets(session) end, all,
    'sets cannot be assigned to; set "name" { … } declares a set, sets["name"]:add() adds to it')
end

--- `services` prints the table; services["name"] is a handle; services() is an array of them;
--- services "name" means what it means in a policy.
local function services_word(session, declare)
  local function all() return session:declared(services) end
  return list_word(function(key)
    return find_table(all(), key, "are no services",
      ("; write services %s { … }"):format(literal.quote(tostring(key))))
  end, all, function() return tables.services(session) end,
    function(name)
      if name == nil then
        return all()
      end
      return declare(name) -- a tail call: a mistake is blamed on what was typed
    end,
    'services cannot be assigned to; services "name" { … } declares some, '
    .. 'services["name"][VIP] = { … } changes them')
end

-- explain ----------------------------------------------------------------------------

local function explain_word(session)
  return function(question)
    local ok, explanation, message = pcall(session.gate.explain, session.gate, question)
    if not ok then
      error((tostring(explanation):gsub("^.-:%d+: explain: ", "explain: ")), 0)
    end
    return must(explanation, "explain: " .. tostring(message))
  end
end

-- The others ------------------------------------------------------------------------

--- help(word), help "name" and help().
local function help_word(known)
  return function(...)
    if select("#", ...) == 0 then
      return help.overview()
    end
    local word = ...
    if help.is_page(word) then
      return word
    elseif type(word) == "string" then
      return must(help.page(word))
    end
    for name, value in pairs(known) do
      if rawequal(value, word) and help.page(name) then
        return help.page(name)
      end
    end
    error(("help: wants a word, as in help(deny) or help \"egress\"; got %s")
      :format(literal.describe(word)), 0)
  end
end

--- Raise a refusal of the kernel, which decides the exit status of a script.
local function refused(session, message)
  session.kernel_failure = message
  error(message, 0)
end

local function refuse_if_simulated(session, word)
  if session.refused then
    refused(session, ("%s: nothing can be enforced here: %s"):format(word, session.refused))
  end
end

local function attach_word(session)
  return function(target)
    refuse_if_simulated(session, "attach")
    if type(target) ~= "string" then
      error(("attach: wants a cgroup, as in %s; got %s")
        :format(help.words.attach.example, literal.describe(target)), 0)
    end
    must(session:publish())
    local attached, message = session.own_cgroup:attach(target)
    if not attached then
      refused(session, "attach: " .. message)
    end
    session:look()
    session.say("attached to " .. attachments.text(attached))
  end
end

local function detach_word(session)
  return function()
    refuse_if_simulated(session, "detach")
    if #session.own_cgroup.attached == 0 then
      error("detach: not attached to a cgroup", 0)
    end
    local detached, message = session.own_cgroup:detach()
    must(detached, "detach: " .. tostring(message))
    session.say("detached from " .. table.concat(detached, " and "))
  end
end

local function sh_word(session)
  return function(command)
    refuse_if_simulated(session, "sh")
    if type(command) ~= "string" then
      error(("sh: wants a command, as in %s; got %s")
        :format(help.words.sh.example, literal.describe(command)), 0)
    end
    must(session:publish())
    local status, message = session:command(command)
    if not status then
      error("sh: " .. message, 0)
    elseif status == ENDED_BY_SIGINT or session.signal then
      error(interrupt.INTERRUPTED, 0) -- Ctrl-C ends the script, too
    end
    session.quiet = status == 0
    return status
  end
end

local function undo_word(session)
  return function()
    local taken, message = session:undo()
    return must(taken, message)
  end
end

local function diff_word(session)
  return function()
    local difference, message = session:diff()
    must(difference, message)
    return #difference > 0 and difference
      or session.path and "no difference from " .. literal.line(session.path) or "no rules yet"
  end
end

local function save_word(session)
  return function(path)
    path = path == nil and session.text and session.path or path
    if type(path) ~= "string" then
      error(("save: wants the name of a file, as in %s; got %s")
        :format(help.words.save.example, literal.describe(path)), 0)
    end
    local remark, message = save.save(session, path)
    must(remark, message)
    session.say(("saved to %s%s"):format(literal.line(path), remark))
  end
end

local function exit_word(session)
  return function(status)
    status = status == nil and 0 or status
    if type(status) ~= "number" or status % 1 ~= 0 or status < 0 or status > 255 then
      error(("exit: wants a status from 0 to 255; got %s"):format(literal.describe(status)), 0)
    end
    session.status = status
    error("exit", 0) -- leaves the script; Session:run() knows it by the status
  end
end

local function traceback_word(session)
  return function()
    return must(session.traceback, "traceback: there was no error yet")
  end
end

local function as_text(fn)
  return function(...)
    local value = fn(...)
    return type(value) == "string" and text_value(value) or value
  end
end

--- Make the words.
---@param session tidegate.Session
---@param known table<string, any> the words of the policy language, which help() knows too
---@return table<string, any>
function M.new(session, known)
  local words = {
    gate = session.gate,
    rules = rules_word(session),
    sets = sets_word(session),
    services = services_word(session, known.services),
    explain = explain_word(session),
    sh = whole(sh_word(session)),
    attach = whole(attach_word(session)),
    detach = whole(detach_word(session)),
    -- What a handler or a timer prints goes above the line that is being typed.
    print = function(...)
      local arguments, count = { ... }, select("#", ...)
      session.above(function() print(unpack(arguments, 1, count)) end)
    end,
    undo = whole(undo_word(session)),
    diff = as_text(diff_word(session)),
    save = whole(save_word(session)),
    exit = exit_word(session),
    traceback = as_text(traceback_word(session)),
    ipairs = walk(ipairs),
    pairs = walk(pairs),
  }
  local all = setmetatable({}, { __index = words })
  words.help = as_text(help_word(all))
  for name, value in pairs(known) do
    all[name] = value
  end
  for name, value in pairs(words) do
    all[name] = value
  end
  return words
end

return M

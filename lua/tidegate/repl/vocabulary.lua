--- The prompt's own words: what try, sh, attach, undo and the others do.

local exit_status = require "tidegate.host.exit_status"
local help = require "tidegate.repl.help"
local interrupt = require "tidegate.repl.interrupt"
local literal = require "tidegate.literal"
local query = require "tidegate.query"
local save = require "tidegate.repl.save"
local tables = require "tidegate.repl.tables"
local uv = require "luv"

local M = {}

local ENDED_BY_SIGINT = exit_status.SIGNAL + uv.constants.SIGINT

--- A function that no signal can interrupt half-way.
local function whole(fn)
  return function(...) return interrupt.hold(fn, ...) end
end

local function must(value, message)
  if not value then
    error(message, 0)
  end
  return value
end

-- Words that print a table -----------------------------------------------------------

--- `rules` prints the table; rules[1] and rules["name"] are handles; rules() is an array of them.
local function rules_word(session)
  return setmetatable({}, {
    __index = function(_, key)
      if type(key) == "number" then
        return session.policy.rules[key]
      end
      return session.policy.by_name[key]
    end,
    __newindex = function()
      error("rules cannot be assigned to; "
        .. 'deny { … } adds a rule, rules["name"]:remove() removes one', 2)
    end,
    __call = function() return session.policy:list() end,
    __tostring = function() return tables.rules(session) end,
  })
end

--- `sets` prints the table; sets[1] and sets["name"] are handles; sets() is an array of them.
local function sets_word(session)
  return setmetatable({}, {
    __index = function(_, key)
      for position, set in ipairs(session.gate:sets()) do
        if key == position or key == set.name then
          return set
        end
      end
    end,
    __newindex = function()
      error("sets cannot be assigned to; "
        .. 'set "name" { … } declares a set, sets["name"]:add() adds to it', 2)
    end,
    __call = function() return session.gate:sets() end,
    __tostring = function() return tables.sets(session) end,
  })
end

--- `services` prints the table; services "name" means what it means in a policy.
local function services_word(session, declare)
  return setmetatable({}, {
    __call = function(_, name) return declare(name) end,
    __tostring = function() return tables.services(session) end,
  })
end

-- try --------------------------------------------------------------------------------

local function question_of(spec)
  if type(spec) ~= "table" then
    error(("try: wants a table such as %s; got %s")
      :format(help.words.try.example, literal.describe(spec)), 0)
  end
  local question = {}
  for key, value in pairs(spec) do
    question[key] = value
  end
  for _, op in ipairs(query.ops) do
    if spec[op] ~= nil then
      if question.op then
        error(("try: both %s and %s are given; ask about one call"):format(question.op, op), 0)
      end
      question.op, question.addr, question[op] = op, spec[op], nil
    end
  end
  if spec.egress ~= nil then
    error("try: egress is two calls; ask about connect or sendmsg", 0)
  elseif not question.op then
    error(("try: no call is given; write %s"):format(help.words.try.example), 0)
  end
  return question
end

local function try_word(session)
  return function(spec)
    local question = question_of(spec)
    local ok, explanation, message = pcall(session.gate.explain, session.gate, question)
    if not ok then
      local text = tostring(explanation):gsub("^explain: ", "try: ")
      error((text:gsub("^.-:%d+: explain: ", "try: ")), 0)
    end
    return must(explanation, "try: " .. tostring(message))
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
    if type(target) ~= "string" and type(target) ~= "table" then
      error(("attach: wants a cgroup, as in %s; got %s")
        :format(help.words.attach.example, literal.describe(target)), 0)
    end
    must(session:publish())
    local path, message = session.own_cgroup:attach(target)
    if not path then
      refused(session, "attach: " .. message)
    end
    session.say("attached to " .. path
      .. (message and "; sh stays in its old cgroup: " .. message or ""))
  end
end

local function detach_word(session)
  return function()
    refuse_if_simulated(session, "detach")
    local attached = session.own_cgroup.attached
    if #attached == 0 then
      error("detach: not attached to a cgroup", 0)
    end
    must(session.own_cgroup:detach())
    session.say("detached from " .. table.concat(attached, " and "))
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
      or session.path and "no difference from " .. session.path or "no rules yet"
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
    session.say(("saved to %s%s"):format(path, remark))
  end
end

local function exit_word(session)
  return setmetatable({}, {
    __call = function(_, status)
      status = status == nil and 0 or status
      if type(status) ~= "number" or status % 1 ~= 0 or status < 0 or status > 255 then
        error(("exit: wants a status from 0 to 255; got %s"):format(literal.describe(status)), 0)
      end
      session.status = status
      error("exit", 0) -- leaves the script; Session:run() knows it by the status
    end,
    __tostring = function() return "to leave, type exit() or Ctrl-D" end,
  })
end

--- A text that the prompt prints as it is, without quotes.
local Text = { __tostring = function(self) return self.text end }

local function as_text(fn)
  return function(...)
    local value = fn(...)
    return type(value) == "string" and setmetatable({ text = value }, Text) or value
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
    try = try_word(session),
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

--- A question to the simulator: a rule without a verb, { connect = "1.2.3.4:80", uid = 33 }.  The
--- answer, and why rules do not match: decision.lua.

local ffi = require "ffi"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local meant = require "tidegate.meant"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

--- What a question may contain.
M.keys = { unpack(schema.op_names) }
for _, name in ipairs(schema.condition_names) do
  M.keys[#M.keys + 1] = name
end

local known = {}
for _, key in ipairs(M.keys) do
  known[key] = true
end

--- What editors know of a question: one operation, and any conditions.  egress asks about connect
--- and sendmsg.
---@class tidegate.Question
---@field connect? string "1.2.3.4:80", "[::1]:80", "localhost:https", "unix:/run/x.sock"
---@field sendmsg? string
---@field egress? string
---@field bind? string
---@field recvmsg? string
---@field getpeername? string
---@field getsockname? string
---@field proto? string|integer default: "udp" for sendmsg and recvmsg, "tcp" for the others
---@field family? "inet"|"inet6"|"unix" of the socket; default: that of the address
---@field uid? string|integer default: 0
---@field gid? string|integer default: 0
---@field comm? string
---@field pid? integer
---@field type? "stream"|"dgram"|"seqpacket"|"raw" default: that of the protocol
---@field source? string the socket's own address: "127.0.0.1:5000"; default: not bound
---@field exe? string the path of the program
---@field cgroup? string of the task; default: the root
---@field netns? string|integer a path, "self" or a cookie
---@field mark? string|integer default: 0
---@field device? string|integer default: none

local EXAMPLE = [[{ connect = "1.2.3.4:80", uid = 33 }]]

-- Checking -----------------------------------------------------------------------------

--- The keys that a question cannot have, sorted so that errors are stable.
local function unknown_keys(question)
  local unknown = {}
  for key in pairs(question) do
    unknown[#unknown + 1] = not known[key] and key or nil
  end
  table.sort(unknown, function(a, b) return tostring(a) < tostring(b) end)
  return unknown
end

local function unknown_key(question, key)
  if type(key) == "number" then
    return ("unexpected value %s; a question is a rule without a verb and without a name")
      :format(literal.describe(question[key]))
  elseif schema.fields[key] then
    return ("%q says %s; a question has one operation, and conditions"):format(key,
      schema.fields[key].kind == "place" and "where a rule is put" or "what a rule does")
  end
  return suggest.unknown("field", key, M.keys, meant.questions)
end

--- The operations that are given.
local function operations_of(question)
  local given = {}
  for _, name in ipairs(schema.op_names) do
    given[#given + 1] = question[name] ~= nil and name or nil
  end
  return given
end

--- An endpoint as one text: "1.2.3.4:80", or { addr = "1.2.3.4", port = 80 } as in a rule.
local function endpoint(value)
  if type(value) ~= "table" then
    return tostring(value)
  end
  local addr, port = tostring(value.addr), value.port
  if port == nil then
    return addr
  elseif addr:find(":.*:") and addr:sub(1, 1) ~= "[" then
    addr = "[" .. addr .. "]"
  end
  return addr .. ":" .. tostring(port)
end

local function is_value(value)
  return type(value) == "number" or literal.is_text(value)
end

--- Whether a value is an endpoint with one address and one port, as far as its form goes.
local function is_endpoint(value)
  if type(value) ~= "table" then
    return is_value(value)
  end
  for key in pairs(value) do
    if key ~= "addr" and key ~= "port" then
      return false
    end
  end
  return is_value(value.addr) and (value.port == nil or is_value(value.port))
end

local function is_unix(question, op)
  return endpoint(question[op]):sub(1, 5) == "unix:"
end

--- What is wrong with the values of a question about `op`, or nil.
local function wrong_value(question, op)
  if not is_endpoint(question[op]) then
    return ([[%s: wants one endpoint such as "1.2.3.4:80"; got %s]])
      :format(op, literal.describe(question[op]))
  end
  for _, name in ipairs(schema.condition_names) do
    if question[name] ~= nil and not is_value(question[name]) then
      return ("%s: wants a text or a number; got %s")
        :format(name, literal.describe(question[name]))
    end
  end
  if is_unix(question, op) and question.proto ~= nil then
    return "proto: a unix socket has none; leave it out"
  elseif is_unix(question, op) and question.family ~= nil and question.family ~= "unix" then
    return ("family: the address is a unix socket's; got %s")
      :format(literal.describe(question.family))
  end
end

--- The operation that a question is about; nil: what is wrong with its form.
local function operation(question)
  if type(question) ~= "table" then
    return nil, ("wants a table such as %s; got %s"):format(EXAMPLE, literal.describe(question))
  end
  local key = unknown_keys(question)[1]
  if key ~= nil then
    return nil, unknown_key(question, key)
  end
  local given = operations_of(question)
  if #given == 0 then
    return nil, ("no operation is given; add %s"):format(schema.enumerate(schema.op_names, "or"))
  elseif #given > 1 then
    return nil, ("%s are given; ask about one call"):format(schema.enumerate(given, "and"))
  end
  local complaint = wrong_value(question, given[1])
  if complaint then
    return nil, complaint
  end
  return given[1]
end

-- Queries ------------------------------------------------------------------------------

--- A question about one kind of call.
---@class tidegate.Query
---@field cdata ffi.cdata* struct tg_query
---@field op "connect"|"sendmsg"|"bind"|"recvmsg"|"getpeername"|"getsockname"
---@field values table<string, string|integer> the conditions that were given, and the protocol
local Query = {}
Query.__index = Query

--- "connect 1.2.3.4:80 tcp uid 0 gid 0 comm curl"
function Query:__tostring()
  local struct = self.cdata
  local parts = { self.op }
  if self.is_unix then
    parts[2] = literal.printable(library.path(struct.path, struct.path_bytes))
  else
    parts[2] = library.endpoint(struct.addr, struct.port)
  end
  for _, row in ipairs(schema.conditions) do
    local value = self.values[row.name] or row.assumed
    if value then
      local name = row.bare and "" or row.name .. " "
      parts[#parts + 1] = name .. literal.printable(tostring(value))
    end
  end
  return table.concat(parts, " ")
end

--- A struct tg_query with the endpoint and the conditions of a question.
local function struct_of(question, said)
  local struct = library.sized "struct tg_query"
  local result = C.tg_query_endpoint(struct, endpoint(question[said]))
  if result ~= 0 then
    return library.failure(result)
  end
  for _, row in ipairs(schema.conditions) do
    local value = question[row.name]
    if value ~= nil then
      result = C.tg_query_field(struct, "TG_FIELD_" .. row.list, tostring(value))
      if result ~= 0 then
        local _, message, errno = library.failure(result)
        return nil, row.name .. ": " .. message, errno
      end
    end
  end
  return struct
end

--- The query about a call of `op`.  An IP socket always has a protocol; the library chooses it
--- like this, too.
local function query(struct, op, question, unix)
  local cdata = ffi.new("struct tg_query", struct)
  cdata.op = C["TG_OP_" .. op:upper()]
  local proto = question.proto or not unix and schema.fields[op].proto or nil
  local values = setmetatable({ proto = proto }, { __index = question })
  return setmetatable({ cdata = cdata, op = op, values = values, is_unix = unix }, Query)
end

--- The queries that a question consists of: two if it is about egress, else one.  Misuse raises at
--- `level`; a name that cannot be resolved is a failure.
---@param question tidegate.Question
---@param verb string the function that was called, for the message
---@param level integer of the caller to blame
---@return tidegate.Query[]|nil
---@return string|nil message
---@return integer|nil errno
function M.new(question, verb, level)
  local said, complaint = operation(question)
  if not said then
    error(verb .. ": " .. complaint, level + 1)
  end
  local struct, message, errno = struct_of(question, said)
  if not struct then
    return nil, message, errno
  end
  local queries, unix = {}, is_unix(question, said)
  for index, op in ipairs(schema.fields[said].ops) do
    queries[index] = query(struct, op, question, unix)
  end
  return queries
end

return M

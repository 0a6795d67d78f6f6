--- A call to ask the simulator about, from { op = "connect", addr = … }.  The answer, and why
--- rules do not match: decision.lua.

local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

--- What the simulator can be asked about.
M.ops = schema.call_names

--- What a question may contain, in the order in which it is printed.
M.keys = { "op", "addr", "port", unpack(schema.condition_names) }

local known, is_call = {}, {}
for _, key in ipairs(M.keys) do
  known[key] = true
end
for _, op in ipairs(M.ops) do
  is_call[op] = true
end

---@class tidegate.Question
---@field op "connect"|"bind"|"sendmsg"|"recvmsg"|"getpeername"|"getsockname"
---@field addr string "1.2.3.4", "1.2.3.4:80", "[::1]:80", a name, "unix:/run/x.sock", "unix:@name"
---@field port? integer|string unless it is part of addr
---@field proto? string|integer default: "udp" for sendmsg and recvmsg, "tcp" for the others
---@field family? "inet"|"inet6"|"unix" of the socket; default: that of the address
---@field uid? string|integer default: 0
---@field gid? string|integer default: 0
---@field comm? string
---@field pid? integer
---@field type? "stream"|"dgram"|"seqpacket"|"raw" default: that of the protocol
---@field from? string the socket's own address: "127.0.0.1:5000"; default: not bound
---@field exe? string the path of the program
---@field cgroup? string of the task; default: the root
---@field netns? string|integer a path, "self" or a cookie
---@field mark? string|integer default: 0
---@field device? string|integer default: none

local function is_unix(question)
  return tostring(question.addr):sub(1, 5) == "unix:"
end

--- What is wrong with the form of a question, or nil.
local function misuse(question)
  if type(question) ~= "table" then
    return ('wants a table such as { op = "connect", addr = "1.2.3.4:80" }; got %s')
      :format(literal.describe(question))
  end
  for key, value in pairs(question) do
    if not known[key] then
      return suggest.unknown("field", key, M.keys)
    elseif type(value) ~= "number" and not literal.is_text(value) then
      return ("%s: wants a text or a number; got %s"):format(key, literal.describe(value))
    end
  end
  if not is_call[question.op] then
    return ("op: wants %s; got %s")
      :format(schema.enumerate(M.ops, "or"), literal.describe(question.op))
  elseif question.addr == nil then
    return [[says no addr; add the address that is asked for, such as addr = "1.2.3.4:80"]]
  end
  for _, key in ipairs { "port", "proto" } do
    if is_unix(question) and question[key] ~= nil then
      return key .. ": a unix socket has none; leave it out"
    end
  end
  if is_unix(question) and question.family ~= nil and question.family ~= "unix" then
    return ("family: the address is a unix socket's; got %s")
      :format(literal.describe(question.family))
  end
end

--- "1.2.3.4:80" from addr and port; the port may be part of addr.
local function endpoint(question)
  local addr, port = tostring(question.addr), question.port
  if port == nil then
    return addr
  elseif addr:find(":.*:") and addr:sub(1, 1) ~= "[" then
    addr = "[" .. addr .. "]"
  end
  return addr .. ":" .. port
end

--- The protocol, which an IP socket always has.
local function proto_of(question)
  if question.proto == nil and not is_unix(question) then
    return schema.fields[question.op].proto
  end
  return question.proto
end

---@class tidegate.Query
---@field cdata ffi.cdata* struct tg_query
local Query = {}
Query.__index = Query

--- "connect 1.2.3.4:80 tcp uid 0 gid 0 comm curl"
function Query:__tostring()
  local struct, question = self.cdata, self.question
  local parts = { question.op }
  if is_unix(question) then
    parts[2] = literal.printable(library.path(struct.path, struct.path_bytes))
  else
    parts[2] = library.endpoint(struct.addr, struct.port)
  end
  for _, row in ipairs(schema.conditions) do
    local value = row.name == "proto" and proto_of(question) or question[row.name] or row.assumed
    if value then
      local name = row.bare and "" or row.name .. " "
      parts[#parts + 1] = name .. literal.printable(tostring(value))
    end
  end
  return table.concat(parts, " ")
end

--- Make a query.  Misuse raises at `level`; a name that cannot be resolved is a failure.
---@param question tidegate.Question
---@param verb string the function that was called, for the message
---@param level integer of the caller to blame
---@return tidegate.Query|nil
---@return string|nil message
---@return integer|nil errno
function M.new(question, verb, level)
  local complaint = misuse(question)
  if complaint then
    error(verb .. ": " .. complaint, level + 1)
  end
  local struct = library.sized "struct tg_query"
  struct.op = C["TG_OP_" .. question.op:upper()]
  local result = C.tg_query_endpoint(struct, endpoint(question))
  if result ~= 0 then
    return library.failure(result)
  end
  for _, row in ipairs(schema.conditions) do
    local value = row.name == "proto" and proto_of(question) or question[row.name]
    if value ~= nil then
      result = C.tg_query_set(struct, "TG_FIELD_" .. row.list, tostring(value))
      if result ~= 0 then
        local _, message, errno = library.failure(result)
        return nil, row.name .. ": " .. message, errno
      end
    end
  end
  return setmetatable({ cdata = struct, question = question }, Query)
end

return M

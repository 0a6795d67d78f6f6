--- A call to ask the simulator about, from { op = "connect", addr = … }.

local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local schema = require "tidegate.schema"
local suggest = require "tidegate.suggest"

local C = library.C

local M = {}

--- What a question may say, in the order in which it is printed.
M.keys = {
  "op", "addr", "port", "proto", "family", "uid", "gid", "comm", "pid", "type", "from", "exe", "cgroup", "netns",
  "mark", "device",
}

--- What the simulator can be asked about: the operations that are one each.
---@type string[]
M.ops = {}
for _, name in ipairs(schema.op_names) do
  if #schema.fields[name].ops == 1 then
    M.ops[#M.ops + 1] = name
  end
end

local known = {}
for _, key in ipairs(M.keys) do
  known[key] = true
end

local usual_proto = {
  connect = "tcp", bind = "tcp", getpeername = "tcp", getsockname = "tcp", sendmsg = "udp", recvmsg = "udp",
}
local textual = { "proto", "family", "uid", "gid", "comm", "pid", "type", "from", "exe", "cgroup", "netns", "mark",
  "device" }
-- What is printed only where it is said.
local extra = { "comm", "pid", "type", "from", "exe", "cgroup", "netns", "mark", "device" }

---@class tidegate.Question
---@field op "connect"|"bind"|"sendmsg"|"recvmsg"|"getpeername"|"getsockname"
---@field addr string "1.2.3.4", "1.2.3.4:80", "[::1]:80", a name, "unix:/run/x.sock" or "unix:@name"
---@field port? integer|string unless it is part of addr
---@field proto? string|integer "udp" for sendmsg and recvmsg, "tcp" for the others where it is not said
---@field family? "inet"|"inet6"|"unix" of the socket; that of the address where it is not said
---@field uid? string|integer 0 where it is not said
---@field gid? string|integer 0 where it is not said
---@field comm? string
---@field pid? integer
---@field type? "stream"|"dgram"|"seqpacket"|"raw" that of the protocol where it is not said
---@field from? string the socket's own address: "127.0.0.1:5000"; not bound where it is not said
---@field exe? string the path of the program
---@field cgroup? string of the task; the root where it is not said
---@field netns? string|integer a path, "self" or a cookie
---@field mark? string|integer 0 where it is not said
---@field device? string|integer none where it is not said

local function is_unix(question)
  return tostring(question.addr):sub(1, 5) == "unix:"
end

--- Misuse of a question: what is wrong with its form, or nil.
local function misuse(question)
  if type(question) ~= "table" then
    return ('wants a table such as { op = "connect", addr = "1.2.3.4:80" }; got %s')
      :format(literal.describe(question))
  end
  for key, value in pairs(question) do
    if not known[key] then
      return ("unknown field %s%s"):format(literal.describe(key), suggest.hint(key, M.keys))
    elseif type(value) ~= "number" and (type(value) ~= "string" or value:find "%z") then
      return ("%s: wants a text or a number; got %s"):format(key, literal.describe(value))
    end
  end
  if not usual_proto[question.op] then
    return ("op: wants %s; got %s"):format(schema.enumerate(M.ops, "or"), literal.describe(question.op))
  elseif question.addr == nil then
    return [[says no addr; add the address that is asked for, such as addr = "1.2.3.4:80"]]
  end
  for _, key in ipairs { "port", "proto" } do
    if is_unix(question) and question[key] ~= nil then
      return key .. ": a unix socket has none; leave it out"
    end
  end
  if is_unix(question) and question.family ~= nil and question.family ~= "unix" then
    return ("family: the address is a unix socket's; got %s"):format(literal.describe(question.family))
  end
end

--- "1.2.3.4:80" of an address and a port, one of which may hold the other.
local function endpoint(question)
  local addr, port = tostring(question.addr), question.port
  if port == nil then
    return addr
  elseif addr:find(":.*:") and addr:sub(1, 1) ~= "[" then
    addr = "[" .. addr .. "]"
  end
  return addr .. ":" .. port
end

---@class tidegate.Query
---@field cdata ffi.cdata* struct tg_query
local Query = {}
Query.__index = Query

--- "connect 1.2.3.4:80 tcp uid 0 gid 0 comm curl"
function Query:__tostring()
  local struct, said = self.cdata, self.question
  local parts = { said.op }
  if is_unix(said) then
    parts[2] = literal.printable(library.path(struct.path, struct.path_bytes))
  else
    parts[2] = library.endpoint(struct.addr, struct.port)
    parts[3] = tostring(said.proto or usual_proto[said.op])
  end
  if said.family then
    parts[#parts + 1] = said.family
  end
  parts[#parts + 1] = "uid " .. (said.uid or 0)
  parts[#parts + 1] = "gid " .. (said.gid or 0)
  for _, key in ipairs(extra) do
    if said[key] then
      parts[#parts + 1] = key .. " " .. literal.printable(tostring(said[key]))
    end
  end
  return table.concat(parts, " ")
end

--- Make a query.  Misuse is raised at `level`; a name that nobody knows is a failure.
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
  for _, key in ipairs(textual) do
    local value = question[key]
    if value == nil and key == "proto" and not is_unix(question) then
      value = usual_proto[question.op]
    end
    if value ~= nil then
      result = C.tg_query_set(struct, "TG_FIELD_" .. schema.fields[key].list, tostring(value))
      if result ~= 0 then
        local _, message, errno = library.failure(result)
        return nil, key .. ": " .. message, errno
      end
    end
  end
  return setmetatable({ cdata = struct, question = question }, Query)
end

return M

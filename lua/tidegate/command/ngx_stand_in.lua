--- A stand-in for `ngx`, so that policies for nginx can be checked without nginx.
--
-- A policy is loaded in init_by_lua, and its handlers run later, never in a command that only looks
-- at a policy.  So this answers what policies ask while they are loaded; all else is there, for
-- handlers to refer to, and raises an error if it is called.

local literal = require "tidegate.literal"

local M = {}

--- That of Debian's nginx.
local PREFIX = "/usr/share/nginx/"

local constants = {
  OK = 0, ERROR = -1, AGAIN = -2, DONE = -4, DECLINED = -5,
  STDERR = 0, EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8,
  HTTP_CONTINUE = 100, HTTP_OK = 200, HTTP_CREATED = 201, HTTP_ACCEPTED = 202,
  HTTP_NO_CONTENT = 204, HTTP_MOVED_PERMANENTLY = 301, HTTP_MOVED_TEMPORARILY = 302,
  HTTP_SEE_OTHER = 303, HTTP_NOT_MODIFIED = 304, HTTP_BAD_REQUEST = 400, HTTP_UNAUTHORIZED = 401,
  HTTP_FORBIDDEN = 403, HTTP_NOT_FOUND = 404, HTTP_NOT_ALLOWED = 405, HTTP_CONFLICT = 409,
  HTTP_TOO_MANY_REQUESTS = 429, HTTP_INTERNAL_SERVER_ERROR = 500, HTTP_BAD_GATEWAY = 502,
  HTTP_SERVICE_UNAVAILABLE = 503, HTTP_GATEWAY_TIMEOUT = 504,
}

local function no_answer(name)
  return function()
    error(name .. ": this command has only a stand-in for nginx, which cannot answer this; call it "
      .. "in a handler, or check the policy in nginx", 2)
  end
end

--- What can be called, and whose every field can be, but not here.
local function for_later(name)
  return setmetatable({}, {
    __index = function(self, key)
      local member = for_later(name .. "." .. tostring(key))
      rawset(self, key, member)
      return member
    end,
    __call = no_answer(name),
    __metatable = false,
  })
end

-- Shared dictionaries ------------------------------------------------------------------

local Dictionary = {}
Dictionary.__index = Dictionary

function Dictionary:get(key) return self[1][key] end

function Dictionary:set(key, value)
  self[1][key] = value
  return true, nil, false
end

function Dictionary:delete(key)
  self[1][key] = nil
end

function Dictionary:add(key, value)
  if self[1][key] ~= nil then
    return false, "exists", false
  end
  return self:set(key, value)
end

function Dictionary:incr(key, by, first)
  local value = self[1][key] or first
  if value == nil then
    return nil, "not found"
  end
  self[1][key] = value + by
  return value + by
end

Dictionary.safe_set, Dictionary.safe_add = Dictionary.set, Dictionary.add

--- Dictionaries that last as long as this command; which ones nginx.conf declares is not known.
local function dictionaries()
  return setmetatable({}, { __index = function(self, name)
    local made = setmetatable({ {} }, Dictionary)
    rawset(self, name, made)
    return made
  end })
end

-- Functions of init_by_lua -------------------------------------------------------------

local levels = { [0] = "stderr", "emerg", "alert", "crit", "error", "warn", "notice", "info",
  "debug" }

--- nginx's log is standard error here, from "notice" on.
local function log(level, ...)
  local texts = { ... }
  for position = 1, select("#", ...) do
    texts[position] = literal.printable(tostring(texts[position]))
  end
  if level <= constants.NOTICE then
    io.stderr:write(("ngx.log: %s: %s\n"):format(levels[level] or level, table.concat(texts)))
  end
end

local function escape(text)
  return (tostring(text):gsub("[^%w._~-]", function(char)
    return ("%%%02X"):format(char:byte())
  end))
end

local function unescape(text)
  return (tostring(text):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

--- A new `ngx`.
---@return table
function M.new()
  local ngx = {
    null = require("cjson").null, log = log, escape_uri = escape, unescape_uri = unescape,
    now = os.time, time = os.time, update_time = function() end,
    today = function() return os.date "%Y-%m-%d" end,
    localtime = function() return os.date "%Y-%m-%d %H:%M:%S" end,
    utctime = function() return os.date "!%Y-%m-%d %H:%M:%S" end,
    http_time = function(time) return os.date("!%a, %d %b %Y %H:%M:%S GMT", time) end,
    get_phase = function() return "init" end, shared = dictionaries(),
    config = {
      subsystem = "http", debug = false, nginx_version = 1022001, ngx_lua_version = 10023,
      prefix = function() return PREFIX end, nginx_configure = function() return "" end,
    },
  }
  for name, value in pairs(constants) do
    ngx[name] = value
  end
  for _, name in ipairs { "say", "print", "exit", "eof", "exec", "redirect", "flush", "sleep",
    "send_headers", "on_abort", "md5", "md5_bin", "sha1_bin", "hmac_sha1", "crc32_short",
    "crc32_long", "encode_base64", "decode_base64", "encode_args", "decode_args", "quote_sql_str",
    "parse_http_time", "cookie_time", "req", "resp", "var", "ctx", "header", "status", "arg", "re",
    "timer", "thread", "socket", "location", "worker", "process", "semaphore", "ocsp", "ssl" } do
    ngx[name] = for_later("ngx." .. name)
  end
  return ngx
end

--- Let a trusted policy require `ngx`, and the modules that come with it.
function M.offer()
  if package.preload.ngx then
    return
  end
  package.preload.ngx = M.new
  -- Before files are looked for: those that are installed work in nginx alone.
  table.insert(package.loaders, 2, function(name)
    if name:find "^ngx%." or name:find "^resty%." then
      return function() return for_later(name) end
    end
  end)
end

return M

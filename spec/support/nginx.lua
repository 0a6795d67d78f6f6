--- The real nginx: each server has its own folder and cgroup, and runs in the spec's
--- network namespace.
--
--   before_each(nginx.enter)
--   after_each(nginx.leave)
--   it("…", function()
--     local server = nginx.start { policy = [[deny { … }]] }
--     server:get "/" …
--   end)

local cgroup = require "spec.support.cgroup"
local command = require "spec.support.command"
local env = require "spec.support.env"
local http = require "spec.support.http"
local netns = require "spec.support.netns"

local M = {}

--- Where a server listens by default.
M.ENDPOINT = "127.0.0.1:8080"

local home
local running, cgroups = {}, {}

local root = command.run({ "pwd" }).out:match "[^\n]+"
--- LUA_PATH for this tree.
M.lua_path = ("%s/lua/?.lua;%s/lua/?/init.lua;%s/lua/?.lua;;"):format(root, root, command.build)

--- Why nginx cannot be run here, or nil.
---@type string|nil
M.reason = command.run({ "test", "-e", "/usr/lib/nginx/modules/ngx_http_lua_module.so" }).status
  ~= 0
  and "needs nginx and its Lua module" or command.no_kernel()

--- init_by_lua of a server, by default.
M.INIT = [[require("tidegate.nginx").init { policy = "web.lua", attach = "self" }]]

--- The same for a policy that uses nginx's functions.
M.TRUSTING = M.INIT:gsub("}$", ", trust = true }")

--- A whole nginx.conf.  `options`: init (Lua), worker (Lua), http, locations, workers,
--- daemon, listen.
---@return string
function M.conf(options)
  return ([[
    load_module /usr/lib/nginx/modules/ndk_http_module.so;
    load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
    env LUA_PATH;
    daemon %s;
    user www-data;
    worker_processes %d;
    pid nginx.pid;
    error_log error.log info;
    events { }
    http {
      access_log off;
      client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
      uwsgi_temp_path uwsgi; scgi_temp_path scgi;
      %s
      init_by_lua_block { %s }
      init_worker_by_lua_block { %s }
      server {
        listen %s;
        location = /pid { content_by_lua_block { ngx.print(ngx.worker.pid()) } }
        location = /stats { content_by_lua_block { require("tidegate.nginx").send_stats() } }
        %s
      }
    }
  ]]):format(options.daemon and "on" or "off", options.workers or 2, options.http or "",
    options.init or M.INIT, options.worker or [[require("tidegate.nginx").init_worker()]],
    options.listen or M.ENDPOINT, options.locations or "")
end

---@class spec.Nginx
---@field folder string its prefix
---@field cgroup string
---@field endpoint string where it listens
---@field process spec.Process
---@field before string[]|nil the command that starts it
local Nginx = {}
Nginx.__index = Nginx

local function new(endpoint)
  local self = setmetatable({ folder = env.folder(), cgroup = cgroup.make(), endpoint = endpoint },
    Nginx)
  cgroups[#cgroups + 1] = self.cgroup
  command.run { "chmod", "755", self.folder }
  return self
end

--- A folder with nginx.conf and web.lua, and a cgroup; nothing runs yet.
---@return spec.Nginx
function M.prepare(options)
  local self = new(options.listen or M.ENDPOINT)
  self:write("web.lua", options.policy or "")
  self:write("nginx.conf", M.conf(options))
  return self
end

--- Start nginx in its cgroup, without waiting for anything.
---@return spec.Process
function Nginx:run(...)
  local enter = [[echo 0 > "$0/cgroup.procs" && folder=$1 && shift && exec "$@" > ]]
    .. [["$folder/stderr.log" 2>&1]]
  local arguments = { "sh", "-c", enter, self.cgroup, self.folder }
  for _, list in ipairs { self.before or {},
    { "/usr/sbin/nginx", "-p", self.folder, "-c", "nginx.conf", ... } } do
    for _, argument in ipairs(list) do
      arguments[#arguments + 1] = argument
    end
  end
  local process = command.start(arguments, { env = { LUA_PATH = M.lua_path } })
  running[#running + 1] = process
  return process
end

--- Start what was prepared, and wait until it answers.
---@return spec.Nginx
function Nginx:begin(...)
  self.process = self:run(...)
  command.wait_until(function() return self.process.status or self:get "/pid" end, "an answer")
  assert(not self.process.status, self:log())
  return self
end

--- Start nginx, and wait until it answers.
---@return spec.Nginx
function M.start(options)
  return M.prepare(options):begin()
end

--- Start an example, from a copy of its folder, and wait until it answers.
---@param path string of the folder
---@param endpoint string where it listens
---@param files table<string, string>|nil texts of more files, by their names
---@return spec.Nginx
function M.example(path, endpoint, files)
  local self = new(endpoint)
  command.run { "cp", "-r", path .. "/.", self.folder }
  for name, text in pairs(files or {}) do
    self:write(name, text)
  end
  return self:begin("-g", "daemon off;")
end

--- Enter a network namespace.
function M.enter()
  home = netns.enter()
end

--- End all servers, remove what they leave, and return to our own namespace.
function M.leave()
  for _, path in ipairs(cgroups) do
    command.run { "sh", "-c",
      [[for pid in $(cat "$0/cgroup.procs"); do kill -9 "$pid"; done; exit 0]], path }
  end
  for _, process in ipairs(running) do
    process:wait()
  end
  for _, path in ipairs(cgroups) do
    cgroup.remove(path)
  end
  running, cgroups = {}, {}
  env.clean()
  netns.leave(home)
end

--- Write a file into the server's folder.
function Nginx:write(name, text)
  env.write(self.folder .. "/" .. name, text)
end

--- What it wrote to standard error, and to its log.
---@return string
function Nginx:log()
  local parts = {}
  for _, name in ipairs { "stderr.log", "error.log" } do
    local file = io.open(self.folder .. "/" .. name)
    if file then
      parts[#parts + 1] = file:read "*a"
      file:close()
    end
  end
  return table.concat(parts)
end

--- Wait until it has logged a text at least `times` times (default: once).
function Nginx:wait_for(text, times)
  command.wait_until(function()
    local count, at = 0, 0
    local log = self:log()
    repeat
      at = log:find(text, at + 1, true)
      count = count + 1
    until not at
    return count > (times or 1)
  end, ("%q in: %s"):format(text, self:log()))
end

---@return integer|nil status
---@return string body
---@return string head
function Nginx:get(path)
  return http.get(self.endpoint, path)
end

--- The pid of the master, if it is a daemon.
---@return string|nil
function Nginx:master()
  local file = io.open(self.folder .. "/nginx.pid")
  local pid = file and file:read "*l"
  if file then
    file:close()
  end
  return pid
end

--- The pids of its workers, including those that are shutting down.
---@return integer[]
function Nginx:workers()
  local pids = {}
  for pid in command.run({ "pgrep", "-P", tostring(self.process.pid) }).out:gmatch "%d+" do
    pids[#pids + 1] = tonumber(pid)
  end
  return pids
end

--- The pid of the worker that reads the events, or read them last.
---@return integer|nil
function Nginx:reader()
  local pid
  for found in self:log():gmatch "(%d+)#%d+: [^\n]*tidegate: reads the events" do
    pid = tonumber(found)
  end
  return pid
end

--- Connect from its cgroup to an address and port 80, by a program that is not nginx.
function Nginx:try(address)
  command.run { "sh", "-c", [[echo 0 > "$0/cgroup.procs" && exec nc -z -w 1 "$1" 80]], self.cgroup,
    address }
end

--- Reload, and wait until the workers are new ones.  `conf`: from M.conf().
function Nginx:reload(conf)
  if conf then
    self:write("nginx.conf", M.conf(conf))
  end
  local old = {}
  for _, pid in ipairs(self:workers()) do
    old[pid] = true
  end
  self.process:kill "sighup"
  command.wait_until(function()
    local pids = self:workers()
    for _, pid in ipairs(pids) do
      if old[pid] then
        return false
      end
    end
    return #pids > 0
  end, "new workers in: " .. self:log())
end

--- Make it read its configuration again, which it must refuse.
function Nginx:reload_in_vain(said)
  self.process:kill "sighup"
  self:wait_for(said)
end

--- End the server.
---@param signal "sigquit"|"sigterm"|"sigkill"|nil
function Nginx:stop(signal)
  if not self.process.status then
    self.process:kill(signal or "sigquit")
    self.process:wait()
  end
end

--- The hooks that are attached to its cgroup: "connect4", "connect6" …
---@return string
function Nginx:attached()
  local found = {}
  local shown = command.run { "/usr/sbin/bpftool", "cgroup", "show", self.cgroup }
  for line in shown.out:gmatch "[^\n]+" do
    found[#found + 1] = line:match "^%d.-(%S+)%s*$"
  end
  table.sort(found)
  return table.concat(found, " ")
end

return M

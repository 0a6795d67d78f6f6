-- A program with a libuv loop of its own that enforces a policy on a cgroup. It prints what is
-- denied as JSON, and reads lines that change the policy's set "banned":
--
--   sudo luajit examples/luv/host.lua examples/07-ban.lua unit:nginx.service
--   ban 192.0.2.1
--   unban 192.0.2.1
--
-- Ctrl-C ends it, and the policy with it.

local tidegate = require "tidegate"
local tidegate_uv = require "tidegate.uv"
local uv = require "luv"

local policy, target = arg[1], arg[2]
if not target then
  io.stderr:write "wants a policy and a cgroup: a path, self, pid:42 or unit:nginx.service\n"
  os.exit(2)
end

io.stdout:setvbuf "line" -- events appear at once, even if the output is a pipe

local function say(...)
  io.stderr:write("host: ", table.concat({ ... }, " "), "\n")
end

local function fail(message)
  say(message)
  os.exit(1)
end

local gate, message = tidegate.load(policy)
if not gate then
  fail(message)
end

gate:on("deny", function(event) print(event:tojson()) end)
gate:on("lost", function(count) say(count, "events were lost") end)
gate:on("error", function(text) say(text) end)

local attached
attached, message = gate:attach(target)
if not attached then
  fail(message)
end
local running = assert(tidegate_uv.start(gate, uv))

--- "ban 192.0.2.1", "unban 192.0.2.0/24"
local function run_line(line)
  local word, item = line:match "^%s*(%l+)%s+(%S+)%s*$"
  local change = ({ ban = "add", unban = "remove" })[word]
  if not change then
    return say "wants ban ADDRESS or unban ADDRESS"
  end
  local banned = gate:set "banned"
  local called, done, why = pcall(banned[change], banned, item) -- a wrong address raises
  if not called or done == nil then
    return say(tostring(why or done))
  end
  say(item, "is", change == "add" and "banned" or "no longer banned")
end

--- Standard input as a stream; nil: it is a file.
local function open_input()
  local kind = uv.guess_handle(0)
  if kind == "tty" then
    return uv.new_tty(0, true)
  elseif kind == "pipe" then
    local pipe = uv.new_pipe()
    pipe:open(0)
    return pipe
  end
end

local input, rest = open_input(), ""
if input then
  input:read_start(function(_, text)
    if not text then
      return input:close()
    end
    rest = (rest .. text):gsub("([^\n]*)\n", function(line)
      run_line(line)
      return ""
    end)
  end)
end

local function stop()
  running:stop()
  uv.stop()
end
for _, name in ipairs { "sigint", "sigterm" } do
  uv.new_signal():start(name, stop)
end

say(policy, "is enforced; Ctrl-C ends it")
uv.run()

gate:detach()
gate:dispatch() -- the last events
gate:close()

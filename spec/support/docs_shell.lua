--- The shell in which the console blocks of a page are typed: in its own
--- folder, network namespace and cgroup, with Tidegate installed.

local command = require "spec.support.command"
local docs = require "spec.support.docs"
local env = require "spec.support.env"

local M = {}

--- How pages write the cgroup that is there for them.
local CGROUP = "/sys/fs/cgroup/app"

--- Ends what a command has printed.
local DONE = "\001\n"

--- How often to look whether what runs in the background has printed the rest: 10 ms apart.
local LOOKS = 1500

---@class docs.Shell
---@field folder string
---@field home string the cgroup that it is in
---@field app string what CGROUP stands for
---@field process spec.Process
local Shell = {}
Shell.__index = Shell

--- Install Tidegate.
---@return string prefix
function M.install()
  local prefix = env.folder()
  local words = { "make", "-s", "B=" .. command.build, "PREFIX=" .. prefix, "install" }
  local got = command.run(words, { slow = true })
  assert(got.status == 0, got.out .. got.err)
  command.run { "chmod", "755", prefix }
  return prefix
end

local START = 'echo 0 > "$0/cgroup.procs"; ip link set lo up; exec sh'

--- Start one.
---@param prefix string where Tidegate is installed
---@param cgroup string in which it may make cgroups
---@return docs.Shell
function M.start(prefix, cgroup)
  local self = setmetatable({ folder = env.folder() }, Shell)
  self.home, self.app = cgroup .. "/shell", cgroup .. "/app"
  local root = command.run({ "pwd" }).out:match "[^\n]+"
  command.run { "chmod", "755", self.folder }
  command.run { "mkdir", self.home, self.app }
  for _, name in ipairs { "examples", "core", "bpf" } do
    command.run { "ln", "-s", root .. "/" .. name, self.folder .. "/" .. name }
  end
  local words = { "unshare", "-n", "stdbuf", "-oL", "-eL", "sh", "-c", START, self.home }
  self.process = command.start(words, {
    cwd = self.folder,
    env = {
      PATH = prefix .. "/bin:" .. os.getenv "PATH", LD_LIBRARY_PATH = prefix .. "/lib",
      PKG_CONFIG_PATH = prefix .. "/lib/pkgconfig", TIDEGATE_BUILD = "", HOME = self.folder,
      LUA_PATH = ("%s/share/lua/5.1/?.lua;%s/share/lua/5.1/?/init.lua;;"):format(prefix, prefix),
    },
  })
  return self
end

local function replace(text, from, to)
  return (text:gsub(from:gsub("%p", "%%%0"), (to:gsub("%%", "%%%%"))))
end

--- Type a command, and wait for its end; what runs in the background goes on.
---@param line string
function Shell:type(line)
  local process = self.process
  local from = #process.out
  -- $? is that of the command before, and standard input is not for commands to read.
  process:write(("{ (exit $status)\n%s\n} < /dev/null 2>&1; status=$?; printf '\\001\\n'\n")
    :format(replace(line, CGROUP, self.app)))
  command.wait_until(function()
    return process.status or process.out:find(DONE, from + 1, true)
  end, line)
  assert(not process.status, "the shell ended at: " .. line .. ": " .. process.out .. process.err)
end

--- The commands of a console block, and what it shows below each; a line that ends
--- with \ goes on in the next.
---@param text string
---@return string[]
---@return string[] shown
local function commands(text)
  local found, shown, open = {}, {}, false
  for line in text:gmatch "[^\n]+" do
    local typed = line:match "^%$ (.*)"
    if open then
      found[#found] = found[#found] .. "\n" .. line
    elseif typed then
      found[#found + 1], shown[#found + 1] = typed, ""
    else
      shown[#found] = shown[#found] .. line .. "\n"
    end
    open = (open or typed ~= nil) and line:find "\\$" ~= nil
  end
  return found, shown
end

--- What the commands of a block have printed since `from`, as the block shows it.
local function transcript(self, lines, from)
  local parts, index = {}, 0
  for piece in (self.process.out:sub(from + 1) .. DONE):gmatch("(.-)" .. DONE) do
    index = index + 1
    parts[#parts + 1] = lines[index] and "$ " .. lines[index] .. "\n" or ""
    parts[#parts + 1] = replace(piece, self.app, CGROUP)
  end
  return table.concat(parts)
end

--- Wait until the expected output has been printed, if it ever is.
local function wait_for(done, what)
  local looks = 0
  command.wait_until(function()
    looks = looks + 1
    return looks > LOOKS or done()
  end, what)
end

--- Type what a block shows.  A command in the background is given time to print
--- what is shown below it before the next is typed.
---@param block docs.Block
---@return string the block as it was
function Shell:run(block)
  local lines, shown = commands(block.text)
  local from = #self.process.out
  for index, line in ipairs(lines) do
    local before = #self.process.out
    self:type(line)
    if line:find "&$" and shown[index] ~= "" then
      wait_for(function() return docs.alike(shown[index], transcript(self, {}, before)) end, line)
    end
  end
  wait_for(function() return docs.alike(block.text, transcript(self, lines, from)) end, block.where)
  return transcript(self, lines, from)
end

local ENFORCE = [[
  tidegate check block.lua 2> block.txt > /dev/null &&
    tidegate run -u nobody block.lua -- true >> block.txt 2>&1
  [ $? = 0 ] && ! grep -q . block.txt || { cat block.txt; echo failed; }]]

--- Do what a block asks for.
---@param page docs.Page
---@param block docs.Block
function Shell:block(page, block)
  if block.marks.before then
    self:type(block.marks.before)
  end
  if block.marks.file then
    env.write(self.folder .. "/" .. block.marks.file, replace(block.text, CGROUP, self.app))
  elseif block.language == "lua" then
    env.write(self.folder .. "/block.lua", block.text)
    local from = #self.process.out
    self:type(ENFORCE)
    local got = transcript(self, {}, from)
    assert(got == "", block.where .. ": " .. got)
  else
    docs.check(page, block, self:run(block))
  end
end

--- End it, and all that it has started.
function Shell:close()
  self.process:kill "sigkill"
  for _, cgroup in ipairs { self.home, self.app } do
    command.run { "sh", "-c", 'echo 1 > "$0/cgroup.kill"', cgroup }
  end
  self.process:wait()
end

return M

--- The C examples, built as a reader builds them: against an installed copy,
--- which they find by pkg-config.

local command = require "spec.support.command"
local env = require "spec.support.env"

local M = {}

---@class spec.Host
---@field folder string where the programs and their files are; everybody may read it
---@field env table<string, string>
---@field flags string for the compiler
---@field wrapper string[] what is put before each program to run it
local Host = {}
Host.__index = Host

local function run(arguments, environment)
  local got = command.run(arguments, { env = environment, slow = true })
  assert(got.status == 0, got.out .. got.err)
end

--- Install Tidegate and build the programs.  `way`: flags for the compiler, of
--- the library too; whether valgrind watches the programs.
---@param way { flags: string|nil, valgrind: boolean|nil }
---@return spec.Host
function M.build(way)
  local folder = env.folder()
  run { "chmod", "755", folder } -- `nobody` runs them too
  run { "mkdir", "-m", "777", folder .. "/log" }
  -- Other flags need another build; the plain one is there already.
  local build = way.flags and folder .. "/build" or command.build
  run { "make", "-s", "-j2", "B=" .. build, "CFLAGS=-O0 -g " .. (way.flags or ""),
    "PREFIX=" .. folder, "install-programs" }
  local self = setmetatable({ folder = folder, wrapper = {} }, Host)
  if way.valgrind then
    self.wrapper = { "valgrind", "-q", "--leak-check=full", "--error-exitcode=99",
      "--suppressions=spec/hosts/libbpf.supp", "--log-file=" .. folder .. "/log/%p" }
  end
  self.env = {
    PKG_CONFIG_PATH = folder .. "/lib/pkgconfig", LD_LIBRARY_PATH = folder .. "/lib",
    LUA_PATH = ("%s/share/lua/5.1/?.lua;%s/share/lua/5.1/?/init.lua;;"):format(folder, folder),
    TIDEGATE_BUILD = "",
  }
  self.flags = way.flags or ""
  for _, name in ipairs { "01-enforce-image", "02-embed-luajit", "03-threads", "04-worker" } do
    for line in io.lines("examples/c/" .. name .. ".c") do
      local build_line = line:match "^ %*   (gcc .*)"
      if build_line then
        self:compile("examples/c", build_line)
      end
    end
  end
  return self
end

--- Build a program as a line of a document says.
---@param folder string where its source is
---@param line string `gcc -o NAME …`
function Host:compile(folder, line)
  run({ "sh", "-c", ('cd "$0" && %s -g -Wall -Wextra -Werror -pedantic %s')
    :format(line:gsub("%-o ", "-o " .. self.folder .. "/"), self.flags), folder }, self.env)
end

--- Start a program; `before`: the command that starts it.
---@param name string "enforce-image", "embed-luajit", "threads", "worker"
---@param arguments string[]
---@param before string[]|nil
---@return spec.Process
function Host:start(name, arguments, before)
  local all = {}
  for _, list in ipairs { before or {}, self.wrapper, { self.folder .. "/" .. name }, arguments } do
    for _, argument in ipairs(list) do
      all[#all + 1] = argument
    end
  end
  return command.start(all, { env = self.env, slow = true })
end

--- The output of a program that ends at once, and its exit status.
---@return { [1]: string, [2]: integer }
function Host:refusal(name, arguments, before)
  local got = self:start(name, arguments, before):wait()
  assert(got.out == "", got.out)
  return { (got.err:gsub(self.folder .. "/", "")), got.status }
end

--- What valgrind complains about.
---@return string
function Host:complaints()
  return command.run({ "sh", "-c", 'cat "$0"/log/* 2> /dev/null | grep "^=="', self.folder }).out
end

return M

-- Make cgroups below PARENT as `tidegate run` does, and leave as many behind that nobody uses:
--   luajit make_cgroups.lua PARENT NUMBER COUNT
-- NUMBER tells makers apart. It prints the path of each cgroup that was in use, and was removed all
-- the same.

local guarded_cgroup = require "tidegate.host.guarded_cgroup"
local uv = require "luv"

local KEPT = 3 -- in use at the same time

local parent, number, count = arg[1], tonumber(arg[2]), tonumber(arg[3])
local kept = {}

local function close_first()
  local own = table.remove(kept, 1)
  if not uv.fs_stat(own.path) then
    print(own.path)
  end
  assert(own:close())
end

for index = 1, count do
  kept[#kept + 1] = assert(guarded_cgroup.make(parent))
  if #kept > KEPT then
    close_first()
  end
  assert(uv.fs_mkdir(("%s/tidegate-%08x%08x"):format(parent, number, index), 493)) -- 0755
end
while kept[1] do
  close_first()
end

-- Shared by the specs of the Lua module: temporary folders, policies as text.

local M = {}

local made = {}

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- A new folder, removed by M.clean().
---@return string
function M.folder()
  local pipe = assert(io.popen "mktemp -d")
  local path = pipe:read "*l"
  pipe:close()
  made[#made + 1] = path
  return path
end

--- Remove every folder that M.folder() made.
function M.clean()
  for _, path in ipairs(made) do
    os.execute("rm -rf " .. quote(path))
  end
  made = {}
end

--- Write a file.
---@param path string
---@param text string
---@return string path
function M.write(path, text)
  local handle = assert(io.open(path, "wb"))
  assert(handle:write(text))
  handle:close()
  return path
end

--- The contents of a file.
---@param path string
---@return string
function M.read(path)
  local handle = assert(io.open(path, "rb"))
  local text = handle:read "*a"
  handle:close()
  return text
end

--- The message with which a policy text is refused; "" if it is accepted.
---@param text string
---@return string
function M.refusal(text)
  local gate, message = require("tidegate").load_text(text, "web.lua")
  return gate and "" or message
end

--- A seed that is printed, so that a failure can be run again: TIDEGATE_SEED=….
---@return integer
function M.seed()
  local seed = tonumber(os.getenv "TIDEGATE_SEED") or os.time()
  print(("    seed %d (TIDEGATE_SEED=%d runs it again)"):format(seed, seed))
  math.randomseed(seed)
  return seed
end

return M

--- The C library, loaded through LuaJIT's FFI.
--
-- `make` generates the declarations from the headers of core/, as the module tidegate.cdef.  The
-- library must be of the same build, because this module reads its events in place.

local ffi = require "ffi"
local library_name = require "tidegate.library_name"

local M = {}

-- If the module is loaded again, the declarations of the first load are still there.
if not pcall(ffi.typeof, "struct tg_event_record") then
  local found, declarations = pcall(require, "tidegate.cdef")
  if not found then
    error("tidegate: there is no module tidegate.cdef; "
      .. "run make, and add BUILD/lua/?.lua to LUA_PATH", 0)
  end
  ffi.cdef(declarations)
end

local function exists(path)
  local handle = io.open(path, "rb")
  return handle and handle:close()
end

--- The path of a library of ours: where `make`, `make install` or LuaRocks put it, relative to
--- the generated declarations; or the bare file name, which the system's loader looks up.
---@param file string "libtidegate.so.0"
---@return string
function M.locate(file)
  local cdef = package.searchpath("tidegate.cdef", package.path) or ""
  local build = cdef:match "^(.*)/lua/tidegate/cdef%.lua$"
  local prefix = cdef:match "^(.*)/share/lua/5%.1/tidegate/cdef%.lua$"
  if build and exists(build .. "/" .. file) then
    return build .. "/" .. file
  elseif prefix and exists(prefix .. "/lib/" .. file) then
    return prefix .. "/lib/" .. file
  elseif prefix and exists(prefix .. "/lib/lua/5.1/" .. file:gsub("%.%d+$", "")) then
    return prefix .. "/lib/lua/5.1/" .. file:gsub("%.%d+$", "")
  end
  return file
end

local function load_library()
  local path = library_name ~= "" and library_name or M.locate("libtidegate.so." .. ffi.C.TG_ABI)
  local ok, library = pcall(ffi.load, path)
  if not ok then
    error(("tidegate: %s; run make, or set TIDEGATE_LIBRARY to the path of libtidegate.so")
      :format(library), 0)
  end
  -- A host that loads the module anew, as nginx does at a reload, still has the library that it
  -- began with.
  local has_abi, abi = pcall(function() return library.tg_private_abi() end)
  if not has_abi or abi ~= library.TG_PRIVATE_ABI then
    error(("tidegate: libtidegate in this process is of another build than the Lua module; restart "
      .. "the host, or install both from one build (the library is %s)"):format(path), 0)
  end
  return library
end

local C = load_library()

--- The functions and constants of tidegate.h and tidegate_private.h.
M.C = C

--- The results of a failed call: nil, the library's text, the errno (positive).
---@param result integer a negative return
---@return nil, string, integer
function M.failure(result)
  return nil, ffi.string(C.tg_error()), -tonumber(result)
end

--- The results of a call that returns nothing else: true, or those of failure().
---@param result integer
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function M.outcome(result)
  if result < 0 then
    return M.failure(result)
  end
  return true
end

--- A struct that starts with its own size.
---@param name string "struct tg_query"
---@return ffi.cdata*
function M.sized(name)
  local struct = ffi.new(name)
  struct.size = ffi.sizeof(name)
  return struct
end

-- The finalizers are Lua functions, because those keep the library loaded until the last object
-- is gone.
local free = {
  list = function(object) C.tg_list_free(object) end,
  policy = function(object) C.tg_policy_free(object) end,
  image = function(object) C.tg_image_free(object) end,
  gate = function(object) C.tg_gate_close(object) end,
  lint = function(object) C.tg_lint_free(object) end,
  dump = function(object) C.tg_dump_free(object) end,
  waker = function(object) C.tg_waker_stop(object) end,
}

--- An out-parameter for an object.
---@param kind "list"|"policy"|"image"|"gate"|"lint"|"dump"|"waker"
---@return ffi.cdata*
function M.slot(kind) -- also "set" and "services", which belong to their gate
  return ffi.new("struct tg_" .. kind .. " *[1]")
end

--- Own the object in a slot: the collector frees it.
---@param kind "list"|"policy"|"image"|"gate"|"lint"|"dump"|"waker"
---@param slot ffi.cdata*
---@return ffi.cdata*
function M.own(kind, slot)
  return ffi.gc(slot[0], free[kind])
end

--- Make an object and own it.
---@param kind "list"|"policy"|"image"|"gate"|"lint"|"dump"|"waker"
---@param call fun(slot: ffi.cdata*): integer calls a function such as tg_image_load()
---@return ffi.cdata*|nil
---@return string|nil message
---@return integer|nil errno
function M.make(kind, call)
  local slot = M.slot(kind)
  local result = call(slot)
  if result ~= 0 then
    return M.failure(result)
  end
  return M.own(kind, slot)
end

--- Free an owned object now.
---@param kind "list"|"policy"|"image"|"gate"|"lint"|"dump"|"waker"
---@param object ffi.cdata*
function M.release(kind, object)
  free[kind](ffi.gc(object, nil))
end

--- An out-parameter for a number.
---@return ffi.cdata*
function M.index()
  return ffi.new "uint32_t[1]"
end

--- The text of a C string, nil for NULL.
---@param text ffi.cdata*
---@return string|nil
function M.text(text)
  if text ~= nil then
    return ffi.string(text)
  end
end

local address = ffi.new("char[?]", C.TG_ENDPOINT_TEXT)

--- "1.2.3.4" or "::1", from 16 bytes in network order.
---@param bytes ffi.cdata*
---@return string
function M.address(bytes)
  C.tg_addr_format(bytes, address, C.TG_ENDPOINT_TEXT)
  return ffi.string(address)
end

--- "unix:/run/x.sock", "unix:@name"; zeros after a name are not part of it.
---@param bytes ffi.cdata*
---@param count integer
---@return string
function M.path(bytes, count)
  local path = ffi.string(bytes, count):gsub("(.)%z+$", "%1"):gsub("^%z", "@")
  return "unix:" .. path
end

--- "1.2.3.4:80" or "[::1]:80".
---@param bytes ffi.cdata*
---@param port integer host order
---@return string
function M.endpoint(bytes, port)
  C.tg_endpoint_format(bytes, port, address, C.TG_ENDPOINT_TEXT)
  return ffi.string(address)
end

return M

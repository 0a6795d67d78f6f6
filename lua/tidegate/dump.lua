--- From an image back to Lua: the text of a policy that compiles to the same image.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local duration = require "tidegate.duration"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local names = require "tidegate.names"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"

local C = library.C

local M = {}

--- The default of each operation; one word if they are all the same.
local function default_text(info)
  local verdicts, parts = {}, {}
  for _, name in ipairs(schema.call_names) do
    if not schema.fields[name].reports then
      local verdict = names.verbs[info.defaults[C["TG_OP_" .. name:upper()]]]
      verdicts[verdict] = true
      parts[#parts + 1] = ("%s = %q"):format(name, verdict)
    end
  end
  if verdicts.allow and verdicts.deny then
    return "{ " .. table.concat(parts, ", ") .. " }"
  end
  return literal.quote(next(verdicts))
end

local function policy_text(image)
  local options = {}
  if image.name ~= "" then
    options[1] = "name = " .. literal.quote(image.name)
  end
  options[#options + 1] = "default = " .. default_text(image.info)
  options[#options + 1] = ("on_error = %q"):format(names.verbs[image.info.on_error])
  return "policy { " .. table.concat(options, ", ") .. " }"
end

local function ttl_text(ms)
  return literal.quote(duration.text(tonumber(ms)))
end

--- The items of `set "banned" { "192.0.2.1", ttl = "10m", size = 65536 }`.
local function set_items(image, index, info)
  local cursor, element = ffi.new "uint64_t[1]", ffi.new "struct tg_set_element"
  local parts = {}
  while C.tg_image_set_next(image.cdata, index, cursor, element) == 1 do
    local text = literal.quote(set.element_text(element))
    if element.ttl_ms ~= info.ttl_ms then
      local ttl = element.ttl_ms > 0 and ttl_text(element.ttl_ms) or "0"
      text = ("{ %s, ttl = %s }"):format(text, ttl)
    end
    parts[#parts + 1] = text
  end
  if info.ttl_ms > 0 then
    parts[#parts + 1] = "ttl = " .. ttl_text(info.ttl_ms)
  end
  return parts
end

--- The items of `services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" }, size = 1024 }`.
local function service_items(image, index)
  local cursor, vip = ffi.new "uint64_t[1]", ffi.new "struct tg_vip_info"
  local parts = {}
  while C.tg_image_service_next(image.cdata, index, cursor, vip) == 1 do
    local items = {}
    for position, member in ipairs(backend.read(function(number, info)
      return C.tg_image_service_backend(image.cdata, index, cursor[0], number, info)
    end)) do
      items[position] = backend.item_text(member.address, member.weight, member.state)
    end
    parts[#parts + 1] = ("[%s] = { %s }")
      :format(literal.quote(backend.vip_text(vip)), table.concat(items, ", "))
  end
  return parts
end

local table_items = { [set] = set_items, [services] = service_items }

--- A live table as it is declared: its word, its name, its items and its size.
local function table_text(image, kind, index, info)
  local parts = table_items[kind](image, index, info)
  parts[#parts + 1] = ("size = %d"):format(tonumber(info.room))
  return ("%s %s { %s }")
    :format(kind.word, literal.quote(ffi.string(info.name)), table.concat(parts, ", "))
end

--- Lua that compiles to the same image.
---@param image tidegate.Image
---@return string
function M.text(image)
  local lines = { policy_text(image), "" }
  for _, kind in ipairs { set, services } do
    image:each_table(kind, function(index, info)
      lines[#lines + 1] = table_text(image, kind, index, info)
    end)
  end
  for index = 0, image.count - 1 do
    local info = image:rule(index)
    lines[#lines + 1] = info.text
      or ("-- %s %q: the image does not hold its text"):format(info.verb, info.name)
  end
  return table.concat(lines, "\n") .. "\n"
end

return M

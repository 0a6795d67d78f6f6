--- From an image back to Lua: the text of a policy that compiles to the same image.
--
-- An image holds the text of its rules.  A rule is written as that says it, if it still means what
-- the image has in force; if not, as the rule is read back from the image.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local dump_check = require "tidegate.dump_check"
local dump_rule = require "tidegate.dump_rule"
local duration = require "tidegate.duration"
local elements = require "tidegate.elements"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local names = require "tidegate.names"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"

local C = library.C

local M = {}

--- A verdict for each operation; one word if they are all the same.
---@param numbers ffi.cdata* enum tg_verb, by enum tg_op
local function verdicts_text(numbers)
  local verdicts, parts = {}, {}
  for _, name in ipairs(schema.call_names) do
    if not schema.fields[name].reports then
      local verdict = names.verbs[numbers[C["TG_OP_" .. name:upper()]]]
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
  local default, on_error = verdicts_text(image.info.defaults), verdicts_text(image.info.on_error)
  local options = {}
  if image.name ~= "" then
    options[1] = "name = " .. literal.quote(image.name)
  end
  options[#options + 1] = "default = " .. default
  options[#options + 1] = on_error ~= default and "on_error = " .. on_error or nil
  options[#options + 1] = image.shadow and "shadow = true" or nil
  return "policy { " .. table.concat(options, ", ") .. " }"
end

--- `"10m"`, or math.huge for TG_TTL_FOREVER.
local function ttl_text(ms)
  return ms == elements.FOREVER and "math.huge" or literal.quote(duration.text(tonumber(ms)))
end

--- The items of `set "banned" { "192.0.2.1", ttl = "10m", size = 65536 }`.
local function set_items(image, info)
  local cursor, element = ffi.new "uint64_t[1]", library.sized "struct tg_set_element"
  local parts = {}
  while C.tg_image_element_next(image.cdata, info.name, cursor, element) == 1 do
    local text = literal.quote(set.element_text(element))
    if element.ttl_ms ~= info.ttl_ms then
      text = ("{ %s, ttl = %s }"):format(text, ttl_text(element.ttl_ms))
    end
    parts[#parts + 1] = text
  end
  if info.ttl_ms ~= elements.FOREVER then
    parts[#parts + 1] = "ttl = " .. ttl_text(info.ttl_ms)
  end
  return parts
end

--- The items of `services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" }, size = 1024 }`.
local function service_items(image, info)
  local cursor, vip = ffi.new "uint64_t[1]", library.sized "struct tg_vip_info"
  local parts = {}
  while C.tg_image_vip_next(image.cdata, info.name, cursor, vip) == 1 do
    local items, text = {}, backend.vip_text(vip)
    for position, member in ipairs(assert(backend.read_all(function(infos, capacity, count)
      return C.tg_image_vip_backends(image.cdata, info.name, text, infos, capacity, count)
    end))) do
      items[position] = backend.item_text(member.address, member.weight, member.state)
    end
    parts[#parts + 1] = ("[%s] = { %s }"):format(literal.quote(text), table.concat(items, ", "))
  end
  return parts
end

local table_items = { [set] = set_items, [services] = service_items }

--- A live table as it is declared: its word, its name, its items and its options.
local function table_text(image, kind, info, is_sized)
  local parts = table_items[kind](image, info)
  if is_sized then
    parts[#parts + 1] = ("size = %d"):format(tonumber(info.capacity))
  end
  if bit.band(info.flags, C.TG_TABLE_READONLY) ~= 0 then
    parts[#parts + 1] = "readonly = true"
  end
  local text = ("%s %s { %s }"):format(kind.word, literal.quote(ffi.string(info.name)),
    table.concat(parts, ", "))
  return (text:gsub("{  }$", "{}"))
end

--- The live tables of an image, in the order in which they are declared.
---@return { name: string, kind: tidegate.LiveKind, is_sized: boolean }[]
local function tables_of(image)
  local tables, cursor, struct = {}, ffi.new "uint64_t[1]", ffi.new "struct tg_dump_table"
  while C.tg_dump_table_next(image.cdata, cursor, struct) == 1 do
    tables[#tables + 1] = {
      name = ffi.string(struct.name), kind = struct.is_services ~= 0 and services or set,
      is_sized = struct.is_sized ~= 0,
    }
  end
  return tables
end

local function head_lines(image)
  local lines, infos = { policy_text(image), "" }, {}
  for _, kind in ipairs { set, services } do
    image:each_table(kind, function(info)
      local copy = library.sized(kind.info_type) -- each_table() fills the same one again
      ffi.copy(copy, info, ffi.sizeof(copy))
      infos[ffi.string(info.name)] = copy
    end)
  end
  for _, one in ipairs(tables_of(image)) do
    local info = infos[one.name] -- none of "local", which nobody declares
    lines[#lines + 1] = info and table_text(image, one.kind, info, one.is_sized)
  end
  return lines
end

--- The options and the live tables of an image, without its rules.
---@param image tidegate.Image
---@return string
function M.head(image)
  return table.concat(head_lines(image), "\n")
end

-- Rules --------------------------------------------------------------------------------

local READ_BACK = [[
-- Where a rule's own text no longer gives what the image has, the rule is as the image has it:
-- names are numbers, and files, hosts and ranges are the addresses that they stood for.]]

--- A rule that no Lua says, because the image has only numbers of programs or cgroups, or less; and
--- how many rules the text is.
local function unsaid(info, why, numbers)
  for _, name in ipairs { "exe", "cgroup" } do
    if numbers[name] then
      why = ("%s: the image has %s, of which it is not known where they are")
        :format(name, table.concat(numbers[name], " "))
    end
  end
  local text = dump_check.is_rule(info) and info.text
  return ("-- %s %s: %s%s"):format(info.verb, literal.quote(info.name), why,
    text and "; its own text, which may mean something else now:\n" .. text or ""), text and 1 or 0
end

--- The rules of an image that comes from a file, or from others.
local function add_rules(lines, image)
  local reader, tables = dump_rule.reader(image), tables_of(image)
  local first, position, read_back = #lines + 1, 1, false
  for index = 0, image.count - 1 do
    local info = image:rule(index)
    local text, why, numbers, count = reader:rule(index, position)
    local holds = dump_check.holds(info, position, tables, text, why, numbers)
    if holds then
      text, count = info.text, 1
    elseif text and not next(numbers) then
      read_back = true
    else
      text, count = unsaid(info, why, numbers)
    end
    lines[#lines + 1] = text
    position = position + count
  end
  if read_back then
    table.insert(lines, first, READ_BACK)
  end
end

--- Lua that compiles to the same image.
---@param image tidegate.Image
---@return string
function M.text(image)
  local lines = head_lines(image)
  if image.members then
    for index = 0, image.count - 1 do
      lines[#lines + 1] = image:rule(index).text
    end
  else
    add_rules(lines, image)
  end
  return table.concat(lines, "\n") .. "\n"
end

return M

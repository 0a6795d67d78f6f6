--- A compiled policy: what it says of itself, and what it decides.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local decision = require "tidegate.decision"
local duration = require "tidegate.duration"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local query = require "tidegate.query"
local schema = require "tidegate.schema"
local services = require "tidegate.services"
local set = require "tidegate.set"

local C = library.C

local M = {}

--- The first bytes of an image file.
M.MAGIC = "TIDEGATE"

---@class tidegate.Image
---@field name string of the policy, "" if it has none
---@field count integer of its rules
---@field bytes integer its size
---@field members tidegate.Rule[]|nil the handles of its rules, where it was compiled here
local Image = {}
Image.__index = Image

--- Take over the image in a slot.
---@param slot ffi.cdata*
---@return tidegate.Image
function M.own(slot)
  local object = library.own("image", slot)
  local info = library.sized "struct tg_image_info"
  C.tg_image_info(object, info)
  return setmetatable({
    cdata = object, info = info,
    name = ffi.string(info.name), count = tonumber(info.rules), bytes = tonumber(info.bytes),
  }, Image)
end

--- Load an image file.
---@param path string
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function M.load(path)
  local slot = library.slot "image"
  local result = C.tg_image_load(path, slot)
  if result ~= 0 then
    return library.failure(result)
  end
  return M.own(slot)
end

--- Write the image to a file.
---@param path string
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Image:save(path)
  local result = C.tg_image_save(self.cdata, path)
  if result ~= 0 then
    return library.failure(result)
  end
  return true
end

--- The image's bytes, as a file holds them.
---@return string
function Image:data()
  local size = ffi.new "size_t[1]"
  local bytes = C.tg_image_bytes(self.cdata, size)
  return ffi.string(bytes, size[0])
end

--- "web.lua:4", or nil where the image does not know.
local function known(text)
  text = ffi.string(text)
  return text ~= "" and text or nil
end

--- A rule as the image remembers it.
---@param index integer from 0
---@return { name: string, verb: string, where: string|nil, text: string|nil, slot: integer, ops: integer }|nil
function Image:rule(index)
  local info = library.sized "struct tg_rule_info"
  if C.tg_image_rule(self.cdata, index, info) ~= 0 then
    return nil
  end
  return {
    name = ffi.string(info.name), where = known(info.where), text = known(info.text),
    verb = decision.verb_names[tonumber(info.verb)], ops = tonumber(info.ops), slot = tonumber(info.slot),
  }
end

--- The backends of a rule of the image.
---@param index integer of the rule, from 0
---@return tidegate.Backend[]
function Image:backends(index)
  return backend.read(function(position, info) return C.tg_image_backend(self.cdata, index, position, info) end)
end

--- The names of its rules, from index 0.
---@return table<integer, string>
function Image:names()
  local names = {}
  for index = 0, self.count - 1 do
    names[index] = self.members and self.members[index + 1].name or self:rule(index).name
  end
  return names
end

-- What it decides ------------------------------------------------------------------

--- Run the programs' own source over the image.
local function decide(self, asked, gate)
  local struct = library.sized "struct tg_decision"
  local result
  if gate then
    result = C.tg_gate_decide(gate, self.cdata, asked.cdata, struct)
  else
    result = C.tg_image_decide(self.cdata, asked.cdata, struct)
  end
  if result ~= 0 then
    return library.failure(result)
  end
  return decision.new(self, asked, struct, gate), tonumber(struct.rule)
end

--- What becomes of a call.
---@param question tidegate.Question
---@param gate ffi.cdata*|nil struct tg_gate: its live tables count, not those of the image
---@return tidegate.Decision|nil
---@return string|nil message
---@return integer|nil errno
function Image:decide(question, gate)
  local asked, message, errno = query.new(question, "decide", 2)
  if not asked then
    return nil, message, errno
  end
  local decided
  decided, message, errno = decide(self, asked, gate)
  if not decided then
    return nil, message, errno
  end
  return decided
end

--- What becomes of a call, and why the rules before did not match.
---@param question tidegate.Question
---@return tidegate.Explanation|nil
---@return string|nil message
---@return integer|nil errno
function Image:explain(question, gate)
  local asked, message, errno = query.new(question, "explain", 2)
  if not asked then
    return nil, message, errno
  end
  local decided, by, number = decide(self, asked, gate)
  if not decided then
    return nil, by, number
  end
  return decision.explain(self, asked, decided, math.min(by, self.count), gate)
end

--- The backends that a call is balanced over.
---@param asked tidegate.Query
---@param gate ffi.cdata*|nil as for decide()
---@return tidegate.Backend[]
function Image:choice(asked, gate)
  return backend.read(function(index, info)
    if gate then
      return C.tg_gate_choice(gate, self.cdata, asked.cdata, index, info)
    end
    return C.tg_image_choice(self.cdata, asked.cdata, index, info)
  end)
end

--- The bits of the fields that keep a rule from matching.
---@param asked tidegate.Query
---@param index integer of the rule, from 0
---@param gate ffi.cdata*|nil as for decide()
---@return integer|nil
---@return string|nil message
---@return integer|nil errno
function Image:mismatch(asked, index, gate)
  local fields = library.index()
  local result
  if gate then
    result = C.tg_gate_mismatch(gate, self.cdata, asked.cdata, index, fields)
  else
    result = C.tg_image_mismatch(self.cdata, asked.cdata, index, fields)
  end
  if result ~= 0 then
    return library.failure(result)
  end
  return tonumber(fields[0])
end

--- The hooks that a gate attaches for it.
---@return string[]
function Image:hooks()
  return M.hook_names(self.info.hooks)
end

--- The names of hooks, from their bits.
---@param bits integer
---@return string[]
function M.hook_names(bits)
  local names = {}
  for hook = 0, tonumber(C.TG_HOOKS) - 1 do
    if math.floor(tonumber(bits) / 2 ^ hook) % 2 == 1 then
      names[#names + 1] = ffi.string(C.tg_hook_name(hook))
    end
  end
  return names
end

-- What is odd about it --------------------------------------------------------------

local kinds = {
  [C.TG_FINDING_NEVER] = "never", [C.TG_FINDING_LOOP] = "loop",
  [C.TG_FINDING_DEFEATED] = "defeated", [C.TG_FINDING_LOOPBACK] = "loopback",
}

--- Something about a policy that compiles, but hardly does what was meant.
---@class tidegate.Finding
---@field kind "never"|"loop"|"defeated"|"loopback"
---@field rule string|nil its name; nil: the default
---@field text string `web.lua:4: deny "x": what; what to do`

--- Rules that can never match, rewrites that go round in a loop, denials that
--- are defeated or that catch the loopback: in the order of the rules.
---@return tidegate.Finding[]|nil
---@return string|nil message
---@return integer|nil errno
function Image:findings()
  local slot = library.slot "lint"
  local result = C.tg_lint_new(self.cdata, slot)
  if result ~= 0 then
    return library.failure(result)
  end
  local object = library.own("lint", slot)
  local found, finding = {}, library.sized "struct tg_finding"
  while C.tg_lint_finding(object, #found, finding) == 0 do
    local rule = self:rule(tonumber(finding.rule))
    found[#found + 1] = {
      kind = kinds[tonumber(finding.kind)], rule = rule and rule.name, text = ffi.string(finding.text),
    }
  end
  library.release("lint", object)
  return found
end

--- What its rules need and this kernel does not have, by the rule's index from
--- 0; empty where the kernel has it all, or this process may not ask it.
---@return table<integer, string>
function Image:lacks()
  local lacks, lack, from = {}, library.sized "struct tg_lack", 0
  while C.tg_image_lack(self.cdata, from, lack) == 0 and lack.rule ~= C.TG_RULE_DEFAULT do
    local rule = tonumber(lack.rule)
    lacks[rule], from = ffi.string(lack.text), rule + 1
  end
  return lacks
end

-- Back to Lua --------------------------------------------------------------------

--- The default of each operation, or one word where they agree.
local function default_text(info)
  local verdicts, parts = {}, {}
  for _, name in ipairs(schema.op_names) do
    local row = schema.fields[name]
    if #row.ops == 1 and not row.reports then
      local verdict = decision.verb_names[tonumber(info.defaults[C["TG_OP_" .. name:upper()]])]
      verdicts[verdict] = true
      parts[#parts + 1] = ("%s = %q"):format(name, verdict)
    end
  end
  if verdicts.allow and verdicts.deny then
    return "{ " .. table.concat(parts, ", ") .. " }"
  end
  return literal.quote(next(verdicts))
end

--- What it says of a live set: `set "banned" { "192.0.2.1", ttl = "10m", size = 65536 }`.
local function set_text(self, index, info)
  local cursor, element = ffi.new "uint64_t[1]", ffi.new "struct tg_set_element"
  local parts = {}
  while C.tg_image_set_next(self.cdata, index, cursor, element) == 1 do
    local text = literal.quote(set.element_text(element))
    if element.ttl_ms ~= info.ttl_ms then
      local ttl = element.ttl_ms > 0 and literal.quote(duration.text(tonumber(element.ttl_ms))) or "0"
      text = ("{ %s, ttl = %s }"):format(text, ttl)
    end
    parts[#parts + 1] = text
  end
  if info.ttl_ms > 0 then
    parts[#parts + 1] = "ttl = " .. literal.quote(duration.text(tonumber(info.ttl_ms)))
  end
  parts[#parts + 1] = ("size = %d"):format(tonumber(info.room))
  return ("set %s { %s }"):format(literal.quote(ffi.string(info.name)), table.concat(parts, ", "))
end

--- What it says of live services: `services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" }, size = 1024 }`.
local function services_text(self, index, info)
  local cursor, vip = ffi.new "uint64_t[1]", ffi.new "struct tg_vip_info"
  local parts = {}
  while C.tg_image_service_next(self.cdata, index, cursor, vip) == 1 do
    local items = {}
    for position, member in ipairs(backend.read(function(number, backend_info)
      return C.tg_image_service_backend(self.cdata, index, cursor[0], number, backend_info)
    end)) do
      items[position] = backend.item_text(member.address, member.weight, member.state)
    end
    parts[#parts + 1] = ("[%s] = { %s }"):format(literal.quote(backend.vip_text(vip)), table.concat(items, ", "))
  end
  parts[#parts + 1] = ("size = %d"):format(tonumber(info.room))
  return ("services %s { %s }"):format(literal.quote(ffi.string(info.name)), table.concat(parts, ", "))
end

local table_text = { [set] = set_text, [services] = services_text }

--- Call a function for each live table of a kind that it declares, in order.
local function each_table(self, kind, visit)
  local info, index = library.sized(kind.info_type), 0
  while kind.of_image(self.cdata, index, info) == 0 do
    visit(index, info)
    index = index + 1
  end
end

--- The names of the live tables of a kind that it declares, in order.
---@param kind tidegate.LiveKind
---@return string[]
function Image:table_names(kind)
  local names = {}
  each_table(self, kind, function(_, info) names[#names + 1] = ffi.string(info.name) end)
  return names
end

--- Lua that compiles to the same image.
---@return string
function Image:dump()
  local options = {}
  if self.name ~= "" then
    options[1] = "name = " .. literal.quote(self.name)
  end
  options[#options + 1] = "default = " .. default_text(self.info)
  options[#options + 1] = ("on_error = %q"):format(decision.verb_names[tonumber(self.info.on_error)])
  local lines = { "policy { " .. table.concat(options, ", ") .. " }", "" }
  for _, kind in ipairs { set, services } do
    each_table(self, kind, function(index, info) lines[#lines + 1] = table_text[kind](self, index, info) end)
  end
  for index = 0, self.count - 1 do
    local info = self:rule(index)
    lines[#lines + 1] = info.text or ("-- %s %q: the image does not hold its text"):format(info.verb, info.name)
  end
  return table.concat(lines, "\n") .. "\n"
end

return M

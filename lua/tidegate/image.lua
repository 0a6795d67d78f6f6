--- A compiled policy: what it says of itself, and what it decides.

local ffi = require "ffi"
local backend = require "tidegate.backend"
local decision = require "tidegate.decision"
local dump = require "tidegate.dump"
local library = require "tidegate.ffi"
local names = require "tidegate.names"
local query = require "tidegate.query"

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
    verb = names.verbs[info.verb], ops = tonumber(info.ops), slot = tonumber(info.slot),
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
  local found = {}
  for index = 0, self.count - 1 do
    found[index] = self.members and self.members[index + 1].name or self:rule(index).name
  end
  return found
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
  return names.hooks_in(self.info.hooks)
end

-- What is odd about it --------------------------------------------------------------

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
      kind = names.findings[finding.kind], rule = rule and rule.name, text = ffi.string(finding.text),
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

-- What it declares ------------------------------------------------------------------

--- Call a function for each live table of a kind that it declares, in order.
function Image:each_table(kind, visit)
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
  local found = {}
  self:each_table(kind, function(_, info) found[#found + 1] = ffi.string(info.name) end)
  return found
end

--- Lua that compiles to the same image.
---@return string
function Image:dump()
  return dump.text(self)
end

return M

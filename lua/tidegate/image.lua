--- A compiled policy: what it contains, what it decides, and what is odd about it.

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
---@field count integer the number of its rules
---@field bytes integer its size in bytes
---@field members tidegate.Rule[]|nil the handles of its rules, if it was compiled in this process
local Image = {}
Image.__index = Image

--- Make an image.
---@param call fun(slot: ffi.cdata*): integer calls a function such as tg_image_load()
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function M.make(call)
  local object, message, errno = library.make("image", call)
  if not object then
    return nil, message, errno
  end
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
  return M.make(function(slot) return C.tg_image_load(path, slot) end)
end

--- Write the image to a file.
---@param path string
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Image:save(path)
  return library.outcome(C.tg_image_save(self.cdata, path))
end

--- The image's bytes, as a file contains them.
---@return string
function Image:data()
  local size = ffi.new "size_t[1]"
  local bytes = C.tg_image_bytes(self.cdata, size)
  return ffi.string(bytes, size[0])
end

-- What it contains ---------------------------------------------------------------------

--- An optional text as a Lua string, such as "web.lua:4"; nil if the image does not contain it.
local function known(text)
  text = ffi.string(text)
  return text ~= "" and text or nil
end

--- What an image contains about a rule.
---@class tidegate.ImageRule
---@field name string
---@field verb string
---@field where string|nil "web.lua:4"
---@field text string|nil one line of Lua
---@field slot integer
---@field ops integer a mask

---@param index integer from 0
---@return tidegate.ImageRule|nil
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

--- The backends of a rule.
---@param index integer of the rule, from 0
---@return tidegate.Backend[]
function Image:backends(index)
  return backend.read(function(position, info)
    return C.tg_image_backend(self.cdata, index, position, info)
  end)
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

--- The names of the hooks that a gate attaches for the image.
---@return string[]
function Image:hooks()
  return names.hooks_in(self.info.hooks)
end

--- Call a function for each live table of one kind that the image declares, in order.
---@param kind tidegate.LiveKind
---@param visit fun(index: integer, info: ffi.cdata*)
function Image:each_table(kind, visit)
  local info, index = library.sized(kind.info_type), 0
  while kind.of_image(self.cdata, index, info) == 0 do
    visit(index, info)
    index = index + 1
  end
end

--- The names of the live tables of one kind that the image declares, in order.
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

-- What it decides ----------------------------------------------------------------------

--- Ask the simulator, which runs the BPF programs' own source code on the image.
---@param gate ffi.cdata*|nil struct tg_gate: ask with its live tables, not those of the image
---@param of_gate function such as tg_gate_decide()
---@param of_image function such as tg_image_decide()
---@return integer
local function simulate(self, gate, of_gate, of_image, ...)
  if gate then
    return of_gate(gate, self.cdata, ...)
  end
  return of_image(self.cdata, ...)
end

local function decide(self, asked, gate)
  local struct = library.sized "struct tg_decision"
  local result = simulate(self, gate, C.tg_gate_decide, C.tg_image_decide, asked.cdata, struct)
  if result ~= 0 then
    return library.failure(result)
  end
  return decision.new(self, asked, struct, gate), tonumber(struct.rule)
end

--- Decide a call.
---@param question tidegate.Question
---@param gate ffi.cdata*|nil struct tg_gate: decide with its live tables, not those of the image
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

--- Decide a call, and explain why the rules before the one that decides did not match.
---@param question tidegate.Question
---@param gate ffi.cdata*|nil as for decide()
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
    return simulate(self, gate, C.tg_gate_choice, C.tg_image_choice, asked.cdata, index, info)
  end)
end

--- The mask of the fields that keep a rule from matching.
---@param asked tidegate.Query
---@param index integer of the rule, from 0
---@param gate ffi.cdata*|nil as for decide()
---@return integer|nil
---@return string|nil message
---@return integer|nil errno
function Image:mismatch(asked, index, gate)
  local mask = library.index()
  local result =
    simulate(self, gate, C.tg_gate_mismatch, C.tg_image_mismatch, asked.cdata, index, mask)
  if result ~= 0 then
    return library.failure(result)
  end
  return tonumber(mask[0])
end

-- What is odd about it -----------------------------------------------------------------

--- Something in a policy that compiles, but probably does not do what was meant.
---@class tidegate.Finding
---@field kind "never"|"loop"|"defeated"|"loopback"
---@field rule string|nil its name; nil: the default
---@field text string `web.lua:4: deny "x": what; what to do`

--- Rules that can never match, rewrites that loop, and denials that are defeated or that include
--- the loopback addresses, in the order of the rules.
---@return tidegate.Finding[]|nil
---@return string|nil message
---@return integer|nil errno
function Image:findings()
  local object, message, errno =
    library.make("lint", function(slot) return C.tg_lint_new(self.cdata, slot) end)
  if not object then
    return nil, message, errno
  end
  local found, finding = {}, library.sized "struct tg_finding"
  while C.tg_lint_finding(object, #found, finding) == 0 do
    local rule = self:rule(tonumber(finding.rule))
    found[#found + 1] = {
      kind = names.findings[finding.kind], rule = rule and rule.name,
      text = ffi.string(finding.text),
    }
  end
  library.release("lint", object)
  return found
end

--- For each rule that needs something that this kernel lacks: what that is, by the rule's index
--- from 0. Empty if the kernel lacks nothing, or if this process is not allowed to find out.
---@return table<integer, string>
function Image:lacks()
  local lacks, lack, from = {}, library.sized "struct tg_lack", 0
  while C.tg_image_lack(self.cdata, from, lack) == 0 and lack.rule ~= C.TG_RULE_DEFAULT do
    local rule = tonumber(lack.rule)
    lacks[rule], from = ffi.string(lack.text), rule + 1
  end
  return lacks
end

return M

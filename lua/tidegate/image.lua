--- A compiled policy: what it contains, what it decides, and what is odd about it.

local bit = require "bit"
local ffi = require "ffi"
local backend = require "tidegate.backend"
local decision = require "tidegate.decision"
local dump = require "tidegate.dump"
local handle = require "tidegate.handle"
local library = require "tidegate.ffi"
local literal = require "tidegate.literal"
local named_range = require "tidegate.named_range"
local names = require "tidegate.names"
local query = require "tidegate.query"

local C = library.C

local M = {}

--- The first bytes of an image file.
M.MAGIC = "TIDEGATE"

--- An image, whose methods are those of the state behind its handle.  `#image` is the number of its
--- rules.
---@class tidegate.Image
---@field name string of the policy, "" if it has none
---@field bytes integer its size in bytes
---@field shadow boolean whether the policy only counts and reports
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
    shadow = bit.band(info.flags, C.TG_POLICY_SHADOW) ~= 0,
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

--- Make an image from the bytes of a file.
---@param bytes string
---@param path string of the file, for messages
---@return tidegate.Image|nil
---@return string|nil message
---@return integer|nil errno
function M.parse(bytes, path)
  local made, message, errno =
    M.make(function(slot) return C.tg_image_parse(bytes, #bytes, slot) end)
  return made, message and literal.line(path) .. ": " .. message, errno
end

--- Write the image to a file.
---@param path string
---@return true|nil
---@return string|nil message
---@return integer|nil errno
function Image:save(path)
  if not literal.is_text(path) then
    error("save: wants a path; got " .. literal.describe(path), 2)
  end
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
---@field message string|nil
---@field package ops integer a mask

---@param index integer from 0
---@return tidegate.ImageRule|nil
---@package
function Image:rule(index)
  local info = library.sized "struct tg_rule_info"
  if C.tg_image_rule(self.cdata, index, info) ~= 0 then
    return nil
  end
  return {
    name = ffi.string(info.name), where = known(info.where), text = known(info.text),
    message = known(info.message),
    verb = names.verbs[info.verb], ops = tonumber(info.ops),
  }
end

--- The backends of a rule.
---@param index integer of the rule, from 0
---@return tidegate.Backend[]
---@package
function Image:backends(index)
  return backend.read_all(function(infos, capacity, count)
    local result = C.tg_image_rule_backends(self.cdata, index, infos, capacity, count)
    return result == 0 and 1 or result
  end)
end

---@param index integer of the rule, from 0
---@return string
---@package
function Image:verb(index)
  return self.members and self.members[index + 1].verb or self:rule(index).verb
end

--- The names of its rules, from index 0.
---@return table<integer, string>
---@package
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
---@param visit fun(info: ffi.cdata*)
---@package
function Image:each_table(kind, visit)
  local info, cursor = library.sized(kind.info_type), ffi.new "uint64_t[1]"
  while kind.of_image(self.cdata, cursor, info) == 1 do
    if not named_range.is(ffi.string(info.name)) then -- "local" is declared by nobody
      visit(info)
    end
  end
end

--- The names of the live tables of one kind that the image declares, in order.
---@param kind tidegate.LiveKind
---@return string[]
---@package
function Image:table_names(kind)
  local found = {}
  self:each_table(kind, function(info) found[#found + 1] = ffi.string(info.name) end)
  return found
end

--- Lua that compiles to the same image.  Of an image that was loaded, each rule is in its policy's
--- own words if they still mean the same, and else as the image has it in force, without names.
--- An image does not hold comments, handlers, and the options unsupported and requires.
---@return string
function Image:dump()
  return dump.text(self)
end

-- What it decides ----------------------------------------------------------------------

--- Ask the simulator, which runs the BPF programs' own source code on the image.
local function decide(self, asked, gate)
  local struct = library.sized "struct tg_decision"
  local result = C.tg_image_decide(self.cdata, gate or nil, asked.cdata, struct)
  if result ~= 0 then
    return library.failure(result)
  end
  return decision.new(self, asked, struct, gate), tonumber(struct.rule)
end

--- Decide a call, or both calls that egress is.
---@param question tidegate.Question
---@return tidegate.Decision|tidegate.EgressDecision|nil
---@return string|nil message
---@return integer|nil errno
function Image:decide(question)
  return self:decide_with(nil, question)
end

--- Like decide(), with the live tables of a gate.
---@param gate ffi.cdata*|nil struct tg_gate
---@package
function Image:decide_with(gate, question)
  local asked, message, errno = query.new(question, "decide", 2)
  if not asked then
    return nil, message, errno
  end
  return decision.answers(asked, function(one)
    local decided, by, number = decide(self, one, gate)
    return decided, not decided and by or nil, number
  end)
end

--- Decide a call, and explain why the rules before the one that decides did not match.
---@param question tidegate.Question
---@return tidegate.Explanation|tidegate.EgressExplanation|nil
---@return string|nil message
---@return integer|nil errno
function Image:explain(question)
  return self:explain_with(nil, question)
end

--- Like explain(), with the live tables of a gate.
---@param gate ffi.cdata*|nil struct tg_gate
---@package
function Image:explain_with(gate, question)
  local asked, message, errno = query.new(question, "explain", 2)
  if not asked then
    return nil, message, errno
  end
  return decision.answers(asked, function(one)
    local decided, by, number = decide(self, one, gate)
    if not decided then
      return nil, by, number
    end
    return decision.explain(self, one, decided, math.min(by, self.count), gate)
  end)
end

--- The backends that a call is balanced over.
---@param asked tidegate.Query
---@param gate ffi.cdata*|nil as for decide_with()
---@return tidegate.Backend[]
---@package
function Image:candidates(asked, gate)
  return backend.walk(function(cursor, info)
    return C.tg_image_candidate_next(self.cdata, gate or nil, asked.cdata, cursor, info)
  end)
end

--- The mask of the fields that keep a rule from matching.
---@param asked tidegate.Query
---@param index integer of the rule, from 0
---@param gate ffi.cdata*|nil as for decide_with()
---@return integer|nil
---@return string|nil message
---@return integer|nil errno
---@package
function Image:mismatch(asked, index, gate)
  local mask = library.index()
  local result = C.tg_image_mismatch(self.cdata, gate or nil, asked.cdata, index, mask)
  if result ~= 0 then
    return library.failure(result)
  end
  return tonumber(mask[0])
end

-- What is odd about it -----------------------------------------------------------------

---@alias tidegate.FindingKind
---| "never"|"loop"|"defeated"|"loopback"|"source"|"port"|"unseen"|"probe"|"address"|"bind"

--- Something in a policy that compiles, but probably does not do what was meant.
---@class tidegate.Finding
---@field kind tidegate.FindingKind
---@field rule string|nil its name; nil: the default
---@field text string `web.lua:4: deny "x": what; what to do`

--- Rules that can never match, rewrites that loop, and denials that are defeated or that include
--- the loopback addresses, in the order of the rules.
---@return tidegate.Finding[]|nil
---@return string|nil message
---@return integer|nil errno
function Image:check()
  local object, message, errno =
    library.make("lint", function(slot) return C.tg_lint_new(self.cdata, slot) end)
  if not object then
    return nil, message, errno
  end
  local found, finding = {}, library.sized "struct tg_finding"
  local cursor = ffi.new "uint64_t[1]"
  while C.tg_lint_next(object, cursor, finding) == 1 do
    local rule = self:rule(tonumber(finding.rule))
    found[#found + 1] = {
      kind = names.findings[finding.kind], rule = rule and rule.name,
      text = ffi.string(finding.text),
    }
  end
  library.release("lint", object)
  return found
end

--- Something that an image needs and this kernel does not have.
---@class tidegate.Unsupported
---@field rule string|nil its name; nil: no single rule is the cause
---@field text string `web.lua:4: rewrite "x": needs …, which this kernel, Linux …, does not have`

--- What the image needs and this kernel does not have, in the order of the rules.  A failure: this
--- process may not ask the kernel.
---@return tidegate.Unsupported[]|nil
---@return string|nil message
---@return integer|nil errno
function Image:unsupported()
  local found, struct = {}, library.sized "struct tg_unsupported"
  local cursor = ffi.new "uint64_t[1]"
  local result = C.tg_image_unsupported_next(self.cdata, cursor, struct)
  while result == 1 do
    local rule = self:rule(tonumber(struct.rule))
    found[#found + 1] = { rule = rule and rule.name, text = ffi.string(struct.text) }
    result = C.tg_image_unsupported_next(self.cdata, cursor, struct)
  end
  if result < 0 then
    return library.failure(result)
  end
  return found
end

-- Its handle ---------------------------------------------------------------------------

--- Its rules, in order.
---@return tidegate.ImageRule[]
function Image:rules()
  local rules = {}
  for index = 0, self.count - 1 do
    local info = self:rule(index)
    rules[index + 1] = {
      name = info.name, verb = info.verb, where = info.where, text = info.text,
    }
  end
  return rules
end

local methods = {}
for _, name in ipairs {
  "save", "data", "hooks", "dump", "check", "unsupported", "rules", "decide", "explain",
} do
  methods[name] = Image[name]
end

local class = handle.class {
  noun = "image", methods = methods, count = function(self) return self.count end,
  fields = {
    name = function(self) return self.name end,
    bytes = function(self) return self.bytes end,
    shadow = function(self) return self.shadow end,
  },
  hints = { findings = "image:check()", lacks = "image:unsupported()", count = "#image" },
  change = "an image does not change",
  text = function(self)
    return ("image%s: %d rule%s, %d bytes"):format(
      self.name ~= "" and " " .. literal.quote(self.name) or "", self.count,
      self.count == 1 and "" or "s", self.bytes)
  end,
}

--- The handle of an image.
---@param state table as made by make() or load()
---@return tidegate.Image
function M.handle(state)
  state.handle = state.handle or handle.new(class, state)
  return state.handle
end

--- The state behind a handle; nil: the value is no image.
---@param object any
---@return table|nil
function M.state(object)
  return handle.state(object, class)
end

return M

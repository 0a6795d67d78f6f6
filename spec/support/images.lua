--- Policies and images, made as a program in C makes them.

local ffi = require "ffi"
local library = require "tidegate.ffi"

local C = library.C
local CONNECT = 2 ^ tonumber(C.TG_OP_CONNECT)
local EGRESS = CONNECT + 2 ^ tonumber(C.TG_OP_SENDMSG)

local M = { CONNECT = CONNECT, EGRESS = EGRESS }

--- Assert that a call succeeded.
function M.check(result)
  assert(result == 0, ffi.string(C.tg_error()))
end

--- What `create` makes, collected as other values are.
function M.make(kind, create)
  local slot = library.slot(kind)
  M.check(create(slot))
  return library.own(kind, slot)
end

--- A list of a field's items.
function M.new_list(field, items)
  local list = M.make("list", function(slot)
    return C.tg_list_new(field, 0, slot)
  end)
  for _, item in ipairs(items) do
    M.check(C.tg_list_add(list, item))
  end
  return list
end

--- A policy without rules.
function M.new_policy(name)
  return M.make("policy", function(slot)
    return C.tg_policy_new(name, slot)
  end)
end

--- Add a rule; `match` contains lists of items by field.
function M.add(policy, verb, fields, match)
  local rule, index = library.sized "struct tg_rule", library.index()
  rule.verb, rule.ops = verb, fields.ops or CONNECT
  rule.name, rule.where, rule.text, rule.to = fields.name, fields.where, fields.text, fields.to
  rule.flags, rule.message = fields.flags or 0, fields.message
  M.check(C.tg_policy_add_rule(policy, rule, index))
  for field, items in pairs(match or {}) do
    local list = type(items) == "table" and M.new_list(field, items) or items
    M.check(C.tg_policy_add_match(policy, index[0], list))
  end
  return policy
end

--- The image of a policy.
function M.compile(policy)
  return M.make("image", function(slot)
    return C.tg_policy_compile(policy, slot)
  end)
end

--- The bytes of an image.
function M.bytes_of(image)
  local size = ffi.new "size_t[1]"
  local bytes = C.tg_image_bytes(image, size)
  return ffi.string(bytes, size[0])
end

--- A policy that has something for every part of an image.
function M.sample()
  local policy = M.new_policy "sample"
  local deny = { name = "net", where = "a.lua:1", text = "deny {}", ops = EGRESS,
    message = "not from here" }
  M.add(policy, C.TG_VERB_DENY, deny, {
    [C.TG_FIELD_ENDPOINT] = { "10.0.0.0/8:80", "2001:db8::1" },
    [C.TG_FIELD_COMM] = { "curl" },
  })
  return M.add(policy, C.TG_VERB_REWRITE, { to = "127.0.0.1:1" },
    { [C.TG_FIELD_ENDPOINT] = { "1.2.3.4:80" } })
end

return M

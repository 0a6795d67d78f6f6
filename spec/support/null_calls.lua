--- Calls of all public functions of tidegate.h, for spec/c/null_arguments.c: for each pointer
--- that a function takes, one call in which this one is NULL and the others are right.

local cjson = require "cjson"
local command = require "spec.support.command"

local M = {}

--- What is given for a parameter, by its name and type, or by its type alone.
local values = {
  ["bytes const void *"] = "image_bytes",
  ["size size_t"] = "SIZE",
  ["path const char *"] = "some_file",
  ["target const char *"] = "cgroup",
  ["backend const char *"] = '"127.0.0.2:8080"',
  ["address const char *"] = '"127.0.0.2:8080"',
  ["vip const char *"] = '"10.96.0.10:80/tcp"',
  ["endpoint const char *"] = '"192.0.2.1:80"',
  ["text const char *"] = '"tcp"',
  ["item const char *"] = '"192.0.2.1"',
  ["set const char *"] = '"s"',
  ["services const char *"] = '"v"',
  ["addr const uint8_t *"] = "address_bytes",
  ["cursor uint64_t *"] = "cursor()",
  ["field enum tg_field"] = "TG_FIELD_ENDPOINT",
  ["verb enum tg_verb"] = "TG_VERB_ALLOW",
  ["ops uint32_t"] = "TG_BIT(TG_OP_CONNECT)",
  ["weight uint32_t"] = "1",
  ["count size_t"] = "1",
  ["capacity uint32_t"] = "1",
  ["items const char *const *"] = "items",
  ["struct tg_list *"] = "new_list()",
  ["struct tg_policy *"] = "new_policy()",
  ["struct tg_image *"] = "image",
  ["struct tg_gate *"] = "gate",
  ["struct tg_set *"] = "set",
  ["struct tg_services *"] = "services",
  ["struct tg_lint *"] = "lint",
  ["uint32_t *"] = "&(uint32_t){0}",
  ["uint64_t *"] = "&(uint64_t){0}",
  ["size_t *"] = "&(size_t){0}",
  ["char *"] = "(char[SIZE]){0}",
  ["uint32_t"] = "0", ["uint64_t"] = "0", ["int"] = "0",
}

--- The same for the parameter of one function: "FUNCTION NAME".
local special = {
  ["tg_list_add_product addrs"] = "new_addresses()",
  ["tg_list_add_product ports"] = "new_ports()",
  ["tg_image_load path"] = "image_file",
  ["tg_image_save path"] = "saved_file",
  ["tg_image_parse size"] = "image_size",
  ["tg_policy_new name"] = '"p"',
  ["tg_policy_set_add name"] = '"s"',
  ["tg_policy_set_load name"] = '"s"',
  ["tg_gate_find_set name"] = '"s"',
  ["tg_policy_declare_set name"] = '"another"',
  ["tg_policy_declare_services name"] = '"others"',
  ["tg_policy_services_put name"] = '"v"',
  ["tg_gate_find_services name"] = '"v"',
  ["tg_policy_add_match index"] = "1",
  ["tg_policy_add_match list"] = "new_list()",
  ["tg_image_rule_backends rule"] = "0",
  ["tg_query_field field"] = "TG_FIELD_PROTO",
  ["tg_set_find address"] = '"192.0.2.1"',
  ["tg_set_load path"] = "some_file",
  ["tg_event_format format"] = "TG_FORMAT_JSON",
}

--- What each call of a function needs to have the same result as the one before.
local before = {
  tg_gate_attach = "(void)tg_gate_detach(gate, NULL)",
  tg_services_remove = "put_service()",
  tg_services_remove_backend = "put_service()",
}

--- Functions of which a call has no way back.
local left_out = { tg_gate_restrict = true }

local function without_const(text)
  return (text:gsub("^const ", ""))
end

local function value_of(func, name, kind)
  local value = special[func .. " " .. name] or values[name .. " " .. kind]
    or values[without_const(kind)]
  if value then
    return value
  end
  if kind:find "%*%*$" then
    return ("&(%s){0}"):format((kind:gsub("%*$", "")))
  end
  local struct = kind:match "^const (struct tg_[%l_]+) %*$"
  if struct then
    return "&" .. struct:gsub("struct tg_", "some_")
  end
  struct = assert(kind:match "^(struct tg_[%l_]+) %*$", func .. "(): " .. name .. ": " .. kind)
  return ("&(%s){%s}"):format(struct, struct == "struct tg_counters" and "0"
    or ".size = sizeof(" .. struct .. ")")
end

---@type { name: string, result: string, params: { name: string, kind: string }[] }[]
local known

local function functions()
  if known then
    return known
  end
  local got = command.run({ "clang", "-x", "c", "-std=c11", "-fsyntax-only", "-Xclang",
    "-ast-dump=json", command.build .. "/tidegate.h" })
  assert(got.status == 0, got.err)
  local list = {}
  for _, node in ipairs(cjson.decode(got.out).inner) do
    if node.kind == "FunctionDecl" and node.name:find "^tg_" and not left_out[node.name] then
      local func = { name = node.name, result = node.type.qualType:match "^(.-) ?%(", params = {} }
      for _, part in ipairs(node.inner or {}) do
        if part.kind == "ParmVarDecl" then
          table.insert(func.params, { name = part.name, kind = part.type.qualType })
        end
      end
      list[#list + 1] = func
    end
  end
  known = list
  return list
end

local function call(func, null)
  local arguments = {}
  for index, param in ipairs(func.params) do
    arguments[index] = index == null and "NULL" or value_of(func.name, param.name, param.kind)
  end
  local text = ("%s(%s)"):format(func.name, table.concat(arguments, ", "))
  local what = ('"%s %s"'):format(func.name, null and func.params[null].name or "-")
  if func.result == "int" then
    return ("\t%s;\n\ttell(%s, %s);"):format(before[func.name] or "", what, text)
  end
  return ("\t(void)%s;\n\ttell(%s, 0);"):format(text, what)
end

--- C statements: all calls with a NULL, each after the same call without.
---@return string
function M.source()
  local lines = {}
  for _, func in ipairs(functions()) do
    local frees = func.name:find "_free$" or func.name:find "_close$"
    if not frees then
      lines[#lines + 1] = call(func)
    end
    for index, param in ipairs(func.params) do
      if param.kind:find "%*" then
        lines[#lines + 1] = call(func, index)
      end
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

local results = {
  -- Handles, texts and walks are always wanted.
  ["uint64_t *"] = function(name) return name ~= "cursor" end,
  ["uint32_t *"] = function() return true end,
  ["size_t *"] = function() return true end,
}

--- Whether a parameter is a result that nobody need want.
---@param func_name string
---@param param_name string
---@return boolean
function M.is_result(func_name, param_name)
  for _, func in ipairs(functions()) do
    for _, param in ipairs(func.name == func_name and func.params or {}) do
      if param.name == param_name then
        local by_kind = results[param.kind]
        return by_kind and by_kind(param.name)
          or param.kind:find "^struct tg_[%l_]+ %*$" ~= nil and not values[param.kind]
      end
    end
  end
  return false
end

return M

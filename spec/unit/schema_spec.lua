local env = require "spec.support.env"
local schema = require "tidegate.schema"
local tidegate = require "tidegate"

--- What a rule must say besides the field to be tested.
local base = {
  allow = { connect = [["192.0.2.1:80"]] },
  deny = { connect = [["192.0.2.1:80"]] },
  rewrite = { connect = [["192.0.2.1:80"]], to = [["127.0.0.1:80"]] },
  observe = { connect = [["192.0.2.1:80"]] },
  balance = { connect = [["192.0.2.1:80"]], to = [["127.0.0.1:80"]] },
}

--- A valid value of a field, as Lua source.
local values = {
  connect = [["192.0.2.1:80"]], sendmsg = [["192.0.2.1:80"]], egress = [["192.0.2.1:80"]],
  proto = [["tcp"]], family = [["inet"]], uid = "0", gid = "0", comm = [["curl"]], pid = "1",
  type = [["stream"]], source = [["127.0.0.1:5000"]], exe = [["/bin/sh"]], cgroup = [["/"]],
  netns = [["self"]],
  mark = [["0x10"]], device = [["lo"]],
  bind = [["192.0.2.1:80"]], recvmsg = [["192.0.2.1:80"]], getpeername = [["192.0.2.1:80"]],
  getsockname = [["192.0.2.1:80"]], low_port = "true", sockopt = "{ mark = 16 }", shadow = "true",
  by = [["hash"]], key = [["uid"]], sticky = [["10m"]],
  errno = [["EACCES"]], to = [["127.0.0.1:80"]], bind_source = [["127.0.0.1"]], reveal = "true",
  log = [["10/s"]], message = [["not from here"]],
  over = [["100/s"]], per = [["uid"]], before = [["lan"]], after = [["lan"]],
}

local function rule_with(verb, row)
  local fields = {}
  for name, value in pairs(base[verb]) do
    fields[name] = value
  end
  if row.kind == "what" then
    fields.connect = nil
  elseif row.name == "low_port" then
    fields.connect, fields.bind = nil, values.bind
  end
  if row.name == "key" and verb == "balance" then
    fields.by = values.by
  elseif row.name == "sticky" and verb == "balance" then
    fields.key = values.key
  end
  fields[row.name] = values[row.name]
  fields.over = row.name == "per" and values.over or fields.over
  local parts = {}
  for name, value in pairs(fields) do
    parts[#parts + 1] = name .. " = " .. value
  end
  return verb .. " { " .. table.concat(parts, ", ") .. " }"
end

describe("schema", function()
  local folder

  setup(function()
    folder = env.folder()
    env.write(folder .. "/blocklist.txt", "192.0.2.0/24 # documentation\n")
  end)
  teardown(env.clean)

  for _, part in ipairs { "verbs", "fields", "options", "words" } do
    for position, row in ipairs(schema[part]) do
      it(("documents %s %q with an example that compiles"):format(part, row.name), function()
        assert.equal(row, schema[part][row.name])
        assert.equal(position, row.position)
        assert.matches("^%a.*%.$", row.doc)
        assert.matches("%f[%a]" .. row.name .. "%f[^%a_]", row.example)
        assert(tidegate.load_text(row.example, folder .. "/example.lua"))
      end)
    end
  end

  for _, row in ipairs(schema.fields) do
    it(("lets the verbs of %q take it, and no other"):format(row.name), function()
      for _, verb in ipairs(schema.verb_names) do
        local taken = schema.accepts(row, verb)
        -- The core's error says why the kernel cannot deny what is only reported, nor balance what
        -- goes nowhere.
        local works = taken and not (verb == "deny" and row.reports)
          and not (verb == "balance" and (row.reports or row.name == "bind"))
        local neighbour = row.kind == "place" and [[deny { "lan", connect = "*" } ]] or ""
        local gate, message = tidegate.load_text(neighbour .. rule_with(verb, row), "web.lua")
        if works then
          assert(gate, message)
        else
          assert.is_nil(gate)
        end
        if not taken then
          assert.equal(('web.lua:1: %s "#1": %q is for %s'):format(verb, row.name,
            schema.enumerate(row.verbs, "and")), message:match "[^\n]+")
        end
      end
    end)

    it(("says which values %q takes"):format(row.name), function()
      local verb = row.verbs and row.verbs[1] or row.reports and "allow" or "deny"
      local said = (row.name .. " = " .. values[row.name]):gsub("%p", "%%%0")
      local source = rule_with(verb, row):gsub(said, row.name .. " = print")
      assert.equal(('web.lua:1: %s "#1": %s: wants %s; got a function')
        :format(verb, row.name, row.wants), env.refusal(source))
    end)
  end

  for _, row in ipairs(schema.options) do
    it(("says which values the option %q takes"):format(row.name), function()
      assert.equal(("web.lua:1: policy: %s: wants %s; got a function"):format(row.name, row.wants),
        env.refusal(("policy { %s = print }"):format(row.name)))
    end)
  end

  --- The names of the optional fields of a class, as its annotations spell them out.
  local function annotated(module, class)
    local text = env.read(("lua/tidegate/%s.lua"):format(module))
    local names = {}
    for name in text:match("%-%-%-@class " .. class .. "\n(.-)\n[^-]"):gmatch "@field ([%l_]+)%?" do
      names[#names + 1] = name
    end
    return names
  end

  it("has the fields that editors are told of", function()
    local fields = annotated("rule", "tidegate%.RuleSpec")
    local keys = annotated("query", "tidegate%.Question")
    local asked = { unpack(schema.op_names) }
    for _, name in ipairs(schema.condition_names) do
      asked[#asked + 1] = name
    end
    for _, names in ipairs { fields, keys, asked } do
      table.sort(names)
    end
    local known = { unpack(schema.field_names) }
    table.sort(known)
    assert.same(known, fields)
    assert.same(asked, keys)
  end)

  it("joins names as a sentence does", function()
    assert.equal("", schema.enumerate({}, "or"))
    assert.equal("a", schema.enumerate({ "a" }, "or"))
    assert.equal("a or b", schema.enumerate({ "a", "b" }, "or"))
    assert.equal("a, b and c", schema.enumerate({ "a", "b", "c" }, "and"))
  end)
end)

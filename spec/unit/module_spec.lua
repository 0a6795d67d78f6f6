local env = require "spec.support.env"
local tidegate = require "tidegate"

local web = [[
policy { name = "web", default = "allow" }
deny { "no-metadata", egress = "169.254.169.254", errno = "ECONNREFUSED" }
allow { "dns", egress = "10.0.0.2:53", proto = "udp" }
deny { "no-lan", egress = { "10.0.0.0/8", "fd00::/8" }, uid = "!root", log = true }
rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", source = "127.0.0.1:22222" }
rewrite { "six", connect = "[2001:db8::1]:80", to = "[::1]:8080" }
allow { "from", connect = "192.0.2.1", source = "192.0.2.9" }
]]

local function loaded()
  return assert(tidegate.compile(web, "web.lua"))
end

describe("tidegate", function()
  teardown(env.clean)

  it("has a version", function()
    assert.matches("^%d+%.%d+%.%d+$", tidegate.version)
  end)

  it("raises an error if it is misused", function()
    assert.error(function() tidegate.load(5) end, "load: wants a path; got 5")
    assert.error(function() tidegate.load() end, "load: wants a path; got nil")
    assert.error(function() tidegate.gate {} end, "gate: wants a name; got a table")
  end)

  it("leaves no global behind", function()
    local before = {}
    for name in pairs(_G) do before[name] = true end
    loaded():decide { op = "connect", addr = "1.2.3.4:60000" }
    for name in pairs(_G) do assert.is_true(before[name], name) end
  end)
end)

describe("the library", function()
  local folder
  setup(function() folder = env.folder() end)
  teardown(env.clean)

  --- What a fresh LuaJIT that loads the module prints.
  local function output(environment)
    local pipe = assert(io.popen(("env %s luajit -e 'package.path = %q; print(pcall(require, "
      .. "\"tidegate\"))' 2>&1")
      :format(environment, package.path)))
    local text = pipe:read "*a"
    pipe:close()
    return text
  end

  it("may be named by its path, and says what to do if it is not there", function()
    assert.equal("false\ttidegate: /nonexistent.so: cannot open shared object file: No such file "
      .. "or directory; run make, or set TIDEGATE_LIBRARY to the path of libtidegate.so\n",
      output "TIDEGATE_LIBRARY=/nonexistent.so")
    assert.matches("^true\t", output "TIDEGATE_LIBRARY=")
  end)

  it("is refused if it has another ABI", function()
    env.write(folder .. "/other.c", "unsigned int tg_abi(void) { return 4000; }\n")
    os.execute(("cc -shared -fPIC -o %s/other.so %s/other.c"):format(folder, folder))
    assert.equal(("false\ttidegate: %s/other.so has ABI 4000, this module wants %d; "
      .. "install both from the same version\n"):format(folder, require("tidegate.ffi").C.TG_ABI),
      output("TIDEGATE_LIBRARY=" .. folder .. "/other.so"))
  end)
end)

describe("gate:decide", function()
  local gate
  before_each(function() gate = loaded() end)

  local function text(question)
    return tostring(assert(gate:decide(question)))
  end

  it("says which rule decides, and how", function()
    assert.equal([[rewrite "seed" (web.lua:5): 1.2.3.4:60000 -> 127.0.0.1:60123 from ]]
      .. [[127.0.0.1:22222]],
      text { op = "connect", addr = "1.2.3.4", port = 60000, proto = "tcp", uid = 33,
        comm = "curl" })
    assert.equal([[rewrite "six" (web.lua:6): [2001:db8::1]:80 -> [::1]:8080]],
      text { op = "connect", addr = "2001:db8::1", port = 80 })
    assert.equal([[deny "no-metadata" (web.lua:2): ECONNREFUSED]],
      text { op = "connect", addr = "169.254.169.254:80" })
    assert.equal([[deny "no-lan" (web.lua:4): EPERM]],
      text { op = "connect", addr = "[fd00::1]:53", uid = 3 })
    assert.equal([[allow "dns" (web.lua:3): 10.0.0.2:53]],
      text { op = "sendmsg", addr = "10.0.0.2:53", uid = 3 })
    assert.equal([[allow "from" (web.lua:7): 192.0.2.1:1 from 192.0.2.9]],
      text { op = "connect", addr = "192.0.2.1:1" })
    assert.equal("allow by default: 10.0.0.2:53", text { op = "connect", addr = "10.0.0.2:53" })
  end)

  it("returns the parts of a decision", function()
    local decision = gate:decide { op = "connect", addr = "1.2.3.4:60000" }
    assert.same({ "rewrite", "seed", "web.lua:5", "1.2.3.4:60000", "127.0.0.1:60123", "127.0.0.1",
      60123,
      "127.0.0.1:22222", false }, { decision.verb, decision.rule, decision.where, decision.asked,
      decision.final, decision.addr, decision.port, decision.source, decision.logs })
    decision = gate:decide { op = "connect", addr = "10.0.0.1:1", uid = 1 }
    assert.same({ "deny", "EPERM", true }, { decision.verb, decision.errno, decision.logs })
    decision = gate:decide { op = "connect", addr = "10.0.0.1:1" }
    assert.same({ verb = "allow" }, { verb = decision.verb, rule = decision.rule,
      where = decision.where,
      errno = decision.errno, source = decision.source })
  end)

  it("raises an error if it is misused", function()
    local function misuse(question)
      local ok, message = pcall(function() return gate:decide(question) end)
      assert.is_false(ok)
      return (message:gsub("^spec/unit/module_spec.lua:%d+: ", "", 1))
    end
    assert.equal([[decide: wants a table such as { op = "connect", addr = "1.2.3.4:80" }; got nil]],
      misuse())
    assert.equal([[decide: unknown field "adr"; did you mean "addr"?]],
      misuse { op = "connect", adr = "1.2.3.4" })
    assert.equal([[decide: op: wants connect, sendmsg, bind, recvmsg, getpeername or getsockname; ]]
      .. [[got "egress"]], misuse { op = "egress", addr = "1.2.3.4" })
    assert.equal([[decide: says no addr; add the address that is asked for, such as addr = ]]
      .. [["1.2.3.4:80"]], misuse { op = "connect" })
    assert.equal([[decide: uid: wants a text or a number; got a table]],
      misuse { op = "connect", addr = "1.2.3.4:80", uid = {} })
  end)

  it("fails if its argument is no call", function()
    local decision, message, errno = gate:decide { op = "connect", addr = "1.2.3:80" }
    assert.is_nil(decision)
    assert.equal(22, errno)
    assert.matches("^\"1.2.3:80\": ", message)
    assert.matches("^proto: \"tpc\": ", (select(2,
      gate:decide { op = "connect", addr = "1.2.3.4:80", proto = "tpc" })))
  end)
end)

describe("gate:explain", function()
  it("says why the rules before did not match", function()
    assert.equal([[
connect 1.2.3.4:60000 tcp uid 33 gid 0 comm curl
  web.lua:2  deny "no-metadata"  address differs
  web.lua:3  allow "dns"         address and proto differ
  web.lua:4  deny "no-lan"       address differs
  web.lua:5  rewrite "seed"      matches
rewrite "seed" (web.lua:5): 1.2.3.4:60000 -> 127.0.0.1:60123 from 127.0.0.1:22222]],
      tostring(loaded():explain { op = "connect", addr = "1.2.3.4", port = 60000, uid = 33,
        comm = "curl" }))
  end)

  it("goes through all of them if the default decides", function()
    local explanation = loaded():explain { op = "sendmsg", addr = "10.0.0.2:54" }
    assert.equal("allow by default: 10.0.0.2:54", tostring(explanation.decision))
    local why = {}
    for _, step in ipairs(explanation.steps) do
      why[#why + 1] = step.rule .. ": " .. table.concat(step.mismatch, " ")
    end
    assert.same({ "no-metadata: address", "dns: port", "no-lan: uid", "seed: operation",
      "six: operation", "from: operation" }, why)
  end)
end)

describe("rules", function()
  it("are handles, in order", function()
    local rules = loaded():rules()
    assert.equal(6, #rules)
    local rule = rules[4]
    assert.same({ "seed", "rewrite", "web.lua:5", 0, 0, false },
      { rule.name, rule.verb, rule.where, rule.hits, rule.suppressed, rule.removed })
    assert.equal([[rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", source = ]]
      .. [["127.0.0.1:22222" }]],
      tostring(rule))
  end)

  it("can be staged and removed", function()
    local gate = tidegate.gate "by hand"
    local function decided()
      return tostring(gate:decide { op = "connect", addr = "1.2.3.4:80" })
    end
    assert.equal("allow by default: 1.2.3.4:80", decided())
    local first = gate:deny { connect = "1.2.3.4" }
    local second = gate:rewrite { "second", connect = "1.2.3.4", to = "127.0.0.1" }
    assert.equal("#1", first.name)
    assert.matches([[^deny "#1" %(spec/unit/module_spec.lua:%d+%): EPERM$]], decided())
    first:remove()
    assert.is_true(first.removed)
    first:remove()
    assert.matches([[^rewrite "second" %(spec/unit/module_spec.lua:%d+%): 1.2.3.4:80 %-> ]]
      .. [[127.0.0.1:80$]], decided())
    second:remove()
    assert.equal("allow by default: 1.2.3.4:80", decided())
    gate:policy { default = "deny" }
    assert.equal("deny by default: EPERM", decided())
    assert.equal("#3", gate:allow { connect = "*" }.name)
  end)

  it("that are wrong raise an error, and change nothing", function()
    local gate = tidegate.gate()
    gate:deny { "x", connect = "1.2.3.4" }
    local before = gate:dump()
    local function raised(f)
      local ok, message = pcall(f)
      assert.is_false(ok)
      return (message:gsub("^spec/unit/module_spec.lua:%d+: ", "HERE: ", 1))
    end
    assert.equal([[HERE: deny "y": unknown field "conect"; did you mean "connect"?]],
      raised(function() gate:deny { "y", conect = "*" } end))
    assert.equal([[HERE: deny "y": errno: "EFOO": not an errno, such as ECONNREFUSED or 111]],
      raised(function() gate:deny { "y", connect = "*", errno = "EFOO" } end))
    assert.matches([[^HERE: deny "x": the name is taken by spec/unit/module_spec.lua:%d+; choose ]]
      .. [[another$]], raised(function() gate:deny { "x", connect = "*" } end))
    assert.equal([[HERE: policy: unknown option "nme"; did you mean "name"?]],
      raised(function() gate:policy { nme = "y" } end))
    assert.equal(before, gate:dump())
  end)

  it("read a file again only if it has changed", function()
    local folder = env.folder()
    local path = env.write(folder .. "/block.txt", "192.0.2.1\n")
    local gate = tidegate.gate()
    gate:deny { "x", connect = gate:file(path) }
    local image = gate:image()
    assert.equal(image, gate:image())
    assert.equal("deny", gate:decide { op = "connect", addr = "192.0.2.1:1" }.verb)
    env.write(path, "192.0.2.1\n192.0.2.2\n")
    assert.equal("deny", gate:decide { op = "connect", addr = "192.0.2.2:1" }.verb)
    os.remove(path)
    local decision, message, errno = gate:decide { op = "connect", addr = "192.0.2.2:1" }
    assert.is_nil(decision)
    assert.matches([[^spec/unit/module_spec.lua:%d+: deny "x": connect: ]]
      .. path:gsub("%p", "%%%0")
      .. ": No such file or directory$", message)
    assert.equal(2, errno)
  end)

  it("may be thousands", function()
    local gate = tidegate.gate()
    for number = 1, 10000 do
      gate:deny { connect = ("10.%d.%d.1"):format(number / 256, number % 256) }
    end
    assert.equal("#9999", gate:decide { op = "connect",
      addr = ("10.%d.%d.1:1"):format(9999 / 256, 9999 % 256) }.rule)
  end)
end)

describe("a gate without the kernel", function()
  it("has status and stats", function()
    local gate = loaded()
    assert.same({ name = "web", generation = 0, staged = true, rules = 6, image_bytes = 0,
      hooks = {}, cgroups = 0,
      lost = 0, errors = 0, evicted = 0, forgotten = 0 }, gate:status())
    local stats = gate:stats()
    assert.same({ hits = 0, suppressed = 0 }, stats.rules.seed)
    local none = { hits = 0, suppressed = 0 }
    assert.same({ connect = none, sendmsg = none, bind = none, recvmsg = none, getpeername = none,
      getsockname = none },
      stats.default)
  end)

  it("has stats of backends and services before any is picked", function()
    local path = env.folder() .. "/web.image"
    local written = assert(tidegate.compile [[
      local svc = services "svc" { ["10.96.0.11:80/tcp"] = { "10.0.1.5:8080" }, size = 4 }
      balance { "api", connect = "10.96.0.10:80", to = { "10.0.1.5:8080",
        { "10.0.1.6", weight = 3 } } }
      balance { "live", connect = svc }
    ]])
    assert(written:image():save(path))
    assert.same({ svc = { count = 1, size = 4 } }, written:stats().services)
    for _, gate in ipairs { written, assert(tidegate.load(path)) } do
      assert.same({
        api = { hits = 0, suppressed = 0, backends = {
          { address = "10.0.1.5:8080", weight = 1, state = "up", picked = 0, share = 0.25 },
          { address = "10.0.1.6", weight = 3, state = "up", picked = 0, share = 0.75 },
        } },
        live = { hits = 0, suppressed = 0 },
      }, gate:stats().rules)
    end
  end)

  it("has no events yet, and says so", function()
    local gate = loaded()
    for _, verb in ipairs { "events", "dispatch", "event_fd" } do
      local ok, message = pcall(function() gate[verb](gate); return 1 end)
      assert.is_false(ok)
      assert.matches("^spec/unit/module_spec.lua:%d+: " .. verb
        .. ": nothing is published yet; attach or commit first$", message)
    end
  end)

  it("may be closed twice", function()
    local gate = loaded()
    gate:close()
    gate:close()
    assert.has_error(function() gate:commit(); return 1 end)
  end)

  it("checks the cgroups to attach to, and its handlers", function()
    local gate = loaded()
    local function raised(f)
      local ok, message = pcall(f)
      assert.is_false(ok)
      return (message:gsub("^spec/unit/module_spec.lua:%d+: ", "HERE: ", 1))
    end
    assert.equal([[HERE: attach: wants a cgroup's path, "self", { pid = 42 } or { unit = ]]
      .. [["nginx.service" }; got 5]],
      raised(function() gate:attach(5); return 1 end))
    assert.equal([[HERE: on: wants a verb, a rule's name or "*", and a function; got "deny" and ]]
      .. [[nil]], raised(function() gate:on("deny") end))
    assert.equal([[HERE: on "seeed": no verb and no rule of that name; did you mean "seed"?]],
      raised(function() gate:on("seeed", print) end))
    assert.is_nil(gate:attach "/nonexistent")
    assert.equal([[HERE: events: wants a table such as { timeout = 1 }; got 5]],
      raised(function() gate:events(5); return 1 end))
    assert.equal([[HERE: events: unknown option "timeot"; did you mean "timeout"?]],
      raised(function() gate:events { timeot = 5 }; return 1 end))
    assert.equal([[HERE: events: timeout wants seconds; got -1]],
      raised(function() gate:events { timeout = -1 }; return 1 end))
  end)

  it("may be collected", function()
    for _ = 1, 100 do
      loaded():decide { op = "connect", addr = "1.2.3.4:80" }
    end
    collectgarbage()
    collectgarbage()
  end)
end)

describe("an image file", function()
  local folder, path
  setup(function()
    folder = env.folder()
    path = folder .. "/web.image"
    assert(loaded():image():save(path))
  end)
  teardown(env.clean)

  it("loads as a gate that decides, explains and lists its rules", function()
    local gate, original = assert(tidegate.load(path)), loaded()
    local known, message = pcall(gate.on, gate, "seeed", print)
    assert.is_false(known)
    assert.equal([[on "seeed": no verb and no rule of that name; did you mean "seed"?]], message)
    gate:on("seed", print)
    local question = { op = "connect", addr = "1.2.3.4:60000", comm = "curl" }
    assert.equal(tostring(original:explain(question)), tostring(gate:explain(question)))
    assert.equal(original:dump(), gate:dump())
    assert.equal("web", gate.name)
    local rule = gate:rules()[4]
    assert.same({ "seed", "rewrite", "web.lua:5", 0 },
      { rule.name, rule.verb, rule.where, rule.hits })
    assert.equal(6, gate:status().rules)
  end)

  it("loads as an image", function()
    local image = assert(tidegate.image(path))
    assert.same({ "web", 6 }, { image.name, image.count })
    assert.equal(image.bytes, #image:data())
    assert.same({ "connect4", "connect6", "sendmsg4", "sendmsg6", "recvmsg4", "recvmsg6",
      "getpeername4", "getpeername6" }, image:hooks())
    assert.equal("seed", image:decide({ op = "connect", addr = "1.2.3.4:60000" }).rule)
  end)

  it("has no rules that could be changed", function()
    local gate = assert(tidegate.load(path))
    local ok, message = pcall(function() gate:deny { connect = "*" } end)
    assert.is_false(ok)
    assert.matches("^spec/unit/module_spec.lua:%d+: deny: the gate comes from an image file, "
      .. "which has no rules to change$", message)
  end)

  it("is refused if it is damaged or missing", function()
    local short = env.write(folder .. "/short.image", env.read(path):sub(1, 200))
    local gate, message, errno = tidegate.load(short)
    assert.is_nil(gate)
    assert.equal(short .. ": ", message:sub(1, #short + 2))
    assert.equal(22, errno)
    assert.equal(folder .. "/none: No such file or directory",
      select(2, tidegate.image(folder .. "/none")))
  end)
end)

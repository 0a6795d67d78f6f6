local env = require "spec.support.env"
local tidegate = require "tidegate"

local web = [[
policy { name = "web", default = "allow" }
deny { "no-metadata", egress = "169.254.169.254", errno = "ECONNREFUSED" }
allow { "dns", egress = "10.0.0.2:53", proto = "udp" }
deny { "no-lan", egress = { "10.0.0.0/8", "fd00::/8" }, uid = "!root", log = true }
rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", bind_source = "127.0.0.1:22" }
rewrite { "six", connect = "[2001:db8::1]:80", to = "[::1]:8080" }
allow { "from", connect = "192.0.2.1", bind_source = "192.0.2.9" }
]]

local function loaded()
  return assert(tidegate.load_text(web, "web.lua"))
end

describe("tidegate", function()
  teardown(env.clean)

  it("has a version", function() -- I8
    assert.matches("^%d+%.%d+%.%d+$", tidegate._VERSION)
    assert.equal(tidegate._VERSION, require("tidegate.uv")._VERSION)
  end)

  it("says on another Lua that it needs LuaJIT", function() -- E10
    local found = io.popen("command -v lua5.1"):read "*l"
    assert.truthy(found, "there is no other Lua to try it with: apt-get install lua5.1")
    for _, name in ipairs { "tidegate", "tidegate.uv", "tidegate.nginx",
      "tidegate.nginx.admin" } do
      local stream = io.popen(([[LUA_PATH="$PWD/lua/?.lua;$PWD/lua/?/init.lua" %s -e ]]
        .. [['print(select(2, pcall(require, "%s")))']]):format(found, name))
      assert.equal("tidegate needs LuaJIT, and this is Lua 5.1; run it with luajit\n",
        stream:read "*a")
      stream:close()
    end
  end)

  it("raises an error if it is misused", function()
    assert.error(function() tidegate.load(5) end, "load: wants a path; got 5")
    assert.error(function() tidegate.load() end, "load: wants a path; got nil")
    assert.error(function() tidegate.new {} end, "new: wants a name; got a table")
    assert.error(function() tidegate.load_text("", {}) end, "load_text: wants a name; got a table")
  end)

  it("leads from other words to its own", function()
    assert.error(function() return tidegate.compile end,
      'tidegate has no "compile"; write tidegate.load_text(TEXT, NAME)')
    assert.has_error(function() return tidegate.open end,
      'tidegate has no "open"; write tidegate.load(PATH)')
    assert.has_error(function() return tidegate.init end,
      'tidegate has no "init"; write tidegate.nginx.init { policy = PATH, attach = TARGET }')
    assert.error(function() return tidegate.gate end,
      'tidegate has no "gate"; write tidegate.new(NAME)')
    assert.error(function() return tidegate.image end,
      'tidegate has no "image"; write tidegate.load_image(PATH)')
    assert.error(function() return tidegate.load_txt end,
      'tidegate has no "load_txt"; did you mean "load_text"?')
    assert.is_nil(tidegate.anything)
  end)

  it("checks the options of a new gate", function()
    local function refused(options)
      local ok, message = pcall(function() return tidegate.new("x", options), 1 end)
      assert.is_false(ok)
      return (message:gsub("^spec/unit/module_spec.lua:%d+: ", "HERE: ", 1))
    end
    assert.equal('HERE: new: wants options such as { share = "nginx" }; got 5', refused(5))
    assert.equal('HERE: new: unknown option "shre"; did you mean "share"?', refused { shre = "x" })
    assert.equal('HERE: new: got "x" without a name; options are written NAME = VALUE',
      refused { "x" })
    assert.equal("HERE: new: share: wants a name; got 7", refused { share = 7 })
    assert.equal("HERE: new: ring_bytes: wants a number of bytes, such as 2^20; got -1",
      refused { ring_bytes = -1 })
    assert.equal("HERE: new: pin: wants a name; got 7", refused { pin = 7 })
    -- It is no misuse, as gate:attach(TARGET, { existing = "kill" }) is none.
    for _, make in ipairs { tidegate.new, tidegate.load, tidegate.load_text } do
      local made, message, errno = make("x", make == tidegate.load_text and "x" or { pin = "web" },
        { pin = "web" })
      assert.is_nil(made)
      assert.matches("^%l+_?%l*: pin: pinned gates are not supported yet; leave it out, and keep "
        .. "the process that holds the gate running$", message)
      assert.equal(95, errno) -- EOPNOTSUPP
    end
    assert.equal("HERE: new: trust: wants true or false; got 1", refused { trust = 1 })
    assert.truthy(tidegate.new("x", { trust = true, ring_bytes = 2 ^ 16, share = "module" }))
    assert.same({ "ring_bytes: 4095 is not a power of two and a multiple of the page size", 22 },
      { select(2, tidegate.load_text("", nil, { ring_bytes = 4095 })) })
  end)

  it("leaves no global behind", function()
    local before = {}
    for name in pairs(_G) do before[name] = true end
    loaded():decide { connect = "1.2.3.4:60000" }
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

  it("is refused if it is of another build", function()
    for _, name in ipairs { "tg_private_abi", "tg_abi" } do -- "tg_abi": it has nothing private
      env.write(folder .. "/other.c", ("unsigned int %s(void) { return 4000; }\n"):format(name))
      os.execute(("cc -shared -fPIC -o %s/other.so %s/other.c"):format(folder, folder))
      assert.equal(("false\ttidegate: libtidegate in this process is of another build than the "
        .. "Lua module; restart the host, or install both from one build (the library is "
        .. "%s/other.so)\n"):format(folder), output("TIDEGATE_LIBRARY=" .. folder .. "/other.so"))
    end
  end)
end)

describe("the message of a rule", function()
  it("is in decisions and in images", function()
    local gate = assert(tidegate.load_text([[
      deny { "imds", egress = "169.254.169.254", message = 'use "imds" proxy' }]], "web.lua"))
    local decision = gate:decide { connect = "169.254.169.254:80" }
    assert.equal('use "imds" proxy', decision.message)
    assert.equal([[deny "imds" (web.lua:1): EPERM, "use \"imds\" proxy"]], tostring(decision))
    assert.is_nil(gate:decide { connect = "1.2.3.4:80" }.message)
    assert.equal('web.lua:1: deny "x": message: has control characters: write it in UTF-8, on one '
      .. "line",
      env.refusal [[deny { "x", connect = "*", message = "a\nb" }]])
  end)
end)

describe("gate:decide in a policy that is a shadow", function()
  it("says what the policy would do", function()
    local gate = assert(tidegate.load_text([[
      policy { default = "deny", shadow = true }
      rewrite { "seed", connect = "1.2.3.4", to = "127.0.0.1:9" }
    ]], "web.lua"))
    local decision = gate:decide { connect = "1.2.3.4:80" }
    assert.is_true(decision.shadow)
    assert.equal('rewrite "seed" (web.lua:2), as a shadow: 1.2.3.4:80 -> 127.0.0.1:9',
      tostring(decision))
    assert.equal("deny by default, as a shadow: EPERM",
      tostring(gate:decide { bind = "1.2.3.4:80" }))
    assert.is_true(gate:compile().shadow)
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
      .. [[127.0.0.1:22]],
      text { connect = "1.2.3.4:60000", proto = "tcp", uid = 33,
        comm = "curl" })
    assert.equal([[rewrite "six" (web.lua:6): [2001:db8::1]:80 -> [::1]:8080]],
      text { connect = "[2001:db8::1]:80" })
    assert.equal([[deny "no-metadata" (web.lua:2): ECONNREFUSED]],
      text { connect = "169.254.169.254:80" })
    assert.equal([[deny "no-lan" (web.lua:4): EPERM]],
      text { connect = "[fd00::1]:53", uid = 3 })
    assert.equal([[allow "dns" (web.lua:3): 10.0.0.2:53]],
      text { sendmsg = "10.0.0.2:53", uid = 3 })
    assert.equal([[allow "from" (web.lua:7): 192.0.2.1:1 from 192.0.2.9]],
      text { connect = "192.0.2.1:1" })
    assert.equal("allow by default: 10.0.0.2:53", text { connect = "10.0.0.2:53" })
  end)

  it("returns the parts of a decision", function()
    local decision = gate:decide { connect = "1.2.3.4:60000" }
    assert.same({ "rewrite", "seed", "web.lua:5", "1.2.3.4:60000", "127.0.0.1:60123", "127.0.0.1",
      60123,
      "127.0.0.1:22", false }, { decision.verb, decision.rule, decision.where, decision.asked,
      decision.final, decision.addr, decision.port, decision.bind_source, decision.logs })
    decision = gate:decide { connect = "10.0.0.1:1", uid = 1 }
    assert.same({ "deny", "EPERM", true }, { decision.verb, decision.errno, decision.logs })
    decision = gate:decide { connect = "10.0.0.1:1" }
    assert.same({ verb = "allow" }, { verb = decision.verb, rule = decision.rule,
      where = decision.where,
      errno = decision.errno, bind_source = decision.bind_source })
  end)

  it("fails if its argument is no call", function()
    local decision, message, errno = gate:decide { connect = "1.2.3:80" }
    assert.is_nil(decision)
    assert.equal(22, errno)
    assert.matches("^\"1.2.3:80\": ", message)
    assert.matches("^proto: \"tpc\": ", (select(2,
      gate:decide { connect = "1.2.3.4:80", proto = "tpc" })))
  end)
end)

describe("gate:explain", function()
  it("says why the rules before did not match", function()
    assert.equal([[
connect 1.2.3.4:60000 tcp uid 33 gid 0 comm curl
  web.lua:2  deny "no-metadata"  address differs
  web.lua:3  allow "dns"         address and proto differ
  web.lua:4  deny "no-lan"       address differs
rewrite "seed" (web.lua:5): 1.2.3.4:60000 -> 127.0.0.1:60123 from 127.0.0.1:22]],
      tostring(loaded():explain { connect = "1.2.3.4:60000", uid = 33,
        comm = "curl" }))
  end)

  it("goes through all of them if the default decides", function()
    local explanation = loaded():explain { sendmsg = "10.0.0.2:54" }
    assert.equal("allow by default: 10.0.0.2:54", tostring(explanation.decision))
    local why = {}
    for _, step in ipairs(explanation.steps) do
      why[#why + 1] = step.rule .. ": " .. table.concat(step.mismatch, " ")
    end
    assert.same({ "no-metadata: address", "dns: port", "no-lan: uid" }, why)
  end)
end)

describe("rules", function()
  it("are handles, in order", function()
    local rules = loaded():rules()
    assert.equal(6, #rules)
    local rule = rules[4]
    assert.same({ "seed", "rewrite", "web.lua:5", 0, 0, false },
      { rule.name, rule.verb, rule.where, rule.hits, rule.suppressed, rule.removed })
    assert.equal([[rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123", ]]
      .. [[bind_source = "127.0.0.1:22" }]],
      tostring(rule))
  end)

  it("can be staged and removed", function()
    local gate = tidegate.new "by hand"
    local function decided()
      return tostring(gate:decide { connect = "1.2.3.4:80" })
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
    local gate = tidegate.new()
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
    local gate = tidegate.new()
    gate:deny { "x", connect = gate:file(path) }
    local image = gate:compile()
    assert.equal(image, gate:compile())
    assert.equal("deny", gate:decide { connect = "192.0.2.1:1" }.verb)
    env.write(path, "192.0.2.1\n192.0.2.2\n")
    assert.equal("deny", gate:decide { connect = "192.0.2.2:1" }.verb)
    os.remove(path)
    local decision, message, errno = gate:decide { connect = "192.0.2.2:1" }
    assert.is_nil(decision)
    assert.matches([[^spec/unit/module_spec.lua:%d+: deny "x": connect: ]]
      .. path:gsub("%p", "%%%0")
      .. ": No such file or directory$", message)
    assert.equal(2, errno)
  end)

  it("may be thousands", function()
    local gate = tidegate.new()
    for number = 1, 10000 do
      gate:deny { connect = ("10.%d.%d.1"):format(number / 256, number % 256) }
    end
    local last = ("10.%d.%d.1:1"):format(9999 / 256, 9999 % 256)
    assert.equal("#9999", gate:decide({ connect = last }).rule)
  end)
end)

describe("a gate without the kernel", function()
  it("has status and stats", function()
    local gate = loaded()
    assert.same({ name = "web", generation = 0, staged = true, rules = 6, image_bytes = 0,
      hooks = {}, attachments = {}, health = "idle", shadow = false, skipped = {} }, gate:status())
    local stats = gate:stats()
    assert.same({ hits = 0, suppressed = 0 }, stats.rules.seed)
    local none = { hits = 0, suppressed = 0 }
    assert.same({ connect = none, sendmsg = none, bind = none, recvmsg = none, getpeername = none,
      getsockname = none },
      stats.defaults)
  end)

  it("has stats of backends and services before any is picked", function()
    local path = env.folder() .. "/web.image"
    local written = assert(tidegate.load_text [[
      local svc = services "svc" { ["10.96.0.11:80/tcp"] = { "10.0.1.5:8080" }, size = 4 }
      balance { "api", connect = "10.96.0.10:80", to = { "10.0.1.5:8080",
        { "10.0.1.6", weight = 3 } } }
      balance { "live", connect = svc }
    ]])
    assert(written:compile():save(path))
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
    assert.equal([[HERE: attach: wants a cgroup: its path, "self", "pid:42" or ]]
      .. [["unit:nginx.service"; got 5]],
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
      loaded():decide { connect = "1.2.3.4:80" }
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
    assert(loaded():compile():save(path))
  end)
  teardown(env.clean)

  it("loads as a gate that decides, explains and lists its rules", function()
    local gate, original = assert(tidegate.load(path)), loaded()
    local known, message = pcall(gate.on, gate, "seeed", print)
    assert.is_false(known)
    assert.equal([[on "seeed": no verb and no rule of that name; did you mean "seed"?]], message)
    gate:on("seed", print)
    local question = { connect = "1.2.3.4:60000", comm = "curl" }
    assert.equal(tostring(original:explain(question)), tostring(gate:explain(question)))
    assert.equal(original:dump(), gate:dump())
    assert.equal("web", gate.name)
    local rule = gate:rules()[4]
    assert.same({ "seed", "rewrite", "web.lua:5", 0 },
      { rule.name, rule.verb, rule.where, rule.hits })
    assert.equal(6, gate:status().rules)
  end)

  it("loads as an image", function()
    local image = assert(tidegate.load_image(path))
    assert.same({ "web", 6 }, { image.name, #image })
    assert.equal(image.bytes, #image:data())
    assert.same({ "connect4", "connect6", "sendmsg4", "sendmsg6", "recvmsg4", "recvmsg6",
      "getpeername4", "getpeername6" }, image:hooks())
    assert.equal("seed", image:decide({ connect = "1.2.3.4:60000" }).rule)
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
      select(2, tidegate.load_image(folder .. "/none")))
  end)
end)

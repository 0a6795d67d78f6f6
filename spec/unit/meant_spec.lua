-- Words of other tools, and old ones, lead to the right one.

local env = require "spec.support.env"
local help = require "tidegate.repl.help"
local meant = require "tidegate.meant"
local named_range = require "tidegate.named_range"
local schema = require "tidegate.schema"
local tidegate = require "tidegate"

--- What is said about a field of a rule, an option of the policy, a name, and a set.
local cases = {
  { [[deny { "x", connect = "*", from = "10.0.0.5" }]],
    [[deny "x": unknown field "from"; write source, the address that the call comes from]] },
  { [[allow { "x", connect = "*", bind_to = "10.0.0.5" }]],
    [[allow "x": unknown field "bind_to"; write bind_source, the address that the socket is ]]
      .. [[bound to before it connects]] },
  { [[deny { "x", saddr = "10.0.0.5" }]],
    [[deny "x": unknown field "saddr"; write source, the address that the call comes from]] },
  { [[deny { "x", dst = "10.0.0.5" }]], [[deny "x": unknown field "dst"; the address belongs to ]]
    .. [[the operation, as in connect = "10.0.0.1:80"]] },
  { [[deny { "x", egress = "*", port = 25 }]], [[deny "x": unknown field "port"; the port belongs ]]
    .. [[to the operation, as in connect = "10.0.0.1:80" or ]]
    .. [[connect = { addr = "*", port = { 80, 443 } }]] },
  { [[deny { "x", connect = "*", interface = "eth0" }]],
    [[deny "x": unknown field "interface"; write device]] },
  { [[deny { "x", connect = "*", user = "www-data" }]],
    [[deny "x": unknown field "user"; write uid]] },
  { [[deny { "x", connect = "*", program = "/bin/sh" }]], [[deny "x": unknown field "program"; ]]
    .. [[write exe, the program's file, or comm, the thread's name]] },
  { [[deny { "x", connect = "*", action = "drop" }]],
    [[deny "x": unknown field "action"; the verb is the action: deny { … }, allow { … }]] },
  { [[deny { "x", connect = "*", over = "1/s", burst = 200 }]],
    [[deny "x": unknown field "burst"; write over = "100/s burst 200"]] },
  { [[deny { "x", connect = "*", limit = "1/s" }]],
    [[deny "x": unknown field "limit"; write over = "100/s"]] },
  { [[deny { "x", connect = "*", audit = true }]],
    [[deny "x": unknown field "audit"; write shadow = true]] },
  { [[deny { "x", connect = "*", say = "no" }]],
    [[deny "x": unknown field "say"; write message, which events have, or a comment: -- …]] },
  { [[allow { "x", bind = "*:80", privileged = true }]],
    [[allow "x": unknown field "privileged"; write low_port = true]] },
  { [[allow { "x", connect = "*", set = { mark = 1 } }]],
    [[allow "x": unknown field "set"; write sockopt = { … }]] },
  { [[deny { "x", ingress = "*" }]], [[deny "x": unknown field "ingress"; there is none: the ]]
    .. [[hooks see what programs call, not what arrives; bind says where they may listen]] },
  { [[balance { "x", connect = "*", pool = { "10.0.0.1" } }]],
    [[balance "x": unknown field "pool"; write to = { "10.0.1.5:8080", … } in balance]] },
  { [[deny { "x", connect = "*", timeout = 5 }]],
    [[deny "x": unknown field "timeout"; elements of sets have a ttl]] },
  { [[policy { best_effort = true }]],
    [[policy: unknown option "best_effort"; write unsupported = "skip"]] },
  { [[policy { dry_run = true }]], [[policy: unknown option "dry_run"; write shadow = true]] },
  { [[policy { min_version = "1" }]],
    [[policy: unknown option "min_version"; write requires]] },
  { [[drop { connect = "*" }]], [[unknown name "drop"; write deny { … }]] },
  { [[reject { connect = "*" }]], [[unknown name "reject"; write deny { … }]] },
  { [[block { connect = "*" }]], [[unknown name "block"; write deny { … }]] },
  { [[accept { connect = "*" }]], [[unknown name "accept"; write allow { … }]] },
  { [[redirect { connect = "*" }]], [[unknown name "redirect"; write rewrite { … }]] },
  { [[lb { connect = "*" }]],
    [[unknown name "lb"; write balance { … }, or services for VIPs that change]] },
  { [[upstream "x" {}]],
    [[unknown name "upstream"; write balance { … }, or services for VIPs that change]] },
  { [[deny { connect = allow_list "x.txt" }]], [[unknown name "allow_list"; write file ]]
    .. [["blocklist.txt", or set "name" { … }, where a list stands]] },
  { [[egress { deny = "*" }]],
    [[unknown name "egress"; it is a field of a rule, as in deny { connect = "*:25" }]] },
  { [[table { name = "web" }]], [[table is a library of Lua; there are no tables and chains; ]]
    .. [[a file is one policy: policy { name = "web" }]] },
  { [[chain { type = "filter" }]], [[unknown name "chain"; there are no chains: the first rule ]]
    .. [[that matches decides, in the order of the file]] },
  { [[deny { "x", egress = "*", jump = "y" }]], [[deny "x": unknown field "jump"; there are no ]]
    .. [[chains: the first rule that matches decides, in the order of the file]] },
  { [[deny { "x", egress = "*", counter = true }]],
    [[deny "x": unknown field "counter"; leave it out: every rule counts its hits]] },
  { [[deny { "x", egress = "*", log_prefix = "y" }]], [[deny "x": unknown field "log_prefix"; ]]
    .. [[write message, a text that the rule's events have]] },
  { [[deny { "x", egress = "*", skuid = 33 }]],
    [[deny "x": unknown field "skuid"; write uid]] },
  { [[deny { "x", egress = "*", container = "y" }]], [[deny "x": unknown field "container"; ]]
    .. [[write cgroup, such as cgroup = "unit:nginx.service"]] },
  { [[policy { policy = "drop" }]], [[policy: unknown option "policy"; write default]] },
  { [[policy { default = "drop" }]], [[policy: default: wants "allow" or "deny", or a table of ]]
    .. [[them by operation; got "drop"; write "deny"]] },
  { [[policy { default = { output = "drop" } }]],
    [[policy: default: "output" is no operation; write egress]] },
  { [[policy { default = { egress = "accept" } }]],
    [[policy: default: egress wants "allow" or "deny"; got "accept"; write "allow"]] },
  { [[policy { "web" }]], [[policy: unexpected value "web"; write name = "web"]] },
  { [[deny { "x", egress = "*", over = "1/s", per = "dst" }]], [[deny "x": per: wants "uid", ]]
    .. [["cgroup", "pid", "netns" or "address"; got "dst"; write "address"]] },
  { [[deny { "x", egress = "*", errno = "econnrefused" }]],
    [[deny "x": errno: "econnrefused": errnos are in capitals: write "ECONNREFUSED"]] },
  { [[deny { "x", egress = "*", errno = "EPREM" }]],
    [[deny "x": errno: "EPREM": not an errno; did you mean "EPERM"?]] },
  { [[deny { "x", egress = "*", errno = "icmp-port-unreachable" }]], [[deny "x": errno: wants an ]]
    .. [[errno such as "ECONNREFUSED" or 111; got "icmp-port-unreachable"; write "ECONNREFUSED"]] },
  { [[deny { "x", egress = "*", over = "10/minute burst 5" }]],
    [[deny "x": over: "10/minute burst 5": the rate is by s, m or h: write "10/m"]] },
  { [[deny { "x", egress = "*", log = "10/minute" }]],
    [[deny "x": log: "10/minute": the rate is by s, m or h: write "10/m"]] },
  { [[balance { "x", connect = "*", to = { "10.0.0.1" }, by = "round_robin" }]],
    [[balance "x": by: wants "random" or "hash"; got "round_robin"; write "random"]] },
  { [[deny { "x", egress = 25 }]], [[deny "x": egress: wants an endpoint such as ]]
    .. [["10.0.0.0/8:443", or a list of them; got 25; for a port write "*:25"]] },
  { [[deny { "x", egress = "any" }]], [[deny "x": egress: "any": host "any": Name or service not ]]
    .. [[known; for every address write "*"]] },
  { [[deny { "10.0.0.1:80" }]], [[deny "10.0.0.1:80" says no operation: the first text is the ]]
    .. [[rule's name; write connect = "10.0.0.1:80"]] },
  { [[deny({ "x", egress = "*" }, 1)]], [[deny wants one table; got 1 after it; its place is ]]
    .. [[a field: before = "dns"]] },
  { [[set { "banned", "10.0.0.1" }]],
    [[set wants a name; got a table; write set "banned" { … }]] },
  { [[set("banned", { "10.0.0.1" })]],
    [[set wants a name alone; got a table after it; write set "banned" { … }]] },
  { [[set "s" { elements = { "10.0.0.1" } }]], [[set "s": unknown option "elements"; they stand ]]
    .. [[in the table itself: set "name" { "10.0.0.1" }]] },
  { [[set "s" { flags = "interval" }]], [[set "s": unknown option "flags"; leave it out: a set ]]
    .. [[holds addresses and prefixes]] },
  { [[include "x.nft"]],
    [[unknown name "include"; require "name" runs name.lua beside the policy; ]]
      .. [[file "blocklist.txt" reads a list]] },
  { [[DROP { connect = "*" }]], [[unknown name "DROP"; write deny { … }]] },
  { [[deny { "x", connect = "*", CIDR = "10.0.0.0/8" }]], [[deny "x": unknown field "CIDR"; the ]]
    .. [[address belongs to the operation, as in connect = "10.0.0.1:80"]] },
  { [[deny { "x", connect = "*", toFQDNs = "example.org" }]], [[deny "x": unknown field ]]
    .. [["toFQDNs"; the name belongs to the operation, as in connect = "example.org:443"; it ]]
    .. [[is looked up once]] },
  { [[deny { "x", out = "*" }]],
    [[deny "x": unknown field "out"; write egress; an interface is device]] },
  { [[deny { "x", in = "eth0" }]], [[unexpected symbol near 'in'; there is none: the hooks see ]]
    .. [[what programs call, not what arrives; bind says where they may listen]] },
  { [[rewrite { "x", connect = "*:80", to = 8080 }]], [[rewrite "x": to: wants an endpoint such ]]
    .. [[as "127.0.0.1:80", "127.0.0.1", "*:80" or "unix:/run/x.sock"; got 8080; for a port write ]]
    .. [["*:8080"]] },
  { [[rewrite { "x", connect = "*:80", to = { "1.2.3.4" } }]], [[rewrite "x": to: wants an ]]
    .. [[endpoint such as "127.0.0.1:80", "127.0.0.1", "*:80" or "unix:/run/x.sock"; got a table; ]]
    .. [[rewrite has one, as a text; balance has several]] },
  { [[rewrite { "x", connect = "*:80", dnat = "1.2.3.4" }]], [[rewrite "x": unknown field "dnat"; ]]
    .. [[write to, of rewrite: to = "127.0.0.1:8080"]] },
  { [[deny { "x", connect = { "1.2.3.4", port = { 80, 443 } } }]], [[deny "x": connect: unknown ]]
    .. [[key 1 in { addr = …, port = … }; write addr = "1.2.3.4"]] },
  { [[deny { "x", connect = { host = "1.2.3.4", port = 80 } }]], [[deny "x": connect: unknown ]]
    .. [[key "host" in { addr = …, port = … }; write addr]] },
  { [[balance { "x", connect = "1.2.3.4", to = { { "10.0.0.1", backup = true } } }]],
    [[balance "x": to: "10.0.0.1": unknown field "backup" of a backend; there is none: all ]]
      .. [[backends that are up are equal, by weight]] },
  { [[balance { "x", connect = "1.2.3.4", to = "10.0.0.1", by = "leastconn" }]],
    [[balance "x": by: wants "random" or "hash"; got "leastconn"; nobody counts connections ]]
      .. [[here: write "random"]] },
  { [[allow { "x", connect = "*", sockopt = { SO_MARK = 1 } }]],
    [[allow "x": sockopt: unknown option "SO_MARK"; write mark]] },
  { [[on("denied", print)]],
    [[on "denied": no verb and no rule of that name; write "deny"]] },
  { [[default = "deny"]], [["default" is not local; it is an option: policy { default = … }]] },
  { [[uid = 5]], [["uid" is not local; it is a field of a rule, as in deny { connect = "*:25", ]]
    .. [[uid = … }]] },
  { [[host "10.0.0.1"]], [[unknown name "host"; fields stand in a rule, as in ]]
    .. [[deny { connect = "10.0.0.1:25" }]] },
  { [[deny { connect = "*", uid == 5 }]], [[unknown name "uid"; fields stand in a rule, as in ]]
    .. [[deny { connect = "10.0.0.1:25" }]] },
  { [[deny { connect = sets.banned }]],
    [[unknown name "sets"; a rule names a set in a list: deny { egress = "@banned" }]] },
  { [[services "x" { vip = "10.0.0.1:80" }]], [[services "x": unknown option "vip"; a VIP is the ]]
    .. [[field: ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" }]] },
  { [[deny { "x", listen = "*:80" }]], [[deny "x": unknown field "listen"; write bind]] },
  { [[deny { "x", egress = "*", hashlimit = "5/s" }]], [[deny "x": unknown field "hashlimit"; ]]
    .. [[write over = "100/s", and per = "address" to count each address separately]] },
  { [[deny { "x", egress = "@private", except = "10.0.0.2" }]], [[deny "x": unknown field ]]
    .. [["except"; what is left out stands in the list: egress = { "10.0.0.0/8", "!10.0.0.2" }]] },
  { [[deny { "x", egress = { toCIDR = "10.0.0.0/8" } }]], [[deny "x": egress: unknown key ]]
    .. [["toCIDR" in { addr = …, port = … }; write addr]] },
  { [[deny { "x", egress = { addr = "10.0.0.0/8", except = "10.0.0.2" } }]], [[deny "x": egress: ]]
    .. [[unknown key "except" in { addr = …, port = … }; what is left out stands in the list: ]]
    .. [[{ "10.0.0.0/8", "!10.0.0.2" }]] },
  { [[deny { "x", egress = "udp://1.1.1.1:53" }]], [[deny "x": egress: "udp://1.1.1.1:53": a ]]
    .. [[URL: write "HOST:PORT", and the protocol as a condition: proto = "udp"]] },
  { [[policy { input = "drop" }]],
    [[policy: unknown option "input"; write default = { bind = "deny" }]] },
  { [[policy { output = "drop" }]],
    [[policy: unknown option "output"; write default = { egress = "deny" }]] },
  { [[policy { default = { listen = "deny" } }]],
    [[policy: default: "listen" is no operation; write bind]] },
  { [[net "none"]],
    [[unknown name "net"; for no network at all, write policy { default = "deny" }]] },
  { [[set "s" { timeout = "10m" }]], [[set "s": unknown option "timeout"; write ttl]] },
  { [[set "s" { { "10.0.0.1", timeout = "10m" } }]],
    [[set "s": unknown field "timeout" of an element; write ttl]] },
}

describe("a word of another tool, or an old one,", function()
  for _, case in ipairs(cases) do
    it("leads to the right one: " .. case[1], function()
      assert.equal("web.lua:1: " .. case[2], env.refusal(case[1]))
    end)
  end

  it("leads from a line of another tool to a rule", function()
    for line, said in pairs {
      ["table inet filter {"] = "'=' expected near 'inet'; there are no tables and chains; a file "
        .. 'is one policy: policy { name = "web" }',
      ["flush ruleset"] = "'=' expected near 'ruleset'; leave it out: a policy starts without "
        .. "rules",
      ["tcp dport 443 accept"] = "'=' expected near 'dport'; a rule is a verb and a table: "
        .. 'deny { connect = "10.0.0.1:25" }',
      ["policy drop"] = "'=' expected near 'drop'; write policy { default = \"deny\" }",
      ["deny connect 10.0.0.1"] = "'=' expected near 'connect'; write deny { \"no-metadata\", "
        .. 'egress = "169.254.169.254", errno = "ECONNREFUSED" }',
      ["docker run"] =
        "'=' expected near 'run'; a policy is Lua, as in deny { connect = \"10.0.0.1:25\" }",
      ["\n# a remark"] = "unexpected symbol near '#'; a comment is -- …",
      ["deny { connect = !banned }"] =
        [[unexpected symbol near '!'; what is left out is a text: "!10.0.0.1"]],
      ["deny { egress != \"@private\" }"] = "'}' expected near '!'; what is left out is marked in "
        .. 'the text: egress = "!10.0.0.1"',
      ["deny { egress = @private }"] =
        [[unexpected symbol near '@'; a range or a set is a text: "@private"]],
      ["-A OUTPUT -d 10.0.0.0/8 -j DROP"] = "unexpected symbol near '-'; a rule is a verb and a "
        .. 'table: deny { connect = "10.0.0.1:25" }',
      ["if 1 != 0 then end"] = "'then' expected near '!'; not equal is ~= in Lua",
      ["deny { connect: \"*\" }"] =
        [['<name>' expected near '"*"'; a field is written connect = "*:25"]],
      ["local x ="] = "unexpected symbol near '<eof>'",
    } do
      assert.equal("web.lua:" .. (line:find "^\n" and 2 or 1) .. ": " .. said, env.refusal(line))
    end
  end)

  it("does so in a question, and in help", function()
    local gate = tidegate.new()
    local ok, message = pcall(gate.decide, gate, { connect = "1.2.3.4:80", from = "10.0.0.5" })
    assert.is_false(ok)
    assert.matches('unknown field "from"; write source, the address', message, 1, true)
    assert.equal('help: there is no word "drop"; write deny { … }', select(2, help.page "drop"))
    assert.equal('help: there is no word "interface"; write device',
      select(2, help.page "interface"))
  end)

  it("is not a word that exists, and leads to one that does", function()
    local exists = {
      conditions = schema.fields, fields = schema.fields, questions = schema.fields,
      options = schema.options,
      names = setmetatable({}, { __index = function(_, name)
        return schema.verbs[name] or schema.words[name]
      end }),
      elements = { ttl = true, size = true, readonly = true },
      services = { size = true, readonly = true },
      parts = { addr = true, port = true }, backends = { weight = true, state = true },
      sockopts = schema.options_of_sockets, kinds = schema.verbs,
      ranges = setmetatable({}, { __index = function(_, name)
        return named_range.is(name) or nil
      end }),
    }
    for place, words in pairs(meant) do
      for word, text in pairs(place ~= "values" and words or {}) do
        assert(not exists[place][word], ("%s: %s exists"):format(place, word))
        local leads = text:match "^write ([%l_]+)"
        assert(not leads or exists[place][leads] or schema.words[leads],
          ("%s: %s leads to %s"):format(place, word, tostring(leads)))
      end
    end
  end)

  it("is not a value that exists, and leads to one that does", function()
    for name, words in pairs(meant.values) do
      local values = (schema.fields[name] or schema.options[name]).values or {}
      local known = {}
      for _, value in ipairs(values) do
        known[value] = true
      end
      for word, text in pairs(words) do
        assert(not known[word], ("%s: %s exists"):format(name, word))
        local leads = text:match '^write "(.-)"$'
        assert(not leads or #values == 0 or known[leads],
          ("%s: %s leads to %s"):format(name, word, tostring(leads)))
      end
    end
  end)
end)

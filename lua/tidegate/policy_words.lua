--- The words of a policy file, except the fields of rules, which schema.lua has.

local M = {}

---@type tidegate.Word[]
M.verbs = {
  {
    name = "allow",
    doc = "Let the call through unchanged.",
    example = [[allow { "dns", egress = "10.0.0.2:53", proto = "udp" }]],
  },
  {
    name = "deny",
    doc = "Fail the call with an errno.",
    example = [[deny { "no-metadata", egress = "169.254.169.254", errno = "ECONNREFUSED" }]],
  },
  {
    name = "rewrite",
    doc = "Send the call to another address, another port, or both.",
    example = [[rewrite { "seed", connect = "1.2.3.4:60000", to = "127.0.0.1:60123" }]],
  },
  {
    name = "balance",
    doc = "Send the call to one of several backends; if none is up, fail it.",
    example = [[balance { "api", connect = "10.96.0.10:80", ]]
      .. [[to = { "10.0.1.5:8080", "10.0.1.6:8080" } }]],
  },
  {
    name = "observe",
    doc = "Report the call, and go on to the next rule.",
    example = [[observe { "web", connect = "*:443", log = "10/s" }]],
  },
}

--- What policy { … } takes.
---@type tidegate.Word[]
M.options = {
  {
    name = "name", takes = "text",
    wants = "a name",
    doc = "The name of the policy in listings.",
    example = [[policy { name = "web" }]],
  },
  {
    name = "default", takes = "default",
    wants = [["allow" or "deny", or a table of them by operation]],
    values = { "allow", "deny" },
    doc = "What happens to a connect, sendmsg or bind that no rule matches (default: allow).",
    example = [[policy { default = { connect = "deny", sendmsg = "allow" } }]],
  },
  {
    name = "on_error", takes = "verdict",
    wants = [["allow" or "deny"]],
    values = { "allow", "deny" },
    doc = "What a program returns if it finds no usable image (default: allow).",
    example = [[policy { on_error = "deny" }]],
  },
  {
    name = "best_effort", takes = "flag",
    doc = "Leave out, with a warning, rules that need more than this kernel has "
      .. "(default: such a rule is an error).",
    example = [[policy { best_effort = true }]],
  },
}

--- The other words of a policy file.
---@type tidegate.Word[]
M.words = {
  {
    name = "policy",
    doc = "Name the policy and say what happens if no rule matches.",
    example = [[policy { name = "web", default = "allow" }]],
  },
  {
    name = "file",
    doc = "The items of a file, one a line; # starts a comment. "
      .. "A relative path starts at the policy's folder.",
    example = [[deny { egress = file "blocklist.txt" }]],
  },
  {
    name = "set",
    doc = "A live set of addresses and prefixes. Rules name it, and it can change at any time. "
      .. "-set: all addresses except those in it.",
    example = [[local banned = set "banned" { "192.0.2.0/24", ttl = "10m" } ]]
      .. "deny { egress = banned }",
  },
  {
    name = "services",
    doc = "Live services: VIPs and their backends. A balance rule names them, and they can change "
      .. "at any time.",
    example = [[local svc = services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" } } ]]
      .. "balance { connect = svc }",
  },
  {
    name = "on",
    doc = [[Call a function for each event of a verb or a rule, or for every event ("*"). ]]
      .. [["lost": call it with the number of lost events.]],
    example = [[on("deny", function(event) print(event) end)]],
  },
  {
    name = "every",
    doc = "Call a function at regular intervals.",
    example = [[every("5s", function() print "still here" end)]],
  },
  {
    name = "after",
    doc = "Call a function once, after a time.",
    example = [[after("10m", function() print "ten minutes" end)]],
  },
}

return M

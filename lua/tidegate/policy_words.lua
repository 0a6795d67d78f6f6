--- The words of a policy file, except the fields of rules, which schema.lua has.

local duration = require "tidegate.duration"

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
    name = "requires", takes = "version",
    wants = [[a version such as "0.3" or "0.3.1"]],
    doc = "The oldest version of Tidegate that knows what the policy uses. An older one says so, "
      .. "and reads no further: write it first.",
    example = [[policy { requires = "0.1" }]],
  },
  {
    name = "default", takes = "verdicts",
    wants = [["allow" or "deny", or a table of them by operation]],
    values = { "allow", "deny" },
    doc = "What happens to a connect, sendmsg or bind that no rule matches (default: allow). "
      .. "It never refuses a bind to port 0, where the kernel picks the port.",
    example = [[policy { default = { connect = "deny", sendmsg = "allow" } }]],
  },
  {
    name = "on_error", takes = "verdicts",
    wants = [["allow" or "deny", or a table of them by operation]],
    values = { "allow", "deny" },
    doc = "What happens to a call if a program finds no usable image "
      .. "(default: what default says about the operation).",
    example = [[policy { on_error = "deny" }]],
  },
  {
    name = "shadow", takes = "flag",
    doc = "Count and report what the rules and the defaults decide, but let every call proceed "
      .. "as it is.",
    example = [[policy { default = "deny", shadow = true }]],
  },
  {
    name = "handler_timeout", takes = "duration",
    wants = duration.wants,
    doc = "The longest time that a function of on, every or after may take, in a command of "
      .. "tidegate; then it is ended, and on(\"error\") hears of it. Default: 1s.",
    example = [[policy { handler_timeout = "200ms" }]],
  },
  {
    name = "unsupported", takes = "choice",
    wants = [["fail" or "skip"]],
    values = { "fail", "skip" },
    doc = "What happens to rules that need more than this kernel has. fail: the policy is refused; "
      .. "skip: they are left out, and each start says so; what such a deny denies gets through. "
      .. "Default: fail.",
    example = [[policy { unsupported = "skip" }]],
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
      .. "A relative path starts at the policy's folder; a path outside it needs the caller's "
      .. "trust.",
    example = [[deny { egress = file "blocklist.txt" }]],
  },
  {
    name = "set",
    doc = "A live set of addresses and prefixes. Rules name it, and it can change at any time. "
      .. [["!@name": all addresses except those in it.]],
    example = [[set "banned" { "192.0.2.0/24", ttl = "10m" } deny { egress = "@banned" }]],
  },
  {
    name = "services",
    doc = "Live services: VIPs and their backends. A balance rule names them, and they can change "
      .. "at any time.",
    example = [[services "svc" { ["10.96.0.10:80/tcp"] = { "10.0.1.5:8080" } } ]]
      .. [[balance { connect = "@svc" }]],
  },
  {
    name = "on",
    doc = [[Call a function for each event of a verb or a rule, or for every event ("*"). ]]
      .. [["lost": call it with the number of lost events. "error": call it with the message of ]]
      .. "an error in another function.",
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

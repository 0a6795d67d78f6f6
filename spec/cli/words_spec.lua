-- The words that users of other tools type, and the names that are kept for later.

local command = require "spec.support.command"
local tidegate = command.tidegate

local POLICY = "examples/01-first-light.lua"

--- What is said to a line, without its first and its last part.
local function answer(line)
  local words = {}
  for word in line:gsub("POLICY", POLICY):gmatch "%S+" do
    words[#words + 1] = word
  end
  local got = tidegate(unpack(words))
  assert.equal("", got.out)
  assert.equal(words[1] == "run" and 125 or 2, got.status)
  return got.err:match "^tidegate[%l ]*: (.*)\nSee: tidegate[%l ]* %-%-help\n$"
end

describe("the command", function()
  it("says of each name that is kept for later that it is not supported yet", function()
    for name in ("list top events attach detach set services fleet learn reload confirm "
      .. "rollback status stats dns"):gmatch "%S+" do
      assert.equal(name .. " is not supported yet: ", answer(name):match "^.-: ")
      assert.equal(answer(name), answer(name .. " POLICY -f"))
    end
    assert.truthy(answer "attach POLICY self":find("tidegate serve POLICY TARGET", 1, true))
  end)

  it("says what the commands of other tools will be called", function()
    for word, name in pairs { ps = "list", ls = "list", logs = "events",
      monitor = "events", rm = "detach", service = "services",
      audit = "learn" } do
      assert.equal(("%s (which will be %s) is not supported yet"):format(word, name),
        answer(word):match "^(.-): ")
    end
  end)

  it("leads from the commands of other tools to ours", function()
    for word, line in pairs {
      exec = "run POLICY -- CMD", start = "serve POLICY TARGET", up = "serve POLICY TARGET",
      apply = "serve POLICY TARGET", enable = "serve POLICY TARGET",
      add = "repl POLICY", create = "repl POLICY", compose = "serve POLICY TARGET",
      validate = "check POLICY", lint = "check POLICY",
      test = "check POLICY", simulate = "explain POLICY connect 1.2.3.4:80",
      try = "explain POLICY connect 1.2.3.4:80", build = "compile POLICY -o IMAGE",
      show = "dump IMAGE", inspect = "dump IMAGE",
      shell = "repl POLICY", info = "doctor", version = "--version", usage = "--help",
    } do
      assert.equal(("unknown command %q; did you mean: tidegate %s"):format(word, line),
        answer(word .. " POLICY"))
    end
    for _, word in ipairs { "stop", "quit", "exit" } do
      assert.equal(('unknown command "%s"; Ctrl-C or a signal ends serve, and what it enforces')
        :format(word), answer(word .. " web"))
    end
    assert.equal('unknown command "hlep"; did you mean "help"?', answer "hlep")
  end)

  local POLICY_IS = "the policy is an argument, without an option"
  local options = {
    { "run --policy POLICY -- true", "--policy", POLICY_IS },
    { "run -c POLICY -- true", "-c", POLICY_IS },
    { "run -f POLICY -- true", "-f", POLICY_IS .. "; events are printed as they come" },
    { "check -c POLICY", "-c", POLICY_IS },
    { "run --cgroup self POLICY", "--cgroup", "did you mean: tidegate serve POLICY self" },
    { "run POLICY --pid=42", "--pid", "did you mean: tidegate serve POLICY pid:42" },
    { "run POLICY --unit nginx.service", "--unit",
      "did you mean: tidegate serve POLICY unit:nginx.service" },
    { "serve POLICY --cgroup /sys/fs/cgroup/x", "--cgroup",
      "did you mean TARGET /sys/fs/cgroup/x?" },
    { "serve POLICY --pid 42", "--pid", "did you mean TARGET pid:42?" },
    { "serve POLICY --unit nginx", "--unit", "did you mean TARGET unit:nginx?" },
    { "serve POLICY -u nginx", "-u", "did you mean TARGET unit:nginx?" },
    { "serve --pin web POLICY self", "--pin", "it is not supported yet" },
    { "serve -d POLICY self", "-d", "use & of the shell, or a systemd unit" },
    { "run --allow example.org -- curl", "--allow",
      "it is not supported yet; write the rules to a policy" },
    { "run --uid 33 POLICY -- id", "--uid", 'did you mean "--user 33"?' },
    { "run --silent POLICY -- id", "--silent", 'did you mean "--quiet"?' },
    { "run -v POLICY -- id", "-v",
      "everything is printed unless -q is given; -V prints the version" },
    { "run --output x POLICY -- id", "--output", 'did you mean "--log x"?' },
    { "run -e A=1 POLICY -- id", "-e", "put it behind --: tidegate run POLICY -- env A=1 CMD" },
    { "run --rm POLICY -- id", "--rm", "the cgroup of CMD is always removed" },
    { "run -it POLICY -- sh", "-i", "CMD has the terminal already" },
    { "run --jsn POLICY -- sh", "--jsn", 'did you mean "--json"?' },
    { "repl -c print(1)", "-c", 'did you mean "-e CODE"?' },
    { "run --network none POLICY -- id", "--network", "CMD has the network of its caller; in a "
      .. 'policy, deny { egress = "*" } lets nothing out' },
    { "run -p 8080:80 POLICY -- id", "-p",
      'a policy maps ports: rewrite { bind = "*:80", to = "*:8080" }' },
    { "run -p 42 POLICY", "-p", "did you mean: tidegate serve POLICY pid:42" },
    { "run -p IPAddressDeny=any POLICY -- id", "-p",
      'write rules to the policy: deny { egress = "*" } for IPAddressDeny=any' },
    { "run -v /a:/b POLICY -- id", "-v", "CMD sees the files of its caller" },
    { "run --privileged POLICY -- id", "--privileged",
      "CMD has all capabilities as root, and none as --user NAME; --confine takes from root those "
      .. "that lead out of the policy" },
    { "run --sandbox POLICY -- id", "--sandbox", 'did you mean "--confine"?' },
    { "serve --confine POLICY self", "--confine", "only run starts a command" },
    { "serve --wait POLICY self", "--wait", 'did you mean "--reattach"?' },
    { "--reattach serve POLICY self", "--reattach",
      "it comes after the command: tidegate COMMAND --reattach" },
    { "run --memory 1g POLICY -- id", "--memory",
      "it is not supported: a policy decides calls, and limits nothing else" },
    { "check -f POLICY", "-f", POLICY_IS },
    { "explain POLICY connect 1.2.3.4:80 --dport 5", "--dport",
      "the endpoint is an argument: tidegate explain POLICY connect 1.2.3.4:80" },
    { "-f web.nft", "-f", POLICY_IS .. ": tidegate serve web.nft TARGET" },
    { "-i", "-i", "did you mean: tidegate repl POLICY" },
    { "-A OUTPUT", "-A",
      "a policy holds the rules; to type them at a prompt: tidegate repl POLICY" },
    { "compile -n POLICY", "-n", "to compile and write nothing: tidegate check POLICY" },
    { "run -t POLICY -- true", "-t", "CMD has the terminal already" },
    { "-v", "-v", "everything is printed unless -q is given; -V prints the version" },
    { "--verbose", "--verbose",
      "everything is printed unless -q is given; -V prints the version" },
    { "check --dry-run POLICY", "--dry-run", "check never changes anything" },
  }
  for _, case in ipairs(options) do
    it("leads to the right option from: " .. case[1], function()
      assert.equal(("unknown option %q; %s"):format(case[2], case[3]), answer(case[1]))
    end)
  end

  it("says what is missing where a command stands in the place of the policy", function()
    for _, line in ipairs { "run curl http://1.2.3.4/", "run true" } do
      assert.equal("give a policy and -- before the command: tidegate run POLICY -- "
        .. line:sub(5), answer(line))
    end
  end)

  it("says what an argument that is one too many was meant for", function()
    assert.equal("too many arguments; the endpoint is one argument: tidegate explain POLICY "
      .. "connect 1.2.3.4:80", (answer "explain examples/01-first-light.lua connect 1.2.3.4 80"))
    assert.equal("too many arguments; a line of input follows -e: tidegate repl POLICY -e rules",
      (answer "repl examples/01-first-light.lua rules 1"))
  end)
end)

--- What to say to the words of other tools, and to the names of commands that come later.

local suggest = require "tidegate.suggest"

local M = {}

--- Give each word of the lists, which are keys, the value of its list.
local function by_word(lists)
  local found = {}
  for words, value in pairs(lists) do
    for word in words:gmatch "%S+" do
      found[word] = value
    end
  end
  return found
end

-- Commands ---------------------------------------------------------------------------------

local PINNED = "it needs gates that outlive their command"

--- The commands that come later. Until then their names mean nothing else.
local later = by_word {
  ["status confirm rollback"] = PINNED,
  ["reload"] = PINNED .. "; until then, end serve and start it again",
  ["detach"] = PINNED .. "; Ctrl-C or a signal ends serve, and what it enforces",
  ["list"] = PINNED .. "; at the prompt, rules shows the rules: tidegate repl POLICY",
  ["attach"] = PINNED .. "; to enforce a policy as long as a command runs: tidegate serve POLICY "
    .. "TARGET",
  ["events"] = PINNED .. "; run and serve print their events as they come",
  ["top"] = PINNED .. "; at the prompt, rules shows the hits: tidegate repl POLICY",
  ["stats"] = PINNED .. "; at the prompt, gate:stats() shows them: tidegate repl POLICY",
  ["set"] = PINNED .. "; sets change through the handlers of a policy, and at the prompt",
  ["services"] = PINNED .. "; services change through the handlers of a policy, and at the prompt",
  ["dns"] = "live names come with it",
  ["fleet"] = "one policy for a group of hosts comes with it",
  ["learn"] = 'to see what a program does, run it with a policy of observe { egress = "*" }',
}

--- What docker, systemctl, nft, iptables, nginx and others call our commands.
local meant = by_word {
  ["exec execute sandbox wrap spawn unshare"] = "run POLICY -- CMD",
  ["start up compose daemon apply enforce load enable restore "
    .. "iptables-restore"] = "serve POLICY TARGET",
  ["validate lint verify test configtest syntax"] = "check POLICY",
  ["simulate decide try ask why match query which"] = "explain POLICY connect 1.2.3.4:80",
  ["build image"] = "compile POLICY -o IMAGE",
  ["show inspect export save iptables-save decompile"] = "dump IMAGE",
  ["shell sh console prompt lua interactive cli eval add insert create"] = "repl POLICY",
  ["info diagnose probe system support features"] = "doctor",
  ["version ver"] = "--version",
  ["usage man options commands"] = "--help",
}

--- What others call the commands that come later.
local renamed = by_word {
  ["ps ls"] = "list",
  ["is-active is-enabled"] = "status",
  ["update daemon-reload"] = "reload",
  ["logs log trace tail follow journal watch monitor"] = "events",
  ["metrics counters"] = "stats",
  ["unload remove flush delete del rm disable"] = "detach",
  ["sets ipset"] = "set",
  ["service"] = "services",
  ["audit record"] = "learn",
  ["resolver"] = "dns",
}

local stops = by_word { ["stop down kill end quit exit halt abort restart"] = true }

--- Whether there is a file of this name.
---@param path string
---@return boolean
function M.is_file(path)
  local handle = io.open(path)
  return handle ~= nil and handle:close()
end

--- What to say to a first word that is not a command.
---@param word string
---@param names string[] the commands
---@return string
function M.command(word, names)
  local name = renamed[word] or word
  if later[name] then
    local called = name == word and word or ("%s (which will be %s)"):format(word, name)
    return ("%s is not supported yet: %s"):format(called, later[name])
  elseif meant[word] then
    return ("unknown command %q; did you mean: tidegate %s"):format(word, meant[word])
  elseif stops[word] then
    return ("unknown command %q; Ctrl-C or a signal ends serve, and what it enforces"):format(word)
  elseif M.is_file(word) then
    return ("unknown command %q; did you mean: tidegate run %s -- CMD, or: tidegate serve %s "
      .. "TARGET"):format(word, word, word)
  end
  return suggest.unknown("command", word, { "help", unpack(names) })
end

-- Options ------------------------------------------------------------------------------------

local POLICY = "the policy is an argument, without an option"
local EVENTS = POLICY .. "; events are printed as they come"
local BACKGROUND = "use & of the shell, or a systemd unit"
local LATER = "it is not supported yet"
--- VALUE is replaced by the value that was given.
local SERVE = "did you mean: tidegate serve POLICY "

--- Options that belong to a command, and those of nft and iptables.
local placed = by_word {
  ["-f"] = POLICY .. ": tidegate serve VALUE TARGET",
  ["-i --interactive"] = "did you mean: tidegate repl POLICY",
  ["-A -I -D --append --insert --delete"] =
    "a policy holds the rules; to type them at a prompt: tidegate repl POLICY",
  ["-L -l -S --list --list-rules"] =
    "at the prompt, rules shows the rules: tidegate repl POLICY",
  ["-n --dry-run -q --quiet --json --log -u --user -o --output -e --no-pin --confine --reattach"] =
    "it comes after the command: tidegate COMMAND OPTION",
}

local everywhere = by_word {
  ["--policy --file --config --conf -c -f -F"] = POLICY,
  ["-v --verbose --debug"] = "everything is printed unless -q is given; -V prints the version",
  ["--silent"] = 'did you mean "--quiet"?',
  ["--simulate --check --test -t"] =
    'did you mean "--dry-run", of run and serve, or: tidegate check POLICY',
  ["-j --format --output-format"] = 'did you mean "--json"?',
  ["--logfile --log-file"] = 'did you mean "--log FILE"?',
  ["--stdout"] = 'did you mean "--log -"?',
}

local PROPERTY = 'write rules to the policy: deny { egress = "*" } for IPAddressDeny=any'

--- What an option means by its value.
local by_value = {
  run = {
    ["-p"] = {
      { "^%d+:%d+$", [[a policy maps ports: rewrite { bind = "*:80", to = "*:8080" }]] },
      { "=", PROPERTY },
    },
    ["--pid"] = { { "^%a", "CMD has the pid namespace of its caller" } },
    ["-v"] = { { ":/", "CMD sees the files of its caller" } },
  },
}

local of_command = {
  run = by_word {
    ["--cgroup"] = SERVE .. "VALUE",
    ["--pid -p"] = SERVE .. "pid:VALUE",
    ["--network --net"] = "CMD has the network of its caller; in a policy, deny { egress = \"*\" } "
      .. "lets nothing out",
    ["-P --publish --publish-all --expose"] =
      [[a policy maps ports: rewrite { bind = "*:80", to = "*:8080" }]],
    ["--dns"] =
      [[a policy can redirect queries: rewrite { egress = "*:53", to = "1.1.1.1:53" }]],
    ["--add-host"] = "CMD has the names of its caller: write the host to /etc/hosts",
    ["--volume --mount --read-only --tmpfs"] = "CMD sees the files of its caller",
    ["--hostname"] = "CMD has the host name of its caller",
    ["--privileged --cap-add --cap-drop"] =
      "CMD has all capabilities as root, and none as --user NAME; --confine takes from root those "
      .. "that lead out of the policy",
    ["--memory -m --cpus --pids-limit --ulimit"] =
      "it is not supported: a policy decides calls, and limits nothing else",
    ["--property"] = PROPERTY,
    ["--env-file"] = "put it behind --: tidegate run POLICY -- env NAME=TEXT CMD",
    ["--entrypoint"] = "put it behind --: tidegate run POLICY -- VALUE",
    ["--restart"] = "CMD runs once; a systemd unit can start it again",
    ["--cgroup-parent"] = "CMD always gets a cgroup of its own, below that of tidegate",
    ["--unit"] = SERVE .. "unit:VALUE",
    ["--output -o"] = 'did you mean "--log VALUE"?',
    ["-f --follow"] = EVENTS,
    ["--uid --setuid --runas"] = 'did you mean "--user VALUE"?',
    ["-g --gid --group"] = "the groups are those of --user NAME",
    ["-e --env --setenv"] = "put it behind --: tidegate run POLICY -- env VALUE CMD",
    ["-i -t --interactive --tty --pty"] = "CMD has the terminal already",
    ["--rm"] = "the cgroup of CMD is always removed",
    ["--scope --slice"] = "CMD always gets a cgroup of its own, below that of tidegate",
    ["--name"] = "a policy names itself: policy { name = \"web\" }",
    ["-d --detach --daemon --background -b"] = BACKGROUND,
    ["--cwd --chdir --workdir -w -C -D"] =
      "put it behind --: tidegate run POLICY -- env -C VALUE CMD",
    ["--timeout"] = "put it behind --: tidegate run POLICY -- timeout VALUE CMD",
    ["--sandbox --no-new-privs --no-new-privileges --isolate --unprivileged --drop --jail"] =
      'did you mean "--confine"?',
    ["--allow --deny --profile --seal"] = LATER .. "; write the rules to a policy",
    ["--pin --no-pin"] = "what run enforces ends with CMD; serve has --no-pin",
  },
  serve = by_word {
    ["--cgroup"] = "did you mean TARGET VALUE?",
    ["--pid -p"] = "did you mean TARGET pid:VALUE?",
    ["--unit --service -u"] = "did you mean TARGET unit:VALUE?",
    ["--output -o"] = 'did you mean "--log VALUE"?',
    ["-f --follow --foreground"] = EVENTS .. "; to wait for a cgroup to come back: --reattach",
    ["--wait --watch --restart --retry --persist"] = 'did you mean "--reattach"?',
    ["-d --detach --daemon --background -b"] = BACKGROUND,
    ["--pin --name --mount"] = LATER,
    ["--existing"] = LATER .. "; sockets that are connected already stay connected",
    ["--user --uid"] = "only run starts a command as another user",
    ["--confine"] = "only run starts a command",
  },
  check = by_word { ["-n --dry-run"] = "check never changes anything" },
  explain = by_word {
    ["--from --src --saddr --sport --source-address"] = 'did you mean "--source"?',
    ["--user -u --euid --skuid"] = 'did you mean "--uid"?',
    ["--group -g --egid --skgid"] = 'did you mean "--gid"?',
    ["--command --process --program --cmd"] = 'did you mean "--comm", or "--exe" for a path?',
    ["--protocol"] = 'did you mean "--proto"?',
    ["--interface --iface -i --dev --oif --oifname"] = 'did you mean "--device"?',
    ["--assert --expected --verdict --want"] = 'did you mean "--expect"?',
    ["--to --dst --daddr --dport --addr --address --endpoint --port"] =
      "the endpoint is an argument: tidegate explain POLICY connect 1.2.3.4:80",
  },
  compile = by_word { ["-n --dry-run"] = "to compile and write nothing: tidegate check POLICY" },
  repl = by_word {
    ["-c --command --eval --execute"] = 'did you mean "-e CODE"?',
    ["-f --script"] = "a script comes on standard input: tidegate repl < VALUE",
  },
}

--- What to say to an argument that is one too many.
M.too_many = {
  explain = "the endpoint is one argument: tidegate explain POLICY connect 1.2.3.4:80",
  repl = "a line of input follows -e: tidegate repl POLICY -e rules",
  doctor = "doctor takes none; to look at a policy: tidegate check POLICY",
}

--- What to say to an option that does not exist.
---@param word string
---@param value string|nil what follows it
---@param command string|nil the command that it was given to
---@param near string|nil an option of this command that is spelt nearly like that
---@return string
function M.option(word, value, command, near)
  local text
  for _, pair in ipairs(value and (by_value[command] or {})[word] or {}) do
    text = text or value:find(pair[1]) and pair[2]
  end
  text = text or (of_command[command] or placed)[word] or everywhere[word]
  if text then
    text = text:gsub("VALUE", { VALUE = value or "…" }):gsub("OPTION", word)
  elseif near then
    text = ("did you mean %q?"):format(near)
  end
  return ("unknown option %q%s"):format(word, text and "; " .. text or "")
end

return M

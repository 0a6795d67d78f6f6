-- nginx starts, stops and refuses to start with a gate.

local command = require "spec.support.command"
local env = require "spec.support.env"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

local POLICY = [[
  policy { name = "web" }
  deny { "no-metadata", connect = "169.254.169.254", errno = "ECONNREFUSED" }
]]
local HOOKS = "connect4 connect6"
local INIT_WORKER = [[require("tidegate.nginx").init_worker]]
local TO_METADATA = [[location / { proxy_pass http://169.254.169.254; }]]

describe("nginx with a gate", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  --- Run nginx, which must end at once; what it prints.
  local function refused(options)
    local server = nginx.prepare(options)
    local process = server:run():wait()
    assert.equal(1, process.status)
    assert.equal("", server:attached())
    return server:log()
  end

  it("is enforced, and held by the master alone", function()
    local server = nginx.start { policy = POLICY, locations = TO_METADATA }
    assert.equal(502, server:get "/")
    assert.truthy(server:log():find("169.254.169.254:80 failed (111: Connection refused)", 1, true))
    assert.equal(HOOKS, server:attached())
    local workers = server:workers()
    assert.equal(2, #workers)
    server.process:kill "sigstop"
    for _, pid in ipairs(workers) do
      local held = command.run { "sh", "-c", "ls -l /proc/$0/fd | grep -cE 'bpf-(link|prog)'",
        tostring(pid) }
      assert.equal("0\n", held.out)
    end
    server.process:kill "sigcont"
  end)

  it("is not controlled by a worker", function()
    local server = nginx.start { policy = POLICY, locations = [[
      location = /attach { content_by_lua_block {
        local gate = require("tidegate.nginx").gate()
        ngx.say((select(2, gate:attach "self")))
        ngx.say((select(2, gate:detach())))
        ngx.say(tostring(gate:stats().lost))
      } }
    ]] }
    local cannot = ": this process has restricted the gate, and has no control of it any more: do "
      .. "this in the process that made it\n"
    assert.equal("attach" .. cannot .. "detach" .. cannot .. "0\n",
      (select(2, server:get "/attach")))
    assert.equal(HOOKS, server:attached())
  end)

  it("is detached when nginx stops", function()
    for _, signal in ipairs { "sigquit", "sigterm", "sigkill" } do
      local server = nginx.start { policy = POLICY }
      assert.equal(HOOKS, server:attached())
      server:stop(signal)
      assert.equal("", server:attached(), signal)
      nginx.leave()
      nginx.enter()
    end
  end)

  -- H6
  it("is found where make install has put it, if nginx is told the prefix", function()
    local prefix = env.folder() .. "/opt"
    command.run { "chmod", "755", (prefix:gsub("/opt$", "")) }
    local made = command.run { "make", "B=" .. command.build, "install", "PREFIX=" .. prefix }
    assert.equal(0, made.status, made.err)
    local server = nginx.start { policy = POLICY, workers = 1,
      http = ([[lua_package_path "%s/share/lua/5.1/?.lua;%s/share/lua/5.1/?/init.lua;;";]])
        :format(prefix, prefix),
      locations = [[location = /where { content_by_lua_block {
        ngx.print(package.searchpath("tidegate.nginx", package.path))
        for line in io.lines "/proc/self/maps" do
          local path = line:find " r%-xp " and line:match " (/%S*libtidegate%S*)$"
          if path then ngx.print(" ", path) end
        end
      } }]] }
    assert.equal(("%s/share/lua/5.1/tidegate/nginx.lua %s/lib/libtidegate.so.0.1.0")
      :format(prefix, prefix), (select(2, server:get "/where")))
  end)

  it("holds if nginx becomes a daemon", function()
    local server = nginx.prepare { policy = POLICY, daemon = true, locations = TO_METADATA }
    assert.equal(0, server:run():wait().status)
    command.wait_until(function() return server:get "/pid" end, "an answer")
    assert.equal(HOOKS, server:attached())
    assert.equal(502, server:get "/")
    command.run { "sh", "-c", [[kill -QUIT "$(cat "$0/nginx.pid")"]], server.folder }
    command.wait_until(function() return server:attached() == "" end, "the end of nginx")
  end)

  it("works in a single process", function()
    local server = nginx.prepare { policy = POLICY, locations = TO_METADATA, workers = 1 }
    local process = server:run("-g", "master_process off;")
    command.wait_until(function() return server:get "/pid" end, "an answer")
    assert.equal(502, server:get "/")
    assert.equal(HOOKS, server:attached())
    process:kill "sigterm"
    assert.equal(0, process:wait().status)
    assert.equal("", server:attached())
  end)

  -- H2: nginx -t runs no Lua, so that the policy is checked beside it.
  it("is touched neither by nginx -t nor by nginx -s", function()
    local server = nginx.start { policy = POLICY }
    server:write("web.lua", "deny { bind = '*:1' }")
    assert.equal(0, server:run("-t"):wait().status)
    assert.truthy(server:log():find("test is successful", 1, true))
    assert.equal(0, server:run("-s", "reopen"):wait().status)
    assert.equal(HOOKS, server:attached())
    assert.truthy(select(2, server:get "/stats"):find('"generation":1', 1, true))
    server:stop()
    assert.equal(0, server:run("-t"):wait().status)
    assert.equal("", server:attached())
  end)

  it("does not start with a policy that has errors", function()
    local said = refused { policy = POLICY .. 'deny { "x", egres = "*" }' }
    assert.truthy(said:find("init_by_lua error: tidegate: /", 1, true), said)
    assert.truthy(said:find([[/web.lua:3: deny "x": unknown field "egres"; did you mean "egress"?]],
      1, true), said)
  end)

  it("does not start without a policy, and says where it looked", function()
    assert.matches("init_by_lua error: tidegate: /[^\n]*/none.lua: No such file or directory",
      refused {
        init = [[require("tidegate.nginx").init { policy = "none.lua", attach = "self" }]],
      })
  end)

  it("leaves nothing attached if nginx fails to start", function()
    local server = nginx.start { policy = POLICY }
    local said = refused { policy = POLICY, http = "server { listen 203.0.113.1:80; }" }
    assert.truthy(said:find("Cannot assign requested address", 1, true), said)
    assert.equal(HOOKS, server:attached())
  end)

  it("says what is missing if nginx is not root", function()
    local server = nginx.prepare { policy = POLICY }
    command.run { "chown", "-R", "www-data", server.folder }
    server.before = { "setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups" }
    assert.equal(1, server:run():wait().status)
    assert.matches("init_by_lua error: tidegate: [^\n]*needs CAP_BPF", server:log())
  end)

  it("reports misuse of init", function()
    for options, said in pairs {
      [""] = 'init: wants a table such as { policy = "web.lua", attach = "self" }; got nil',
      [ [[{ policy = "web.lua", atach = "self" }]] ] = 'init: unknown option "atach"; did you '
        .. 'mean "attach"?',
      [ [[{ attach = "self" }]] ] = "init: policy: wants the path of a policy; got nil",
      [ [[{ policy = "", attach = "self" }]] ] = 'init: policy: wants the path of a policy; got ""',
      [ [[{ policy = "web.lua" }]] ] = 'init: says no attach; attach = "self" is the cgroup that '
        .. 'nginx is in',
      [ [[{ policy = "web.lua", attach = "self", wake = "socket" }]] ] = 'init: unknown '
        .. 'option "wake"; leave it out, because a socket wakes the reader unless events = "timer"',
      [ [[{ policy = "web.lua", attach = "self", events = true }]] ] = 'init: events: wants '
        .. '"socket" (the default) or "timer"; got true',
      [ [[{ policy = "web.lua", attach = "self", pin = "web" }]] ] = "init: pin: pinned gates are "
        .. "not supported yet; leave it out, ",
      [ [[{ policy = "web.lua", attach = "self", ring_bytes = "1M" }]] ] = "init: ring_bytes: "
        .. 'wants a number of bytes, such as 2^20; got "1M"',
      [ [[{ policy = "web.lua", attach = 7 }]] ] = 'init: attach: wants "self" or another cgroup; '
        .. 'got 7',
      [ [[{ policy = "web.lua", attach = "" }]] ] = 'init: attach: wants "self" or another cgroup; '
        .. 'got ""',
      [ [[{ "web.lua", attach = "self" }]] ] = 'init: got "web.lua" without a name; options are '
        .. "written NAME = VALUE",
      [ [[{ policy = "web.lua", cgroup = "self" }]] ] = 'init: unknown option "cgroup"; write '
        .. 'attach = "self", or another cgroup',
      [ [[{ file = "web.lua", attach = "self" }]] ] = 'init: unknown option "file"; write '
        .. 'policy = "web.lua", the path of the policy',
      [ [[{ policy = "none.lua", attach = "self" }]] ] = "/none.lua: No such file or directory; a "
        .. "relative path starts at nginx's prefix, /",
      [ [[{ policy = "web.lua", attach = {} }]] ] = 'init: attach: wants "self" or another cgroup; '
        .. 'got a table',
      [ [[{ policy = "web.lua", attach = "/sys/fs/cgroup/none" }]] ] = "/sys/fs/cgroup/none",
    } do
      local text = refused { init = ('require("tidegate.nginx").init(%s)'):format(options) }
      assert.truthy(text:find(said, 1, true), text)
      nginx.leave()
      nginx.enter()
    end
  end)

  it("does not start with init or init_worker twice or in each other's place, and says why",
    function()
    local module = [[require("tidegate.nginx")]]
    for init, said in pairs {
      [module .. [[:init { policy = "web.lua", attach = "self" }]] ] = "init: call it with a dot, "
        .. "as in tidegate.nginx.init()",
      [module .. ".init_worker()"] = "init_worker: belongs in init_worker_by_lua; this is init",
      [nginx.INIT .. " " .. module .. ".init_worker()"] = "init_worker: belongs in "
        .. "init_worker_by_lua; this is init",
      [nginx.INIT .. " " .. nginx.INIT] = "init: was called already, and nginx has one policy; "
        .. "call it once",
    } do
      local text = refused { policy = POLICY, init = init }
      assert.truthy(text:find(said, 1, true), text)
      nginx.leave()
      nginx.enter()
    end
  end)

  it("says in the log that init_worker is missing or was called twice", function()
    local server = nginx.start { policy = POLICY, workers = 1, worker = "", locations =
      TO_METADATA .. [[location = /refusal { content_by_lua_block {
        ngx.print(require("tidegate.nginx").refusal("169.254.169.254:80").rule)
      } }]] }
    assert.equal(502, server:get "/")
    for _ = 1, 3 do
      assert.equal("no-metadata", (select(2, server:get "/refusal")))
    end
    local said = "tidegate: this worker keeps privileges and calls no function of the policy: call "
      .. "tidegate.nginx.init_worker() in init_worker_by_lua"
    local _, times = server:log():gsub(said:gsub("%p", "%%%0"), "")
    assert.equal(1, times)
    server:reload { policy = POLICY, workers = 1,
      worker = ([[%s() %s()]]):format(INIT_WORKER, INIT_WORKER) }
    server:wait_for "init_worker: was called already in this worker; call it once"
    assert.equal(200, (server:get "/stats"))
    assert.equal(1, (select(2, server:log():gsub(said:gsub("%p", "%%%0"), ""))))
  end)

  it("says in the log that rules were staged and not published", function()
    local said = "tidegate: rules that init_by_lua has staged are not in force: call the gate's "
      .. "commit() there"
    local init = "local gate = " .. nginx.INIT .. [[ gate:deny { "late", connect = "192.0.2.1" } ]]
    local server = nginx.start { policy = POLICY, init = init .. "assert(gate:commit())" }
    server:reload()
    assert.is_nil(server:log():find(said, 1, true))
    server:reload { policy = POLICY, init = init }
    server:wait_for(said)
    assert.equal(1, (select(2, server:log():gsub(said:gsub("%p", "%%%0"), ""))))
  end)

  it("reports init and init_worker in the wrong place", function()
    local server = nginx.start { init = "", worker = "", locations = [[
      location = /init { content_by_lua_block {
        local init = require("tidegate.nginx").init
        ngx.print(select(2, pcall(init, { policy = "web.lua", attach = "self" })))
      } }
      location = /worker { content_by_lua_block {
        ngx.print(select(2, pcall(require("tidegate.nginx").init_worker)))
      } }
      location = /member { content_by_lua_block {
        ngx.print(select(2, pcall(function() return require("tidegate.nginx")[ngx.var.arg_of] end)))
      } }
      location = /call { content_by_lua_block {
        ngx.print(select(2, pcall(require("tidegate.nginx")[ngx.var.arg_of])))
      } }
    ]] }
    local _, said = server:get "/init"
    assert.equal("init: belongs in init_by_lua, where nginx is still privileged; this is content",
      said)
    _, said = server:get "/worker"
    assert.equal("init_worker: belongs in init_worker_by_lua; this is content", said)
    for member, hint in pairs { start = "init { policy = PATH, attach = TARGET }",
      metrics = "send_stats(FORMAT)", worker = "init_worker()" } do
      assert.matches(('tidegate.nginx has no %q; write %s'):format(member, hint),
        select(2, server:get("/member?of=" .. member)), 1, true)
    end
    for _, call in ipairs { "gate", "refusal", "send_stats" } do
      _, said = server:get("/call?of=" .. call)
      assert.equal(call .. ": there is no gate: call tidegate.nginx.init() in init_by_lua", said)
    end
    assert.equal("", server:attached())
  end)

  it("refuses lua_code_cache off, with the reason", function()
    local server = nginx.start { policy = POLICY, locations = [[
      location = /off { lua_code_cache off; content_by_lua_block { ngx.print "never" } }
    ]] }
    assert.equal(500, server:get "/off")
    server:wait_for("tidegate.nginx: lua_code_cache is off: nginx runs init_by_lua again for every "
      .. "request, in a worker, which may neither load nor attach programs; set lua_code_cache on, "
      .. "and reload nginx after a change")
    assert.equal(200, server:get "/pid")
    assert.equal(HOOKS, server:attached())
  end)
end)

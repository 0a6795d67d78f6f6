-- examples/nginx/balancer: backends come and go, and no request fails.

local cjson = require "cjson"
local env = require "spec.support.env"
local http = require "spec.support.http"
local netns = require "spec.support.netns"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"

if nginx.reason then
  return pending(nginx.reason)
end

local VIP = "10.96.0.10:80"
local API = "127.0.0.1:8090"
local PATH = "/services/backends/10.96.0.10:80/tcp"
local TOKEN = "a-token-for-the-specs"
local HEADERS = {
  Host = API, Authorization = "Bearer " .. TOKEN, ["Content-Type"] = "application/json",
}
local ONE, TWO, THREE = "10.0.1.1:8080", "10.0.1.2:8080", "10.0.1.3:8080"

describe("the balancer", function()
  local balancer, servers

  --- A server that answers with where it listens; /slow takes its time.
  local function serve(endpoint)
    servers[endpoint] = nginx.start { init = "", worker = "", workers = 1, listen = endpoint,
      locations = [[
      location / { content_by_lua_block {
        if ngx.var.uri == "/slow" then ngx.sleep(0.3) end
        ngx.print("]] .. endpoint .. [[ ", ngx.var.uri)
      } }
    ]] }
  end

  -- Every address is this machine's: a server answers at the VIP itself, too.
  before_each(function()
    nginx.enter()
    netns.own_all_addresses()
    servers = {}
    for _, endpoint in ipairs { ONE, TWO, THREE, VIP } do
      serve(endpoint)
    end
    balancer = nginx.example("examples/nginx/balancer", "127.0.0.1:8089",
      { token = TOKEN .. "\n" })
  end)
  after_each(nginx.leave)

  --- The backends after a change of one, or of all (address is "").
  local function change(method, address, body)
    local status, said = http.request(method, API, PATH .. address,
      body and (type(body) == "string" and body or cjson.encode(body)), HEADERS)
    assert.is_true(status == 200 or status == 201, said)
    local backends = cjson.decode(said)
    for _, backend in pairs(backends) do
      backend.share = nil
    end
    return backends
  end

  --- Where that many requests go: how many of them to each backend.
  local function send(count)
    local sent = {}
    for _ = 1, count do
      local status, said = balancer:get "/x"
      local endpoint = status == 200 and said:match "^(%S+) /x$" or tostring(status)
      sent[endpoint] = (sent[endpoint] or 0) + 1
    end
    return sent
  end

  --- Send requests until the file `stop` exists; the number of requests by their result.
  local function load(path)
    local stop = balancer.folder .. "/stop"
    return process.fork(function()
      local answers = {}
      repeat
        local status, said = balancer:get(path)
        local answer = status == 200 and said:match "^%S+" or tostring(status)
        answers[answer] = (answers[answer] or 0) + 1
        local ended = io.open(stop)
      until ended
      return cjson.encode(answers)
    end)
  end

  local function keys(map)
    local found = {}
    for key in pairs(map) do
      found[#found + 1] = key
    end
    table.sort(found)
    return found
  end

  it("reports that there is no backend, and does not ask the VIP itself", function()
    assert.same({}, change("GET", ""))
    local status, said = balancer:get "/"
    assert.same({ 503, "app: no backend is up for 10.96.0.10:80\n" }, { status, said })
    change("PUT", "/" .. ONE, { state = "down" })
    assert.equal(503, (balancer:get "/"))
    change("PATCH", "/" .. ONE, { state = "up" })
    assert.same({ [ONE] = 5 }, send(5))
    change("PUT", "?empty=true", "{}")
    assert.equal(503, (balancer:get "/"))
  end)

  it("sends requests by the weights, and counts where they went", function()
    change("PUT", "/" .. ONE)
    local listed = change("PUT", "/" .. TWO, { weight = 3 })
    assert.same({ [ONE] = { weight = 1, state = "up", picked = 0 },
      [TWO] = { weight = 3, state = "up", picked = 0 } },
      listed)
    local sent = send(400)
    assert.equal(400, sent[ONE] + sent[TWO])
    assert.is_true(math.abs(sent[ONE] - 100) < 50, sent[ONE] .. " of 400, where one in 4 was meant")
    listed = change("GET", "")
    assert.same({ sent[ONE], sent[TWO] }, { listed[ONE].picked, listed[TWO].picked })
    listed = change("PATCH", "/" .. TWO, { state = "draining" })
    assert.same({ weight = 3, state = "draining", picked = sent[TWO] }, listed[TWO])
    assert.same({ [ONE] = 20 }, send(20))
  end)

  it("loses no request while backends come and go", function()
    change("PUT", "/" .. ONE)
    local loads = { load "/", load "/", load "/slow", load "/slow" }
    os.execute "sleep 0.3"
    change("PUT", "/" .. TWO)
    os.execute "sleep 0.3"
    change("PATCH", "/" .. ONE, { state = "draining" })
    os.execute "sleep 0.3"
    change("DELETE", "/" .. ONE)
    servers[ONE]:stop() -- SIGQUIT: it answers the requests that it has
    assert.same({ [TWO] = 10 }, send(10))
    change("PUT", "", { [TWO] = { weight = 2 }, [THREE] = { weight = 5 } })
    balancer:reload()
    os.execute "sleep 0.3"
    change("DELETE", "/" .. TWO)
    servers[TWO]:stop()
    assert.same({ [THREE] = 10 }, send(10))
    balancer:write("stop", "")
    local total, got = 0, {}
    for _, each in ipairs(loads) do
      for answer, count in pairs(cjson.decode(each:wait())) do
        total, got[answer] = total + count, true
      end
    end
    print(("    %d requests"):format(total))
    assert.same({ ONE, TWO, THREE }, keys(got))
  end)

  it("lets a request try another backend if one has died", function()
    change("PUT", "", { [ONE] = {}, [TWO] = {}, [THREE] = {} })
    servers[ONE]:stop "sigterm"
    local sent = send(100)
    assert.is_nil(sent[ONE])
    assert.is_true((sent["502"] or 0) < 20, "every third try fails, and so every 27th request")
    change("DELETE", "/" .. ONE)
    assert.same({ TWO, THREE }, keys(send(50)))
  end)

  it("keeps its backends through a reload, also of a policy that names others", function()
    change("PUT", "/" .. ONE)
    send(3)
    local policy = env.read(balancer.folder .. "/policy.lua")
    balancer:write("policy.lua", (policy:gsub('tcp"%] = {}', ('tcp"] = { %q }'):format(TWO))))
    balancer:reload()
    assert.same({ [ONE] = { weight = 1, state = "up", picked = 3 } }, change("GET", ""))
    assert.same({ [ONE] = 5 }, send(5))
  end)

  it("is changed by all workers at once, and loses no change", function()
    local clients = {}
    for number = 1, 4 do
      clients[number] = process.fork(function()
        for port = 1, 25 do
          change("PUT", ("/10.0.2.%d:%d"):format(number, port))
        end
      end)
    end
    for _, client in ipairs(clients) do
      client:wait()
    end
    assert.equal(100, #keys(change("GET", "")))
  end)

  it("offers its API on the loopback only", function()
    change("PUT", "/" .. ONE)
    assert.same({ nil, "ECONNREFUSED", "" }, { http.get("10.0.0.1:8090", PATH) })
    assert.equal(ONE .. " " .. PATH, select(2, balancer:get(PATH)))
    assert.equal(401, (http.request("GET", API, PATH, nil, { Host = API })))
  end)
end)

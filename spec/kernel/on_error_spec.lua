-- on_error: what happens to a call if its program finds no image.

local ffi = require "ffi"
local libc = require "spec.support.libc"
local sandbox = require "spec.support.sandbox"
local socket = require "spec.support.socket"
local uv = require "luv"

local BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, ARRAY = 1, 2, 2
local SYS_BPF = ffi.arch == "x64" and 321 or 280

--- This process's descriptor of the map of one word: the one that says which image is in force.
local function word_map()
  local folder = assert(uv.fs_scandir "/proc/self/fdinfo")
  for name in function() return uv.fs_scandir_next(folder) end do
    local handle = io.open("/proc/self/fdinfo/" .. name)
    local text = handle and handle:read "*a" or ""
    if handle then
      handle:close()
    end
    if tonumber(text:match "\nmap_type:%s+(%d+)") == ARRAY
      and text:match "\nvalue_size:%s+(%d+)" == "8"
      and text:match "\nmax_entries:%s+(%d+)" == "1" then
      return tonumber(name)
    end
  end
end

local function bpf(command, map, key, value)
  local attributes = ffi.new "uint64_t[4]"
  attributes[0] = map
  attributes[1] = ffi.cast("uintptr_t", key)
  attributes[2] = ffi.cast("uintptr_t", value)
  assert(libc.outcome(libc.call.syscall(ffi.cast("long", SYS_BPF), ffi.cast("long", command),
    attributes, ffi.cast("long", 32))))
end

--- Take the image away from the programs: the next generation has none yet.
local function remove_image()
  local key, word, map = ffi.new "uint32_t[1]", ffi.new "uint32_t[2]", assert(word_map())
  bpf(BPF_MAP_LOOKUP_ELEM, map, key, word)
  word[0] = word[0] + 1
  bpf(BPF_MAP_UPDATE_ELEM, map, key, word)
end

sandbox.describe("on_error", function(here)
  --- What a connect, a datagram and a bind give without an image.
  local function answers(policy)
    local gate = here:enforce(policy .. [[
      deny { connect = "192.0.2.1" } deny { sendmsg = "192.0.2.1" } deny { bind = "192.0.2.1" }
    ]])
    remove_image()
    local udp, tcp = here:keep(socket.udp "inet"), here:keep(socket.tcp "inet")
    local _, sent = udp:sendto("x", "127.0.0.1:9")
    local _, bound = tcp:bind "127.0.0.1:5000"
    local found = { socket.try("udp", "127.0.0.1:9"), sent or "ok", bound or "ok" }
    assert.equal(3, gate:stats().errors)
    gate:close()
    here:close_sockets()
    return table.concat(found, " ")
  end

  it("is as the default of the operation if it is not said", function()
    assert.equal("ok ok ok", answers "")
    assert.equal("EPERM EPERM EPERM", answers 'policy { default = "deny" }')
    assert.equal("EPERM ok ok", answers 'policy { default = { connect = "deny" } }')
  end)

  it("is said for all operations, or for some", function()
    assert.equal("EPERM EPERM EPERM", answers 'policy { on_error = "deny" }')
    assert.equal("ok ok ok", answers 'policy { default = "deny", on_error = "allow" }')
    assert.equal("ok ok EPERM", answers 'policy { on_error = { bind = "deny" } }')
    assert.equal("EPERM ok EPERM",
      answers 'policy { default = "deny", on_error = { egress = "deny", sendmsg = "allow" } }')
  end)

  it("refuses nothing if the policy is a shadow", function()
    assert.equal("ok ok ok", answers 'policy { on_error = "deny", shadow = true }')
  end)

  it("changes with a publish", function()
    local gate = here:enforce [[policy { default = "deny" } allow { connect = "127.0.0.1" }]]
    gate:policy { on_error = { connect = "allow" } }
    assert(gate:commit())
    remove_image()
    assert.equal("ok", socket.try("udp", "127.0.0.2:9"))
  end)
end)

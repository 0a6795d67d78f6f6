-- Images: what they report about themselves, image files, and their limits.

local bit = require "bit"
local env = require "spec.support.env"
local ffi = require "ffi"
local images = require "spec.support.images"
local library = require "tidegate.ffi"

local C = library.C

local CONNECT, EGRESS = images.CONNECT, images.EGRESS
local SECTION_ROWS = 8
local add, bytes_of, check, compile = images.add, images.bytes_of, images.check, images.compile
local make, new_list, new_policy, sample = images.make, images.new_list, images.new_policy,
  images.sample

local function compile_error(policy)
  local result = C.tg_policy_compile(policy, library.slot "image")
  return ffi.string(C.tg_error()), -tonumber(result)
end

local function info_of(image)
  local info = library.sized "struct tg_image_info"
  check(C.tg_image_info(image, info))
  return info
end

local function verb_of(image, endpoint, op)
  local query, decision = library.sized "struct tg_query", library.sized "struct tg_decision"
  query.op, query.proto = op or C.TG_OP_CONNECT, 6
  check(C.tg_query_endpoint(query, endpoint))
  check(C.tg_image_decide(image, nil, query, decision))
  return decision.verb == C.TG_VERB_DENY and "deny" or "allow"
end

local function hooks_of(image)
  local names = {}
  for hook = 0, tonumber(C.TG_HOOK_COUNT) - 1 do
    if bit.band(info_of(image).hooks, bit.lshift(1, hook)) ~= 0 then
      names[#names + 1] = ffi.string(C.tg_hook_name(hook))
    end
  end
  return table.concat(names, " ")
end

describe("an image", function()
  it("reports what it contains", function()
    local image = compile(sample())
    local info = info_of(image)
    assert.equal("sample", ffi.string(info.name))
    assert.equal(2, info.rules)
    assert.equal(#bytes_of(image), tonumber(info.bytes))
    assert.equal(0, #bytes_of(image) % 64)
    assert.equal(tonumber(C.TG_VERB_ALLOW), info.on_error[C.TG_OP_CONNECT])

    local rule = library.sized "struct tg_rule_info"
    check(C.tg_image_rule(image, 0, rule))
    assert.same({ "net", "a.lua:1", "deny {}" },
      { ffi.string(rule.name), ffi.string(rule.where), ffi.string(rule.text) })
    assert.same({ tonumber(C.TG_VERB_DENY), EGRESS }, { rule.verb, rule.ops })
    assert.equal("not from here", ffi.string(rule.message))
    check(C.tg_image_rule(image, 1, rule))
    assert.same({ "#2", "", "", "" }, { ffi.string(rule.name), ffi.string(rule.where),
      ffi.string(rule.text), ffi.string(rule.message) })
    assert.equal(-34, C.tg_image_rule(image, 2, rule))
    assert.equal("the image has no rule 2: it has 2", ffi.string(C.tg_error()))
  end)

  it("contains nothing for a policy without rules", function()
    local image = compile(new_policy())
    local info = info_of(image)
    assert.same({ "", 0, 0 }, { ffi.string(info.name), info.rules, info.hooks })
    assert.equal(192, tonumber(info.bytes))
    assert.equal("allow", verb_of(image, "1.2.3.4:80"))
  end)

  it("denies by default without rules", function()
    local policy = new_policy()
    check(C.tg_policy_default(policy, CONNECT, C.TG_VERB_DENY))
    local image = compile(policy)
    assert.equal("deny", verb_of(image, "1.2.3.4:80"))
    assert.equal("allow", verb_of(image, "1.2.3.4:80", C.TG_OP_SENDMSG))
    assert.equal(tonumber(C.TG_VERB_DENY), info_of(image).defaults[C.TG_OP_CONNECT])
    assert.equal(tonumber(C.TG_VERB_ALLOW), info_of(image).defaults[C.TG_OP_SENDMSG])
    assert.equal("connect4 connect6", hooks_of(image))
  end)

  it("names the hooks that it needs", function()
    local function hooks(verb, fields)
      return hooks_of(compile(add(new_policy(), verb, fields)))
    end
    assert.equal("connect4 connect6", hooks(C.TG_VERB_DENY, {}))
    assert.equal("connect4 connect6 sendmsg4 sendmsg6", hooks(C.TG_VERB_DENY, { ops = EGRESS }))
    local function rewrite(fields, proto)
      return hooks_of(compile(add(new_policy(), C.TG_VERB_REWRITE, fields,
        { [C.TG_FIELD_PROTO] = { proto } })))
    end
    local names = "connect4 connect6 recvmsg4 recvmsg6 getpeername4 getpeername6"
    assert.equal(names, rewrite({ to = "*:80" }, "*"))
    assert.equal(names, rewrite({ to = "*:80" }, "udp"))
    assert.equal("connect4 connect6 getpeername4 getpeername6", rewrite({ to = "*:80" }, "tcp"))
    assert.equal("connect4 connect6", rewrite({ to = "*:80", flags = C.TG_RULE_REVEAL }, "*"))
    assert.equal("sendmsg4 sendmsg6 recvmsg4 recvmsg6",
      rewrite({ to = "*:80", ops = 2 ^ tonumber(C.TG_OP_SENDMSG) }, "*"))
    assert.equal("bind4 bind6 getsockname4 getsockname6",
      rewrite({ to = "*:80", ops = 2 ^ tonumber(C.TG_OP_BIND) }, "*"))
    assert.equal("getsockname4 getsockname6", rewrite({ to = "*:80",
      ops = 2 ^ tonumber(C.TG_OP_GETSOCKNAME) }, "*"))
  end)

  it("takes 0.0.0.0 for 127.0.0.1 and :: for ::1, and nothing else", function()
    local policy = add(new_policy(), C.TG_VERB_DENY, { ops = EGRESS }, {
      [C.TG_FIELD_ENDPOINT] = { "127.0.0.1", "::1" },
    })
    local image = compile(policy)
    for _, op in ipairs { C.TG_OP_CONNECT, C.TG_OP_SENDMSG } do
      for _, endpoint in ipairs { "0.0.0.0:80", "127.0.0.1:80", "[::]:80", "[::1]:80" } do
        assert.equal("deny", verb_of(image, endpoint, op), endpoint)
      end
      for _, endpoint in ipairs {
        "0.0.0.1:80", "127.0.0.0:80", "127.0.0.2:80", "[::2]:80", "[1::]:80",
      } do
        assert.equal("allow", verb_of(image, endpoint, op), endpoint)
      end
    end
    image = compile(add(new_policy(), C.TG_VERB_DENY, {},
      { [C.TG_FIELD_ENDPOINT] = { "0.0.0.0/8", "::/64" } }))
    assert.equal("allow", verb_of(image, "0.0.0.0:80"))
    assert.equal("deny", verb_of(image, "0.0.0.1:80"))
    assert.equal("deny", verb_of(image, "[::]:80"))
  end)

  it("contains the trees of egress once", function()
    local list = {}
    for index = 1, 1000 do
      list[index] = ("10.%d.%d.0/28"):format(index / 256, index % 256)
    end
    local connect = compile(add(new_policy(), C.TG_VERB_DENY, {}, { [C.TG_FIELD_ENDPOINT] = list }))
    local egress = compile(add(new_policy(), C.TG_VERB_DENY, { ops = EGRESS },
      { [C.TG_FIELD_ENDPOINT] = list }))
    assert.equal(#bytes_of(connect) + (SECTION_ROWS + 2) * 64, #bytes_of(egress))
  end)

  it("never matches by an empty list", function()
    local policy = add(new_policy(), C.TG_VERB_DENY, {}, { [C.TG_FIELD_ENDPOINT] = {} })
    add(policy, C.TG_VERB_DENY, {}, { [C.TG_FIELD_PROTO] = {} })
    assert.equal("allow", verb_of(compile(policy), "1.2.3.4:80"))
  end)
end)

describe("an image file", function()
  local path = os.tmpname()

  after_each(function()
    os.remove(path)
  end)

  local function load_error(from)
    local result = C.tg_image_load(from or path, library.slot "image")
    return ffi.string(C.tg_error()), -tonumber(result)
  end

  it("gives the same image back", function()
    local image = compile(sample())
    check(C.tg_image_save(image, path))
    assert.equal(bytes_of(image), env.read(path))
    local loaded = make("image", function(slot)
      return C.tg_image_load(path, slot)
    end)
    assert.equal(bytes_of(image), bytes_of(loaded))
    assert.equal("sample", ffi.string(info_of(loaded).name))
  end)

  it("may have as many live sets in an operation as there can be", function()
    local policy = new_policy()
    for i = 1, 32 do
      local list = new_list(C.TG_FIELD_ENDPOINT, {})
      check(C.tg_policy_declare_set(policy, "set" .. i, nil))
      check(C.tg_list_add(list, "@set" .. i))
      add(policy, C.TG_VERB_DENY, {}, { [tonumber(C.TG_FIELD_ENDPOINT)] = list })
    end
    local image = compile(policy)
    check(C.tg_image_save(image, path))
    assert.equal(bytes_of(image), bytes_of(make("image", function(slot)
      return C.tg_image_load(path, slot)
    end)))
  end)

  it("is replaced as a whole, and leaves nothing beside it", function()
    check(C.tg_image_save(compile(new_policy "old"), path))
    check(C.tg_image_save(compile(new_policy "new"), path))
    local pipe = assert(io.popen("ls -d " .. path .. "*"))
    assert.equal(path .. "\n", pipe:read "*a")
    pipe:close()
  end)

  it("may be a special file when it is written, but not when it is read", function()
    check(C.tg_image_save(compile(new_policy()), "/dev/null"))
    assert.equal("/dev/null: not a regular file", (load_error "/dev/null"))
  end)

  it("is named if it cannot be written or read", function()
    os.remove(path)
    local image = compile(new_policy())
    assert.same({ path .. ": No such file or directory", 2 }, { load_error() })
    assert.equal(-2, C.tg_image_save(image, path .. "/in/it"))
    assert.equal(path .. "/in/it: No such file or directory", ffi.string(C.tg_error()))
  end)

  it("is refused if it is something else, cut short or changed", function()
    env.write(path, "policy { default = \"deny\" }\n")
    local none = path .. ": not a Tidegate image: make one from a policy with tidegate compile"
    assert.same({ none, 22 }, { load_error() })
    env.write(path, "")
    assert.equal(none, (load_error()))

    local bytes = bytes_of(compile(sample()))
    env.write(path, bytes:sub(1, -65))
    assert.equal(("%s: damaged image: %d bytes, it should have %d")
      :format(path, #bytes - 64, #bytes), (load_error()))
    env.write(path, bytes:sub(1, 200) .. "x" .. bytes:sub(202))
    assert.equal(path .. ": damaged image: its checksum is wrong", (load_error()))
    assert.equal(0, os.execute("truncate -s 268435457 " .. path))
    assert.equal(path .. ": not a Tidegate image: 268435457 bytes, an image has at most 268435456",
      (load_error()))
  end)
end)

describe("a limit", function()
  it("of terms names the rule that exceeds it", function()
    local policy = new_policy()
    for index = 1, 16385 do
      add(policy, C.TG_VERB_DENY, { where = "many.lua:" .. index })
    end
    assert.same({
      'many.lua:16385: deny "#16385": connect: its rules need more than 16384 terms, which is the '
        .. 'limit (a rule is '
        .. "one term for each combination of addresses and ports); use fewer rules, or lists with "
        .. "the same ports", 7,
    }, { compile_error(policy) })
  end)

  it("of boundaries names operation and field", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    for address = 0, 2 ^ 22 + 2, 2 do
      file:write(("11.%d.%d.%d\n"):format(math.floor(address / 65536),
        math.floor(address / 256) % 256, address % 256))
    end
    file:close()
    local list = new_list(C.TG_FIELD_ENDPOINT, {})
    check(C.tg_list_load(list, path))
    os.remove(path)
    local policy = add(new_policy(), C.TG_VERB_DENY, {}, { [C.TG_FIELD_ENDPOINT] = list })
    assert.same({
      "connect: IPv4 addresses: the rules have 4194309 boundaries, the limit is 4194304; "
        .. "use fewer patterns",
      7,
    }, { compile_error(policy) })
  end)

  --- Add a rule for each of the digits of a number below 2^17, which matches where that digit is
  --- set.
  local function add_digits(policy, field, most)
    for digit = 0, most do
      local list, width = new_list(field, {}), 2 ^ digit
      for first = width, 2 ^ 17 - 1, 2 * width do
        check(C.tg_list_add(list, ("%d-%d"):format(first, first + width - 1)))
      end
      add(policy, C.TG_VERB_DENY, {}, { [field] = list })
    end
  end

  it("of classes names operation and field", function()
    local policy = new_policy()
    add_digits(policy, C.TG_FIELD_UID, 16)
    assert.same({
      "connect: uids: the rules overlap in more than 65536 ways, which is the limit; use fewer "
        .. "rules, or rules that overlap less", 7,
    }, { compile_error(policy) })
  end)

  it("of bytes is that of an image", function()
    local policy = new_policy()
    add_digits(policy, C.TG_FIELD_UID, 15)
    add_digits(policy, C.TG_FIELD_GID, 15)
    for _ = 1, 16384 - 32 do
      add(policy, C.TG_VERB_DENY, {})
    end
    local message, errno = compile_error(policy)
    assert.equal("connect: gids: the image needs at least N bytes, the limit is 268435456; use "
      .. "fewer patterns or rules", (message:gsub("least %d+", "least N")))
    assert.equal(7, errno)
  end)
end)

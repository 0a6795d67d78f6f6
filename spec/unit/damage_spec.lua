-- Damaged images: every way in which one is refused.

local bit = require "bit"
local ffi = require "ffi"
local images = require "spec.support.images"
local library = require "tidegate.ffi"
local tidegate = require "tidegate"

local C = library.C

local SECTION_ROWS = 8
local ROW_WORDS = 16
local add, bytes_of, compile = images.add, images.bytes_of, images.compile
local new_policy, sample = images.new_policy, images.sample

--- Write the checksum again: a damaged image with a correct one reaches the other checks.
local function seal(buffer, size)
  local words = ffi.cast("uint64_t *", buffer)
  local factor, lanes = 0x9e3779b97f4a7c15ULL, ffi.new "uint64_t[8]"
  words[3] = 0
  for lane = 0, 7 do
    lanes[lane] = lane + 1
  end
  for index = 0, size / 8 - 1 do
    local lane = index % 8
    lanes[lane] = bit.rol(bit.bxor(lanes[lane], words[index]) * factor, 29)
  end
  local sum = ffi.new("uint64_t", size)
  for lane = 0, 7 do
    sum = bit.rol(bit.bxor(sum, lanes[lane]) * factor, 31)
  end
  words[3] = bit.bxor(sum, bit.rshift(sum, 32))
end

describe("a damaged image", function()
  local SECTION, ABOUT = 2 * ROW_WORDS, ROW_WORDS
  local ADDR4, PORT, COMM = 0, 2, 8

  local function tree(key, member)
    local place = { root = 0, depth = 1, bitset = 2, classes = 3 }
    return SECTION + 20 + 4 * key + place[member]
  end

  --- The error of verify about an image's bytes once `damage` has changed the 32-bit words.
  local function refusal_of(bytes, damage)
    local words = ffi.new("uint32_t[?]", #bytes / 4)
    ffi.copy(words, bytes, #bytes)
    damage(words, #bytes / 64)
    seal(words, #bytes)
    local result = C.tg_image_verify(words, #bytes)
    return result ~= 0 and ffi.string(C.tg_error()) or "accepted"
  end

  local function refusal(damage, policy)
    return refusal_of(bytes_of(compile(policy or sample())), damage)
  end

  --- Set words to numbers.
  local function refused(changes)
    return refusal(function(words)
      for index, value in pairs(changes) do
        words[index] = value
      end
    end)
  end

  it("is accepted as long as it is not damaged", function()
    assert.equal("accepted", refused {})
  end)

  it("is refused for its header", function()
    assert.equal("not a Tidegate image", refused { [0] = 1 })
    assert.equal("an image of layout 2, this library reads layout 1; compile its policy again",
      refused { [2] = 2 })
    assert.matches("^damaged image: %d+ bytes, it should have 192$", refused { [3] = 3 })
    assert.equal("damaged image: on_error is verb 3", refused { [ABOUT + 4] = 3 })
  end)

  it("is refused for a section", function()
    assert.equal("damaged image: rows of an operation at row 1 overlap what is before",
      refused { [8] = 1 })
    assert.equal("damaged image: rows of an operation at row 4000000000 reach past its end",
      refused { [8] = 4000000000 })
    assert.equal("damaged image: operation 6, this library knows 6", refused { [14] = 2 })
    assert.equal("damaged image: fields 0x80000, this library knows 19",
      refused { [SECTION + 2] = 0x80000 })
    assert.equal("damaged image: depths of cgroups that a policy cannot have",
      refused { [SECTION + 11] = 9 })
    assert.equal("damaged image: depths of cgroups that a policy cannot have",
      refused { [SECTION + 11] = 2, [SECTION + 12] = 3, [SECTION + 13] = 3 })
    assert.equal("damaged image: depths of cgroups that a policy cannot have",
      refused { [SECTION + 11] = 1, [SECTION + 12] = 33 })
    assert.equal("damaged image: 16385 terms, the limit is 16384", refused { [SECTION] = 16385 })
    assert.equal("damaged image: terms at row 2 overlap what is before",
      refused { [SECTION + 1] = 2 })
  end)

  it("is refused for a term", function()
    local row = 2 + SECTION_ROWS
    local term = row * ROW_WORDS
    local message = "damaged image: the term at row " .. row .. " is not one that a policy can have"
    assert.equal(message, refused { [term + 1] = 7 })
    assert.equal(message, refused { [term + 2] = 0 })
    assert.equal(message, refused { [term + 2] = 0xffff0102 })
    assert.equal("damaged image: the term at row 10 contradicts itself",
      refused { [term + 2] = 0x00800102 })
    assert.equal("damaged image: the term at row 10 contradicts itself",
      refused { [term + 2] = 0x01000102 })
    assert.equal("damaged image: the rest of a term at row 2 overlap what is before",
      refused { [term + 2] = 0x00800102, [term + 15] = 2 })
    assert.equal(message, refused { [term + 12] = 0 })
  end)

  it("is accepted if some terms of a rule ask about sets, and some between them do not", function()
    local gate = assert(tidegate.compile [[
      deny { connect = { "10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3" },
        from = { "127.0.0.1", set "mine" {} } }
    ]])
    assert.equal("accepted", refusal_of(gate:image():data(), function() end))
  end)

  it("is refused for its sets", function()
    local gate = assert(tidegate.compile [[
      local banned = set "banned" { "192.0.2.0/24", "2001:db8::/32" }
      deny { connect = banned }]])
    local bytes = gate:image():data()

    local function refused_set(damage)
      return refusal_of(bytes, function(words)
        local directory = words[ABOUT + 15] * ROW_WORDS
        damage(words, directory, words[directory + 3] * ROW_WORDS)
      end)
    end

    assert.equal("accepted", refused_set(function() end))
    assert.equal("damaged image: 258 tables, the limit is 257",
      refused_set(function(words) words[ABOUT + 14] = 258 end))
    assert.equal("damaged image: sets that a policy cannot have",
      refused_set(function(words) words[ABOUT + 14] = 0 end))
    local bad = "damaged image: table 0 is not one that a policy can have"
    assert.equal(bad, refused_set(function(words, at) words[at] = 9 end))
    assert.equal(bad, refused_set(function(words, at) words[at + 1] = 100000 end))
    assert.equal(bad, refused_set(function(words, at) words[at + 2] = 0 end))
    assert.equal(bad, refused_set(function(words, at) words[at + 4] = words[at + 2] + 1 end))
    assert.equal("damaged image: elements of a set at row 4000000000 reach past its end",
      refused_set(function(words, at) words[at + 3] = 4000000000 end))
    assert.matches("^damaged image: element 0 of the set at row %d+ is not a prefix$",
      refused_set(function(words, _, data) words[data + 6] = 129 end))
    assert.matches("^damaged image: element 0 of the set at row %d+ is not a prefix$",
      refused_set(function(words, _, data) words[data + 2] = words[data + 2] + 1 end))
  end)

  it("is refused for a tree", function()
    assert.equal("damaged image: a tree of depth 8, the limit is 7",
      refused { [tree(ADDR4, "depth")] = 8 })
    assert.equal("damaged image: a tree with 0 classes, the limit is 65536",
      refused { [tree(PORT, "classes")] = 0 })
    assert.equal("damaged image: a tree with 65537 classes, the limit is 65536",
      refused { [tree(PORT, "classes")] = 65537 })
    assert.equal("damaged image: rows of a tree at row 6 overlap what is before",
      refused { [tree(ADDR4, "root")] = 6 })
    assert.equal("damaged image: bitsets at row 4096 reach past its end",
      refused { [tree(ADDR4, "bitset")] = 4096 })
    local leaf
    assert.equal("damaged image: class 9 in the leaf at row X, the tree has 3",
      (refusal(function(words)
        leaf = words[tree(ADDR4, "root")]
        ffi.cast("uint16_t *", words + leaf * ROW_WORDS)[20] = 9
      end):gsub("row %d+", "row X")))
    assert.equal("damaged image: rows of a tree at row 0 overlap what is before",
      refusal(function(words)
        words[words[tree(COMM, "root")] * ROW_WORDS + 10] = 0x80000000
      end))
    assert.matches("^damaged image: the bitsets at row %d+ have terms that are not there$",
      refusal(function(words)
        words[words[tree(PORT, "bitset")] * ROW_WORDS + 1] = 1
      end))
  end)

  it("is refused for a node", function()
    local list = {}
    for index = 1, 20 do
      list[index] = tostring(index * 10)
    end
    local function deep()
      return add(new_policy(), C.TG_VERB_DENY, {}, { [C.TG_FIELD_UID] = list })
    end
    local UID = 5
    assert.equal("accepted", refusal(function() end, deep()))
    assert.matches("^damaged image: the children of the node at row %d+ are not where they belong$",
      refusal(function(words)
        words[words[tree(UID, "root")] * ROW_WORDS + 15] = 2
      end, deep()))
    assert.matches("^damaged image: rows of a tree at row %d+ reach past its end$",
      refusal(function(words)
        for index = 0, 14 do
          words[words[tree(UID, "root")] * ROW_WORDS + index] = index
        end
      end, deep()))
  end)

  describe("of many terms", function()
    local UID = 5
    local SECOND_HEAD = 2 -- in 32-bit words

    local function many()
      local policy = new_policy()
      for index = 1, 100 do
        add(policy, C.TG_VERB_DENY, {}, { [C.TG_FIELD_UID] = { index .. "-1000" } })
      end
      return policy
    end

    local function heads(words)
      return words + words[tree(UID, "bitset")] * ROW_WORDS
    end

    local function refused_many(damage)
      return (refusal(damage, many()):gsub("row %d+", "row X"))
    end

    it("is refused for a head", function()
      local message = "damaged image: the head of class 1 at row X lists terms that are not there"
      assert.equal("accepted", refused_many(function() end))
      for _, list in ipairs { 0xffff0064, 0x00000000, 0x0000ffff } do
        assert.equal(message, refused_many(function(words)
          heads(words)[SECOND_HEAD] = list
        end))
      end
      assert.equal("damaged image: the bitset of class 1 is not where it belongs",
        refused_many(function(words)
          heads(words)[SECOND_HEAD], heads(words)[SECOND_HEAD + 1] = 0xfffffffe, 3
        end))
    end)

    it("is refused for its guards", function()
      assert.equal("damaged image: guards at row X reach past its end", refused_many(function(words)
        words[SECTION + 4] = 4096
      end))
      assert.equal("damaged image: guards for fields that no term asks about",
        refused_many(function(words)
          words[SECTION + 3] = 2 ^ 8
        end))
    end)

    it("is refused for its classes of one term", function()
      local SINGLES = SECTION + 123
      local policy = new_policy()
      for index = 1, 100 do
        add(policy, C.TG_VERB_DENY, {}, { [C.TG_FIELD_ENDPOINT] = { "10.0.0." .. index } })
      end
      local bytes = bytes_of(compile(policy))
      local function refused_singles(damage)
        return (refusal_of(bytes, damage):gsub("row %d+", "row X"))
      end

      assert.equal("accepted", refused_singles(function(words)
        assert.equal(2 ^ ADDR4, words[SINGLES])
      end))
      assert.equal("damaged image: classes of one term for fields 0x4",
        refused_singles(function(words)
          words[SINGLES] = 2 ^ PORT
        end))
      assert.equal("damaged image: the last classes of the heads at row X are not those of one "
        .. "term each",
        refused_singles(function(words)
          local first = words[tree(ADDR4, "classes")] - 100
          words[words[tree(ADDR4, "bitset")] * ROW_WORDS + 2 * first] = 0xffff0001
        end))
    end)

    it("is refused for a bitset", function()
      local function bitset(member, value)
        return refused_many(function(words)
          local rows = math.ceil(words[tree(UID, "classes")] / 8)
          heads(words)[rows * ROW_WORDS + member] = value
        end)
      end
      assert.equal("damaged image: the bitset at row X contradicts itself", bitset(0, 4))
      assert.equal("damaged image: the bitset at row X contradicts itself", bitset(8, 1))
      assert.equal("damaged image: the words of the bitset at row X reach past its end",
        bitset(10, 2 ^ 31))
    end)
  end)

  it("is refused for its texts", function()
    assert.equal("damaged image: names and texts at row 4096 reach past its end",
      refused { [ABOUT] = 4096 })
    assert.equal("damaged image: the last text has no end", refused { [ABOUT + 1] = 0 })
    assert.equal("damaged image: the policy's name is not in the blob",
      refused { [ABOUT + 3] = 4096 })
    assert.equal("damaged image: no room for 4096 rules", refused { [ABOUT + 2] = 4096 })
    assert.equal("damaged image: a text of rule 1 is not in the blob", refusal(function(words)
      words[words[ABOUT] * ROW_WORDS + 6] = 0xffffffff
    end))
    assert.equal("damaged image: rule 0 is not one that a policy can have", refusal(function(words)
      words[words[ABOUT] * ROW_WORDS + 5] = C.TG_VERBS
    end))
  end)

  describe("of backends", function()
    local TABLES, TABLE_ROW = ABOUT + 14, ABOUT + 15

    local function balances()
      local policy = new_policy()
      for last = 1, 2 do
        add(policy, C.TG_VERB_BALANCE, {}, { [C.TG_FIELD_ENDPOINT] = { "1.2.3." .. last } })
        for backend = 1, 3 do
          assert.equal(0, C.tg_policy_backend(policy, last - 1, "10.0.0." .. backend, backend))
        end
      end
      return policy
    end

    --- `damage` gets the words, those of the directory's entry, and of the first list.
    local function refused_lists(damage)
      return (refusal(function(words)
        local entry = words[TABLE_ROW] * ROW_WORDS
        damage(words, entry, words[entry + 3] * ROW_WORDS)
      end, balances()):gsub("row %d+", "row X"))
    end

    local message = "damaged image: blocks of backends that no policy can have"

    it("is refused for a list", function()
      assert.equal("accepted", refused_lists(function() end))
      for _, count in ipairs { 0, 5, 257, 2 ^ 30 } do
        assert.equal(message, refused_lists(function(words, _,
          list) words[list] = 2 * count + 1 end))
      end
      -- The row of the choices, and a backend's shares.
      for _, other in ipairs { 3, 4, 65535 } do
        assert.equal(message, refused_lists(function(words, _, list)
          local backend = list + 2 * ROW_WORDS
          words[backend + 7] = bit.bor(bit.band(words[backend + 7], 0xffff), bit.lshift(other, 16))
        end))
      end
      -- A choice behind the last, in the same row.
      assert.equal(message, refused_lists(function(words, _, list)
        words[list + ROW_WORDS + 6] = 2 ^ 16 * C.TG_BACKEND_UP + 1
      end))
      assert.equal(message, refused_lists(function(words, _, list) words[list + 1] = 2 end))
      assert.equal(message, refused_lists(function(words, _, list) words[list + 1] = 1 end))
      assert.equal("damaged image: blocks of backends at row X reach past its end",
        refused_lists(function(words, entry) words[entry + 4] = 9 end))
      assert.equal(message, refused_lists(function(words, entry) words[entry + 4] = 7 end))
    end)

    it("is refused for an invalid table", function()
      for _, damage in ipairs { { 0, 0 }, { 0, 2 }, { 4, 0 } } do
        assert.equal("damaged image: table 0 is not one that a policy can have",
          refused_lists(function(words, entry) words[entry + damage[1]] = damage[2] end))
      end
      assert.equal(message, refused_lists(function(words) words[TABLES] = 0 end))
      assert.equal("damaged image: 258 tables, the limit is 257", refused_lists(function(words)
        words[TABLES] = 258
      end))
    end)

    it("is refused for a term that has no list", function()
      local function more(words)
        return words[(words[SECTION + 1]) * ROW_WORDS + 15] * ROW_WORDS
      end
      for _, block in ipairs { 1, 4, 8, 2 ^ 31 } do
        assert.equal(message, refused_lists(function(words) words[more(words) + 8] = block end))
      end
      for _, extent in ipairs { 0, 2, 4, 2 ^ 31 } do
        assert.equal(message, refused_lists(function(words) words[more(words) + 9] = extent end))
      end
      assert.equal("damaged image: the term at row X contradicts itself",
        refused_lists(function(words) words[more(words) + 10] = 7 end))
      assert.equal("damaged image: the term at row X contradicts itself",
        refused_lists(function(words) words[(words[SECTION + 1]) * ROW_WORDS + 15] = 0 end))
    end)
  end)

  describe("of services", function()
    local TABLE_ROW = ABOUT + 15

    local function services()
      local policy = new_policy()
      assert.equal(0, C.tg_policy_services(policy, "svc", 9))
      local backend = ffi.new "struct tg_backend_spec[1]"
      local address = "10.0.0.1:80"
      backend[0].address, backend[0].weight, backend[0].state = address, 1, C.TG_BACKEND_UP
      assert.equal(0, C.tg_policy_service(policy, "svc", "1.2.3.4:80/tcp", backend, 1))
      assert.equal(0, C.tg_policy_service(policy, "svc", "1.2.3.5:80/tcp", backend, 0))
      local list = images.new_list(C.TG_FIELD_ENDPOINT, {})
      assert.equal(0, C.tg_list_add_set(list, "svc", false))
      add(policy, C.TG_VERB_BALANCE, {}, { [C.TG_FIELD_ENDPOINT] = list })
      return policy
    end

    --- `damage` gets the words, and those of the directory's entry.
    local function refused_services(damage)
      return (refusal(function(words)
        local entry = words[TABLE_ROW] * ROW_WORDS
        damage(words, entry, words[entry + 3] * ROW_WORDS)
      end, services()):gsub("row %d+", "row X"))
    end

    it("is refused for a table, for its services, and for what names it", function()
      local lists = "damaged image: blocks of backends that no policy can have"
      local none = "damaged image: table 0 is not one that a policy can have"
      assert.equal("accepted", refused_services(function() end))
      assert.equal(none, refused_services(function(words, entry) words[entry + 2] = 1 end))
      assert.equal(none, refused_services(function(words, entry) words[entry + 2] = 2 ^ 20 end))
      assert.equal(lists, refused_services(function(words, entry) words[entry + 4] = 1 end))
      assert.equal(lists, refused_services(function(words, entry) words[entry + 5] = 5 end))
      assert.equal("damaged image: services at row X reach past its end",
        refused_services(function(words, entry) words[entry + 5] = 7 end))
      for _, count in ipairs { 0, 3, 257, 2 ^ 30 } do
        assert.equal(lists, refused_services(function(words, _,
          data) words[data + ROW_WORDS] = 2 * count end))
      end
      local more = function(words) return words[words[SECTION + 1] * ROW_WORDS + 15] * ROW_WORDS end
      assert.equal(lists, refused_services(function(words) words[more(words) + 11] = 2 end))
      assert.equal(lists, refused_services(function(words, entry) words[entry],
        words[entry + 4] = 0, 0 end))
    end)
  end)

  describe("of unix sockets", function()
    local UNIX_CONNECT = ABOUT + 6

    local function paths()
      local policy = new_policy()
      add(policy, C.TG_VERB_DENY, {}, { [C.TG_FIELD_ENDPOINT] = { "unix:/a", "unix:/b*" } })
      add(policy, C.TG_VERB_REWRITE, { to = "unix:/d" }, { [C.TG_FIELD_ENDPOINT] = { "unix:/c" } })
      return policy
    end

    --- `damage` gets the words and the place of the section.
    local function unix_refusal(damage)
      local message = refusal(function(words)
        damage(words, words[UNIX_CONNECT] * ROW_WORDS)
      end, paths())
      return (message:gsub("row %d+", "row X"))
    end

    it("is refused for paths that are not in order", function()
      assert.equal("accepted", unix_refusal(function() end))
      local function swap(words, section)
        local first = words[section + 5] * ROW_WORDS
        for word = 0, 27 do
          words[first + word], words[first + 32 + word] = words[first + 32 + word],
            words[first + word]
        end
      end
      assert.equal("damaged image: the path at row X is not above the one before",
        unix_refusal(swap))
      assert.equal("damaged image: the path at row X is not above the one before",
        unix_refusal(function(words, section)
          ffi.copy(words + (words[section + 5] + 2) * ROW_WORDS,
            words + words[section + 5] * ROW_WORDS, 112)
        end))
    end)

    it("is refused for paths in a section that has none", function()
      assert.matches("boundaries of paths at row X reach past its end",
        unix_refusal(function(words, section)
          words[section + 5] = 4096
        end))
      assert.matches("^damaged image: 65536 boundaries of paths in 3 steps$",
        unix_refusal(function(words, section)
          words[section + 6] = 65536
        end))
      assert.matches("^damaged image: %d boundaries of paths in 2 steps$",
        unix_refusal(function(words, section)
          words[section + 7] = 2
        end))
      assert.equal("damaged image: paths and addresses in one section",
        unix_refusal(function(words, section)
          words[section + 2] = 2 ^ PORT
        end))
      assert.equal("damaged image: paths and addresses in one section", unix_refusal(function(words)
        words[8], words[UNIX_CONNECT] = words[UNIX_CONNECT], 0
      end))
    end)

    it("is refused for an invalid path to redirect to", function()
      assert.equal("damaged image: the path at row X has 109 bytes, a path has 1 to 108",
        unix_refusal(function(words, section) words[words[section + 8] * ROW_WORDS + 28] = 109 end))
      assert.equal("damaged image: the term at row X is not one that a policy can have",
        unix_refusal(function(words, section) words[section + 9] = 0 end))
      assert.equal("damaged image: the term at row X is not one that a policy can have",
        unix_refusal(function(words,
          section) words[(words[section + 1] + 1) * ROW_WORDS + 4] = 1 end))
    end)
  end)
end)

-- Damaged images: every way in which one is refused.

local damaged = require "spec.support.damaged"
local ffi = require "ffi"
local images = require "spec.support.images"
local library = require "tidegate.ffi"
local tidegate = require "tidegate"

local C = library.C

local SECTION_ROWS = 8
local ABOUT, ROW_WORDS = damaged.ABOUT, damaged.ROW_WORDS
local refusal, refusal_of = damaged.refusal, damaged.refusal_of
local add, bytes_of, compile = images.add, images.bytes_of, images.compile
local new_policy = images.new_policy

describe("a damaged image", function()
  local SECTION = 2 * ROW_WORDS
  local ADDR4, PORT, COMM = 0, 2, 8

  local function tree(key, member)
    local place = { root = 0, depth = 1, bitset = 2, classes = 3 }
    return SECTION + 20 + 4 * key + place[member]
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
    assert.equal("not a Tidegate image: make one from a policy with tidegate compile",
      refused { [0] = 1 })
    assert.equal("an image of layout 5, this library reads layout 4; compile its policy again",
      refused { [2] = 5 })
    assert.matches("^damaged image: %d+ bytes, it should have 192$", refused { [3] = 3 })
    assert.equal("damaged image: on_error denies operations 0x8", refused { [ABOUT + 4] = 8 })
    assert.equal("damaged image: on_error denies operations 0x40", refused { [ABOUT + 4] = 64 })
    assert.equal("damaged image: flags 0x2", refused { [ABOUT + 4] = 0x20000 })
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
    local gate = assert(tidegate.load_text [[
      deny { connect = { "10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3" },
        source = { "127.0.0.1", set "mine" {} } }
    ]])
    assert.equal("accepted", refusal_of(gate:compile():data(), function() end))
  end)

  it("is refused for its sets", function()
    local gate = assert(tidegate.load_text [[
      local banned = set "banned" { "192.0.2.0/24", "2001:db8::/32" }
      deny { connect = banned }]])
    local bytes = gate:compile():data()

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
        .. "term each", refused_singles(function(words)
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
    assert.equal("damaged image: the policy's name is not in the blob, or cannot be shown",
      refused { [ABOUT + 3] = 4096 })
    assert.equal("damaged image: no room for 4096 rules", refused { [ABOUT + 2] = 4096 })
    assert.equal("damaged image: a text of rule 1 is not in the blob, or cannot be shown",
      refusal(function(words) words[words[ABOUT] * ROW_WORDS + 8] = 0xffffffff end))
    assert.equal("damaged image: a text of rule 0 is not in the blob, or cannot be shown",
      refusal(function(words) words[words[ABOUT] * ROW_WORDS + 3] = 0xffffffff end))
    for _, byte in ipairs { 27, 10, 255 } do -- D1
      assert.equal("damaged image: a text of rule 0 is not in the blob, or cannot be shown",
        refusal(function(words)
          local blob = words[ABOUT] * ROW_WORDS
          ffi.cast("uint8_t *", words + blob)[words[blob]] = byte
        end))
    end
    assert.equal("damaged image: rule 0 is not one that a policy can have", refusal(function(words)
      words[words[ABOUT] * ROW_WORDS + 6] = C.TG_VERB_COUNT
    end))
    assert.equal("damaged image: rule 0 is not one that a policy can have", refusal(function(words)
      words[words[ABOUT] * ROW_WORDS + 7] = 4
    end))
  end)
end)

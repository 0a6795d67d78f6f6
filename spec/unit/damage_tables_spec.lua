-- Damaged images with backends, services or unix sockets: every way in which one is refused.

local damaged = require "spec.support.damaged"
local ffi = require "ffi"
local images = require "spec.support.images"
local library = require "tidegate.ffi"

local C = library.C

local ABOUT, ROW_WORDS = damaged.ABOUT, damaged.ROW_WORDS
local refusal = damaged.refusal
local add, new_policy = images.add, images.new_policy

describe("a damaged image", function()
  local SECTION, PORT = 2 * ROW_WORDS, 2

  describe("of backends", function()
    local TABLES, TABLE_ROW = ABOUT + 14, ABOUT + 15

    local function balances()
      local policy = new_policy()
      for last = 1, 2 do
        add(policy, C.TG_VERB_BALANCE, {}, { [C.TG_FIELD_ENDPOINT] = { "1.2.3." .. last } })
        for backend = 1, 3 do
          assert.equal(0, C.tg_policy_add_backend(policy, last - 1, "10.0.0." .. backend, backend))
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
      -- A choice after the last, in the same row.
      assert.equal(message, refused_lists(function(words, _, list)
        words[list + ROW_WORDS + 6] = 2 ^ 16 * (C.TG_BACKEND_UP + 1) + 1
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
      local options = library.sized "struct tg_services_options"
      options.capacity = 9
      assert.equal(0, C.tg_policy_declare_services(policy, "svc", options))
      local backend = ffi.new "struct tg_backend_spec[1]"
      local address = "10.0.0.1:80"
      backend[0].size, backend[0].address, backend[0].weight = ffi.sizeof(backend), address, 1
      assert.equal(0, C.tg_policy_services_put(policy, "svc", "1.2.3.4:80/tcp", backend, 1))
      assert.equal(0, C.tg_policy_services_put(policy, "svc", "1.2.3.5:80/tcp", backend, 0))
      local list = images.new_list(C.TG_FIELD_ENDPOINT, {})
      assert.equal(0, C.tg_list_add(list, "@svc"))
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

--- The documents (README.md and docs/), as the specs read and run them.
--
-- Every fenced block runs.  Its language says how:
--
--   lua, c    With a `file` mark the block is written to that file, and a later
--             console block must name the file.  Lua without a mark is a policy:
--             it is checked and enforced, and must print nothing.
--   console   Lines that start with "$ " are typed, the rest is what they print.
--             Each page has one shell, in its own cgroup, network namespace and
--             folder.  A session of `tidegate repl` is typed at a
--             terminal instead.
--   nginx     The configuration that the console blocks of its section talk to.
--   h         Declarations of the header, which the compiler reads: they do not run.
--
-- Marks are HTML comments on the lines above a block; readers do not see them:
--
--   <!-- file: web.lua -->            write the block to this file
--   <!-- before: COMMAND -->          type this first
--   <!-- not run: REASON -->          do not run the block.  Neither Lua nor C may say so.
--
-- What is printed differs from run to run in these things, which are not compared:
-- a number in brackets (the pid of an event), the N of "after N ms" and of
-- "N bytes".  A line "…" stands for any lines.  Events and what commands print
-- arrive independently, so the lines of a block may be in another order.

local env = require "spec.support.env"

local M = {}

---@class docs.Block
---@field language string
---@field text string
---@field marks table<string, string>
---@field where string "docs/repl.md:12", the first line of its text
---@field first integer the line of the opening fence
---@field section string the heading above it
---@field runner "cli"|"repl"|"nginx"|"none"

---@class docs.Page
---@field path string
---@field blocks docs.Block[]
---@field lines string[]

local languages = { lua = true, c = true, console = true, nginx = true, h = true }

--- The paths of the documents.
---@return string[]
function M.paths()
  local paths = { "README.md" }
  local pipe = assert(io.popen "LC_ALL=C ls docs/*.md")
  for path in pipe:lines() do
    paths[#paths + 1] = path
  end
  pipe:close()
  return paths
end

local function is_session(block)
  local text = block.language == "console" and block.text or ""
  return text:find "^%$ tidegate repl" and text:find "\ntidegate> "
end

--- Say which spec runs each block.
local function distribute(blocks)
  local served = {}
  for _, block in ipairs(blocks) do
    served[block.section] = served[block.section] or block.language == "nginx"
  end
  for _, block in ipairs(blocks) do
    if block.marks["not run"] or block.language == "h" then
      block.runner = "none"
    elseif served[block.section] then
      block.runner = "nginx"
    else
      block.runner = is_session(block) and "repl" or "cli"
    end
  end
end

--- Read a document.
---@param path string
---@return docs.Page
function M.read(path)
  local page = { path = path, blocks = {}, lines = {} }
  local marks, section, block = {}, "", nil
  for line in env.read(path):gmatch "([^\n]*)\n" do
    page.lines[#page.lines + 1] = line
    local fence = line:match "^```(.*)"
    if block and fence then
      block.text = table.concat(block.text, "\n") .. "\n"
      block = nil
    elseif block then
      block.text[#block.text + 1] = line
    elseif fence then
      block = {
        language = fence, text = {}, marks = marks, first = #page.lines, section = section,
        where = ("%s:%d"):format(path, #page.lines + 1),
      }
      page.blocks[#page.blocks + 1], marks = block, {}
    else
      local key, value = line:match "^<!%-%- (%l[%l ]*): (.-) %-%->$"
      if key then
        marks[key] = value
      elseif line ~= "" then
        marks = {}
      end
      section = line:match "^##? .*" or section
    end
  end
  assert(not block, path .. ": a block does not end")
  distribute(page.blocks)
  return page
end

--- The blocks that one spec runs.
---@param runner "cli"|"repl"|"nginx"
---@return docs.Block[]
function M.blocks(page, runner)
  local found = {}
  for _, block in ipairs(page.blocks) do
    if block.runner == runner then
      found[#found + 1] = block
    end
  end
  return found
end

--- The files that the blocks before `last` write, by name.
---@param last docs.Block
---@return table<string, string>
function M.files(page, last)
  local files = {}
  for _, block in ipairs(page.blocks) do
    if block == last then
      break
    end
    if block.marks.file then
      files[block.marks.file] = block.text
    end
  end
  return files
end

--- What is wrong with the blocks of a page, before any of them runs.
---@param page docs.Page
---@return string[]
function M.faults(page)
  local faults = {}
  local function fault(block, text)
    faults[#faults + 1] = ("%s: %s"):format(block.where, text)
  end
  for index, block in ipairs(page.blocks) do
    local reason = block.marks["not run"]
    if reason and (block.language == "lua" or block.language == "c") then
      fault(block, "Lua and C always run")
    elseif reason and select(2, reason:gsub("%S+", "")) < 3 then
      fault(block, "give the reason why it does not run")
    elseif not reason and not languages[block.language] then
      fault(block, ("nothing runs a block of %q; say why"):format(block.language))
    end
    if block.language == "c" and not block.marks.file then
      fault(block, "C wants a file mark")
    end
    local used = not block.marks.file or block.runner == "nginx"
    for later = index + 1, #page.blocks do
      local other = page.blocks[later]
      used = used or other.runner ~= "none" and other.language ~= "lua"
        and other.text:find(block.marks.file, 1, true) ~= nil
    end
    if not used then
      fault(block, "no later block uses " .. block.marks.file)
    end
  end
  return faults
end

--- A text without what differs from run to run.
---@param text string
---@return string
function M.plain(text)
  text = text:gsub("%[%d+%]", "[PID]"):gsub("after %d+ ms", "after N ms")
    :gsub("Linux %d+%.%d+[^%s,]*, [%w_]+", "Linux RELEASE, MACHINE")
  return (text:gsub("%f[%d]%d+ bytes", "N bytes"))
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do
    lines[#lines + 1] = (line:gsub("%s+$", ""))
  end
  return lines
end

local function sorted(text)
  local lines = lines_of(text)
  table.sort(lines)
  return table.concat(lines, "\n")
end

--- Whether the pieces between "…" are in a text, in this order, the first at its
--- start and the last at its end.
local function has_pieces(shown, got)
  local pieces = {}
  for piece in (table.concat(lines_of(shown), "\n") .. "\n…\n"):gmatch "(.-)…\n" do
    pieces[#pieces + 1] = piece
  end
  local at = 0
  got = "\n" .. table.concat(lines_of(got), "\n") .. "\n"
  for index, piece in ipairs(pieces) do
    local first, last = got:find("\n" .. piece, math.max(at, 1), true)
    if index > 1 and index == #pieces and piece ~= "" then
      first, last = #got - #piece, #got
      last = got:sub(first) == "\n" .. piece and first >= at and last or nil
    end
    if not last or index == 1 and first > 1 then
      return false
    end
    at = last
  end
  return true
end

--- Whether what was printed is what a page shows.
---@param shown string
---@param got string
---@return boolean
function M.alike(shown, got)
  shown, got = M.plain(shown), M.plain(got)
  if ("\n" .. shown):find("\n…\n", 1, true) then
    return has_pieces(shown, got)
  end
  return sorted(shown) == sorted(got)
end

--- Put another text into a block of a file.
---@param page docs.Page
---@param block docs.Block
---@param text string
function M.replace(page, block, text)
  local now, out = M.read(page.path), {}
  local index = 1
  while page.blocks[index] ~= block do
    index = index + 1
  end
  block = now.blocks[index]
  local count = select(2, block.text:gsub("\n", ""))
  for number, line in ipairs(now.lines) do
    if number <= block.first or number > block.first + count then
      out[#out + 1] = line
    end
    if number == block.first then
      out[#out + 1] = text:gsub("\n$", "")
    end
  end
  env.write(page.path, table.concat(out, "\n") .. "\n")
end

--- Compare, or, with TIDEGATE_DOCS=update, put what was printed into the page.
---@param page docs.Page
---@param block docs.Block
---@param got string the whole block as it was: what was typed, and what was printed
function M.check(page, block, got)
  if M.alike(block.text, got) then
    return
  elseif os.getenv "TIDEGATE_DOCS" == "update" then
    M.replace(page, block, got)
    return
  end
  error(("%s shows:\n%s\nit printed:\n%s\n(TIDEGATE_DOCS=update puts that into the page)")
    :format(block.where, block.text, got), 0)
end

return M

--- Find out what a piece of Lua text ends in, for completion.

local M = {}

---@class tidegate.Spot
---@field word string the typed part of the word to complete
---@field quoted boolean whether it is inside a string
---@field callee string|nil the function that gets this table or string: "deny", "attach"
---@field key string|nil the field whose value this is: "egress"
---@field used table<string, true>|nil the keys that the table already has
---@field chain string|nil what is before the dot or colon: "rules[1]" in `rules[1].hits`
---@field method boolean|nil whether it is a colon

local closers = { ["{"] = "}", ["("] = ")", ["["] = "]" }

--- The last byte of the string that begins at `at`; nil if the string is not closed.
local function string_end(text, at)
  local level = text:match("^%[(=*)%[", at)
  if level then
    local _, last = text:find("]" .. level .. "]", at, true)
    return last
  end
  local quote = text:sub(at, at)
  local from = at + 1
  while from <= #text do
    local char = text:sub(from, from)
    if char == "\\" then
      from = from + 1
    elseif char == quote then
      return from
    end
    from = from + 1
  end
end

--- The token at `at`: its kind, its text, and where the next one begins. Kind "open" is a string
--- that is not closed.
local function token(text, at)
  local blank = text:match("^%s+", at)
  if blank then
    return "blank", blank, at + #blank
  end
  local comment = text:match("^%-%-[^\n]*\n?", at)
  if comment then
    return "blank", comment, at + #comment
  end
  local name = text:match("^[%a_][%w_]*", at)
  if name then
    return "name", name, at + #name
  end
  local number = text:match("^%d[%w.]*", at)
  if number then
    return "number", number, at + #number
  end
  if text:find("^[\"']", at) or text:find("^%[=*%[", at) then
    local last = string_end(text, at)
    return last and "string" or "open", text:sub(at, last or #text), (last or #text) + 1
  end
  return "mark", text:sub(at, at), at + 1
end

--- What a name or a string in this frame belongs to.
local function spot(frame, word, quoted, callee)
  return {
    word = word, quoted = quoted, callee = callee or frame.callee,
    key = not callee and (frame.key or frame.inherited) or nil,
    used = not frame.key and frame.open == "{" and frame.used or nil,
  }
end

--- What is at the end of a text.
---@param text string
---@return tidegate.Spot
function M.spot(text)
  local frames = { { used = {} } } -- one for each bracket that is open
  local chain -- the name, or the chain of names, that was read last
  local at = 1
  while at <= #text do
    local frame = frames[#frames]
    local kind, piece, after = token(text, at)
    if kind == "open" then
      return spot(frame, piece:sub(2), true, chain)
    elseif kind == "name" then
      if chain and chain:find "[.:]$" then
        if after > #text then
          return { word = piece, quoted = false, chain = chain:sub(1, -2),
            method = chain:sub(-1) == ":" }
        end
        chain = chain .. piece
      elseif after > #text then
        return spot(frame, piece, false)
      else
        chain = piece
      end
    elseif kind == "mark" and (piece == "." or piece == ":") and chain then
      chain = chain .. piece
      if after > #text then
        return { word = "", quoted = false, chain = chain:sub(1, -2), method = piece == ":" }
      end
    elseif kind == "mark" and closers[piece] then
      frames[#frames + 1] = { open = piece, callee = chain, chain = chain, used = {},
        inherited = frame.key or frame.inherited }
      chain = nil
    elseif kind == "mark" and piece:find "[%]})]" then
      chain = #frames > 1 and piece == "]"
        and ("%s[%s]"):format(frame.chain or "", frame.last or "") or nil
      if #frames > 1 then
        table.remove(frames)
      end
    elseif kind == "mark" then
      if piece == "=" and chain and frame.open == "{" then
        frame.key, frame.used[chain] = chain, true
      elseif piece == "," or piece == ";" then
        frame.key = nil
      end
      chain = nil
    elseif kind == "string" or kind == "number" then
      frame.last, chain = piece, nil
    end
    at = after
  end
  return spot(frames[#frames], "", false)
end

return M

--- The line editor at the terminal (repl/line.c).

local ffi = require "ffi"
local C = require "tidegate.repl.native"
local library = require "tidegate.ffi"

local M = {}

local names = {
  [tonumber(C.TG_LINE_PENDING)] = "pending",
  [tonumber(C.TG_LINE_DONE)] = "done",
  [tonumber(C.TG_LINE_COMPLETE)] = "complete",
  [tonumber(C.TG_LINE_INTERRUPT)] = "interrupt",
  [tonumber(C.TG_LINE_EOF)] = "eof",
}

---@class tidegate.Line
---@field shown boolean whether a half-typed line is on the screen
local Line = {}
Line.__index = Line

--- Take over the terminal on standard input and output.
---@return tidegate.Line|nil
---@return string|nil message
function M.open()
  local slot = ffi.new "struct tg_line *[1]"
  library.C.tg_signals_terminal(0)
  local result = C.tg_line_open(slot)
  if result ~= 0 then
    return nil, ("this terminal cannot edit lines (errno %d); give a script on standard input")
      :format(-result)
  end
  return setmetatable({ cdata = slot[0], shown = false }, Line)
end

--- Take what was typed; does not wait. The events are those of repl/repl.h.
---@param prompt string
---@return "pending"|"done"|"complete"|"interrupt"|"eof" event
---@return string|nil text of "done" and "complete"
---@return integer|nil cursor the number of bytes before it
function Line:read(prompt)
  io.stdout:flush()
  C.tg_line_prompt(self.cdata, prompt)
  local event = names[C.tg_line_read(self.cdata)]
  self.shown = event == "pending" or event == "complete"
  if event == "done" or event == "complete" then
    local cursor = ffi.new "size_t[1]"
    local text = ffi.string(C.tg_line_text(self.cdata, cursor))
    return event, text, tonumber(cursor[0])
  end
  return event
end

--- Call a function that writes, so that its text appears above the line that is being typed.
function Line:above(write)
  if not self.shown then
    return write()
  end
  self.shown = false
  C.tg_line_hide(self.cdata)
  local ok, message = pcall(write)
  C.tg_line_show(self.cdata)
  self.shown = true
  if not ok then
    error(message, 0)
  end
end

--- A descriptor that polls readable while there is input.
function Line:fd() return C.tg_line_fd(self.cdata) end
function Line:insert(text) C.tg_line_insert(self.cdata, text) end
function Line:cancel() C.tg_line_cancel(self.cdata) end
function Line:remember(text) C.tg_line_remember(self.cdata, text) end
function Line:columns() return C.tg_line_columns(self.cdata) end
function Line:rows() return C.tg_line_rows(self.cdata) end
function Line:resize() C.tg_line_resize(self.cdata) end

--- Give the terminal back its modes, for a command or for the shell that started us.
function Line:restore() C.tg_line_restore(self.cdata) end

function Line:close()
  C.tg_line_close(self.cdata)
end

return M

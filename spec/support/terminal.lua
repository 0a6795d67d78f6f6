-- A program at a real terminal: tmux draws its screen, and we type.
--
-- Nothing sleeps: what is typed next waits for what the screen must show.

local command = require "spec.support.command"
local uv = require "luv"

local M = {}

local PROMPT = "tidegate> "
local opened = 0

---@class spec.Terminal
---@field socket string of its own tmux server
local Terminal = {}
Terminal.__index = Terminal

local function tmux(self, ...)
  local got = command.run { "tmux", "-S", self.socket, "-f", "/dev/null", ... }
  assert(got.status == 0, got.err)
  return got.out
end

--- Run a program at a new terminal of 100 columns; when it has ended, the
--- screen says `status N`.
---@param arguments string[]
---@param options { env: table<string, string>, columns: integer, rows: integer }|nil
---@return spec.Terminal
function M.start(arguments, options)
  options = options or {}
  opened = opened + 1
  local self = setmetatable({ socket = ("/tmp/tidegate-spec-%d-%d")
    :format(uv.os_getpid(), opened) }, Terminal)
  local words = { "env" }
  for name, value in pairs(options.env or {}) do
    words[#words + 1] = name .. "=" .. value
  end
  -- A Ctrl-C that comes after the program has ended must not end the shell that keeps the terminal
  -- open.
  local script = 'trap : INT; "$@"; status=$?; trap "" INT; echo "status $status"; exec sleep 1000'
  for _, word in ipairs { "sh", "-c", script, "sh", unpack(arguments) } do
    words[#words + 1] = word
  end
  for index, word in ipairs(words) do
    words[index] = "'" .. word:gsub("'", "'\\''") .. "'"
  end
  tmux(self, "new-session", "-d", "-x", tostring(options.columns or 100), "-y",
    tostring(options.rows or 50), table.concat(words, " "))
  self.pids = tmux(self, "display-message", "-p", "#{pid} #{pane_pid}")
  return self
end

--- What is on the screen and what has scrolled off, without the blanks at the
--- ends of lines; a wrapped line is one line.
function Terminal:screen()
  return (tmux(self, "capture-pane", "-p", "-J", "-S", "-"):gsub(" +\n", "\n"):gsub("\n+$", "\n"))
end

--- The rows of the screen as they are.
function Terminal:rows()
  local rows = {}
  for row in tmux(self, "capture-pane", "-p"):gmatch "([^\n]*)\n" do
    rows[#rows + 1] = (row:gsub(" +$", ""))
  end
  return rows
end

--- The lines of a text in alphabetical order, because events and the output of
--- commands arrive independently.
---@param text string
---@return string
function M.sorted(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

--- Wait until `done(screen)` returns something, and return that.
function Terminal:wait(done, what)
  local result, screen
  local ok, message = pcall(command.wait_until, function()
    screen = self:screen()
    result = done(screen)
    return result
  end, what)
  assert(ok, (tostring(message)) .. "; the screen:\n" .. tostring(screen))
  return result
end

--- Wait until a text is on the screen `count` times (default: once).
function Terminal:wait_for(text, count)
  self:wait(function(screen)
    local found, from = 0, 1
    while found < (count or 1) do
      local _, last = screen:find(text, from, true)
      if not last then
        return false
      end
      found, from = found + 1, last + 1
    end
    return true
  end, text)
end

--- Wait until the last line is an empty prompt.
function Terminal:wait_for_prompt()
  self:wait(function(screen) return screen:find "\ntidegate>\n$" end, "the prompt")
end

--- Wait until Ctrl-C is a signal again, because no line is being edited.
function Terminal:wait_for_cooked()
  local device = tmux(self, "list-panes", "-F", "#{pane_tty}"):match "%S+"
  self:wait(function()
    return command.run({ "stty", "-F", device, "-a" }).out:find(" icanon", 1, true)
  end, "the terminal's own mode")
end

--- Type keys by tmux's names: "Enter", "C-c", "Tab", "Up".
function Terminal:key(...)
  tmux(self, "send-keys", ...)
end

--- The screen with the codes of its colours.
function Terminal:coloured()
  return tmux(self, "capture-pane", "-p", "-e")
end

--- Paste a text, as a terminal does from its clipboard.
function Terminal:paste(text)
  tmux(self, "set-buffer", text)
  tmux(self, "paste-buffer", "-p")
end

--- Type text, and wait until it is on the screen's last line.
function Terminal:type(text)
  tmux(self, "send-keys", "-l", text)
  self:wait(function(screen)
    return screen:match "([^\n]*)\n$":find(text:gsub(" +$", ""), 1, true)
  end, text)
end

--- Type a line, and wait for the next prompt.
---@return string what was printed between
function Terminal:enter(text)
  local before = select(2, self:screen():gsub("\n", ""))
  self:type(text)
  self:key "Enter"
  return self:wait(function(screen)
    local lines = {}
    for line in screen:gmatch "([^\n]*)\n" do
      lines[#lines + 1] = line
    end
    local last = lines[#lines]
    if #lines <= before or last .. " " ~= PROMPT and not last:find "^status %d+$" then
      return false
    end
    return table.concat(lines, "\n", before + 1, #lines - 1)
  end, "the prompt after: " .. text)
end

--- Wait for the end of the program.
---@return integer status
function Terminal:status()
  return tonumber(self:wait(function(screen) return screen:match "\nstatus (%d+)\n$" end,
    "the end"))
end

--- Type Ctrl-D, and wait for the end of the program.
---@return integer status
function Terminal:leave()
  self:key "C-d"
  return self:status()
end

--- Change the size of the terminal.
function Terminal:resize(columns)
  tmux(self, "resize-window", "-x", tostring(columns))
end

--- End the terminal, and wait until its processes are gone.
function Terminal:close()
  command.run { "tmux", "-S", self.socket, "kill-server" }
  for pid in self.pids:gmatch "%d+" do
    command.wait_until(function()
      local _, _, gone = uv.kill(tonumber(pid), 0)
      return gone == "ESRCH"
    end, "the end of tmux")
  end
  os.remove(self.socket)
end

return M

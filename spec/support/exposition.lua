--- The text format of Prometheus, read strictly: what the format allows but a careful exporter does
--- not write is an error, too.

local M = {}

local types = { counter = true, gauge = true, histogram = true, summary = true, untyped = true }

--- The value of a label, without its escapes.
local function unescape(text, line)
  local plain = text:gsub("\\(.?)", function(char)
    return assert(({ ["\\"] = "\\", ['"'] = '"', n = "\n" })[char], "escape in: " .. line)
  end)
  return plain
end

--- The labels between the braces.
local function labels_of(text, line)
  local labels, at = {}, 1
  while at <= #text do
    local name, value, ends = text:match('^([%a_][%w_]*)="(.-)"()', at)
    -- A quote that is escaped does not end the value.
    while value and #value:match "\\*$" % 2 == 1 do
      local more
      more, ends = text:match('^(.-)"()', ends)
      value = assert(more, "label in: " .. line) and value .. '"' .. more
    end
    assert(name, "label in: " .. line)
    assert(not labels[name], "label twice in: " .. line)
    labels[name] = unescape(value, line)
    assert(ends > #text or text:sub(ends, ends) == ",", "no comma in: " .. line)
    at = ends + 1
  end
  assert(text:sub(-1) ~= ",", "comma at the end in: " .. line)
  return labels
end

local function value_of(text, line)
  local special = { ["+Inf"] = math.huge, ["-Inf"] = -math.huge, NaN = 0 / 0 }
  assert(special[text] or text:find "^-?%d+%.?%d*$" or text:find "^-?%d+%.?%d*e[+-]%d+$",
    "value in: " .. line)
  return special[text] or tonumber(text)
end

--- A series as one text: its labels in the order of their names.
---@param labels table<string, string>
---@return string "gate=web,rule=x"
function M.key(labels)
  local parts = {}
  for name, value in pairs(labels) do
    parts[#parts + 1] = name .. "=" .. value
  end
  table.sort(parts)
  return table.concat(parts, ",")
end

local function check_name(name, kind, line)
  assert(name:find "^[a-z][a-z0-9_]*$", "name in: " .. line)
  assert((kind == "counter") == (name:find "_total$" ~= nil), "_total is for counters: " .. line)
  assert(not name:find "_m?s$" and not name:find "_ms_" and not name:find "_percent$",
    "no base unit: " .. line)
end

--- The metrics of a page: the value of each series, by the name of the metric and M.key().
---@param page string
---@return table<string, table<string, number>>
---@return table<string, string> kinds by name
function M.parse(page)
  assert(page:sub(-1) == "\n", "the last line does not end")
  local metrics, kinds, current, help = {}, {}, nil, nil
  for line in page:gmatch "([^\n]*)\n" do
    local helped, text = line:match "^# HELP (%S+) (.+)$"
    local typed, kind = line:match "^# TYPE (%S+) (%S+)$"
    local name, inside, value = line:match "^([%w_]+)(%b{}) (%S+)$"
    if helped then
      assert(text:find "%.$" and not metrics[helped], "help: " .. line)
      help = helped
    elseif typed then
      assert(types[kind] and typed == help, "type: " .. line)
      check_name(typed, kind, line)
      current, kinds[typed], metrics[typed] = typed, kind, {}
    else
      -- %b{} ends at a brace in a label's value; then take all up to the last one.
      if not name then
        name, inside, value = line:match "^([%w_]+)({.*}) (%S+)$"
      end
      assert(name and name == current, "not a sample of the metric above: " .. line)
      local key = M.key(labels_of(inside:sub(2, -2), line))
      assert(not metrics[name][key], "series twice: " .. line)
      metrics[name][key] = value_of(value, line)
      assert(kinds[name] ~= "counter" or metrics[name][key] >= 0, "negative: " .. line)
    end
  end
  for name, series in pairs(metrics) do
    assert(next(series), "no samples: " .. name)
  end
  return metrics, kinds
end

return M

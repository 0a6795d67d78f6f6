-- The configurations of nginx that the documents show answer as shown.

local command = require "spec.support.command"
local docs = require "spec.support.docs"
local nginx = require "spec.support.nginx"

if nginx.reason then
  return pending(nginx.reason)
end

local FOLDER = "/etc/nginx/"

--- What surrounds the http block of a page.
local MAIN = [[
  load_module /usr/lib/nginx/modules/ndk_http_module.so;
  load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
  daemon off; pid nginx.pid; error_log error.log; events { }
]]

local function plain(text)
  return (text:gsub("%p", "%%%0"))
end

--- Start nginx with a page's configuration, and with the files of the blocks before.
local function start(page, block)
  local server = nginx.prepare {}
  for name, text in pairs(docs.files(page, block)) do
    server:write(name:match "[^/]*$", text)
  end
  server:write("nginx.conf", MAIN .. block.text:gsub(plain(FOLDER), server.folder .. "/"))
  local process = server:run()
  server.process = process
  command.wait_until(function() return process.status or server:get "/" end, "an answer")
  assert(not process.status, server:log())
  return server
end

--- Type what a console block shows, and return the block as it was.
local function replay(server, block)
  local parts = {}
  for line in ("\n" .. block.text):gmatch "\n%$ ([^\n]+)" do
    local got = command.run { "sh", "-c", line }
    parts[#parts + 1] = ("$ %s\n%s%s"):format(line, got.out, got.err)
  end
  return (table.concat(parts):gsub(plain(server.folder .. "/"), FOLDER))
end

describe("the document", function()
  before_each(nginx.enter)
  after_each(nginx.leave)

  for _, path in ipairs(docs.paths()) do
    local page = docs.read(path)
    local blocks = docs.blocks(page, "nginx")
    if #blocks > 0 then
      it(path .. " shows nginx as it is", function()
        local server
        for _, block in ipairs(blocks) do
          if block.language == "nginx" then
            if server then
              server:stop()
            end
            server = start(page, block)
          elseif block.language == "console" then
            docs.check(page, block, replay(server, block))
          end
        end
      end)
    end
  end
end)
